// The API as /openapi.json describes it. Made by `npm run types`; .ci/run makes it anew and compares.

export interface NewTask {
	class: string;
	method: string;
	param?: unknown[] | Record<string, unknown>;
	retry?: number | null;
	queue?: string;
	id?: string | null;
	timeout?: string | null;
	delay?: string | null;
	run_at?: string | null;
	meta?: Record<string, unknown> | null;
	priority?: number;
	expires_in?: string | null;
	unique?: string | null;
	retention?: string | null;
	callback?: string | null;
}

export interface Filter {
	queue?: string | null;
	state?: 'pending' | 'scheduled' | 'active' | 'retrying' | 'succeeded' | 'dead' | 'cancelled' | null;
	class?: string | null;
	method?: string | null;
	error_kind?: string | null;
	error?: string | null;
	created_after?: string | null;
	created_before?: string | null;
	finished_after?: string | null;
	finished_before?: string | null;
	limit?: number | string | null;
	rate?: number | string | null;
	dry_run?: boolean;
	cursor?: string | null;
	to?: string | null;
}

export interface Change {
	run_at?: string | null;
	delay?: string | null;
	queue?: string | null;
	priority?: number | null;
}

export interface Scale {
	workers: number;
}

export interface QueueSettings {
	retry?: number;
	backoff?: {
		base?: string;
		factor?: number;
		max?: string;
		jitter?: number;
	};
	timeout?: string | null;
	max_crashes?: number;
	retention?: {
		succeeded?: string;
		dead?: string;
		cancelled?: string;
		max?: number;
	};
	max_active?: number | null;
	max_depth?: number | null;
}

export interface Problem {
	type: string;
	title: string;
	status: number;
	detail: string;
	request_id?: string;
	errors?: Fault[];
	checks?: Record<string, string>;
	stream?: StreamReport;
}

export interface Fault {
	pointer: string;
	detail: string;
}

export interface Submitted {
	id: string;
	queue: string;
	state: TaskState;
	duplicate?: boolean;
	estimated_wait_seconds?: number;
}

export interface SubmittedMany {
	accepted: number;
	ids: string[];
}

export interface StreamReport {
	accepted: number;
	rejected: number;
	errors: LineFault[];
	errors_truncated?: boolean;
	dry_run?: boolean;
	line?: number;
}

export interface LineFault {
	line: number;
	detail: string;
}

export interface Trial {
	dry_run: boolean;
	task: TrialTask;
}

export interface TrialMany {
	dry_run: boolean;
	accepted: number;
	tasks: TrialTask[];
}

export interface TrialTask {
	id: string | null;
	queue: string;
	class: string;
	method: string;
	param: unknown;
	state: TaskState;
	priority: number;
	max_attempts: number;
	run_at: string | null;
	timeout: string | null;
	expires_at: string | null;
	unique: unknown;
	retention: unknown;
	meta: Record<string, unknown> | null;
	handler: TrialHandler;
	queue_served: boolean;
}

export interface TrialHandler {
	known: boolean;
	node: string;
	detail: string;
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
	progress: Progress | null;
	result: unknown;
	error: TaskError | null;
	history: Execution[];
	usage: Usage | null;
	cancel_requested: boolean;
	traceparent: string | null;
	raw: string | null;
	meta: Record<string, unknown> | null;
}

export const TaskState = ['pending', 'scheduled', 'active', 'retrying', 'succeeded', 'dead', 'cancelled'] as const;
export type TaskState = (typeof TaskState)[number];

export interface Progress {
	percent: number | null;
	note: string | null;
}

export interface TaskError {
	kind: string;
	message: string | null;
	evidence?: unknown;
}

export interface Execution {
	started_at: string | null;
	ended_at: string | null;
	worker: string | null;
	kind: string | null;
	message: string | null;
}

export interface Usage {
	cpu_ms: number | null;
	peak_rss_bytes: number | null;
}

export interface Tasks {
	tasks: Task[];
	next_cursor: string | null;
	scanned: number;
}

