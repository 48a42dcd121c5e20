#include "api/one_task.h"

#include "api/access.h"
#include "api/body.h"
#include "api/problem.h"
#include "api/state.h"
#include "api/tasks.h"
#include "core/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool one_task_find(struct request *request, struct broker_look *look, struct broker_batch *words)
{
	struct link *link = &request->api->link;
	struct error error = {""};
	int64_t until;

	*words = (struct broker_batch){.looks = look, .look_count = 1};
	*look = (struct broker_look){0};
	if (!tasks_read_id(request))
		return false;
	memcpy(look->id, request->id, sizeof look->id);
	int status = link_begin(link, &until, &error);
	if (status == 0)
		status = link_end(link, broker_batch(link->broker, words, until, &error), &error);
	if (status < 0)
		problem_broker(request, status, &error);
	else if (!look->known)
		problem(request, 404, "there is no task %s", request->id);
	return status >= 0 && look->known;
}

/* ---- retry ---- */

/* Does one thing to the task that the path names. Returns what came of it (enum broker_said), -1 when it has answered. */
static int act(struct request *request, enum broker_act act)
{
	struct link *link = &request->api->link;
	struct error error = {""};
	char ids[1][ID_MAX + 1], said = BROKER_SAID_UNKNOWN;
	int64_t until;

	if (!tasks_read_id(request))
		return -1;
	memcpy(ids[0], request->id, sizeof ids[0]);
	int status = link_begin(link, &until, &error);
	if (status == 0)
		status = link_end(link,
			broker_act(link->broker, act, (const char(*)[ID_MAX + 1]) ids, 1, &said, until, &error),
			&error);
	if (status < 0) {
		problem_broker(request, status, &error);
		return -1;
	}
	return said;
}

void one_task_retry(struct request *request)
{
	switch (act(request, BROKER_ACT_RETRY)) {
	case BROKER_SAID_UNKNOWN: problem(request, 404, "there is no task %s", request->id); break;
	case BROKER_SAID_DONE: tasks_look(request); break;
	case BROKER_SAID_HELD:
		problem(request, 409, "task %s has not ended: it will run by itself", request->id);
		break;
	case BROKER_SAID_OVER:
		problem(request, 409, "task %s has succeeded: to run it again, submit it again", request->id);
		break;
	default: break;
	}
}

/* ---- change ---- */

struct change {
	char *run_at, *queue;
	int64_t delay_ms, priority;
};

static int check_time(const json_t *value, struct error *error)
{
	int64_t at_ms;

	if (clock_parse(json_string_value(value), &at_ms) == 0)
		return 0;
	return error_set(error, -EINVAL, "must be a time like 2026-11-23T14:13:00Z");
}

static const struct schema_member change_members[] = {
	{.name = "run_at",
		.type = SCHEMA_STRING,
		.offset = offsetof(struct change, run_at),
		.check = check_time,
		.help = "Run it at that time; one that is past: now."},
	{.name = "delay",
		.type = SCHEMA_DURATION,
		.offset = offsetof(struct change, delay_ms),
		.maximum = 3650 * 24 * 3600 * 1e3,
		.help = "Run it so long from now; 0s: now."},
	{.name = "queue",
		.type = SCHEMA_STRING,
		.offset = offsetof(struct change, queue),
		.help = "The queue that it is to wait in."},
	{.name = "priority",
		.type = SCHEMA_INTEGER,
		.offset = offsetof(struct change, priority),
		.maximum = TASK_PRIORITY_MAX,
		.help = "9 goes first."},
	{0},
};
const struct schema one_task_change_schema = {"change", change_members, sizeof(struct change)};

