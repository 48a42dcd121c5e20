// The API as /openapi.json describes it. Made by `npm run types`; .ci/run makes it anew and compares.

/** A task document */
export interface NewTask {
	/** Which handler runs the task. */
	class: string;
	/** Which of its methods. */
	method: string;
	/** Its arguments: an array (positional) or an object (named). */
	param?: unknown[] | Record<string, unknown>;
	/** Most executions in all; null: the queue's. */
	retry?: number | null;
	/** Where it waits. */
	queue?: string;
	/** An id of your own; a second submission of it returns the first. */
	id?: string | null;
	/** The most that one execution may take; null: the queue's. */
	timeout?: string | null;
	/** Run it so long after its submission. */
	delay?: string | null;
	/** Run it at that time (RFC 3339). */
	run_at?: string | null;
	/** Kept as it is. */
	meta?: Record<string, unknown> | null;
	/** 9 goes first, before all tasks of its queue with a lower one. */
	priority?: number;
	/** One that is not started within so long after its submission, or its run_at, is dead (expired) without being run. */
	expires_in?: string | null;
	/** While a task with this value has not ended, another submission of it, in whatever queue, stores nothing and returns the first. */
	unique?: string | null;
	/** How long it can be looked up after its end, whichever that is; null: as its queue says. */
	retention?: string | null;
	/** A URL that the task is posted to when it has ended, as it is shown then, by a task of the class Http. */
	callback?: string | null;
}

/** Which tasks */
export interface Filter {
	/** Tasks of this queue. */
	queue?: string | null;
	/** Tasks in this state. */
	state?: 'pending' | 'scheduled' | 'active' | 'retrying' | 'succeeded' | 'dead' | 'cancelled' | null;
	/** Tasks of this class. */
	class?: string | null;
	/** Tasks of this method. */
	method?: string | null;
	/** Tasks whose last failure was of this kind: timeout, crash, exception ... */
	error_kind?: string | null;
	/** Tasks whose last failure's message has this text in it. */
	error?: string | null;
	/** Tasks accepted at this time or later. */
	created_after?: string | null;
	/** Tasks accepted before this time. */
	created_before?: string | null;
	/** Tasks whose last execution ended at this time or later. */
	finished_after?: string | null;
	/** Tasks whose last execution ended before this time. */
	finished_before?: string | null;
	/** At most so many tasks. */
	limit?: number | string | null;
	/** At most so many tasks a second. */
	rate?: number | string | null;
	/** Count them, and do nothing. */
	dry_run?: boolean;
	/** Go on where the call ended that answered this next_cursor. */
	cursor?: string | null;
	/** move: the queue that they are moved to. */
	to?: string | null;
}

/** What is to change of a task */
export interface Change {
	/** Run it at that time; one that is past: now. */
	run_at?: string | null;
	/** Run it so long from now; 0s: now. */
	delay?: string | null;
	/** The queue that it is to wait in. */
	queue?: string | null;
	/** 9 goes first. */
	priority?: number | null;
}

/** What is to change of a pool */
export interface Scale {
	/** How many workers the pool is to have. */
	workers: number;
}

/** What may be changed of a queue while it is in use */
export interface QueueSettings {
	/** Executions in all, where the task does not say. */
	retry?: number;
	/** How long a task waits before it runs again. */
	backoff?: {
		/** The first wait. */
		base?: string;
		/** Each further wait is so many times the one before. */
		factor?: number;
		/** The longest wait. */
		max?: string;
		/** Each wait is made longer or shorter at random by up to this part of it. */
		jitter?: number;
	};
	/** The most that one execution may take, where the task does not say. */
	timeout?: string | null;
	/** Deaths of its worker that one task may cause before it is dead. */
	max_crashes?: number;
	/** How long, and how many, ended tasks are kept, per state. */
	retention?: {
		/** How long a succeeded task can be looked up. */
		succeeded?: string;
		/** How long a dead one. */
		dead?: string;
		/** How long a cancelled one. */
		cancelled?: string;
		/** How many of each state at most. */
		max?: number;
	};
	/** Tasks of the queue that may run at a time, over all nodes; workers take such tasks one at a time. */
	max_active?: number | null;
	/** Tasks that may wait in the queue; submissions beyond are refused (429) until some were taken. What comes through a plain list counts and is not refused. */
	max_depth?: number | null;
}

