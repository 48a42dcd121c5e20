// Is it healthy, what is it doing, what is wrong.
import { Component } from 'preact';
import { Charts } from '../charts';
import { crowd, may, type Live } from '../live';
import type { Queue, Worker } from '../schema';
import { State } from '../ui';
import { bytes, byPool, count, duration, findings, heartbeat, lastExit, number, rate } from '../words';

function Findings({ live }: { live: Live }) {
	const found = findings(live);
	const workers = live.workers ?? [];
	if (live.workers === null)
		return null;
	if (found.length === 0) {
		const waiting = (live.queues ?? []).reduce((sum, queue) => sum + queue.pending, 0);
		return (
			<p class="verdict good" id="verdict">
				<strong><span aria-hidden="true">✓</span> All is well.</strong> {count(workers.length, 'worker')} {workers.length === 1 ? 'is' : 'are'} up,{' '}
				{waiting === 0 ? 'nothing waits' : `${count(waiting, 'task')} waiting`}.
			</p>
		);
	}
	return (
		<ul class="verdict" id="verdict" aria-label="What needs attention">
			{found.map((finding) => (
				<li key={finding.text} class={finding.level === 'problem' ? 'bad' : 'odd'}>
					<strong><span aria-hidden="true">{finding.level === 'problem' ? '✕' : '!'}</span> {finding.level === 'problem' ? 'Problem' : 'Note'}</strong>{' '}
					{finding.href ? <a href={finding.href}>{finding.text}</a> : finding.text}
				</li>
			))}
		</ul>
	);
}

function described(worker: Worker): string {
	const beat = heartbeat(worker);
	return [
		`${worker.pool}/${worker.slot}: ${worker.state}`,
		beat ? `last beat ${duration(beat.age)} ago, limit ${duration(beat.limit)}` : 'no beat yet',
		worker.task ? `runs ${worker.task.class}.${worker.task.method} for ${duration(worker.task.running_seconds)}` : '',
		worker.rss_bytes === null ? '' : bytes(worker.rss_bytes),
		worker.restarts > 0 ? `${count(worker.restarts, 'restart')}${worker.last_exit ? `, last: ${lastExit(worker.last_exit)}` : ''}` : '',
	].filter(Boolean).join('; ');
}

/** In a crowd only what can be seen of it is drawn anew: its state, restarts, a twentieth more of silence. */
function looksOf(worker: Worker): string {
	const beat = heartbeat(worker);
	return [worker.state, worker.restarts, worker.task?.id, beat && Math.round(beat.part * 20)].join(' ');
}

class SmallTile extends Component<{ worker: Worker }> {
	override shouldComponentUpdate(next: { worker: Worker }) {
		return looksOf(next.worker) !== looksOf(this.props.worker);
	}

	override render() {
		return <Tile worker={this.props.worker} small />;
	}
}

function Tile({ worker, small }: { worker: Worker; small: boolean }) {
	const beat = heartbeat(worker);
	const part = beat?.part ?? 0;
	return (
		<li>
			<a class={`tile ${worker.state} ${part > 0.8 ? 'late' : ''}`} data-row data-worker={`${worker.pool}/${worker.slot}`} data-state={worker.state}
				href={`#/workers/${encodeURIComponent(worker.pool)}/${worker.slot}`} title={described(worker)} aria-label={described(worker)}>
				<span class="fill" style={{ transform: `scaleX(${part.toFixed(3)})` }} />
				<span class="top"><b>{worker.slot}{small && worker.restarts > 0 && <span class="faint"> ↻{worker.restarts}</span>}</b> <State of={worker.state} /></span>
				{!small && <span class="work">{worker.task ? `${worker.task.class}.${worker.task.method} ${duration(worker.task.running_seconds)}` : '\u00a0'}</span>}
				{!small && <span class="beat">{beat ? `beat ${duration(beat.age)} of ${duration(beat.limit)}` : 'no beat yet'}</span>}
				{!small && <span class="foot">
					<span>{bytes(worker.rss_bytes)}</span>
					<span>{worker.restarts > 0 ? `↻ ${worker.restarts}${worker.last_exit ? ` ${lastExit(worker.last_exit)}` : ''}` : ' '}</span>
				</span>}
			</a>
		</li>
	);
}

