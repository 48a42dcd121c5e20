#include "api/one_task.h"

#include "api/pause.h"
#include "api/problem.h"
#include "api/roll.h"
#include "api/state.h"
#include "api/tasks.h"
#include "api/workers.h"
#include "core/clock.h"
#include "core/document.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What is known of one task while the reason is looked for. */
struct inquiry {
	struct request *request;
	const struct broker_look *look;
	struct task_head head;
	struct task_record record;
	char class[TASK_NAME_MAX + 1]; /* "": its document says none */
	bool running;                  /* its handler was started: the broker calls it pending */
};

static void say(const struct inquiry *inquiry, const char *reason, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void say(const struct inquiry *inquiry, const char *reason, const char *format, ...)
{
	char detail[2 * ERROR_TEXT_MAX];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(detail, sizeof detail, format, arguments);
	va_end(arguments);
	answer_json(inquiry->request, 200,
		json_pack("{s:s, s:s, s:s, s:o}", "id", inquiry->look->id, "state",
			task_state_name(inquiry->running ? TASK_ACTIVE : inquiry->look->state), "reason", reason,
			"detail", answer_text(detail, sizeof detail)));
}

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "no word";
}

/* ---- of those that have ended, or wait for a time ---- */

static void say_end(const struct inquiry *inquiry)
{
	const struct task_record *record = &inquiry->record;
	const json_t *error = json_object_get(record->body, "error");
	char at[CLOCK_TEXT_SIZE];

	clock_format(at, record->finished_ms);
	if (record->state == TASK_SUCCEEDED)
		say(inquiry, "succeeded", "it succeeded at %s in execution %d, run by %s", at, record->executions,
			record->worker);
	else if (record->state == TASK_CANCELLED)
		say(inquiry, "cancelled", "it was cancelled at %s after %d executions", at, record->executions);
	else
		say(inquiry, "dead",
			"it is dead since %s, after %d executions of at most %d and %d deaths of its worker; the last "
			"one "
			"ended by %s: %.900s",
			at, record->attempts, record->max_attempts, record->crashes, text_of(error, "kind"),
			text_of(error, "message"));
}

static void say_backoff(const struct inquiry *inquiry)
{
	const json_t *history = json_object_get(inquiry->record.body, "history");
	const json_t *last = json_array_get(history, json_array_size(history) - 1);
	char at[CLOCK_TEXT_SIZE];

	clock_format(at, inquiry->record.due_ms);
	say(inquiry, "backoff", "execution %d failed (%s: %.900s); it runs again at %s", inquiry->record.executions,
		text_of(last, "kind"), text_of(last, "message"), at);
}

static void say_scheduled(const struct inquiry *inquiry)
{
	char at[CLOCK_TEXT_SIZE];

	clock_format(at, inquiry->head.run_at_ms);
	say(inquiry, "scheduled", "it is to run at %s", at);
}

/* ---- of those that could run ---- */

/* Returns whether it is in a worker's hands. */
static bool say_held(struct inquiry *inquiry, const char *slot)
{
	struct roll_task running;
	char at[CLOCK_TEXT_SIZE];

	if (slot[0] == '\0')
		return false;
	if (roll_find_task(inquiry->request->api->node->scoreboard, inquiry->look->id, &running) &&
		running.started_ms > 0) {
		inquiry->running = true;
		clock_format(at, running.started_ms);
		say(inquiry, "running", "worker %s runs it since %s", slot, at);
	} else if (tasks_runs_elsewhere(inquiry->request->api, inquiry->look)) {
		inquiry->running = true;
		say(inquiry, "running", "worker %s runs it", slot);
	} else {
		say(inquiry, "taken", "worker %s has taken it: it is running or next in its batch", slot);
	}
	return true;
}

static bool holds(const json_t *names, const char *name)
{
	const json_t *entry;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)names, i, entry)
	{
		if (json_is_string(entry) && strcmp(json_string_value(entry), name) == 0)
			return true;
	}
	return false;
}

/* Living nodes that are not draining and say of themselves (`what`: classes, queues) that they have `name`, or "*". */
static int count_nodes(const json_t *nodes, const json_t *paused, const char *what, const char *name)
{
	const json_t *node;
	int count = 0;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)nodes, i, node)
	{
		const json_t *names = json_object_get(json_object_get(node, "info"), what);
		const char *id = json_string_value(json_object_get(node, "id"));
		if (id && !pause_has(paused, "node", id) && (holds(names, name) || holds(names, "*")))
			count++;
	}
	return count;
}

