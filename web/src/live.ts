// What the page knows of the node, kept fresh: asked for once a second, and at once when an event says that it changed.
import { useEffect, useState } from 'preact/hooks';
import { call, onRefused, Problem } from './api';
import { parse, read, type Happening } from './events';
import type { Node, Pool, Queue, Sample, Whoami, Worker } from './schema';

/** live: by events; polling: asked for; cut: no answer; connecting: none yet; locked: a token is needed. */
export type Link = 'connecting' | 'live' | 'polling' | 'cut' | 'locked';

export interface Live {
	link: Link;
	answeredAt: number;
	fault: string;
	who: Whoami | null;
	workers: Worker[] | null;
	queues: Queue[] | null;
	queuesFault: string;
	pools: Pool[];
	nodes: Node[];
	checks: Record<string, string>;
	samples: Sample[];
	/** Where the samples come from: the node keeps them, or only this page does. */
	keptBy: 'node' | 'page';
	/** Tasks that ended well a second, by queue. */
	rates: Record<string, number>;
}

const hourMs = 3600_000;
const pollMs = 1000;
const slowMs = 5000;
const staleMs = 4000;
const soonMs = 150;
const crowdMs = 500;
/** More workers than these are shown as small tiles. */
export const crowd = 60;

let state: Live = {
	link: 'connecting', answeredAt: 0, fault: '', who: null, workers: null, queues: null, queuesFault: '', pools: [], nodes: [], checks: {},
	samples: [], keptBy: 'page', rates: {},
};
const listeners = new Set<() => void>();
const hearers = new Set<(happening: Happening) => void>();

function change(part: Partial<Live>): void {
	state = { ...state, ...part };
	for (const listener of listeners)
		listener();
}

export function useLive(): Live {
	const [, redraw] = useState(0);
	useEffect(() => {
		const listener = () => redraw((n) => n + 1);
		listeners.add(listener);
		return () => void listeners.delete(listener);
	}, []);
	return state;
}

/** Calls `hear` with each event of the stream for as long as the component is there. */
export function useHappenings(hear: (happening: Happening) => void, inputs: unknown[]): void {
	useEffect(() => {
		hearers.add(hear);
		return () => void hearers.delete(hear);
	}, inputs);
}

/** `part` may be done by whoever shows the page. */
export function may(role: 'submit' | 'admin'): boolean {
	const mine = state.who?.role;
	return mine === 'admin' || (mine === 'submit' && role === 'submit');
}

// ---- asking ----

const seen = new Map<string, { at: number; total: number }[]>();

/** Over the last ten seconds, so that one batch is no peak. */
function ratesOf(queues: Queue[]): Record<string, number> {
	const now = Date.now();
	const rates: Record<string, number> = {};
	for (const queue of queues) {
		const points = (seen.get(queue.name) ?? []).filter((point) => now - point.at < 10_000);
		points.push({ at: now, total: queue.succeeded_total });
		seen.set(queue.name, points);
		const first = points[0]!;
		rates[queue.name] = now > first.at ? Math.max(0, (queue.succeeded_total - first.total) * 1000 / (now - first.at)) : 0;
	}
	return rates;
}

let asking = false;
let again = false;
let eventsOpen = false;

async function askQueues(): Promise<void> {
	try {
		const { queues } = await call('GET /v1/queues', {});
		change({ queues, rates: ratesOf(queues), queuesFault: '' });
	} catch (error) {
		if (error instanceof Problem && error.status >= 500)
			change({ queuesFault: error.message });
		else
			throw error;
	}
}

/** One look at what changes all the time; several at once become one more. */
export async function ask(): Promise<void> {
	if (asking) {
		again = true;
		return;
	}
	asking = true;
	try {
		const { workers } = await call('GET /v1/workers', {});
		await askQueues();
		change({ workers, link: eventsOpen ? 'live' : 'polling', answeredAt: Date.now(), fault: '' });
	} catch (error) {
		const status = error instanceof Problem ? error.status : 0;
		change({ link: status === 401 ? 'locked' : 'cut', fault: error instanceof Error ? error.message : String(error) });
	}
	asking = false;
	if (again) {
		again = false;
		setTimeout(ask, soon());
	}
}

async function askChecks(): Promise<void> {
	try {
		change({ checks: { ...(await call('GET /readyz', {})).checks } });
	} catch (error) {
		if (error instanceof Problem && error.body.checks)
			change({ checks: error.body.checks as Record<string, string> });
	}
}