export interface Retried {
	retried: number;
	matched: number;
	scanned: number;
	dry_run: boolean;
	next_cursor: string | null;
}

export interface Cancelled {
	cancelled: number;
	matched: number;
	scanned: number;
	dry_run: boolean;
	next_cursor: string | null;
}

export interface Deleted {
	deleted: number;
	matched: number;
	scanned: number;
	dry_run: boolean;
	next_cursor: string | null;
}

export interface Moved {
	moved: number;
	matched: number;
	scanned: number;
	dry_run: boolean;
	next_cursor: string | null;
}

export interface Why {
	id: string;
	state: TaskState;
	reason: string;
	detail: string;
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
	settings: QueueSettings;
}

export interface Queues {
	queues: Queue[];
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
	last_exit: Exit | null;
	tasks: WorkerTasks;
	rss_bytes: number | null;
	task: CurrentTask | null;
	in_hand: number;
	exits?: PastExit[];
}

export const WorkerState = ['starting', 'idle', 'busy', 'draining', 'dead', 'backoff', 'parked'] as const;
export type WorkerState = (typeof WorkerState)[number];

export interface Workers {
	workers: Worker[];
}

export interface WorkerTasks {
	succeeded: number;
	failed: number;
	retried: number;
}

export interface CurrentTask {
	id: string;
	class: string;
	method: string;
	running_seconds: number;
}

export interface RecentTask {
	id: string;
	class: string;
	state: string;
	at: string | null;
	duration_seconds: number;
}

export interface Exit {
	reason: ExitReason;
	signal: number | null;
	code: number | null;
	at: string | null;
	task: string | null;
	detail: string | null;
	evidence: Evidence | null;
	recent: RecentTask[];
}

export interface PastExit {
	incarnation: number;
	reason: ExitReason;
	signal: number | null;
	code: number | null;
	at: string | null;
	lived_seconds: number;
	task: string | null;
	evidence: Evidence | null;
}

export const ExitReason = ['exit', 'signal', 'timeout', 'memory', 'order', 'recycled'] as const;
export type ExitReason = (typeof ExitReason)[number];

export interface Evidence {
	state: string;
	syscall: string | null;
	waits_on: string | null;
	cpu_ms: number;
	silent_ms: number;
}

export interface Pool {
	name: string;
	kind: string;
	workers: number;
	queues: Record<string, number>;
	busy: number;
	idle: number;
	heartbeat_timeout_seconds: number;
	paused: boolean | null;
}

export interface Pools {
	pools: Pool[];
}

export interface Node {
	id: string;
	host: string | null;
	version: string | null;
	started_at: string | null;
	workers: number | null;
	self: boolean;
	draining: boolean;
}

export interface Nodes {
	nodes: Node[];
}

export interface PausedClass {
	class: string;
	paused: boolean;
}

export interface Handler {
	class: string;
	nodes: string[];
	paused: boolean;
}

export interface Handlers {
	handlers: Handler[];
}

export interface Reload {
	generation: number;
}

export interface Settings {
	file: string | null;
	generation: number;
	refused: string | null;
	settings: Configuration;
}