static bool is_served_by_all_paused(const struct config *config, const char *queue, const json_t *paused)
{
	int index = config_find_queue(config, queue, strlen(queue)), serving = 0, resting = 0;

	for (size_t i = 0; i < config->pool_count; i++)
		for (size_t k = 0; k < config->pools[i].queue_count; k++)
			if (config->pools[i].queues[k].queue == index) {
				serving++;
				resting += pause_has(paused, "pool", config->pools[i].name);
			}
	return serving > 0 && serving == resting;
}

/* Returns whether something rests that it needs. */
static bool say_paused(const struct inquiry *inquiry, const json_t *paused)
{
	const char *queue = inquiry->head.queue;

	if (pause_has(paused, "queue", queue))
		say(inquiry, "paused", "queue %s is paused: POST /v1/queues/%s/resume", queue, queue);
	else if (pause_has(paused, "class", inquiry->class))
		say(inquiry, "paused", "class %s is paused: POST /v1/classes/%s/resume", inquiry->class,
			inquiry->class);
	else if (is_served_by_all_paused(inquiry->request->api->node->config, queue, paused))
		say(inquiry, "paused", "all pools that take from queue %s are paused: see /v1/pools", queue);
	else
		return false;
	return true;
}

static void say_waiting(const struct inquiry *inquiry, int64_t ahead)
{
	if (ahead < 0)
		say(inquiry, "waiting", "it waits in queue %s", inquiry->head.queue);
	else if (ahead == 0)
		say(inquiry, "waiting", "it is next in queue %s: a worker that is free will take it",
			inquiry->head.queue);
	else
		say(inquiry, "waiting", "it waits in queue %s behind %lld others", inquiry->head.queue,
			(long long)ahead);
}

static void say_pending(struct inquiry *inquiry)
{
	struct request *request = inquiry->request;
	struct link *link = &request->api->link;
	struct broker_why why = {"", -1};
	struct error error = {""};
	int64_t until;

	int status = link_begin(link, &until, &error);
	if (status == 0)
		status = link_end(link, broker_why(link->broker, request->id, until, &why, &error), &error);
	if (status < 0) {
		problem_broker(request, status, &error);
		return;
	}
	if (say_held(inquiry, why.slot))
		return;
	json_auto_t *nodes = nodes_ask(request);
	if (!nodes)
		return;
	json_auto_t *paused = pause_all(request->api);
	if (say_paused(inquiry, paused))
		return;
	if (count_nodes(nodes, paused, "queues", inquiry->head.queue) == 0)
		say(inquiry, "no_worker", "no live node has workers that take from queue %s", inquiry->head.queue);
	else if (inquiry->class[0] != '\0' && count_nodes(nodes, paused, "classes", inquiry->class) == 0)
		say(inquiry, "no_handler",
			"no live node has a handler for class %s: once a worker takes it, it will be dead",
			inquiry->class);
	else
		say_waiting(inquiry, why.ahead);
}

/* ---- the route ---- */

static void read_class(struct inquiry *inquiry)
{
	json_auto_t *document = NULL;

	(void)document_parse(
		inquiry->head.document.data, inquiry->head.document.length, DOCUMENT_LENIENT, &document, NULL);
	const char *class = json_string_value(json_object_get(document, "class"));
	if (class && strlen(class) < sizeof inquiry->class)
		memcpy(inquiry->class, class, strlen(class) + 1);
}

static void find_reason(struct inquiry *inquiry)
{
	if (task_head_read(inquiry->look->stored, &inquiry->head) < 0 ||
		task_record_read(inquiry->look->record, &inquiry->record) < 0) {
		problem(inquiry->request, 500, "what is stored of task %s cannot be read", inquiry->look->id);
		return;
	}
	read_class(inquiry);
	if (task_state_ended(inquiry->look->state))
		say_end(inquiry);
	else if (inquiry->look->state == TASK_RETRYING)
		say_backoff(inquiry);
	else if (inquiry->look->state == TASK_SCHEDULED)
		say_scheduled(inquiry);
	else
		say_pending(inquiry);
	task_record_fini(&inquiry->record);
}

void one_task_why(struct request *request)
{
	struct broker_batch words;
	struct broker_look look;
	struct inquiry inquiry = {.request = request, .look = &look};

	if (one_task_find(request, &look, &words))
		find_reason(&inquiry);
	broker_batch_fini(&words);
}