/** What went wrong (RFC 9457) */
export interface Problem {
	/** about:blank: the status says which kind of problem it is */
	type: string;
	/** The status in words */
	title: string;
	/** The status of HTTP */
	status: number;
	/** What is wrong, and what to do about it, in a sentence */
	detail: string;
	/** As in the log */
	request_id?: string;
	/** Where a document is wrong */
	errors?: Fault[];
	/** Of /healthz and /readyz */
	checks?: Record<string, string>;
	/** What came of a stream's lines before it had to be stopped */
	stream?: StreamReport;
}

/** One thing that is wrong with a document */
export interface Fault {
	/** Where in the document (RFC 6901) */
	pointer: string;
	/** What is wrong there */
	detail: string;
}

/** A task that is stored */
export interface Submitted {
	/** Its id, for GET /v1/tasks/{id} */
	id: string;
	/** Where it waits */
	queue: string;
	state: TaskState;
	/** The id (or what is unique) was known: this is the task that was submitted first */
	duplicate?: boolean;
	/** Until it is taken, by what was taken lately */
	estimated_wait_seconds?: number;
}

/** Tasks that are stored */
export interface SubmittedMany {
	/** How many */
	accepted: number;
	/** Their ids, in the array's order */
	ids: string[];
}

/** What came of a stream of tasks */
export interface StreamReport {
	/** Lines that are tasks now */
	accepted: number;
	/** Lines that are not */
	rejected: number;
	/** Why not: the first 100 */
	errors: LineFault[];
	/** There were more than 100 */
	errors_truncated?: boolean;
	/** Nothing was stored */
	dry_run?: boolean;
	/** It was stopped here: from this line on, send them again */
	line?: number;
}

/** A line that is no task */
export interface LineFault {
	/** From 1 */
	line: number;
	detail: string;
}

/** What would have been stored */
export interface Trial {
	/** Nothing was stored */
	dry_run: boolean;
	task: TrialTask;
}

/** What would have been stored */
export interface TrialMany {
	/** Nothing was stored */
	dry_run: boolean;
	/** How many would have been */
	accepted: number;
	tasks: TrialTask[];
}

/** A task with its defaults filled in */
export interface TrialTask {
	/** Its own id; null: it would get one */
	id: string | null;
	queue: string;
	class: string;
	method: string;
	param: unknown;
	/** Which it would begin in */
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
	/** Whether a pool of this node serves its queue */
	queue_served: boolean;
}

/** What would run it */
export interface TrialHandler {
	/** Whether this node has a handler for its class */
	known: boolean;
	node: string;
	detail: string;
}

/** A task, however it stands; what has no value is null */
export interface Task {
	id: string;
	queue: string;
	/** null: what came through a plain list is malformed */
	class: string | null;
	method: string | null;
	/** Its arguments, as they were submitted */
	param: unknown;
	state: TaskState;
	/** Executions that ended by ok, retry, fail or timeout */
	attempts: number;
	/** Most executions in all */
	max_attempts: number | null;
	/** Deaths of its worker; they use up no execution */
	crashes: number;
	/** 9 goes first */
	priority: number;
	created_at: string | null;
	/** When it may run next; null: at once */
	run_at: string | null;
	/** Of the execution that runs or that ended it */
	started_at: string | null;
	finished_at: string | null;
	/** node/pool/slot */
	worker: string | null;
	/** What a running one has told of itself */
	progress: Progress | null;
	/** What its handler returned */
	result: unknown;
	/** Why it is dead, or why it waits for another execution */
	error: TaskError | null;
	/** The last 10 executions that did not succeed */
	history: Execution[];
	/** Of its last execution that is over, if it was long enough */
	usage: Usage | null;
	/** It runs and was told to stop */
	cancel_requested: boolean;
	/** W3C trace context, as it was submitted */
	traceparent: string | null;
	/** Of one that names no class: the text that came in */
	raw: string | null;
	/** As it was submitted */
	meta: Record<string, unknown> | null;
}

/** How a task stands */
export const TaskState = ['pending', 'scheduled', 'active', 'retrying', 'succeeded', 'dead', 'cancelled'] as const;
export type TaskState = (typeof TaskState)[number];