export interface Configuration {
	listen?: string[];
	user?: string | null;
	broker?: string;
	broker_password_file?: string | null;
	broker_tls?: {
		ca?: string | null;
		certificate?: string | null;
		key?: string | null;
	};
	broker_eviction?: 'refuse' | 'accept';
	durability?: 'process' | 'power';
	namespace?: string;
	node_timeout?: string;
	state_dir?: string | null;
	shutdown_grace?: string;
	log?: {
		level?: 'debug' | 'info' | 'warn' | 'error';
		format?: 'text' | 'json';
		file?: string | null;
	};
	auth?: {
		tokens?: ({
			name: string;
			role: 'read' | 'submit' | 'admin';
			token_file: string;
			queues?: string[] | null;
		})[];
	};
	tls?: {
		certificate?: string | null;
		key?: string | null;
	};
	limits?: {
		document?: string | number;
		body?: string | number;
		connections?: number;
		batch?: number;
		result?: string | number;
		log?: string | number;
		broker_memory?: string | number | null;
	};
	http?: {
		allow?: string[];
		secrets?: unknown;
		ca_file?: string | null;
		origins?: string[];
		requests_per_second?: number | null;
		connections_per_address?: number | null;
		timeout?: string;
	};
	queues?: ({
		name: string;
		list?: unknown;
		retry?: number;
		backoff?: {
			base?: string;
			factor?: number;
			max?: string;
			jitter?: number;
		};
		timeout?: string | null;
		max_crashes?: number;
		retention?: {
			succeeded?: string;
			dead?: string;
			cancelled?: string;
			max?: number;
		};
		max_active?: number | null;
		max_depth?: number | null;
	})[];
	pools?: ({
		name: string;
		kind?: 'tasks' | 'service';
		workers?: number | string | null;
		queues?: unknown;
		strict?: boolean;
		heartbeat_timeout?: string;
		kill_grace?: string;
		preload?: string[];
		title_prefix?: string;
		max_tasks?: number | null;
		max_memory?: string | number | null;
		max_age?: string | null;
		roll_share?: number;
		service?: string | null;
		exec?: string[] | null;
		env?: unknown;
		cwd?: string | null;
		umask?: string | null;
		nice?: number | null;
		user?: string | null;
		rlimits?: unknown;
	})[];
	handlers?: ({
		class: string;
		module?: string | null;
		options?: unknown;
		mode?: 'persistent' | 'once';
		concurrency?: number;
		redact?: string[];
		exec?: string[] | null;
		env?: unknown;
		cwd?: string | null;
		umask?: string | null;
		nice?: number | null;
		user?: string | null;
		rlimits?: unknown;
		http?: string | null;
		secret_file?: string | null;
	})[];
}

export interface History {
	samples: Sample[];
}

export interface Sample {
	at: number;
	succeeded: number;
	retried: number;
	dead: number;
	waits: number;
	wait_seconds: number;
}

export interface Whoami {
	name: string | null;
	role: Role;
	queues: string[] | null;
	address: string;
	process: CallerProcess | null;
}

export interface CallerProcess {
	pid: number;
	uid: number;
	gid: number;
}

export const Role = ['none', 'read', 'submit', 'admin'] as const;
export type Role = (typeof Role)[number];

export interface Audit {
	calls: AuditedCall[];
	next_cursor: string | null;
}

export interface AuditedCall {
	at: string | null;
	who: string | null;
	role: Role;
	address: string;
	method: string;
	path: string;
	status: number;
	outcome: AuditOutcome;
	request_id: string;
}

export const AuditOutcome = ['done', 'refused', 'failed'] as const;
export type AuditOutcome = (typeof AuditOutcome)[number];

export interface Alive {
	checks: Record<string, string>;
}

export interface Ready {
	checks: Checks;
}

export interface Checks {
	broker: string;
	workers: string;
	scheduler: string;
	progress: string;
	config: string;
}

