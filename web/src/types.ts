// What the API answers: doc/ has the meaning of each member.

export type WorkerState = 'starting' | 'idle' | 'busy' | 'draining' | 'dead' | 'backoff' | 'parked';
export type TaskState = 'pending' | 'scheduled' | 'active' | 'retrying' | 'succeeded' | 'dead' | 'cancelled';

export const taskStates: TaskState[] = ['pending', 'scheduled', 'active', 'retrying', 'succeeded', 'dead', 'cancelled'];
export const errorKinds = ['retry', 'exception', 'timeout', 'crash', 'memory', 'unknown_class', 'unknown_method', 'invalid', 'expired'];

export interface RecentTask {
	id: string;
	class: string;
	state: string;
	at: string | null;
	duration_seconds: number;
}

export interface LastExit {
	reason: string;
	signal: number | null;
	code: number | null;
	at: string | null;
	task: string | null;
	detail: string | null;
	recent: RecentTask[];
}

export interface Worker {
	pool: string;
	slot: number;
	pid: number | null;
	state: WorkerState;
	heartbeat_age_seconds: number | null;
	promise_seconds: number | null;
	uptime_seconds: number | null;
	restarts: number;
	last_exit: LastExit | null;
	tasks: { succeeded: number; failed: number; retried: number };
	rss_bytes: number | null;
	task: { id: string; class: string; method: string; running_seconds: number } | null;
}

export interface Queue {
	name: string;
	pending: number;
	scheduled: number;
	retrying: number;
	active: number;
	dead: number;
	succeeded_total: number;
	dead_total: number;
	paused: boolean;
	oldest_age_seconds: number;
}

export interface Pool {
	name: string;
	kind: string;
	workers: number;
	queues: Record<string, number>;
	busy: number;
	idle: number;
	heartbeat_timeout_seconds: number;
	paused?: boolean | null;
}

export interface Node {
	id: string;
	host: string | null;
	version: string | null;
	started_at: string | null;
	workers: number | null;
	self: boolean;
	draining?: boolean;
}

export interface Execution {
	started_at: string | null;
	ended_at: string | null;
	worker: string | null;
	kind: string;
	message: string | null;
}

export interface Task {
	id: string;
	queue: string;
	class: string | null;
	method: string | null;
	param: unknown;
	state: TaskState;
	attempts: number;
	max_attempts: number | null;
	crashes: number;
	priority: number;
	created_at: string | null;
	run_at: string | null;
	started_at: string | null;
	finished_at: string | null;
	worker: string | null;
	progress: { percent: number | null; note: string | null } | null;
	result: unknown;
	error: { kind: string; message: string | null; evidence?: unknown } | null;
	history: Execution[];
	cancel_requested: boolean;
	meta: unknown;
}

export interface TaskPage {
	tasks: Task[];
	next_cursor: string | null;
}

/** What a call on many tasks says: one of the counts, and where the next call goes on. */
export interface Bulk {
	matched: number;
	next_cursor: string | null;
	dry_run: boolean;
	retried?: number;
	deleted?: number;
}

export interface WhoAmI {
	name: string | null;
	role: 'none' | 'read' | 'submit' | 'admin';
	queues: string[] | null;
}

/** One look at the counters: `at` in ms since 1970, all others since the node started. */
export interface Sample {
	at: number;
	succeeded: number;
	retried: number;
	dead: number;
	waits: number;
	wait_seconds: number;
}
