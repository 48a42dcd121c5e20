import { useEffect, useState } from 'preact/hooks';
import { call } from '../api';
import { ask, askPools, may, type Live } from '../live';
import type { Pool, Worker } from '../schema';
import { Ask, State, useAction, When } from '../ui';
import { bytes, count, duration, heartbeat, lastExit, number } from '../words';

function PoolRow({ pool, act, busy }: { pool: Pool; act: (what: () => Promise<string>) => void; busy: boolean }) {
	const [wanted, setWanted] = useState<number | null>(null);
	const scale = (event: Event) => {
		event.preventDefault();
		if (wanted === null)
			return;
		act(async () => {
			await call('PATCH /v1/pools/{pool}', { pool: pool.name }, { workers: wanted });
			await Promise.all([ask(), askPools()]);
			return `Pool ${pool.name} is to have ${count(wanted, 'worker')}.`;
		});
	};
	const turn = () => act(async () => {
		await call(pool.paused ? 'POST /v1/pools/{pool}/resume' : 'POST /v1/pools/{pool}/pause', { pool: pool.name });
		await askPools();
		return `Pool ${pool.name} is ${pool.paused ? 'resumed' : 'paused'}.`;
	});
	return (
		<tr>
			<th scope="row">{pool.name} {pool.paused && <State of="paused" />}</th>
			<td>{pool.kind}</td>
			<td class="n">{pool.workers}</td>
			<td class="n">{pool.busy}</td>
			<td class="n">{pool.idle}</td>
			<td>{Object.entries(pool.queues).map(([name, weight]) => `${name}${weight === 1 ? '' : ` ×${weight}`}`).join(', ')}</td>
			{may('admin') && <td><form class="inline" onSubmit={scale}>
				<input type="number" min={0} max={4096} value={wanted ?? pool.workers} aria-label={`Workers of pool ${pool.name}`}
					onInput={(event) => setWanted(event.currentTarget.valueAsNumber)} />
				<button type="submit" disabled={busy || wanted === null || Number.isNaN(wanted)}>Scale</button>
				{pool.kind === 'tasks' && <button type="button" disabled={busy} onClick={turn} aria-label={`${pool.paused ? 'Resume' : 'Pause'} pool ${pool.name}`}>{pool.paused ? 'Resume' : 'Pause'}</button>}
			</form></td>}
		</tr>
	);
}

export function Workers({ live }: { live: Live }) {
	const [act, note, busy] = useAction();
	return (
		<>
			<h1>Workers</h1>
			{note}
			<h2>Pools</h2>
			<div class="wide" tabIndex={0} role="region" aria-label="Pools">
				<table>
					<thead><tr><th scope="col">pool</th><th scope="col">kind</th><th scope="col" class="n">workers</th><th scope="col" class="n">busy</th><th scope="col" class="n">idle</th>
						<th scope="col">queues</th>{may('admin') && <th scope="col">scale</th>}</tr></thead>
					<tbody>{live.pools.map((pool) => <PoolRow key={pool.name} pool={pool} act={act} busy={busy} />)}</tbody>
				</table>
			</div>
			<h2>All workers</h2>
			<div class="wide" tabIndex={0} role="region" aria-label="All workers">
				<table>
					<thead><tr><th scope="col">worker</th><th scope="col">state</th><th scope="col">last beat</th><th scope="col">task</th><th scope="col" class="n">done</th>
						<th scope="col" class="n">failed</th><th scope="col" class="n">memory</th><th scope="col" class="n">up</th><th scope="col" class="n">restarts</th><th scope="col">last exit</th></tr></thead>
					<tbody>{(live.workers ?? []).map((worker) => <WorkerRow key={`${worker.pool}/${worker.slot}`} worker={worker} />)}</tbody>
				</table>
			</div>
		</>
	);
}

function WorkerRow({ worker }: { worker: Worker }) {
	const beat = heartbeat(worker);
	return (
		<tr>
			<th scope="row"><a data-row href={`#/workers/${encodeURIComponent(worker.pool)}/${worker.slot}`}>{worker.pool}/{worker.slot}</a></th>
			<td><State of={worker.state} /></td>
			<td>{beat ? `${duration(beat.age)} of ${duration(beat.limit)}` : '–'}</td>
			<td>{worker.task ? <a href={`#/tasks/${encodeURIComponent(worker.task.id)}`}>{worker.task.class}.{worker.task.method}</a> : '–'}</td>
			<td class="n">{number(worker.tasks.succeeded)}</td>
			<td class="n">{number(worker.tasks.failed)}</td>
			<td class="n">{bytes(worker.rss_bytes)}</td>
			<td class="n">{duration(worker.uptime_seconds)}</td>
			<td class="n">{worker.restarts}</td>
			<td>{worker.last_exit ? <>{lastExit(worker.last_exit)} <When at={worker.last_exit.at} /></> : '–'}</td>
		</tr>
	);
}

