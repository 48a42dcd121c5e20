import { useState } from 'preact/hooks';
import { call } from '../api';
import { ask, may, type Live } from '../live';
import type { Queue, TaskState } from '../schema';
import { Ask, State, useAction } from '../ui';
import { count, duration, number, rate } from '../words';

type Counted = TaskState & keyof Queue;

const purgeable: Counted[] = ['pending', 'scheduled', 'retrying', 'dead'];

function Depth({ queue, state }: { queue: Queue; state: Counted }) {
	const n = queue[state];
	return (
		<td class={`n ${state === 'dead' && n > 0 ? 'bad' : ''}`}>
			{n > 0 ? <a href={`#/tasks?queue=${encodeURIComponent(queue.name)}&state=${state}`} aria-label={`${n} ${state} in ${queue.name}`}>{number(n)}</a> : 0}
		</td>
	);
}

function Purge({ queue, onDone, onNo }: { queue: Queue; onDone: (state: Counted) => void; onNo: () => void }) {
	const [state, setState] = useState<Counted>(purgeable.find((one) => queue[one] > 0) ?? 'pending');
	return (
		<Ask title={`Delete tasks of queue ${queue.name}`} yes={`Delete ${count(queue[state], `${state} task`)}`} grave onYes={() => onDone(state)} onNo={onNo}>
			<label>in state{' '}
				<select value={state} onChange={(event) => setState(event.currentTarget.value as Counted)}>
					{purgeable.map((one) => <option key={one} value={one}>{one} ({number(queue[one])})</option>)}
				</select>
			</label>
			<p>They are gone for good, and are not run.</p>
		</Ask>
	);
}

export function Queues({ live }: { live: Live }) {
	const [act, note, busy] = useAction();
	const [purging, setPurging] = useState<Queue | null>(null);
	const queues = live.queues ?? [];
	const turn = (queue: Queue) => act(async () => {
		await call(queue.paused ? 'POST /v1/queues/{queue}/resume' : 'POST /v1/queues/{queue}/pause', { queue: queue.name });
		await ask();
		return `Queue ${queue.name} is ${queue.paused ? 'resumed' : 'paused'}.`;
	});
	const purge = (queue: Queue, state: Counted) => act(async () => {
		setPurging(null);
		const { deleted } = await call('DELETE /v1/queues/{queue}/tasks', { queue: queue.name, state });
		await ask();
		return `${count(deleted, 'task')} of queue ${queue.name} deleted.`;
	});
	return (
		<>
			<h1>Queues</h1>
			{note}
			<div class="wide" tabIndex={0} role="region" aria-label="All queues">
				<table>
					<thead><tr><th scope="col">queue</th><th scope="col" class="n">pending</th><th scope="col" class="n">active</th><th scope="col" class="n">scheduled</th>
						<th scope="col" class="n">retrying</th><th scope="col" class="n">dead</th><th scope="col" class="n">succeeded</th><th scope="col" class="n">oldest</th>
						<th scope="col" class="n">rate</th>{may('admin') && <th scope="col">do</th>}</tr></thead>
					<tbody>
						{queues.map((queue) => (
							<tr key={queue.name}>
								<th scope="row"><a data-row href={`#/tasks?queue=${encodeURIComponent(queue.name)}`}>{queue.name}</a> {queue.paused && <State of="paused" />}</th>
								<Depth queue={queue} state="pending" />
								<Depth queue={queue} state="active" />
								<Depth queue={queue} state="scheduled" />
								<Depth queue={queue} state="retrying" />
								<Depth queue={queue} state="dead" />
								<td class="n">{number(queue.succeeded_total)}</td>
								<td class="n">{queue.pending > 0 ? duration(queue.oldest_age_seconds) : '–'}</td>
								<td class="n">{rate(live.rates[queue.name] ?? 0)}</td>
								{may('admin') && <td class="do">
									<button type="button" disabled={busy} onClick={() => turn(queue)} aria-label={`${queue.paused ? 'Resume' : 'Pause'} ${queue.name}`}>{queue.paused ? 'Resume' : 'Pause'}</button>
									<button type="button" disabled={busy} onClick={() => setPurging(queue)} aria-label={`Purge ${queue.name}`}>Purge…</button>
								</td>}
							</tr>
						))}
					</tbody>
				</table>
			</div>
			{purging && <Purge queue={purging} onNo={() => setPurging(null)} onDone={(state) => purge(purging, state)} />}
		</>
	);
}
