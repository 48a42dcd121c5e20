#include "api/one_task.h"
#include "api/roll.h"
#include "api/shape.h"
#include "api/workers.h"
#include "core/config.h"
#include "core/scoreboard.h"
#include "core/task.h"
#include "core/task_filter.h"

/* ---- words ---- */

static const char *task_state_word(int index)
{
	static const char states[] = {
		TASK_PENDING, TASK_SCHEDULED, TASK_ACTIVE, TASK_RETRYING, TASK_SUCCEEDED, TASK_DEAD, TASK_CANCELLED};

	return index < (int)sizeof states ? task_state_name((enum task_state)states[index]) : NULL;
}

static const char *worker_state_word(int index)
{
	return index < ROLL_STATES ? roll_state_name((enum roll_state)index) : NULL;
}

static const char *exit_reason_word(int index)
{
	return index < REASON_COUNT ? scoreboard_reason_name((enum scoreboard_reason)index) : NULL;
}

static const char *outcome_word(int index)
{
	static const char *const words[] = {"done", "refused", "failed", NULL};

	return words[index];
}

static const char *role_word(int index)
{
	static const char *const words[] = {"none", "read", "submit", "admin", NULL};

	return words[index];
}

/* ---- errors ---- */

static const struct shape_member problem_members[] = {
	{.name = "type", .type = "string", .help = "about:blank: the status says which kind of problem it is"},
	{.name = "title", .type = "string", .help = "The status in words"},
	{.name = "status", .type = "integer", .help = "The status of HTTP"},
	{.name = "detail", .type = "string", .help = "What is wrong, and what to do about it, in a sentence"},
	{.name = "request_id", .type = "string", .help = "As in the log", .optional = true},
	{.name = "errors", .type = "Fault[]", .help = "Where a document is wrong", .optional = true},
	{.name = "checks", .type = "string{}", .help = "Of /healthz and /readyz", .optional = true},
	{.name = "stream",
		.type = "StreamReport",
		.help = "What came of a stream's lines before it had to be stopped",
		.optional = true},
	{0},
};

static const struct shape_member fault_members[] = {
	{.name = "pointer", .type = "string", .help = "Where in the document (RFC 6901)"},
	{.name = "detail", .type = "string", .help = "What is wrong there"},
	{0},
};

/* ---- tasks ---- */

static const struct shape_member submitted_members[] = {
	{.name = "id", .type = "string", .help = "Its id, for GET /v1/tasks/{id}"},
	{.name = "queue", .type = "string", .help = "Where it waits"},
	{.name = "state", .type = "TaskState"},
	{.name = "duplicate",
		.type = "boolean",
		.help = "The id (or what is unique) was known: this is the task that was submitted first",
		.optional = true},
	{.name = "estimated_wait_seconds",
		.type = "number",
		.help = "Until it is taken, by what was taken lately",
		.optional = true},
	{0},
};

static const struct shape_member submitted_many_members[] = {
	{.name = "accepted", .type = "integer", .help = "How many"},
	{.name = "ids", .type = "string[]", .help = "Their ids, in the array's order"},
	{0},
};

static const struct shape_member stream_report_members[] = {
	{.name = "accepted", .type = "integer", .help = "Lines that are tasks now"},
	{.name = "rejected", .type = "integer", .help = "Lines that are not"},
	{.name = "errors", .type = "LineFault[]", .help = "Why not: the first 100"},
	{.name = "errors_truncated", .type = "boolean", .help = "There were more than 100", .optional = true},
	{.name = "dry_run", .type = "boolean", .help = "Nothing was stored", .optional = true},
	{.name = "line",
		.type = "integer",
		.help = "It was stopped here: from this line on, send them again",
		.optional = true},
	{0},
};

static const struct shape_member line_fault_members[] = {
	{.name = "line", .type = "integer", .help = "From 1"},
	{.name = "detail", .type = "string"},
	{0},
};

static const struct shape_member trial_members[] = {
	{.name = "dry_run", .type = "boolean", .help = "Nothing was stored"},
	{.name = "task", .type = "TrialTask"},
	{0},
};

