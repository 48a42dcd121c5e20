#include "cli/verb.h"

#include "cli/bench.h"
#include "cli/bulk.h"
#include "cli/check.h"
#include "cli/doctor.h"
#include "cli/drill.h"
#include "cli/events.h"
#include "cli/logs.h"
#include "cli/pools.h"
#include "cli/push.h"
#include "cli/queues.h"
#include "cli/stat.h"
#include "cli/tasks.h"
#include "cli/top.h"
#include "cli/version.h"
#include "cli/workers.h"

#include <string.h>

#define YEARS_MS (3650LL * 24 * 3600 * 1000)
#define WORD(id, word, placeholder, sentence)                                                                          \
	[id] = {.name = (word), .kind = OPTION_TEXT, .argument = (placeholder), .help = (sentence)}
#define TIME(id, word, sentence) [id] = {.name = (word), .kind = OPTION_TIME, .argument = "TIME", .help = (sentence)}
#define FLAG(id, word, short_word, sentence)                                                                           \
	[id] = {.name = (word), .letter = (short_word), .kind = OPTION_FLAG, .help = (sentence)}
#define SPAN(id, word, sentence)                                                                                       \
	[id] = {.name = (word),                                                                                        \
		.kind = OPTION_DURATION,                                                                               \
		.argument = "DURATION",                                                                                \
		.maximum = YEARS_MS,                                                                                   \
		.help = (sentence)}

const struct option_row option_rows[OPTIONS] = {
	WORD(OPTION_URL, "url", "URL", "The server: http://HOST:PORT, https://HOST:PORT or unix:/PATH"),
	WORD(OPTION_TOKEN_FILE, "token-file", "FILE", "The file that holds the token"),
	WORD(OPTION_CONTEXT, "context", "NAME", "The server of that name in ~/.config/muster/contexts"),
	WORD(OPTION_CA, "ca", "FILE", "Trust certificates of the authority in FILE"),
	FLAG(OPTION_JSON, "json", 'j', "Print one JSON document, for scripts"),

	[OPTION_QUEUE] = {"queue", 'q', OPTION_TEXT, "QUEUE", 0, 0, "The queue"},
	WORD(OPTION_ID, "id", "ID", "An id of your own; a second submission of it returns the first"),
	SPAN(OPTION_DELAY, "delay", "Run it so long from now"),
	TIME(OPTION_RUN_AT, "run-at", "Run it at that time"),
	[OPTION_RETRY] = {"retry", 0, OPTION_INTEGER, "N", 1, 1000, "Most executions in all"},
	[OPTION_PRIORITY] = {"priority", 0, OPTION_INTEGER, "0-9", 0, 9, "9 goes first"},
	SPAN(OPTION_TIMEOUT, "timeout", "The most that one execution may take"),
	[OPTION_PARAM] = {"param", 0, OPTION_VALUE, "JSON", 0, 0,
		"All params at once: an array, or an object of named ones"},
	[OPTION_META] = {"meta", 0, OPTION_VALUE, "JSON", 0, 0, "An object that is kept as it is"},
	FLAG(OPTION_WAIT, "wait", 'w', "Wait for its end; exit 1 when it ended dead or cancelled"),
	SPAN(OPTION_FOR, "for", "At most so long"),

	WORD(OPTION_STATE, "state", "STATE",
		"Tasks in this state: pending scheduled active retrying succeeded dead cancelled"),
	WORD(OPTION_CLASS, "class", "CLASS", "Of this class"),
	WORD(OPTION_METHOD, "method", "METHOD", "Tasks of this method"),
	WORD(OPTION_ERROR_KIND, "error-kind", "KIND", "Tasks that failed so: timeout crash exception ..."),
	WORD(OPTION_ERROR, "error", "TEXT", "Tasks whose failure has TEXT in its message"),
	TIME(OPTION_CREATED_AFTER, "created-after", "Tasks accepted then or later"),
	TIME(OPTION_CREATED_BEFORE, "created-before", "Tasks accepted before"),
	TIME(OPTION_FINISHED_AFTER, "finished-after", "Tasks whose last execution ended then or later"),
	TIME(OPTION_FINISHED_BEFORE, "finished-before", "Tasks whose last execution ended before"),
	[OPTION_LIMIT] = {"limit", 'n', OPTION_INTEGER, "N", 1, 10000000, "At most so many"},
	FLAG(OPTION_ALL, "all", 'a', "All there are"),
	FLAG(OPTION_DRY_RUN, "dry-run", 0, "Count, and do nothing"),
	FLAG(OPTION_YES, "yes", 'y', "Do not ask"),

	FLAG(OPTION_FORCE, "force", 0, "End a running one at once"),
	FLAG(OPTION_FOLLOW, "follow", 'f', "Go on with what comes"),
	WORD(OPTION_POOL, "pool", "POOL", "Of this pool"),
	WORD(OPTION_TYPE, "type", "TYPE", "Events of this type: task, worker or progress"),
	SPAN(OPTION_WARN_AGE, "warn-age", "Warn when a task has waited so long"),
	SPAN(OPTION_CRITICAL_AGE, "critical-age", "Critical when a task has waited so long"),
	[OPTION_WARN_DEAD] = {"warn-dead", 0, OPTION_INTEGER, "N", 1, 10000000, "Warn when so many tasks are dead"},
};