/** How the slot's processes ended, as far back as it is known. */
function Past({ pool, slot, restarts }: { pool: string; slot: string; restarts: number }) {
	const [exits, setExits] = useState<NonNullable<Worker['exits']>>([]);
	useEffect(() => {
		call('GET /v1/workers/{pool}/{slot}', { pool, slot }).then((answer) => setExits(answer.exits ?? [])).catch(() => {});
	}, [pool, slot, restarts]);
	if (exits.length === 0)
		return <p class="faint">It has not ended yet.</p>;
	return (
		<div class="wide" tabIndex={0} role="region" aria-label="Restarts">
			<table>
				<thead><tr><th scope="col" class="n">process</th><th scope="col">ended by</th><th scope="col">when</th><th scope="col" class="n">lived</th>
					<th scope="col">task in hand</th><th scope="col">what it was doing</th></tr></thead>
				<tbody>
					{exits.map((exit) => (
						<tr key={exit.incarnation}>
							<th scope="row" class="n">{exit.incarnation}</th>
							<td>{lastExit(exit)}</td>
							<td><When at={exit.at} /></td>
							<td class="n">{duration(exit.lived_seconds)}</td>
							<td>{exit.task ? <a href={`#/tasks/${encodeURIComponent(exit.task)}`}>{exit.task}</a> : '–'}</td>
							<td>{exit.evidence ? `${exit.evidence.state}${exit.evidence.syscall ? ` in ${exit.evidence.syscall}` : ''}, silent for ${duration(exit.evidence.silent_ms / 1000)}` : '–'}</td>
						</tr>
					))}
				</tbody>
			</table>
		</div>
	);
}

export function WorkerPage({ live, pool, slot }: { live: Live; pool: string; slot: string }) {
	const [act, note, busy] = useAction();
	const [asked, setAsked] = useState(false);
	const worker = live.workers?.find((one) => one.pool === pool && String(one.slot) === slot);
	const title = <h1>Worker {pool}/{slot} {worker && <State of={worker.state} />}</h1>;
	if (!worker)
		return <>{title}{live.workers && <p class="empty">There is no such worker (any longer). <a href="#/workers">All workers</a></p>}</>;
	const beat = heartbeat(worker);
	const exit = worker.last_exit;
	const restart = () => act(async () => {
		setAsked(false);
		await call('POST /v1/workers/{pool}/{slot}/restart', { pool, slot });
		return 'It finishes its task and is replaced.';
	});
	return (
		<>
			<p><a href="#/workers">Workers</a></p>
			{title}
			<div class="bulk">{may('admin') && <button type="button" disabled={busy} onClick={() => setAsked(true)}>Restart…</button>}{note}</div>
			<dl class="facts">
				<div><dt>pid</dt><dd>{worker.pid ?? '–'}</dd></div>
				<div><dt>last beat</dt><dd>{beat ? `${duration(beat.age)} ago, limit ${duration(beat.limit)}` : '–'}</dd></div>
				<div><dt>up</dt><dd>{duration(worker.uptime_seconds)}</dd></div>
				<div><dt>memory</dt><dd>{bytes(worker.rss_bytes)}</dd></div>
				<div><dt>succeeded</dt><dd>{number(worker.tasks.succeeded)}</dd></div>
				<div><dt>failed</dt><dd>{number(worker.tasks.failed)}</dd></div>
				<div><dt>retried</dt><dd>{number(worker.tasks.retried)}</dd></div>
				<div><dt>restarts</dt><dd>{worker.restarts}</dd></div>
			</dl>
			{worker.task && <p>Runs <a href={`#/tasks/${encodeURIComponent(worker.task.id)}`}>{worker.task.class}.{worker.task.method}</a> for {duration(worker.task.running_seconds)}.</p>}
			{worker.state === 'parked' && exit?.detail && <p class="verdict bad"><strong><span aria-hidden="true">✕</span> It gave up:</strong> {exit.detail}</p>}
			<h2>Restarts</h2>
			<Past pool={pool} slot={slot} restarts={worker.restarts + (exit ? Date.parse(exit.at ?? '') : 0)} />
			{exit && exit.recent.length > 0 && <>
				<h2>What the last one had run before its end</h2>
				<ul class="recent">{exit.recent.map((task) => <li key={task.id}><State of={task.state} /> <a href={`#/tasks/${encodeURIComponent(task.id)}`}>{task.id}</a> {task.class} <When at={task.at} />, {duration(task.duration_seconds)}</li>)}</ul>
			</>}
			{asked && <Ask title={`Restart worker ${pool}/${slot}?`} yes="Restart" onNo={() => setAsked(false)} onYes={restart}>
				<p>It takes no new task, finishes the one in hand, and a new process takes its slot.</p></Ask>}
		</>
	);
}