static const struct shape_member trial_many_members[] = {
	{.name = "dry_run", .type = "boolean", .help = "Nothing was stored"},
	{.name = "accepted", .type = "integer", .help = "How many would have been"},
	{.name = "tasks", .type = "TrialTask[]"},
	{0},
};

static const struct shape_member trial_task_members[] = {
	{.name = "id", .type = "string?", .help = "Its own id; null: it would get one"},
	{.name = "queue", .type = "string"},
	{.name = "class", .type = "string"},
	{.name = "method", .type = "string"},
	{.name = "param", .type = "any"},
	{.name = "state", .type = "TaskState", .help = "Which it would begin in"},
	{.name = "priority", .type = "integer"},
	{.name = "max_attempts", .type = "integer"},
	{.name = "run_at", .type = "time?"},
	{.name = "timeout", .type = "string?"},
	{.name = "expires_at", .type = "time?"},
	{.name = "unique", .type = "any"},
	{.name = "retention", .type = "any"},
	{.name = "meta", .type = "object?"},
	{.name = "handler", .type = "TrialHandler"},
	{.name = "queue_served", .type = "boolean", .help = "Whether a pool of this node serves its queue"},
	{0},
};

static const struct shape_member trial_handler_members[] = {
	{.name = "known", .type = "boolean", .help = "Whether this node has a handler for its class"},
	{.name = "node", .type = "string"},
	{.name = "detail", .type = "string"},
	{0},
};

static const struct shape_member task_members[] = {
	{.name = "id", .type = "string"},
	{.name = "queue", .type = "string"},
	{.name = "class", .type = "string?", .help = "null: what came through a plain list is malformed"},
	{.name = "method", .type = "string?"},
	{.name = "param", .type = "any", .help = "Its arguments, as they were submitted"},
	{.name = "state", .type = "TaskState"},
	{.name = "attempts", .type = "integer", .help = "Executions that ended by ok, retry, fail or timeout"},
	{.name = "max_attempts", .type = "integer?", .help = "Most executions in all"},
	{.name = "crashes", .type = "integer", .help = "Deaths of its worker; they use up no execution"},
	{.name = "priority", .type = "integer", .help = "9 goes first"},
	{.name = "created_at", .type = "time?"},
	{.name = "run_at", .type = "time?", .help = "When it may run next; null: at once"},
	{.name = "started_at", .type = "time?", .help = "Of the execution that runs or that ended it"},
	{.name = "finished_at", .type = "time?"},
	{.name = "worker", .type = "string?", .help = "node/pool/slot"},
	{.name = "progress", .type = "Progress?", .help = "What a running one has told of itself"},
	{.name = "result", .type = "any", .help = "What its handler returned"},
	{.name = "error", .type = "TaskError?", .help = "Why it is dead, or why it waits for another execution"},
	{.name = "history", .type = "Execution[]", .help = "The last 10 executions that did not succeed"},
	{.name = "usage", .type = "Usage?", .help = "Of its last execution that is over, if it was long enough"},
	{.name = "cancel_requested", .type = "boolean", .help = "It runs and was told to stop"},
	{.name = "traceparent", .type = "string?", .help = "W3C trace context, as it was submitted"},
	{.name = "raw", .type = "string?", .help = "Of one that names no class: the text that came in"},
	{.name = "meta", .type = "object?", .help = "As it was submitted"},
	{0},
};

static const struct shape_member progress_members[] = {
	{.name = "percent", .type = "integer?"},
	{.name = "note", .type = "string?"},
	{0},
};

static const struct shape_member task_error_members[] = {
	{.name = "kind",
		.type = "string",
		.help = "retry exception timeout crash memory unknown_class unknown_method invalid expired …"},
	{.name = "message", .type = "string?"},
	{.name = "evidence", .type = "any", .help = "What its worker was doing when it was ended", .optional = true},
	{0},
};

static const struct shape_member execution_members[] = {
	{.name = "started_at", .type = "time?"},
	{.name = "ended_at", .type = "time?"},
	{.name = "worker", .type = "string?"},
	{.name = "kind", .type = "string?"},
	{.name = "message", .type = "string?"},
	{0},
};

static const struct shape_member usage_members[] = {
	{.name = "cpu_ms", .type = "number?"},
	{.name = "peak_rss_bytes", .type = "integer?"},
	{0},
};