/** How far a task is */
export interface Progress {
	percent: number | null;
	note: string | null;
}

/** Why a task failed */
export interface TaskError {
	/** retry exception timeout crash memory unknown_class unknown_method invalid expired … */
	kind: string;
	message: string | null;
	/** What its worker was doing when it was ended */
	evidence?: unknown;
}

/** One that did not succeed */
export interface Execution {
	started_at: string | null;
	ended_at: string | null;
	worker: string | null;
	kind: string | null;
	message: string | null;
}

/** What an execution used */
export interface Usage {
	cpu_ms: number | null;
	peak_rss_bytes: number | null;
}

/** A page of tasks */
export interface Tasks {
	tasks: Task[];
	/** For ?cursor=; null: there are no more */
	next_cursor: string | null;
	/** Tasks that were looked at */
	scanned: number;
}

/** Tasks that run again */
export interface Retried {
	/** With dry_run: what would have been */
	retried: number;
	/** Tasks that the filter names */
	matched: number;
	/** Tasks that were looked at */
	scanned: number;
	/** Nothing was done */
	dry_run: boolean;
	/** To go on with; null: that was all */
	next_cursor: string | null;
}

/** Tasks that are cancelled */
export interface Cancelled {
	/** With dry_run: what would have been */
	cancelled: number;
	/** Tasks that the filter names */
	matched: number;
	/** Tasks that were looked at */
	scanned: number;
	/** Nothing was done */
	dry_run: boolean;
	/** To go on with; null: that was all */
	next_cursor: string | null;
}

/** Tasks that are forgotten */
export interface Deleted {
	/** With dry_run: what would have been */
	deleted: number;
	/** Tasks that the filter names */
	matched: number;
	/** Tasks that were looked at */
	scanned: number;
	/** Nothing was done */
	dry_run: boolean;
	/** To go on with; null: that was all */
	next_cursor: string | null;
}

/** Tasks that wait elsewhere */
export interface Moved {
	/** With dry_run: what would have been */
	moved: number;
	/** Tasks that the filter names */
	matched: number;
	/** Tasks that were looked at */
	scanned: number;
	/** Nothing was done */
	dry_run: boolean;
	/** To go on with; null: that was all */
	next_cursor: string | null;
}

/** Why a task does not run, or ended as it did */
export interface Why {
	id: string;
	state: TaskState;
	/** In a word */
	reason: string;
	/** In a sentence */
	detail: string;
}

/** A named line of tasks */
export interface Queue {
	name: string;
	/** Tasks that could be taken now */
	pending: number;
	/** Tasks whose time has not come */
	scheduled: number;
	/** Tasks that failed and will run again */
	retrying: number;
	/** Tasks in workers' hands */
	active: number;
	/** Dead tasks that can still be looked up */
	dead: number;
	/** Since the namespace began */
	succeeded_total: number;
	/** Since the namespace began */
	dead_total: number;
	paused: boolean;
	/** Age of the task that is next in line */
	oldest_age_seconds: number;
	/** What holds, of the configuration and what was changed */
	settings: QueueSettings;
}

/** All queues */
export interface Queues {
	queues: Queue[];
}

/** A slot of a pool and the process in it */
export interface Worker {
	pool: string;
	/** Its place in the pool, from 0, kept across restarts */
	slot: number;
	/** null: no process is there now */
	pid: number | null;
	state: WorkerState;
	/** Since its last beat */
	heartbeat_age_seconds: number | null;
	/** Until it must beat again; negative: overdue */
	promise_seconds: number | null;
	uptime_seconds: number | null;
	/** Incarnations after the first */
	restarts: number;
	/** How the last incarnation ended */
	last_exit: Exit | null;
	/** Executions in this slot, by how they ended */
	tasks: WorkerTasks;
	rss_bytes: number | null;
	/** What it runs now; of several, what it started first */
	task: CurrentTask | null;
	/** How many tasks it runs now */
	in_hand: number;
	/** Of one that is looked at alone: how its last incarnations ended, the latest first */
	exits?: PastExit[];
}

/** What a worker is doing */
export const WorkerState = ['starting', 'idle', 'busy', 'draining', 'dead', 'backoff', 'parked'] as const;
export type WorkerState = (typeof WorkerState)[number];

