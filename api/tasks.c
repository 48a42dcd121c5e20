#include "api/tasks.h"

#include "api/problem.h"
#include "api/roll.h"
#include "api/state.h"
#include "api/terms.h"
#include "core/clock.h"
#include "core/control.h"
#include "core/id.h"
#include "core/log.h"
#include "core/redact.h"
#include "core/units.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const int64_t longest_wait_ms = 60 * 1000; /* the broker watches for 120 s */

int tasks_max_attempts(const struct config *config, const struct task_head *head)
{
	int queue = config_find_queue(config, head->queue, strlen(head->queue));
	struct task_order order;
	struct error error;

	(void)task_order_read(head, &config->queues[queue >= 0 ? queue : 0], &order, &error);
	int attempts = order.max_attempts;
	task_order_fini(&order);
	return attempts;
}

bool tasks_runs_elsewhere(const struct api *api, const struct broker_look *look)
{
	const size_t own = strlen(api->node->id);
	const struct bytes *runner = &look->runner;

	return look->state == TASK_PENDING && runner->data && runner->length > own &&
	       runner->length < TASK_WORKER_MAX && memcmp(runner->data, api->node->id, own) != 0;
}

/* A pending task is active if a worker has started it. */
static void add_running(const struct api *api, const struct broker_look *look, struct task_facts *facts,
	struct roll_task *running, char worker[TASK_WORKER_MAX])
{
	if (tasks_runs_elsewhere(api, look)) {
		memcpy(worker, look->runner.data, look->runner.length);
		worker[look->runner.length] = '\0';
		facts->state = TASK_ACTIVE;
		facts->worker = worker;
		return;
	}
	if (facts->state != TASK_PENDING || !roll_find_task(api->node->scoreboard, facts->id, running))
		return;
	node_worker_name(api->node, running->row, worker);
	facts->state = TASK_ACTIVE;
	facts->worker = worker;
	facts->started_ms = running->started_ms;
	facts->progress = running->progress;
	facts->note = running->note[0] != '\0' ? running->note : NULL;
}

json_t *tasks_view(const struct api *api, const struct broker_look *look)
{
	struct task_record record;
	struct task_head head;
	struct roll_task running;
	char worker[TASK_WORKER_MAX];

	if (task_head_read(look->stored, &head) < 0 || task_record_read(look->record, &record) < 0)
		return NULL;
	struct task_facts facts = {
		.id = look->id,
		.head = &head,
		.record = &record,
		.state = look->state,
		.cancel_requested = look->cancel_requested,
		.progress = -1,
	};
	if (head.max_attempts == 0 && record.max_attempts == 0)
		facts.max_attempts = tasks_max_attempts(api->node->config, &head);
	add_running(api, look, &facts, &running, worker);
	json_t *view = task_view(&facts);
	task_record_fini(&record);
	if (view && redact_value(api->node->config, view) < 0) {
		json_decref(view);
		return NULL;
	}
	return view;
}

static void answer_unknown(struct request *request)
{
	problem(request, 404, "there is no task %s", request->id);
}

static void answer_task(struct request *request, const struct broker_look *look)
{
	json_t *view = tasks_view(request->api, look);

	if (view) {
		answer_exact_json(request, request->submits ? 201 : 200, view);
		if (request->submits)
			answer_header_format(request, "Location", "/v1/tasks/%s", look->id);
		if (request->preference_ms > 0)
			answer_header_format(
				request, "Preference-Applied", "wait=%lld", (long long)request->preference_ms / 1000);
	} else {
		problem(request, 500, "what is stored of task %s cannot be read", request->id);
	}
}

static bool keep_stored(struct request *request, struct bytes stored)
{
	if (request->stored)
		return true; /* heads and documents never change */
	request->stored = malloc(stored.length + 1);
	if (!request->stored)
		return false;
	memcpy(request->stored, stored.data, stored.length);
	request->stored_length = stored.length;
	return true;
}

void tasks_follow(struct request *request, const struct broker_look *look)
{
	struct waits *waits = &request->api->waits;
	bool waits_on = request->wait_until_mono_ns > 0 && !task_state_ended(look->state) && request->connection;

	if (waits_on && !waits->stopping && keep_stored(request, look->stored))
		waits_add(waits, request);
	else
		answer_task(request, look);
}

static void is_looked_up(struct request *request, const struct trip_result *result)
{
	const struct broker_look *look = result->look;

	if (result->status < 0) {
		problem_broker(request, result->status, result->error);
		return;
	}
	if (!look->known || !look->stored.data) {
		answer_unknown(request);
		return;
	}
	tasks_follow(request, look);
}