static const struct shape_member tasks_members[] = {
	{.name = "tasks", .type = "Task[]"},
	{.name = "next_cursor", .type = "string?", .help = "For ?cursor=; null: there are no more"},
	{.name = "scanned", .type = "integer", .help = "Tasks that were looked at"},
	{0},
};

/* What a call on many tasks has done, by its word for it. */
#define BULK_MEMBERS(word)                                                                                             \
	{                                                                                                              \
		{.name = (word), .type = "integer", .help = "With dry_run: what would have been"},                     \
			{.name = "matched", .type = "integer", .help = "Tasks that the filter names"},                 \
			{.name = "scanned", .type = "integer", .help = "Tasks that were looked at"},                   \
			{.name = "dry_run", .type = "boolean", .help = "Nothing was done"},                            \
			{.name = "next_cursor", .type = "string?", .help = "To go on with; null: that was all"},       \
		{                                                                                                      \
			0                                                                                              \
		}                                                                                                      \
	}
static const struct shape_member retried_members[] = BULK_MEMBERS("retried");
static const struct shape_member cancelled_members[] = BULK_MEMBERS("cancelled");
static const struct shape_member deleted_members[] = BULK_MEMBERS("deleted");
static const struct shape_member moved_members[] = BULK_MEMBERS("moved");

static const struct shape_member why_members[] = {
	{.name = "id", .type = "string"},
	{.name = "state", .type = "TaskState"},
	{.name = "reason", .type = "string", .help = "In a word"},
	{.name = "detail", .type = "string", .help = "In a sentence"},
	{0},
};

/* ---- queues ---- */

static const struct shape_member queue_members[] = {
	{.name = "name", .type = "string"},
	{.name = "pending", .type = "integer", .help = "Tasks that could be taken now"},
	{.name = "scheduled", .type = "integer", .help = "Tasks whose time has not come"},
	{.name = "retrying", .type = "integer", .help = "Tasks that failed and will run again"},
	{.name = "active", .type = "integer", .help = "Tasks in workers' hands"},
	{.name = "dead", .type = "integer", .help = "Dead tasks that can still be looked up"},
	{.name = "succeeded_total", .type = "integer", .help = "Since the namespace began"},
	{.name = "dead_total", .type = "integer", .help = "Since the namespace began"},
	{.name = "paused", .type = "boolean"},
	{.name = "oldest_age_seconds", .type = "number", .help = "Age of the task that is next in line"},
	{.name = "settings", .type = "QueueSettings", .help = "What holds, of the configuration and what was changed"},
	{0},
};

static const struct shape_member queues_members[] = {{.name = "queues", .type = "Queue[]"}, {0}};

/* ---- workers, pools, nodes ---- */

static const struct shape_member worker_members[] = {
	{.name = "pool", .type = "string"},
	{.name = "slot", .type = "integer", .help = "Its place in the pool, from 0, kept across restarts"},
	{.name = "pid", .type = "integer?", .help = "null: no process is there now"},
	{.name = "state", .type = "WorkerState"},
	{.name = "heartbeat_age_seconds", .type = "number?", .help = "Since its last beat"},
	{.name = "promise_seconds", .type = "number?", .help = "Until it must beat again; negative: overdue"},
	{.name = "uptime_seconds", .type = "number?"},
	{.name = "restarts", .type = "integer", .help = "Incarnations after the first"},
	{.name = "last_exit", .type = "Exit?", .help = "How the last incarnation ended"},
	{.name = "tasks", .type = "WorkerTasks", .help = "Executions in this slot, by how they ended"},
	{.name = "rss_bytes", .type = "integer?"},
	{.name = "task", .type = "CurrentTask?", .help = "What it runs now; of several, what it started first"},
	{.name = "in_hand", .type = "integer", .help = "How many tasks it runs now"},
	{.name = "exits",
		.type = "PastExit[]",
		.help = "Of one that is looked at alone: how its last incarnations ended, the latest first",
		.optional = true},
	{0},
};