#define FILTER                                                                                                         \
	"queue state class method error-kind error created-after created-before finished-after finished-before limit"
#define MANY FILTER " all dry-run yes"
#define TASK "queue id delay run-at retry priority timeout param meta wait for"

const struct verb verbs[] = {
	{"push", "CLASS METHOD [JSON...] | -", TASK, 1, ARGUMENTS_ANY, push_run, "Submit a task, or many",
		"Each JSON is one parameter: a string has its quotes ('\"text\"'). With - documents are read from "
		"standard "
		"input, one a line, and what is wrong names its line. On a terminal it says what became of it, in a "
		"script it "
		"prints the id; with --wait the result."},
	{"get", "ID", "", 1, 1, tasks_get, "Look a task up", NULL},
	{"wait", "ID", "for", 1, 1, tasks_wait, "Wait for a task's end and print its result",
		"Exits 1 when it ended dead or cancelled, or has not ended in time."},
	{"list", "[QUEUE]", FILTER, 0, 1, tasks_list, "List tasks, 50 unless --limit says otherwise", NULL},
	{"cancel", "[ID...]", MANY " force", 0, ARGUMENTS_ANY, bulk_cancel,
		"Cancel tasks by id, or all that match the options",
		"It counts first and asks, unless --yes is given."},
	{"retry", "[ID...]", MANY, 0, ARGUMENTS_ANY, bulk_retry,
		"Run dead tasks again, by id, or all that match the options",
		"It counts first and asks, unless --yes is given."},
	{"purge", "[QUEUE]", MANY, 0, 1, bulk_purge, "Delete tasks that match the options, with their records",
		"It counts first and asks, unless --yes is given. What is in a worker's hands is left alone."},
	{"why", "ID", "", 1, 1, tasks_why, "Say why a task does not run, or why it ended as it did", NULL},
	{"logs", "ID", "follow", 1, 1, logs_run, "Show what a task has logged", NULL},
	{"queues", "[QUEUE]", "", 0, 1, queues_list, "Show queues: depths, age, totals", NULL},
	{"pause", "[QUEUE...]", "pool class", 0, ARGUMENTS_ANY, queues_pause, "Take no more tasks from queues",
		"--pool rests a pool, --class a class's tasks in all queues."},
	{"resume", "[QUEUE...]", "pool class", 0, ARGUMENTS_ANY, queues_resume, "Take tasks from queues again", NULL},
	{"workers", "[POOL[/SLOT]]", "", 0, 1, workers_list, "Show workers: state, heartbeat, task in hand", NULL},
	{"restart", "[POOL[/SLOT]...]", "all", 0, ARGUMENTS_ANY, workers_restart,
		"Drain workers and replace them: one, a pool's, or all", NULL},
	{"scale", "POOL WORKERS", "", 2, 2, pools_scale, "Change how many workers a pool has", NULL},
	{"pools", "[POOL]", "", 0, 1, pools_list, "Show pools", NULL},
	{"schedules", "", "", 0, ARGUMENTS_ANY, version_later, "Not available yet", NULL},
	{"events", "", "type queue class state limit for", 0, 0, events_run,
		"Show what becomes of tasks and workers, as it happens",
		"With --json each event is a document on a line."},
	{"stat", "[SECONDS [COUNT]]", "", 0, 2, stat_run, "Show one line a second: depths, rates, workers",
		"With --json each line is a document."},
	{"top", "", "", 0, 0, top_run, "Watch workers and queues live",
		"Keys: arrows or j k choose, home lets the mark go, tab changes between workers, queues and dead "
		"tasks, s "
		"sorts the workers, r restarts the worker, p pauses or resumes the queue, a lets the dead task run "
		"again, enter looks into the task, q leaves. With --json it prints what it would show, once, as one "
		"document: status, workers, queues, dead."},
	{"check", "", "queue warn-age critical-age warn-dead", 0, 0, check_run,
		"One line for monitoring; exits 0 fine, 1 warning, 2 critical", NULL},
	{"doctor", "", "", 0, 0, doctor_run, "Look for the usual mistakes, with a remedy for each",
		"Exits 1 when something is wrong."},
	{"drill", "kill|hang|stop|broker", "queue yes", 1, 1, drill_run,
		"Cause a fault on purpose and measure the recovery",
		"It works on this machine only, with tasks of the bundled class Demo, and asks first. kill: SIGKILL of "
		"a busy "
		"worker; hang: a task that loops for ever; stop: SIGSTOP of a busy worker; broker: SIGKILL of the "
		"embedded broker."},
	{"bench", "", "queue for yes", 0, 0, bench_run, "Measure this installation in ten seconds",
		"It submits tasks of the bundled class Demo that do nothing."},
	{"version", "", "", 0, 0, version_run, "Say which version this is, and which the server is", NULL},
};
const size_t verb_count = sizeof verbs / sizeof verbs[0];

const struct verb *verb_find(const char *name)
{
	for (size_t i = 0; i < verb_count; i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

bool verb_takes(const struct verb *verb, enum option_id option)
{
	const char *name = option_rows[option].name, *at = verb->options;
	const size_t length = strlen(name);

	if (option <= OPTION_JSON)
		return true;
	for (; *at != '\0'; at += strspn(at, " ")) {
		size_t word = strcspn(at, " ");
		if (word == length && strncmp(at, name, length) == 0)
			return true;
		at += word;
	}
	return false;
}
