#include "cli/drill.h"

#include "cli/call.h"
#include "cli/path.h"
#include "cli/process.h"
#include "cli/view.h"
#include "core/clock.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
	TASKS = 50,     /* small ones that are there when the fault comes */
	WORK_MS = 3000, /* how long the one in the victim's hands goes on */
	LOOK_MS = 5,
	WAIT_MS = 120 * 1000, /* for anything */
	CALL_MS = 2000,
};

struct drill {
	struct call *call;
	const char *fault;
	json_t *ids; /* owned: all tasks that were submitted; the first one is in the victim's hands */
	char pool[128];
	int64_t slot, pid;
	int64_t caused_mono_ns;
	double recovery_s; /* from the fault to a worker that beats in the slot, or a broker that answers */
	int64_t lost, twice;
};

static const struct timespec moment = {0, LOOK_MS *CLOCK_NS_PER_MS};

/* ---- asking ---- */

/* Quietly, since it may be away just now: NULL when there is no good answer. The caller owns it. */
static json_t *get(struct drill *drill, const char *path)
{
	struct answer answer;
	struct error error;

	int status = client_call(drill->call->client, "GET", path, NULL, &answer, &error);
	json_t *body = status == 0 && answer.status == 200 ? json_incref(answer.body) : NULL;
	answer_fini(&answer);
	return body;
}

/* Remembers the worker that has the first task in hand. */
static bool find_victim(struct drill *drill)
{
	const char *id = json_string_value(json_array_get(drill->ids, 0));
	json_auto_t *answer = get(drill, "/v1/workers");
	json_t *worker;
	size_t i;

	json_array_foreach(json_object_get(answer, "workers"), i, worker)
	{
		if (strcmp(view_string(json_object_get(worker, "task"), "id"), id) != 0)
			continue;
		(void)snprintf(drill->pool, sizeof drill->pool, "%s", view_string(worker, "pool"));
		drill->slot = view_integer(worker, "slot");
		drill->pid = view_integer(worker, "pid");
		return drill->pid > 1;
	}
	return false;
}

/* Another process is in the slot, and beats. */
static bool is_replaced(struct drill *drill)
{
	struct path path;
	char slot[32];

	(void)snprintf(slot, sizeof slot, "%lld", (long long)drill->slot);
	path_init(&path, "/v1/workers");
	path_segment(&path, drill->pool);
	path_segment(&path, slot);
	json_auto_t *worker = get(drill, path.text);
	const char *state = view_string(worker, "state");
	return view_integer(worker, "pid") > 1 && view_integer(worker, "pid") != drill->pid &&
	       (strcmp(state, "idle") == 0 || strcmp(state, "busy") == 0);
}

static bool broker_answers(struct drill *drill)
{
	json_auto_t *ready = get(drill, "/readyz");

	return ready != NULL;
}

static bool wait_for(struct drill *drill, bool (*condition)(struct drill *drill))
{
	const int64_t until = clock_mono_after(WAIT_MS);

	while (!condition(drill)) {
		if (clock_mono_ns() >= until)
			return false;
		(void)nanosleep(&moment, NULL);
	}
	return true;
}

/* ---- the tasks ---- */

/* hang loops for ever and is killed at its deadline: once is enough. */
static json_t *make_tasks(const struct drill *drill)
{
	const bool hangs = strcmp(drill->fault, "hang") == 0;
	const char *queue = drill->call->options[OPTION_QUEUE];
	json_t *tasks = json_array();

	for (int i = 0; i <= TASKS; i++) {
		json_t *task = i > 0 ? json_pack("{s:s, s:s, s:[i, i], s:i}", "class", "Demo", "method", "add", "param",
					       i, i, "retry", 3)
			       : hangs ? json_pack("{s:s, s:s, s:i, s:i}", "class", "Demo", "method", "hang", "retry",
						 1, "priority", 9)
				       : json_pack("{s:s, s:s, s:[i], s:i, s:i}", "class", "Demo", "method", "work",
						 "param", WORK_MS, "retry", 3, "priority", 9);
		if (queue)
			(void)json_object_set_new(task, "queue", json_string(queue));
		(void)json_array_append_new(tasks, task);
	}
	return tasks;
}

static int submit(struct drill *drill)
{
	json_auto_t *tasks = make_tasks(drill);
	json_t *answer = NULL;

	int status = call_ask(drill->call, "POST", "/v1/tasks", tasks, &answer);
	if (status != EXIT_DONE)
		return status;
	drill->ids = json_incref(json_object_get(answer, "ids"));
	json_decref(answer);
	if (json_array_size(drill->ids) != TASKS + 1)
		return call_refused(drill->call, "the server has not accepted the drill's tasks");
	return EXIT_DONE;
}

/* Waits for one task's end. */
static void account(struct drill *drill, size_t index, int64_t until_mono_ns)
{
	const bool may_die = index == 0 && strcmp(drill->fault, "hang") == 0;
	struct path path;

	path_init(&path, "/v1/tasks");
	path_segment(&path, json_string_value(json_array_get(drill->ids, index)));
	path_query(&path, "wait", "1s");
	for (;;) {
		json_auto_t *task = get(drill, path.text);
		const char *state = view_string(task, "state");
		const bool succeeded = strcmp(state, "succeeded") == 0, dead = strcmp(state, "dead") == 0;
		if (succeeded || dead) {
			drill->lost += !succeeded && !may_die;
			drill->twice += view_integer(task, "attempts") + view_integer(task, "crashes") > 1;
			return;
		}
		if (clock_mono_ns() >= until_mono_ns) {
			drill->lost++;
			return;
		}
		if (!task)
			(void)nanosleep(&moment, NULL);
	}
}