/** All workers of this node */
export interface Workers {
	workers: Worker[];
}

/** What a slot has run */
export interface WorkerTasks {
	succeeded: number;
	failed: number;
	retried: number;
}

/** What a worker runs now */
export interface CurrentTask {
	id: string;
	class: string;
	method: string;
	running_seconds: number;
}

/** What a worker had run before it ended */
export interface RecentTask {
	id: string;
	class: string;
	/** As of a task; unknown: what a dying worker wrote is not believed */
	state: string;
	at: string | null;
	duration_seconds: number;
}

/** How a process ended */
export interface Exit {
	reason: ExitReason;
	signal: number | null;
	/** Exit status */
	code: number | null;
	at: string | null;
	/** The id of the task that it was running */
	task: string | null;
	/** Of a parked one: why it gave up */
	detail: string | null;
	/** What a silent one was doing before it was ended */
	evidence: Evidence | null;
	/** What it had run, the latest first */
	recent: RecentTask[];
}

/** How an incarnation of a slot ended */
export interface PastExit {
	/** Counts the processes of the slot, from 1 */
	incarnation: number;
	reason: ExitReason;
	signal: number | null;
	/** Exit status */
	code: number | null;
	at: string | null;
	lived_seconds: number;
	/** The id of the task that it was running */
	task: string | null;
	/** What a silent one was doing before it was ended */
	evidence: Evidence | null;
}

/** Why a process ended */
export const ExitReason = ['exit', 'signal', 'timeout', 'memory', 'order', 'recycled'] as const;
export type ExitReason = (typeof ExitReason)[number];

/** What a silent process was doing */
export interface Evidence {
	state: string;
	syscall: string | null;
	waits_on: string | null;
	cpu_ms: number;
	silent_ms: number;
}

/** A set of identical workers */
export interface Pool {
	name: string;
	/** tasks or service */
	kind: string;
	/** How many there are to be */
	workers: number;
	/** The queues that it serves, and their weights */
	queues: Record<string, number>;
	busy: number;
	idle: number;
	heartbeat_timeout_seconds: number;
	/** null: the broker is away, and knows */
	paused: boolean | null;
}

/** All pools of this node */
export interface Pools {
	pools: Pool[];
}

/** A running musterd */
export interface Node {
	id: string;
	host: string | null;
	version: string | null;
	started_at: string | null;
	workers: number | null;
	/** It is the one that answers */
	self: boolean;
	/** It takes nothing more */
	draining: boolean;
}

/** Every musterd of the namespace */
export interface Nodes {
	nodes: Node[];
}

/** Whether a class is paused */
export interface PausedClass {
	class: string;
	paused: boolean;
}

/** A class and who has it */
export interface Handler {
	class: string;
	/** Those that have it */
	nodes: string[];
	paused: boolean;
}

/** All classes */
export interface Handlers {
	handlers: Handler[];
}

/** A reload that was asked for */
export interface Reload {
	/** Of the configuration that holds now; it rises with the next */
	generation: number;
}

/** What this node was told */
export interface Settings {
	/** The configuration file; null: none was given */
	file: string | null;
	/** Of the configuration; a reload that is accepted raises it */
	generation: number;
	/** Why the last reload was refused; null: it was not */
	refused: string | null;
	/** What holds, defaults included; what may be secret is masked */
	settings: Configuration;
}