function keepHour(samples: Sample[]): Sample[] {
	const oldest = Date.now() - hourMs;
	return samples.filter((sample) => sample.at >= oldest);
}

/** Without the node's own history there is what this page has seen; it knows nothing of waits. */
function ownSample(): Sample | null {
	if (!state.queues || !state.workers)
		return null;
	const sum = (pick: (worker: Worker) => number) => state.workers!.reduce((total, worker) => total + pick(worker), 0);
	return {
		at: Date.now(),
		succeeded: state.queues.reduce((total, queue) => total + queue.succeeded_total, 0),
		retried: sum((worker) => worker.tasks.retried),
		dead: state.queues.reduce((total, queue) => total + queue.dead_total, 0),
		waits: 0,
		wait_seconds: 0,
	};
}

async function askHistory(): Promise<void> {
	const last = state.keptBy === 'node' ? state.samples.at(-1)?.at ?? 0 : 0;
	try {
		const { samples } = await call('GET /v1/history', { after: last });
		const kept = state.keptBy === 'node' ? state.samples : [];
		change({ samples: keepHour([...kept, ...samples]), keptBy: 'node' });
	} catch (error) {
		const own = error instanceof Problem && error.status === 404 ? ownSample() : null;
		if (own)
			change({ samples: keepHour([...state.samples, own]), keptBy: 'page' });
	}
}

export async function askPools(): Promise<void> {
	change({ pools: (await call('GET /v1/pools', {})).pools });
}

export async function askNodes(): Promise<void> {
	try {
		change({ nodes: (await call('GET /v1/nodes', {})).nodes });
	} catch {
		// The broker knows them; that it is away is among the checks.
	}
}

async function askSlowly(): Promise<void> {
	if (state.link === 'locked')
		return;
	try {
		if (!state.who || state.who.role === 'none')
			change({ who: await call('GET /v1/whoami', {}) });
		await askPools();
	} catch {
		return; // the quick look tells why
	}
	await Promise.all([askChecks(), askHistory(), askNodes()]);
}

// ---- listening ----

let pending = 0;

/** Of a crowd the pictures are larger, and what happens in them is more: they are drawn less often. */
function soon(): number {
	return (state.workers?.length ?? 0) > crowd ? crowdMs : soonMs;
}

function hear(blocks: string[]): void {
	if (hearers.size > 0)
		for (const block of blocks) {
			const happening = parse(block);
			for (const hearer of happening ? hearers : [])
				hearer(happening!);
		}
	if (pending === 0 && blocks.some((block) => !block.includes('\nevent: progress\n')))
		pending = window.setTimeout(() => { pending = 0; void ask(); }, soon());
}

let stream: AbortController | null = null;

/** A browser opens six connections to a host: a page that nobody looks at holds none of them. */
async function inSight(): Promise<void> {
	while (document.hidden)
		await new Promise((resolve) => document.addEventListener('visibilitychange', resolve, { once: true }));
}

async function listen(): Promise<void> {
	for (let waitMs = 1000;; waitMs = Math.min(waitMs * 2, 15_000)) {
		await inSight();
		stream = new AbortController();
		try {
			if (state.link !== 'locked')
				await read(stream.signal, () => { eventsOpen = true; waitMs = 1000; void ask(); }, hear);
		} catch {
			// What holds is told by the looks; the stream is tried again.
		}
		eventsOpen = false;
		await new Promise((resolve) => setTimeout(resolve, waitMs));
	}
}

/** After a token was given or forgotten: everything anew. */
export function begin(): void {
	change({ link: 'connecting', who: null });
	stream?.abort();
	void ask().then(askSlowly);
}

export function start(): void {
	onRefused(() => change({ link: 'locked', who: null }));
	void ask().then(askSlowly);
	const every = (ms: number, then: () => void) => setInterval(() => {
		if (!document.hidden && state.link !== 'locked')
			then();
	}, ms);
	every(pollMs, () => {
		if (asking && Date.now() - state.answeredAt > staleMs && state.link !== 'cut')
			change({ link: 'cut', fault: 'musterd takes long to answer' });
		void ask();
	});
	every(slowMs, () => void askSlowly());
	document.addEventListener('visibilitychange', () => {
		if (document.hidden)
			stream?.abort();
		else
			void ask();
	});
	void listen();
}