/** Every call: the parameters of its query, its body, what it answers. */
export interface Calls {
	'POST /v1/tasks': { query: 'dry_run'; body: NewTask | NewTask[]; answer: Submitted | StreamReport | Trial | TrialMany | SubmittedMany | Task };
	'GET /v1/tasks': { query: 'queue' | 'state' | 'class' | 'method' | 'error_kind' | 'error' | 'created_after' | 'created_before' | 'finished_after' | 'finished_before' | 'limit' | 'cursor'; body: never; answer: Tasks };
	'DELETE /v1/tasks': { query: 'queue' | 'state' | 'class' | 'method' | 'error_kind' | 'error' | 'created_after' | 'created_before' | 'finished_after' | 'finished_before' | 'limit' | 'cursor' | 'rate' | 'dry_run'; body: never; answer: Deleted };
	'GET /v1/tasks/{id}': { query: 'wait'; body: never; answer: Task };
	'DELETE /v1/tasks/{id}': { query: 'force'; body: never; answer: Task };
	'PATCH /v1/tasks/{id}': { query: never; body: Change; answer: Task };
	'POST /v1/tasks/{id}/clone': { query: never; body: never; answer: Submitted };
	'POST /v1/tasks/retry': { query: never; body: Filter; answer: Retried };
	'POST /v1/tasks/cancel': { query: never; body: Filter; answer: Cancelled };
	'POST /v1/tasks/move': { query: never; body: Filter; answer: Moved };
	'POST /v1/tasks/{id}/retry': { query: never; body: never; answer: Task };
	'GET /v1/tasks/{id}/log': { query: 'follow'; body: never; answer: unknown };
	'GET /v1/tasks/{id}/why': { query: never; body: never; answer: Why };
	'GET /v1/queues': { query: never; body: never; answer: Queues };
	'GET /v1/queues/{queue}': { query: never; body: never; answer: Queue };
	'PATCH /v1/queues/{queue}': { query: never; body: QueueSettings; answer: Queue };
	'DELETE /v1/queues/{queue}/settings': { query: never; body: never; answer: Queue };
	'POST /v1/queues/{queue}/pause': { query: never; body: never; answer: Queue };
	'POST /v1/queues/{queue}/resume': { query: never; body: never; answer: Queue };
	'GET /v1/queues/{queue}/tasks': { query: 'queue' | 'state' | 'class' | 'method' | 'error_kind' | 'error' | 'created_after' | 'created_before' | 'finished_after' | 'finished_before' | 'limit' | 'cursor'; body: never; answer: Tasks };
	'DELETE /v1/queues/{queue}/tasks': { query: 'queue' | 'state' | 'class' | 'method' | 'error_kind' | 'error' | 'created_after' | 'created_before' | 'finished_after' | 'finished_before' | 'limit' | 'cursor' | 'rate' | 'dry_run'; body: never; answer: Deleted };
	'POST /v1/queues/{queue}/tasks/retry': { query: never; body: Filter; answer: Retried };
	'GET /v1/workers': { query: never; body: never; answer: Workers };
	'GET /v1/workers/{pool}/{slot}': { query: never; body: never; answer: Worker };
	'POST /v1/workers/{pool}/{slot}/restart': { query: never; body: never; answer: Worker };
	'GET /v1/pools': { query: never; body: never; answer: Pools };
	'GET /v1/pools/{pool}': { query: never; body: never; answer: Pool };
	'PATCH /v1/pools/{pool}': { query: never; body: Scale; answer: Pool };
	'POST /v1/pools/{pool}/pause': { query: never; body: never; answer: Pool };
	'POST /v1/pools/{pool}/resume': { query: never; body: never; answer: Pool };
	'POST /v1/classes/{class}/pause': { query: never; body: never; answer: PausedClass };
	'POST /v1/classes/{class}/resume': { query: never; body: never; answer: PausedClass };
	'GET /v1/handlers': { query: never; body: never; answer: Handlers };
	'POST /v1/nodes/{node}/drain': { query: never; body: never; answer: Node };
	'POST /v1/nodes/{node}/resume': { query: never; body: never; answer: Node };
	'GET /v1/nodes': { query: never; body: never; answer: Nodes };
	'POST /v1/reload': { query: never; body: never; answer: Reload };
	'GET /v1/config': { query: never; body: never; answer: Settings };
	'GET /v1/history': { query: 'after'; body: never; answer: History };
	'GET /v1/events': { query: 'type' | 'queue' | 'class' | 'state'; body: never; answer: unknown };
	'GET /v1/whoami': { query: never; body: never; answer: Whoami };
	'GET /v1/audit': { query: 'limit' | 'cursor'; body: never; answer: Audit };
	'GET /healthz': { query: never; body: never; answer: Alive };
	'GET /readyz': { query: never; body: never; answer: Ready };
	'GET /metrics': { query: never; body: never; answer: unknown };
	'GET /openapi.json': { query: never; body: never; answer: Record<string, unknown> };
	'GET /': { query: never; body: never; answer: unknown };
	'GET /assets/{file}': { query: never; body: never; answer: unknown };
}
