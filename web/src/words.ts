// Numbers and states as people say them. Pure.
import type { Live } from './live';
import type { Exit, Pool, Queue, Worker } from './schema';

export function duration(seconds: number | null | undefined): string {
	if (seconds === null || seconds === undefined)
		return '–';
	if (seconds < 1)
		return `${Math.round(seconds * 1000)} ms`;
	if (seconds < 10)
		return `${seconds.toFixed(1)} s`;
	if (seconds < 120)
		return `${Math.round(seconds)} s`;
	if (seconds < 7200)
		return `${Math.round(seconds / 60)} min`;
	return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
}

export function bytes(count: number | null): string {
	if (count === null)
		return '–';
	if (count < 1024 * 1024)
		return `${Math.round(count / 1024)} KiB`;
	const mebibytes = count / 1024 / 1024;
	return mebibytes < 1024 ? `${mebibytes.toFixed(mebibytes < 10 ? 1 : 0)} MiB` : `${(mebibytes / 1024).toFixed(1)} GiB`;
}

const grouped = new Intl.NumberFormat('en');
export const number = (value: number) => grouped.format(value);

export function rate(perSecond: number): string {
	if (perSecond === 0)
		return '0/s';
	return perSecond < 10 ? `${perSecond.toFixed(1)}/s` : `${number(Math.round(perSecond))}/s`;
}

export function count(n: number, one: string, many = `${one}s`): string {
	return `${number(n)} ${n === 1 ? one : many}`;
}

/** "node/pool/slot", the node's id left out: where a page has many of them, it is noise. */
export function slotOf(worker: string): string {
	return worker.split('/').slice(1).join('/') || worker;
}

export function lastExit(exit: Pick<Exit, 'reason' | 'signal' | 'code'>): string {
	const how = exit.signal ? `signal ${exit.signal}` : exit.code ? `exit ${exit.code}` : '';
	return `${exit.reason}${how && exit.reason !== 'signal' ? ` (${how})` : exit.signal ? ` ${exit.signal}` : ''}`;
}

/** How much of its promise has gone by: 0 to 1; null: it has not beaten yet. */
export function heartbeat(worker: Worker): { age: number; limit: number; part: number } | null {
	if (worker.heartbeat_age_seconds === null || worker.promise_seconds === null)
		return null;
	const age = worker.heartbeat_age_seconds;
	const limit = Math.max(age + worker.promise_seconds, 0.001);
	return { age, limit, part: Math.min(1, Math.max(0, age / limit)) };
}

export const errorKinds = ['retry', 'exception', 'timeout', 'crash', 'memory', 'unknown_class', 'unknown_method', 'invalid', 'expired'];

// ---- what is wrong ----

export interface Finding {
	level: 'problem' | 'notice';
	text: string;
	href?: string;
}

const longWait = 30;

function whyItWaits(queue: Queue, pools: Pool[]): string {
	if (queue.paused)
		return 'it is paused';
	const serving = pools.filter((pool) => queue.name in pool.queues);
	if (serving.length > 0 && serving.every((pool) => pool.paused))
		return `pool ${serving.map((pool) => pool.name).join(', ')} is paused`;
	const workers = serving.reduce((sum, pool) => sum + pool.workers, 0);
	const idle = serving.reduce((sum, pool) => sum + pool.idle, 0);
	const busy = serving.reduce((sum, pool) => sum + pool.busy, 0);
	if (serving.length === 0)
		return 'no pool of this node serves it';
	if (workers === 0)
		return `pool ${serving.map((pool) => pool.name).join(', ')} has no workers`;
	if (idle === 0 && busy >= workers)
		return workers === 1 ? 'the only worker is busy' : `all ${workers} workers are busy`;
	return idle === 0 ? `${busy} of ${workers} workers are busy, the others are not up` : `${idle} of ${workers} workers are idle`;
}