/** All that can be configured */
export interface Configuration {
	/** Where the API listens: address:port, [address]:port or unix:/path. */
	listen?: string[];
	/** Started as root: who everything below the guardian runs as; null: muster if it exists, else nobody. */
	user?: string | null;
	/** embedded, redis://[user:pass@]host:port/db (of a cluster: any nodes, with commas between), unix:///path or redis-sentinel://[user:pass@]host:port,…/name/db. */
	broker?: string;
	/** File with the broker's password, kept out of this one. */
	broker_password_file?: string | null;
	/** accept: take a broker whose maxmemory-policy may evict keys, and with them tasks. */
	broker_eviction?: 'refuse' | 'accept';
	/** What accepted tasks survive: the death of any process, or a power cut as well. power: an external Redis must have `appendfsync always`, or replicas, of which one then confirms each submission. */
	durability?: 'process' | 'power';
	/** One deployment's keys in the broker. */
	namespace?: string;
	/** A node not heard of for so long is dead: its tasks go to others. */
	node_timeout?: string;
	/** null: /var/lib/muster for root, else $XDG_STATE_HOME/muster or ~/.local/state/muster. */
	state_dir?: string | null;
	/** An ordered stop is over within this. */
	shutdown_grace?: string;
	/** The log. */
	log?: {
		/** What is logged: lines of this level and graver ones. */
		level?: 'debug' | 'info' | 'warn' | 'error';
		/** Lines of key=value, or a JSON object a line. */
		format?: 'text' | 'json';
		/** Where the log goes; null: standard error. */
		file?: string | null;
	};
	/** Who may call the API. */
	auth?: {
		/** Who may call the API with which token; none: whoever reaches it, on this machine alone. */
		tokens?: ({
			/** What the log and the audit call its bearer. */
			name: string;
			/** What it allows: read looks; submit posts, cancels and retries single tasks as well; admin does everything. */
			role: 'read' | 'submit' | 'admin';
			/** File with the token, read again at each reload; a newline at its end does not count. */
			token_file: string;
			/** The only queues that it is good for; null: all. */
			queues?: string[] | null;
		})[];
	};
	/** Encryption of the API. */
	tls?: {
		/** File (PEM) of the API's certificate and, behind it, those between it and its root; null: no TLS. Unix sockets stay plain. Read again at each reload. */
		certificate?: string | null;
		/** File (PEM, without a passphrase) of its private key. */
		key?: string | null;
	};
	/** Bounds of what comes from outside. */
	limits?: {
		/** One task document. */
		document?: string | number;
		/** The body of one request. */
		body?: string | number;
		/** HTTP connections at a time. */
		connections?: number;
		/** Documents in one request. */
		batch?: number;
		/** What one task may return; more is a failure that says so. */
		result?: string | number;
		/** What is kept of one task's log: its last lines. */
		log?: string | number;
		/** The embedded broker's bound; null: a quarter of the machine's memory. */
		broker_memory?: string | number | null;
	};
	/** Bounds of HTTP in and out. */
	http?: {
		/** Private hosts or networks (10.0.0.0/8) that the class Http may reach. */
		allow?: string[];
		/** Name and file of each secret that the class Http may sign with. */
		secrets?: unknown;
		/** Other sites whose pages may call the API, as in https://ops.example; none: no CORS. */
		origins?: string[];
		/** Of one client address (an IPv6 client's /64), health aside; more are answered 429; null: any number. */
		requests_per_second?: number | null;
		/** At a time; null: a quarter of limits.connections on public addresses, all of them on loopback. */
		connections_per_address?: number | null;
		/** A client that has not sent a request's headers within this, or 1 KiB of a body for each second of it, is cut off. */
		timeout?: string;
	};
	/** Queues; one exists when it is declared here or named by a pool. */
	queues?: ({
		/** The queue's name. */
		name: string;
		/** A plain Redis list that foreign producers LPUSH to: its key, or {key, db}. */
		list?: unknown;
		/** Executions in all, where the task does not say. */
		retry?: number;
		/** How long a task waits before it runs again. */
		backoff?: {
			/** The first wait. */
			base?: string;
			/** Each further wait is so many times the one before. */
			factor?: number;
			/** The longest wait. */
			max?: string;
			/** Each wait is made longer or shorter at random by up to this part of it. */
			jitter?: number;
		};
		/** The most that one execution may take, where the task does not say. */
		timeout?: string | null;
		/** Deaths of its worker that one task may cause before it is dead. */
		max_crashes?: number;
		/** How long, and how many, ended tasks are kept, per state. */
		retention?: {
			/** How long a succeeded task can be looked up. */
			succeeded?: string;
			/** How long a dead one. */
			dead?: string;
			/** How long a cancelled one. */
			cancelled?: string;
			/** How many of each state at most. */
			max?: number;
		};
		/** Tasks of the queue that may run at a time, over all nodes; workers take such tasks one at a time. */
		max_active?: number | null;
		/** Tasks that may wait in the queue; submissions beyond are refused (429) until some were taken. What comes through a plain list counts and is not refused. */
		max_depth?: number | null;
	})[];
	/** Sets of identical workers. */
	pools?: ({
		/** The pool's name. */
		name: string;
		/** What its workers do: run tasks, or a loop of their own. */
		kind?: 'tasks' | 'service';
		/** How many worker processes; null: the number of processors. */
		workers?: number | string | null;
		/** The queues it takes from, with their weights, 1 to 1000. */
		queues?: unknown;
		/** Take from a queue only while those before it are empty. */
		strict?: boolean;
		/** A worker that is silent for so long is ended and replaced. */
		heartbeat_timeout?: string;
		/** What a worker that is to end gets before SIGKILL. */
		kill_grace?: string;
		/** Classes to load at a worker's start, not at their first task. */
		preload?: string[];
		/** Put before the processes' titles. */
		title_prefix?: string;
		/** A worker is recycled after so many tasks. */
		max_tasks?: number | null;
		/** Above it between tasks a worker is recycled; during a task it is ended. */
		max_memory?: string | number | null;
		/** A worker is recycled after so long. */
		max_age?: string | null;
		/** Percent of its workers, at least one, that HUP replaces at a time. */
		roll_share?: number;
		/** Kind service: the class of a handler whose module has this service. */
		service?: string | null;
		/** Kind service: a program that is one, and its arguments. */
		exec?: string[] | null;
		/** Its environment, beside PATH, HOME, USER, LANG, LC_*, TZ and TMPDIR of musterd's. */
		env?: unknown;
		/** Its working directory; null: that of the configuration file. */
		cwd?: string | null;
		/** Its umask, in octal digits. */
		umask?: string | null;
		/** Its nice value. */
		nice?: number | null;
		/** Who it runs as; another one than musterd's workers only where these are root's. */
		user?: string | null;
		/** Its resource limits, as in {nofile: 1024, as: 1GiB, cpu: unlimited}. */
		rlimits?: unknown;
	})[];
	/** The classes and what runs them; absent: the bundled ones. */
	handlers?: ({
		/** The class, as tasks name it. */
		class: string;
		/** Its shared object: a name in the module directory, or a path. */
		module?: string | null;
		/** An object for the module's own use. */
		options?: unknown;
		/** One child for many tasks, or one a task. */
		mode?: 'persistent' | 'once';
		/** Tasks that one worker runs at a time: of Http, URLs, modules made for it, and programs (mode persistent), which tell them apart by their ids. */
		concurrency?: number;
		/** Parts of the document that no log shows, as JSON pointers: /param/0/password. */
		redact?: string[];
		/** A program that speaks the exec protocol, and its arguments. */
		exec?: string[] | null;
		/** Its environment, beside PATH, HOME, USER, LANG, LC_*, TZ and TMPDIR of musterd's. */
		env?: unknown;
		/** Its working directory; null: that of the configuration file. */
		cwd?: string | null;
		/** Its umask, in octal digits. */
		umask?: string | null;
		/** Its nice value. */
		nice?: number | null;
		/** Who it runs as; another one than musterd's workers only where these are root's. */
		user?: string | null;
		/** Its resource limits, as in {nofile: 1024, as: 1GiB, cpu: unlimited}. */
		rlimits?: unknown;
		/** A URL that its tasks are posted to; what a 2xx answer holds, as JSON, is a task's result. */
		http?: string | null;
		/** File with the secret that these requests are signed with (Standard Webhooks), read for each. */
		secret_file?: string | null;
	})[];
}