static void look(struct request *request, void (*then)(struct request *request, const struct trip_result *result))
{
	request->looks = true;
	request->watch = request->wait_until_mono_ns > 0;
	trip_add(&request->api->trip, request, then);
}

void tasks_look(struct request *request)
{
	look(request, is_looked_up);
}

void tasks_ended(struct request *request, struct bytes record)
{
	struct task_record ended;
	struct broker_look look = {
		.known = true, .stored = {request->stored, request->stored_length}, .record = record};

	if (task_record_read(record, &ended) < 0) {
		problem(request, 500, "how task %s ended cannot be read", request->id);
		return;
	}
	look.state = ended.state;
	task_record_fini(&ended);
	memcpy(look.id, request->id, sizeof look.id);
	answer_task(request, &look);
}

/* It waited in line and never will run: no worker counts it, so its canceller does. */
static void is_cancelled(struct request *request, const struct trip_result *result)
{
	const struct config *config = request->api->node->config;
	struct task_head head;

	if (result->status == 0 && result->look->known && task_head_read(result->look->stored, &head) == 0) {
		int queue = config_find_queue(config, head.queue, strlen(head.queue));
		if (queue >= 0)
			scoreboard_count(request->api->area, queue)->cancelled++;
	}
	is_looked_up(request, result);
}

bool tasks_read_id(struct request *request)
{
	const char *id = request->arguments[0];

	if (!id_is_valid(id, strlen(id))) {
		problem(request, 404, "there is no such task: an id is 1 to %d letters, digits, `_`, `-`", ID_MAX);
		return false;
	}
	memcpy(request->id, id, strlen(id) + 1);
	return true;
}

bool tasks_wait(struct request *request, int64_t wait_ms)
{
	struct error error;

	int status = waits_prepare(&request->api->waits, &request->api->link, &error);
	if (status < 0) {
		problem_broker(request, status, &error);
		return false;
	}
	wait_ms = wait_ms < longest_wait_ms ? wait_ms : longest_wait_ms;
	request->wait_until_mono_ns = clock_mono_ns() + wait_ms * CLOCK_NS_PER_MS;
	return true;
}

void tasks_get(struct request *request)
{
	const char *wait = request_query(request, "wait");
	int64_t wait_ms = 0;

	if (!tasks_read_id(request))
		return;
	if (wait && units_parse_duration(wait, &wait_ms) < 0) {
		problem(request, 400, "wait is no duration such as 500ms, 5s or 1m");
		return;
	}
	if (!wait)
		wait_ms = request->preference_ms = terms_wait_ms(request);
	if (wait_ms == 0 || tasks_wait(request, wait_ms))
		tasks_look(request);
}

void tasks_tell_worker(const struct api *api, const char *id, bool force)
{
	struct roll_task running;

	if (!roll_find_task(api->node->scoreboard, id, &running) || running.serial == 0)
		return;
	const struct control_request request = {
		.verb = force ? CONTROL_FORCE : CONTROL_CANCEL,
		.row = running.row,
		.incarnation = running.incarnation,
		.serial = running.serial,
	};
	if (control_send(api->node->control_api[1], &request) < 0)
		log_warn("supervisor is behind, the scheduler will pass on the cancellation", LOG_TEXT("task", id));
}

static bool read_force(struct request *request, bool *ret_force)
{
	const char *value = request_query(request, "force");

	*ret_force = value && (value[0] == '\0' || strcmp(value, "true") == 0);
	if (!value || *ret_force || strcmp(value, "false") == 0)
		return true;
	problem(request, 400, "force is true or false");
	return false;
}

void tasks_cancel(struct request *request)
{
	struct api *api = request->api;
	struct error error = {""};
	int64_t until;
	bool force;

	if (!tasks_read_id(request) || !read_force(request, &force))
		return;
	int status = link_begin(&api->link, &until, &error);
	if (status == 0)
		status = link_end(
			&api->link, broker_cancel(api->link.broker, request->id, force, until, &error), &error);
	if (status < 0) {
		problem_broker(request, status, &error);
		return;
	}
	switch ((enum broker_cancel)status) {
	case BROKER_CANCEL_UNKNOWN: answer_unknown(request); return;
	case BROKER_CANCEL_OVER: problem(request, 409, "task %s is over", request->id); return;
	case BROKER_CANCEL_REQUESTED:
		tasks_tell_worker(api, request->id, force);
		look(request, is_looked_up);
		return;
	case BROKER_CANCEL_DONE: look(request, is_cancelled); return;
	}
}