/* Returns false when it has answered. */
static bool understand(struct request *request, const struct change *wanted, struct broker_change *ret_change)
{
	const struct config *config = request->api->node->config;
	const int64_t now_ms = clock_wall_ms();
	int64_t at_ms = -1;

	if (!wanted->run_at && !wanted->queue && wanted->delay_ms == SCHEMA_NONE && wanted->priority == SCHEMA_NONE) {
		problem(request, 422, "say what to change: run_at or delay, queue, priority");
		return false;
	}
	if (wanted->run_at && wanted->delay_ms != SCHEMA_NONE) {
		problem(request, 422, "\"run_at\" and \"delay\" exclude each other");
		return false;
	}
	if (wanted->queue && config_find_queue(config, wanted->queue, strlen(wanted->queue)) < 0) {
		problem(request, 422, "there is no queue \"%.64s\", see /v1/queues", wanted->queue);
		return false;
	}
	if (wanted->queue && !access_queue(request, wanted->queue))
		return false;
	if (wanted->run_at)
		(void)clock_parse(wanted->run_at, &at_ms); /* the table's check has tried it */
	else if (wanted->delay_ms != SCHEMA_NONE)
		at_ms = now_ms + wanted->delay_ms;
	*ret_change = (struct broker_change){
		.queue = wanted->queue,
		.priority = wanted->priority == SCHEMA_NONE ? -1 : (int)wanted->priority,
		.run_at_ms = at_ms >= 0 && at_ms <= now_ms ? 0 : at_ms,
	};
	return true;
}

static void apply_change(struct request *request, const struct broker_change *change)
{
	struct link *link = &request->api->link;
	struct error error = {""};
	char ids[1][ID_MAX + 1], said = BROKER_SAID_UNKNOWN;
	int64_t until;

	memcpy(ids[0], request->id, sizeof ids[0]);
	int status = link_begin(link, &until, &error);
	if (status == 0)
		status = link_end(link,
			broker_change(link->broker, change, (const char(*)[ID_MAX + 1]) ids, 1, &said, until, &error),
			&error);
	if (status < 0)
		problem_broker(request, status, &error);
	else if (said == BROKER_SAID_UNKNOWN)
		problem(request, 404, "there is no task %s", request->id);
	else if (said == BROKER_SAID_HELD)
		problem(request, 409, "task %s is in a worker's hands: only one that waits can be changed",
			request->id);
	else if (said == BROKER_SAID_OVER)
		problem(request, 409, "task %s is over: it can be retried or cloned", request->id);
	else
		tasks_look(request);
}

void one_task_change(struct request *request)
{
	struct change wanted = {0};
	struct broker_change change;

	if (tasks_read_id(request) && body_read(request, &one_task_change_schema, &wanted) &&
		understand(request, &wanted, &change))
		apply_change(request, &change);
	schema_fini(&one_task_change_schema, &wanted);
}

/* ---- clone ---- */

/* The same document once more, to run now: what its head says but for times. Returns false when it has answered. */
static bool make_clone(struct request *request, const struct broker_look *look)
{
	const struct config *config = request->api->node->config;
	struct task_head head;

	if (task_head_read(look->stored, &head) < 0) {
		problem(request, 500, "what is stored of task %s cannot be read", request->id);
		return false;
	}
	int queue = config_find_queue(config, head.queue, strlen(head.queue));
	if (queue < 0) {
		problem(request, 409, "queue %s of task %s is not configured any more", head.queue, request->id);
		return false;
	}
	request->stored = malloc(head.document.length + 1);
	if (!request->stored) {
		problem_broker(request, -ENOMEM, NULL);
		return false;
	}
	memcpy(request->stored, head.document.data, head.document.length);
	request->single = (struct task_submission){
		.queue = queue,
		.max_attempts = head.max_attempts > 0 ? head.max_attempts : tasks_max_attempts(config, &head),
		.priority = head.priority,
		.retention_ms = head.retention_ms,
		.document = {request->stored, head.document.length},
	};
	id_generate(request->single.id);
	return true;
}

void one_task_clone(struct request *request)
{
	struct broker_batch words;
	struct broker_look look;

	if (one_task_find(request, &look, &words) && make_clone(request, &look))
		tasks_submit_single(request);
	broker_batch_fini(&words);
}