/** What became of tasks in the last hour */
export interface History {
	/** One each five seconds, the oldest first */
	samples: Sample[];
}

/** The counters at one time */
export interface Sample {
	/** Milliseconds since 1970 */
	at: number;
	/** Executions that ended so, since the node started */
	succeeded: number;
	/** Executions after which the task was to run again */
	retried: number;
	/** Executions that were their task's last, without success */
	dead: number;
	/** Tasks that were started */
	waits: number;
	/** How long they had waited, in sum */
	wait_seconds: number;
}

/** Who calls */
export interface Whoami {
	/** The token's; null: no token is needed */
	name: string | null;
	role: Role;
	/** To which the token is tied; null: to none */
	queues: string[] | null;
	/** Where the call comes from */
	address: string;
	/** Of a caller through a unix socket */
	process: CallerProcess | null;
}

/** Who is at the other end of a unix socket */
export interface CallerProcess {
	pid: number;
	uid: number;
	gid: number;
}

/** What a caller may do; each includes those before it */
export const Role = ['none', 'read', 'submit', 'admin'] as const;
export type Role = (typeof Role)[number];

/** The last calls that were to change something */
export interface Audit {
	/** The newest first */
	calls: AuditedCall[];
	/** For ?cursor=; null: this was the last page */
	next_cursor: string | null;
}