function RollCall({ live }: { live: Live }) {
	const workers = live.workers ?? [];
	const small = workers.length > crowd;
	return (
		<section aria-labelledby="roll">
			<h2 id="roll">Roll call</h2>
			{[...byPool(workers)].map(([pool, members]) => (
				<div key={pool} class="pool">
					<h3>{pool} <span class="faint">{count(members.length, 'worker')}, {members.filter((worker) => worker.state === 'busy').length} busy</span></h3>
					<ul class={`tiles ${small ? 'small' : ''}`}>{members.map((worker) => small ? <SmallTile key={worker.slot} worker={worker} /> : <Tile key={worker.slot} worker={worker} small={false} />)}</ul>
				</div>
			))}
			{live.workers?.length === 0 && <p class="empty">No pool has a worker. {may('admin') && <><a href="#/workers">Scale a pool</a> to begin.</>}</p>}
		</section>
	);
}

function Queues({ live }: { live: Live }) {
	return (
		<section aria-labelledby="queues-now">
			<h2 id="queues-now">Queues</h2>
			<div class="wide" tabIndex={0} role="region" aria-label="Queues now">
				<table>
					<thead><tr><th scope="col">queue</th><th scope="col" class="n">waiting</th><th scope="col" class="n">oldest</th><th scope="col" class="n">active</th>
						<th scope="col" class="n">dead</th><th scope="col" class="n">rate</th></tr></thead>
					<tbody>
						{(live.queues ?? []).map((queue) => (
							<tr key={queue.name}>
								<th scope="row"><a href={`#/tasks?queue=${encodeURIComponent(queue.name)}`}>{queue.name}</a> {queue.paused && <State of="paused" />}</th>
								<td class="n">{number(queue.pending)}</td>
								<td class="n">{queue.pending > 0 ? duration(queue.oldest_age_seconds) : '–'}</td>
								<td class="n">{number(queue.active)}</td>
								<td class={queue.dead > 0 ? 'n bad' : 'n'}>{number(queue.dead)}</td>
								<td class="n">{rate(live.rates[queue.name] ?? 0)}</td>
							</tr>
						))}
					</tbody>
				</table>
			</div>
		</section>
	);
}

/** By the node's own counters, which a reload of the page does not forget; before there are two looks at them, by what the page has seen. */
function doneRate(live: Live): number {
	const [from, to] = live.samples.slice(-2);
	if (from && to && to.at > from.at)
		return Math.max(0, to.succeeded - from.succeeded) * 1000 / (to.at - from.at);
	return Object.values(live.rates).reduce((total, one) => total + one, 0);
}

function Summary({ live }: { live: Live }) {
	const queues = live.queues ?? [];
	const workers = live.workers ?? [];
	const sum = (pick: (queue: Queue) => number) => queues.reduce((total, queue) => total + pick(queue), 0);
	const dead = sum((queue) => queue.dead);
	const facts: [string, string, string?][] = [
		['done', rate(doneRate(live))],
		['workers busy', `${workers.filter((worker) => worker.state === 'busy').length} of ${workers.length}`],
		['waiting', number(sum((queue) => queue.pending))],
		['to run again', number(sum((queue) => queue.retrying))],
		['scheduled', number(sum((queue) => queue.scheduled))],
		['dead', number(dead), dead > 0 ? 'bad' : ''],
	];
	return <dl class="summary">{facts.map(([name, value, tone]) => <div key={name}><dt>{name}</dt><dd class={tone}>{value}</dd></div>)}</dl>;
}

export function Now({ live }: { live: Live }) {
	return (
		<>
			<h1 class="unseen">Now</h1>
			<Findings live={live} />
			<Summary live={live} />
			<RollCall live={live} />
			<Queues live={live} />
			<Charts live={live} />
		</>
	);
}