static const struct shape_member past_exit_members[] = {
	{.name = "incarnation", .type = "integer", .help = "Counts the processes of the slot, from 1"},
	{.name = "reason", .type = "ExitReason"},
	{.name = "signal", .type = "integer?"},
	{.name = "code", .type = "integer?", .help = "Exit status"},
	{.name = "at", .type = "time?"},
	{.name = "lived_seconds", .type = "number"},
	{.name = "task", .type = "string?", .help = "The id of the task that it was running"},
	{.name = "evidence", .type = "Evidence?", .help = "What a silent one was doing before it was ended"},
	{0},
};

static const struct shape_member exit_members[] = {
	{.name = "reason", .type = "ExitReason"},
	{.name = "signal", .type = "integer?"},
	{.name = "code", .type = "integer?", .help = "Exit status"},
	{.name = "at", .type = "time?"},
	{.name = "task", .type = "string?", .help = "The id of the task that it was running"},
	{.name = "detail", .type = "string?", .help = "Of a parked one: why it gave up"},
	{.name = "evidence", .type = "Evidence?", .help = "What a silent one was doing before it was ended"},
	{.name = "recent", .type = "RecentTask[]", .help = "What it had run, the latest first"},
	{0},
};

static const struct shape_member evidence_members[] = {
	{.name = "state", .type = "string"},
	{.name = "syscall", .type = "string?"},
	{.name = "waits_on", .type = "string?"},
	{.name = "cpu_ms", .type = "integer"},
	{.name = "silent_ms", .type = "integer"},
	{0},
};

static const struct shape_member recent_task_members[] = {
	{.name = "id", .type = "string"},
	{.name = "class", .type = "string"},
	{.name = "state", .type = "string", .help = "As of a task; unknown: what a dying worker wrote is not believed"},
	{.name = "at", .type = "time?"},
	{.name = "duration_seconds", .type = "number"},
	{0},
};

static const struct shape_member worker_tasks_members[] = {
	{.name = "succeeded", .type = "integer"},
	{.name = "failed", .type = "integer"},
	{.name = "retried", .type = "integer"},
	{0},
};

static const struct shape_member current_task_members[] = {
	{.name = "id", .type = "string"},
	{.name = "class", .type = "string"},
	{.name = "method", .type = "string"},
	{.name = "running_seconds", .type = "number"},
	{0},
};

static const struct shape_member workers_members[] = {{.name = "workers", .type = "Worker[]"}, {0}};

static const struct shape_member pool_members[] = {
	{.name = "name", .type = "string"},
	{.name = "kind", .type = "string", .help = "tasks or service"},
	{.name = "workers", .type = "integer", .help = "How many there are to be"},
	{.name = "queues", .type = "integer{}", .help = "The queues that it serves, and their weights"},
	{.name = "busy", .type = "integer"},
	{.name = "idle", .type = "integer"},
	{.name = "heartbeat_timeout_seconds", .type = "number"},
	{.name = "paused", .type = "boolean?", .help = "null: the broker is away, and knows"},
	{0},
};

static const struct shape_member pools_members[] = {{.name = "pools", .type = "Pool[]"}, {0}};

static const struct shape_member node_members[] = {
	{.name = "id", .type = "string"},
	{.name = "host", .type = "string?"},
	{.name = "version", .type = "string?"},
	{.name = "started_at", .type = "time?"},
	{.name = "workers", .type = "integer?"},
	{.name = "self", .type = "boolean", .help = "It is the one that answers"},
	{.name = "draining", .type = "boolean", .help = "It takes nothing more"},
	{0},
};

static const struct shape_member nodes_members[] = {{.name = "nodes", .type = "Node[]"}, {0}};

static const struct shape_member paused_class_members[] = {
	{.name = "class", .type = "string"},
	{.name = "paused", .type = "boolean"},
	{0},
};

static const struct shape_member handler_members[] = {
	{.name = "class", .type = "string"},
	{.name = "nodes", .type = "string[]", .help = "Those that have it"},
	{.name = "paused", .type = "boolean"},
	{0},
};

static const struct shape_member handlers_members[] = {{.name = "handlers", .type = "Handler[]"}, {0}};

/* ---- the rest ---- */

static const struct shape_member reload_members[] = {
	{.name = "generation",
		.type = "integer",
		.help = "Of the configuration that holds now; it rises with the next"},
	{0},
};