/** A call that was to change something */
export interface AuditedCall {
	at: string | null;
	/** The token's name, or the user of a unix socket */
	who: string | null;
	role: Role;
	address: string;
	method: string;
	path: string;
	status: number;
	outcome: AuditOutcome;
	request_id: string;
}

/** How a call ended */
export const AuditOutcome = ['done', 'refused', 'failed'] as const;
export type AuditOutcome = (typeof AuditOutcome)[number];

/** The API is up */
export interface Alive {
	checks: Record<string, string>;
}

/** The node does its work */
export interface Ready {
	/** Each ok, or a sentence */
	checks: Checks;
}

/** What was looked at */
export interface Checks {
	broker: string;
	workers: string;
	scheduler: string;
	/** Not ok: tasks wait although a worker could take them */
	progress: string;
	/** Not ok: the last reload was refused */
	config: string;
}

/** Every call: the parameters of its query, its body, what it answers. */
export interface Calls {
	/** Submit a task; an array of them, all or nothing; or a stream of them, one a line */
	'POST /v1/tasks': { query: 'dry_run'; body: NewTask | NewTask[]; answer: Submitted | StreamReport | Trial | TrialMany | SubmittedMany | Task };
	/** List the tasks that a filter names */
	'GET /v1/tasks': { query: 'queue' | 'state' | 'class' | 'method' | 'error_kind' | 'error' | 'created_after' | 'created_before' | 'finished_after' | 'finished_before' | 'limit' | 'cursor'; body: never; answer: Tasks };
	/** Delete the tasks that a filter names */
	'DELETE /v1/tasks': { query: 'queue' | 'state' | 'class' | 'method' | 'error_kind' | 'error' | 'created_after' | 'created_before' | 'finished_after' | 'finished_before' | 'limit' | 'cursor' | 'rate' | 'dry_run'; body: never; answer: Deleted };
	/** Look a task up, or wait for its end */
	'GET /v1/tasks/{id}': { query: 'wait'; body: never; answer: Task };
	/** Cancel a task; a running one is told to stop */
	'DELETE /v1/tasks/{id}': { query: 'force'; body: never; answer: Task };
	/** Change when, where and before which others a task runs that waits */
	'PATCH /v1/tasks/{id}': { query: never; body: Change; answer: Task };
	/** Submit a task once more, under a new id */
	'POST /v1/tasks/{id}/clone': { query: never; body: never; answer: Submitted };
	/** Let the dead tasks that a filter names run again */
	'POST /v1/tasks/retry': { query: never; body: Filter; answer: Retried };
	/** Cancel the tasks that a filter names */
	'POST /v1/tasks/cancel': { query: never; body: Filter; answer: Cancelled };
	/** Move the waiting tasks that a filter names to another queue */
	'POST /v1/tasks/move': { query: never; body: Filter; answer: Moved };
	/** Let a dead task run again, its executions counted anew */
	'POST /v1/tasks/{id}/retry': { query: never; body: never; answer: Task };
	/** Read a task's log, or follow it */
	'GET /v1/tasks/{id}/log': { query: 'follow'; body: never; answer: unknown };
	/** Say why a task does not run, or why it ended as it did */
	'GET /v1/tasks/{id}/why': { query: never; body: never; answer: Why };
	/** Look at all queues */
	'GET /v1/queues': { query: never; body: never; answer: Queues };
	/** Look at a queue */
	'GET /v1/queues/{queue}': { query: never; body: never; answer: Queue };
	/** Change settings of a queue, for all nodes, until they are changed again */
	'PATCH /v1/queues/{queue}': { query: never; body: QueueSettings; answer: Queue };
	/** Let a queue's settings be what the configuration says */
	'DELETE /v1/queues/{queue}/settings': { query: never; body: never; answer: Queue };
	/** Let nothing be taken from a queue */
	'POST /v1/queues/{queue}/pause': { query: never; body: never; answer: Queue };
	/** Go on with a queue */
	'POST /v1/queues/{queue}/resume': { query: never; body: never; answer: Queue };
	/** List the tasks of a queue */
	'GET /v1/queues/{queue}/tasks': { query: 'queue' | 'state' | 'class' | 'method' | 'error_kind' | 'error' | 'created_after' | 'created_before' | 'finished_after' | 'finished_before' | 'limit' | 'cursor'; body: never; answer: Tasks };
	/** Delete tasks of a queue */
	'DELETE /v1/queues/{queue}/tasks': { query: 'queue' | 'state' | 'class' | 'method' | 'error_kind' | 'error' | 'created_after' | 'created_before' | 'finished_after' | 'finished_before' | 'limit' | 'cursor' | 'rate' | 'dry_run'; body: never; answer: Deleted };
	/** Let the dead tasks of a queue run again */
	'POST /v1/queues/{queue}/tasks/retry': { query: never; body: Filter; answer: Retried };
	/** Look at all workers of this node */
	'GET /v1/workers': { query: never; body: never; answer: Workers };
	/** Look at a worker */
	'GET /v1/workers/{pool}/{slot}': { query: never; body: never; answer: Worker };
	/** Let a worker finish its task, and replace it */
	'POST /v1/workers/{pool}/{slot}/restart': { query: never; body: never; answer: Worker };
	/** Look at all pools of this node */
	'GET /v1/pools': { query: never; body: never; answer: Pools };
	/** Look at a pool */
	'GET /v1/pools/{pool}': { query: never; body: never; answer: Pool };
	/** Give a pool more workers or fewer */
	'PATCH /v1/pools/{pool}': { query: never; body: Scale; answer: Pool };
	/** Let a pool's workers take nothing */
	'POST /v1/pools/{pool}/pause': { query: never; body: never; answer: Pool };
	/** Go on with a pool */
	'POST /v1/pools/{pool}/resume': { query: never; body: never; answer: Pool };
	/** Let no task of a class be started */
	'POST /v1/classes/{class}/pause': { query: never; body: never; answer: PausedClass };
	/** Go on with a class */
	'POST /v1/classes/{class}/resume': { query: never; body: never; answer: PausedClass };
	/** Look at all classes, and the nodes that have them */
	'GET /v1/handlers': { query: never; body: never; answer: Handlers };
	/** Let a node take nothing more */
	'POST /v1/nodes/{node}/drain': { query: never; body: never; answer: Node };
	/** Let a node take tasks again */
	'POST /v1/nodes/{node}/resume': { query: never; body: never; answer: Node };
	/** Look at every musterd of the namespace */
	'GET /v1/nodes': { query: never; body: never; answer: Nodes };
	/** Read the configuration again and roll the workers, as SIGHUP does */
	'POST /v1/reload': { query: never; body: never; answer: Reload };
	/** Look at the settings of this node as they hold */
	'GET /v1/config': { query: never; body: never; answer: Settings };
	/** Look at the counters of the last hour */
	'GET /v1/history': { query: 'after'; body: never; answer: History };
	/** Follow what happens to tasks and workers */
	'GET /v1/events': { query: 'type' | 'queue' | 'class' | 'state'; body: never; answer: unknown };
	/** Say who calls, and what he may do */
	'GET /v1/whoami': { query: never; body: never; answer: Whoami };
	/** Look at the last calls that were to change something */
	'GET /v1/audit': { query: 'limit' | 'cursor'; body: never; answer: Audit };
	/** Say whether the API is up and the supervisor keeps its promise */
	'GET /healthz': { query: never; body: never; answer: Alive };
	/** Say whether the node does its work; asks the broker */
	'GET /readyz': { query: never; body: never; answer: Ready };
	/** Metrics for Prometheus */
	'GET /metrics': { query: never; body: never; answer: unknown };
	/** This description */
	'GET /openapi.json': { query: never; body: never; answer: Record<string, unknown> };
	/** The dashboard */
	'GET /': { query: never; body: never; answer: unknown };
	/** The dashboard's parts */
	'GET /assets/{file}': { query: never; body: never; answer: unknown };
}