/* ---- the fault ---- */

static int find_target(struct drill *drill, struct process *ret_target)
{
	char title[160];
	struct error error;

	(void)snprintf(title, sizeof title, "%s:worker-%lld", drill->pool, (long long)drill->slot);
	int status = process_open((int)drill->pid, title, ret_target, &error);
	if (status == 0 && strcmp(drill->fault, "broker") == 0) {
		struct process worker = *ret_target;
		status = process_open_sibling(&worker, "redis-server", ret_target, &error);
		process_close(&worker);
	}
	return status < 0 ? call_refused(drill->call, "%s", error.text) : EXIT_DONE;
}

static int cause(struct drill *drill)
{
	struct process target;

	if (strcmp(drill->fault, "hang") == 0)
		return EXIT_DONE; /* its task does it */
	int status = find_target(drill, &target);
	if (status != EXIT_DONE)
		return status;
	drill->caused_mono_ns = clock_mono_ns();
	int sent = process_signal(&target, strcmp(drill->fault, "stop") == 0 ? SIGSTOP : SIGKILL);
	if (sent == 0 && strcmp(drill->fault, "stop") != 0)
		process_wait(&target, CALL_MS);
	process_close(&target);
	if (sent < 0)
		return call_refused(drill->call,
			"the process %lld cannot be signalled (%s): run the drill as its user or as root",
			(long long)drill->pid, strerror(-sent));
	return EXIT_DONE;
}

/* ---- the report ---- */

static int report(const struct drill *drill)
{
	const bool well = drill->lost == 0;

	if (call_has(drill->call, OPTION_JSON)) {
		(void)call_print_json(
			drill->call, json_pack("{s:s, s:f, s:i, s:I, s:I}", "fault", drill->fault, "recovery_seconds",
					     drill->recovery_s, "tasks", TASKS + 1, "lost", (json_int_t)drill->lost,
					     "run_twice", (json_int_t)drill->twice));
		return well ? EXIT_DONE : EXIT_REFUSED;
	}
	const struct terminal *terminal = &drill->call->terminal;
	const enum paint paint = well ? PAINT_GOOD : PAINT_BAD;
	(void)printf("%s: recovered in %.3f s\n", drill->fault, drill->recovery_s);
	if (strcmp(drill->fault, "hang") == 0 || strcmp(drill->fault, "stop") == 0)
		(void)puts("(from the start of the silence: the pool's heartbeat_timeout is the larger part of it)");
	(void)printf("%s%lld of %d tasks lost%s, %lld run twice\n", terminal_begin(terminal, paint),
		(long long)drill->lost, TASKS + 1, terminal_end(terminal, paint), (long long)drill->twice);
	return well ? EXIT_DONE : EXIT_REFUSED;
}

static int go_through(struct drill *drill)
{
	const bool broker = strcmp(drill->fault, "broker") == 0;

	int status = submit(drill);
	if (status != EXIT_DONE)
		return status;
	client_set_timeout(drill->call->client, CALL_MS);
	if (!wait_for(drill, find_victim))
		return call_refused(
			drill->call, "no worker has taken the drill's task: is its queue served, and is Demo a class?");
	drill->caused_mono_ns = clock_mono_ns();
	status = cause(drill);
	if (status != EXIT_DONE)
		return status;
	if (!wait_for(drill, broker ? broker_answers : is_replaced))
		return call_refused(drill->call, "it has not recovered within %d s", WAIT_MS / 1000);
	drill->recovery_s = (double)(clock_mono_ns() - drill->caused_mono_ns) / (double)CLOCK_NS_PER_S;
	const int64_t until = clock_mono_after(WAIT_MS);
	for (size_t i = 0; i < json_array_size(drill->ids); i++)
		account(drill, i, until);
	return report(drill);
}

int drill_run(struct call *call)
{
	static const struct {
		const char *fault, *before, *after; /* the question, around the server's name */
	} faults[] = {{"kill", "Kill a busy worker of ", " (SIGKILL)?"},
		{"hang", "Let a worker of ", " hang until its heartbeat is missed?"},
		{"stop", "Stop a busy worker of ", " (SIGSTOP) until its heartbeat is missed?"},
		{"broker", "Kill the embedded broker of ", " (SIGKILL)?"}};
	char question[512];

	for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
		struct drill drill = {.call = call, .fault = faults[i].fault};
		if (strcmp(call->arguments[0], faults[i].fault) != 0)
			continue;
		(void)snprintf(question, sizeof question, "%s%.300s%s", faults[i].before, client_url(call->client),
			faults[i].after);
		int status = call_confirm(call, question);
		if (status == EXIT_DONE)
			status = go_through(&drill);
		json_decref(drill.ids);
		return status;
	}
	return call_misused(call, "'%s' is no drill: kill, hang, stop or broker", call->arguments[0]);
}