static const struct shape_member settings_members[] = {
	{.name = "file", .type = "string?", .help = "The configuration file; null: none was given"},
	{.name = "generation", .type = "integer", .help = "Of the configuration; a reload that is accepted raises it"},
	{.name = "refused", .type = "string?", .help = "Why the last reload was refused; null: it was not"},
	{.name = "settings",
		.type = "Configuration",
		.help = "What holds, defaults included; what may be secret is masked"},
	{0},
};

static const struct shape_member history_members[] = {
	{.name = "samples", .type = "Sample[]", .help = "One each five seconds, the oldest first"},
	{0},
};

static const struct shape_member sample_members[] = {
	{.name = "at", .type = "integer", .help = "Milliseconds since 1970"},
	{.name = "succeeded", .type = "integer", .help = "Executions that ended so, since the node started"},
	{.name = "retried", .type = "integer", .help = "Executions after which the task was to run again"},
	{.name = "dead", .type = "integer", .help = "Executions that were their task's last, without success"},
	{.name = "waits", .type = "integer", .help = "Tasks that were started"},
	{.name = "wait_seconds", .type = "number", .help = "How long they had waited, in sum"},
	{0},
};

static const struct shape_member whoami_members[] = {
	{.name = "name", .type = "string?", .help = "The token's; null: no token is needed"},
	{.name = "role", .type = "Role"},
	{.name = "queues", .type = "string[]?", .help = "To which the token is tied; null: to none"},
	{.name = "address", .type = "string", .help = "Where the call comes from"},
	{.name = "process", .type = "CallerProcess?", .help = "Of a caller through a unix socket"},
	{0},
};

static const struct shape_member process_members[] = {
	{.name = "pid", .type = "integer"},
	{.name = "uid", .type = "integer"},
	{.name = "gid", .type = "integer"},
	{0},
};

static const struct shape_member audit_members[] = {
	{.name = "calls", .type = "AuditedCall[]", .help = "The newest first"},
	{.name = "next_cursor", .type = "string?", .help = "For ?cursor=; null: this was the last page"},
	{0},
};

static const struct shape_member call_members[] = {
	{.name = "at", .type = "time?"},
	{.name = "who", .type = "string?", .help = "The token's name, or the user of a unix socket"},
	{.name = "role", .type = "Role"},
	{.name = "address", .type = "string"},
	{.name = "method", .type = "string"},
	{.name = "path", .type = "string"},
	{.name = "status", .type = "integer"},
	{.name = "outcome", .type = "AuditOutcome"},
	{.name = "request_id", .type = "string"},
	{0},
};

static const struct shape_member alive_members[] = {{.name = "checks", .type = "string{}"}, {0}};

static const struct shape_member checks_members[] = {
	{.name = "broker", .type = "string"},
	{.name = "workers", .type = "string"},
	{.name = "scheduler", .type = "string"},
	{.name = "progress", .type = "string", .help = "Not ok: tasks wait although a worker could take them"},
	{.name = "config", .type = "string", .help = "Not ok: the last reload was refused"},
	{0},
};

static const struct shape_member ready_members[] = {
	{.name = "checks", .type = "Checks", .help = "Each ok, or a sentence"}, {0}};