function ofQueue(queue: Queue, pools: Pool[]): Finding[] {
	const found: Finding[] = [];
	const href = `#/tasks?queue=${encodeURIComponent(queue.name)}`;
	if (queue.pending > 0 && queue.oldest_age_seconds >= longWait)
		found.push({
			level: 'problem', href: `${href}&state=pending`,
			text: `Queue ${queue.name}: ${count(queue.pending, 'task')} waiting, the oldest for ${duration(queue.oldest_age_seconds)}; ${whyItWaits(queue, pools)}.`,
		});
	else if (queue.paused)
		found.push({ level: 'notice', href: '#/queues', text: `Queue ${queue.name} is paused; ${count(queue.pending, 'task')} waiting.` });
	return found;
}

/** One line for all of them, however many queues there are. */
function ofDead(queues: Queue[]): Finding[] {
	const dead = queues.filter((queue) => queue.dead > 0);
	const total = dead.reduce((sum, queue) => sum + queue.dead, 0);
	if (dead.length === 0)
		return [];
	const where = dead.length === 1 ? ` in queue ${dead[0]!.name}` : `: ${dead.map((queue) => `${number(queue.dead)} in ${queue.name}`).join(', ')}`;
	const filter = dead.length === 1 ? `&queue=${encodeURIComponent(dead[0]!.name)}` : '';
	return [{ level: 'notice', href: `#/tasks?state=dead${filter}`, text: `${count(total, 'dead task')}${where}.` }];
}

function ofPool(workers: Worker[]): Finding[] {
	const down = workers.filter((worker) => ['dead', 'backoff', 'parked'].includes(worker.state));
	const found: Finding[] = [];
	const first = down[0];
	if (first) {
		const exit = first.last_exit;
		const why = exit ? ` Last of ${first.pool}/${first.slot}: ${exit.detail ?? lastExit(exit)}${exit.task ? `, with task ${exit.task}` : ''}.` : '';
		found.push({
			level: 'problem', href: `#/workers/${encodeURIComponent(first.pool)}/${first.slot}`,
			text: `Pool ${first.pool}: ${down.length} of ${count(workers.length, 'worker')} down (${first.state}).${why}`,
		});
	}
	for (const worker of workers) {
		const beat = heartbeat(worker);
		if (beat && beat.part > 0.8 && beat.limit >= 1 && (worker.state === 'busy' || worker.state === 'idle'))
			found.push({
				level: 'notice', href: `#/workers/${encodeURIComponent(worker.pool)}/${worker.slot}`,
				text: `Worker ${worker.pool}/${worker.slot} has been silent for ${duration(beat.age)} of ${duration(beat.limit)}; it is replaced at its limit.`,
			});
	}
	return found;
}

/** All that someone should know of, the worst first; empty: all is well. */
export function findings(live: Live): Finding[] {
	const found: Finding[] = [];
	for (const [name, text] of Object.entries(live.checks))
		if (text !== 'ok')
			found.push({ level: 'problem', text: `${name[0]!.toUpperCase()}${name.slice(1)}: ${text}.` });
	if (live.queuesFault && !found.some((finding) => finding.text.startsWith('Broker')))
		found.push({ level: 'problem', text: `Queues cannot be shown: ${live.queuesFault}.` });
	for (const node of live.nodes)
		if (node.draining)
			found.push({ level: 'notice', href: '#/nodes', text: `Node ${node.host ?? node.id}${node.self ? ' (this one)' : ''} is draining: it takes no more tasks.` });
	for (const pool of live.pools)
		if (pool.paused)
			found.push({ level: 'notice', href: '#/workers', text: `Pool ${pool.name} is paused: its workers take nothing.` });
	for (const [, workers] of byPool(live.workers ?? []))
		found.push(...ofPool(workers));
	for (const queue of live.queues ?? [])
		found.push(...ofQueue(queue, live.pools));
	found.push(...ofDead(live.queues ?? []));
	return found.sort((a, b) => Number(b.level === 'problem') - Number(a.level === 'problem'));
}

export function byPool(workers: Worker[]): Map<string, Worker[]> {
	const pools = new Map<string, Worker[]>();
	for (const worker of workers)
		pools.set(worker.pool, [...(pools.get(worker.pool) ?? []), worker]);
	return pools;
}