const struct shape shapes[] = {
	{.name = "NewTask", .help = "A task document", .schema = &task_schema},
	{.name = "Filter", .help = "Which tasks", .schema = &task_filter_schema},
	{.name = "Change", .help = "What is to change of a task", .schema = &one_task_change_schema},
	{.name = "Scale", .help = "What is to change of a pool", .schema = &pools_scale_schema},
	{.name = "QueueSettings",
		.help = "What may be changed of a queue while it is in use",
		.schema = &config_queue_settings_schema},
	{.name = "Problem", .help = "What went wrong (RFC 9457)", .members = problem_members},
	{.name = "Fault", .help = "One thing that is wrong with a document", .members = fault_members},
	{.name = "Submitted", .help = "A task that is stored", .members = submitted_members},
	{.name = "SubmittedMany", .help = "Tasks that are stored", .members = submitted_many_members},
	{.name = "StreamReport", .help = "What came of a stream of tasks", .members = stream_report_members},
	{.name = "LineFault", .help = "A line that is no task", .members = line_fault_members},
	{.name = "Trial", .help = "What would have been stored", .members = trial_members},
	{.name = "TrialMany", .help = "What would have been stored", .members = trial_many_members},
	{.name = "TrialTask", .help = "A task with its defaults filled in", .members = trial_task_members},
	{.name = "TrialHandler", .help = "What would run it", .members = trial_handler_members},
	{.name = "Task", .help = "A task, however it stands; what has no value is null", .members = task_members},
	{.name = "TaskState", .help = "How a task stands", .word = task_state_word},
	{.name = "Progress", .help = "How far a task is", .members = progress_members},
	{.name = "TaskError", .help = "Why a task failed", .members = task_error_members},
	{.name = "Execution", .help = "One that did not succeed", .members = execution_members},
	{.name = "Usage", .help = "What an execution used", .members = usage_members},
	{.name = "Tasks", .help = "A page of tasks", .members = tasks_members},
	{.name = "Retried", .help = "Tasks that run again", .members = retried_members},
	{.name = "Cancelled", .help = "Tasks that are cancelled", .members = cancelled_members},
	{.name = "Deleted", .help = "Tasks that are forgotten", .members = deleted_members},
	{.name = "Moved", .help = "Tasks that wait elsewhere", .members = moved_members},
	{.name = "Why", .help = "Why a task does not run, or ended as it did", .members = why_members},
	{.name = "Queue", .help = "A named line of tasks", .members = queue_members},
	{.name = "Queues", .help = "All queues", .members = queues_members},
	{.name = "Worker", .help = "A slot of a pool and the process in it", .members = worker_members},
	{.name = "WorkerState", .help = "What a worker is doing", .word = worker_state_word},
	{.name = "Workers", .help = "All workers of this node", .members = workers_members},
	{.name = "WorkerTasks", .help = "What a slot has run", .members = worker_tasks_members},
	{.name = "CurrentTask", .help = "What a worker runs now", .members = current_task_members},
	{.name = "RecentTask", .help = "What a worker had run before it ended", .members = recent_task_members},
	{.name = "Exit", .help = "How a process ended", .members = exit_members},
	{.name = "PastExit", .help = "How an incarnation of a slot ended", .members = past_exit_members},
	{.name = "ExitReason", .help = "Why a process ended", .word = exit_reason_word},
	{.name = "Evidence", .help = "What a silent process was doing", .members = evidence_members},
	{.name = "Pool", .help = "A set of identical workers", .members = pool_members},
	{.name = "Pools", .help = "All pools of this node", .members = pools_members},
	{.name = "Node", .help = "A running musterd", .members = node_members},
	{.name = "Nodes", .help = "Every musterd of the namespace", .members = nodes_members},
	{.name = "PausedClass", .help = "Whether a class is paused", .members = paused_class_members},
	{.name = "Handler", .help = "A class and who has it", .members = handler_members},
	{.name = "Handlers", .help = "All classes", .members = handlers_members},
	{.name = "Reload", .help = "A reload that was asked for", .members = reload_members},
	{.name = "Settings", .help = "What this node was told", .members = settings_members},
	{.name = "Configuration", .help = "All that can be configured", .schema = &config_schema},
	{.name = "History", .help = "What became of tasks in the last hour", .members = history_members},
	{.name = "Sample", .help = "The counters at one time", .members = sample_members},
	{.name = "Whoami", .help = "Who calls", .members = whoami_members},
	{.name = "CallerProcess", .help = "Who is at the other end of a unix socket", .members = process_members},
	{.name = "Role", .help = "What a caller may do; each includes those before it", .word = role_word},
	{.name = "Audit", .help = "The last calls that were to change something", .members = audit_members},
	{.name = "AuditedCall", .help = "A call that was to change something", .members = call_members},
	{.name = "AuditOutcome", .help = "How a call ended", .word = outcome_word},
	{.name = "Alive", .help = "The API is up", .members = alive_members},
	{.name = "Ready", .help = "The node does its work", .members = ready_members},
	{.name = "Checks", .help = "What was looked at", .members = checks_members},
	{0},
};
