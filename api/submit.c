#include "api/tasks.h"

#include "api/access.h"
#include "api/dryrun.h"
#include "api/problem.h"
#include "api/roll.h"
#include "api/split.h"
#include "api/state.h"
#include "api/stream.h"
#include "api/terms.h"
#include "core/clock.h"
#include "core/document.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void count_submitted(struct api *api, const struct task_submission *task)
{
	scoreboard_count(api->area, task->queue)->submitted_http++;
}

static const char *state_of(const struct api *api, const struct broker_look *look)
{
	struct roll_task running;

	if (tasks_runs_elsewhere(api, look) ||
		(look->state == TASK_PENDING && roll_find_task(api->node->scoreboard, look->id, &running)))
		return task_state_name(TASK_ACTIVE);
	return task_state_name(look->state);
}

/* A known id: what the first submission has become. */
static void answer_duplicate(struct request *request, const struct broker_look *look)
{
	struct task_head head;

	if (!look || !look->known || task_head_read(look->stored, &head) < 0) {
		problem(request, 409, "a task with this id is known, but it has just been dropped; submit again");
		return;
	}
	if (!access_queue(request, head.queue))
		return;
	answer_json(request, 200,
		json_pack("{s:s, s:s, s:s, s:b}", "id", look->id, "queue", head.queue, "state",
			state_of(request->api, look), "duplicate", 1));
	answer_header_format(request, "Location", "/v1/tasks/%s", look->id);
}

static void is_duplicate(struct request *request, const struct trip_result *result)
{
	if (result->status < 0)
		problem_broker(request, result->status, result->error);
	else
		answer_duplicate(request, result->look);
}

/* The first answer, in short: also when its task is forgotten. */
static void answer_submitted(struct request *request, const char *id)
{
	const struct task_submission *task = &request->single;

	json_t *value =
		json_pack("{s:s, s:s, s:s}", "id", id, "queue", request->api->node->config->queues[task->queue].name,
			"state", task_state_name(task->run_at_ms > 0 ? TASK_SCHEDULED : TASK_PENDING));
	double wait = pace_wait_s(&request->api->pace, task->queue, request->began_mono_ns);
	if (value && wait > 0 && task->run_at_ms == 0 && task->priority == TASK_PRIORITY)
		(void)json_object_set_new(value, "estimated_wait_seconds", json_real(wait));
	answer_json(request, 201, value);
	answer_header_format(request, "Location", "/v1/tasks/%s", id);
}

/* What another task has become, in the next trip. */
static void look_at(struct request *request, const char *id,
	void (*then)(struct request *request, const struct trip_result *result))
{
	(void)snprintf(request->id, sizeof request->id, "%s", id);
	if (!request->connection) { /* nobody is there to hear of it */
		answer_submitted(request, id);
		return;
	}
	request->task_count = 0; /* they are said */
	request->looks = true;
	request->watch = request->wait_until_mono_ns > 0;
	trip_add(&request->api->trip, request, then);
}

static void is_repeated(struct request *request, const struct trip_result *result)
{
	if (result->status < 0)
		problem_broker(request, result->status, result->error);
	else if (result->look->known)
		tasks_follow(request, result->look);
	else
		answer_submitted(request, request->id);
}

static void problem_overflow(struct request *request, const struct task_submission *task)
{
	const struct config_queue *queue = &request->api->node->config->queues[task->queue];

	problem(request, 429,
		"the queue \"%s\" is full (max_depth: %lld tasks wait): nothing was stored, try again when some were "
		"taken",
		queue->name, (long long)queue->max_depth);
	answer_header_format(request, "Retry-After", "%d",
		pace_retry_s(&request->api->pace, request->api->node->config, task->queue, (int64_t)request->task_count,
			request->began_mono_ns));
}

static void problem_abused(struct request *request)
{
	problem(request, 422,
		"this Idempotency-Key was used for another body within the last 24 h: a new request needs a new key");
}

/* At the bound of the broker's memory producers are slowed down; workers go on. */
static void problem_stored(struct request *request, const struct trip_result *result)
{
	if (result->status != BROKER_FULL) {
		problem_broker(request, result->status, result->error);
		return;
	}
	problem(request, 429,
		"the broker's memory is full (limits.broker_memory, or its maxmemory): nothing was stored, try again "
		"when "
		"tasks have ended");
	answer_header(request, "Retry-After", "1");
}

static void one_is_stored(struct request *request, const struct trip_result *result)
{
	const struct task_submission *task = &request->single;
	const struct broker_submission *submission = result->submissions;

	if (result->status < 0) {
		problem_stored(request, result);
		return;
	}
	switch (submission->stored) {
	case BROKER_STORED: break;
	case BROKER_KNOWN:
		/* An id of our own making that is known already is this very task, said twice because the connection was cut. */
		if (!task->own_id)
			break;
		answer_duplicate(request, result->look);
		return;
	case BROKER_UNIQUE: look_at(request, submission->id, is_duplicate); return;
	case BROKER_REPEATED:
		if (request->wait_until_mono_ns > 0)
			look_at(request, submission->id, is_repeated);
		else
			answer_submitted(request, submission->id);
		return;
	case BROKER_OVERFLOW: problem_overflow(request, task); return;
	case BROKER_ABUSED: problem_abused(request); return;
	}
	count_submitted(request->api, task);
	if (request->wait_until_mono_ns > 0 && result->look->known)
		tasks_follow(request, result->look);
	else
		answer_submitted(request, task->id);
}

/* An array is stored all or none: the first one that was refused speaks for all. Returns whether that is answered. */
static bool is_refused(struct request *request, const struct trip_result *result)
{
	for (size_t i = 0; i < request->task_count; i++) {
		enum broker_stored stored = result->submissions[i].stored;
		if (stored == BROKER_OVERFLOW)
			problem_overflow(request, &request->tasks[i]);
		if (stored == BROKER_ABUSED)
			problem_abused(request);
		if (stored == BROKER_OVERFLOW || stored == BROKER_ABUSED)
			return true;
	}
	return false;
}

void tasks_submit_single(struct request *request)
{
	request->tasks = &request->single;
	request->task_count = 1;
	trip_add(&request->api->trip, request, one_is_stored);
}

static void many_are_stored(struct request *request, const struct trip_result *result)
{
	if (result->status < 0) {
		problem_stored(request, result);
		return;
	}
	if (is_refused(request, result))
		return;
	json_t *ids = json_array();
	for (size_t i = 0; i < request->task_count; i++) {
		const struct task_submission *task = &request->tasks[i];
		const struct broker_submission *submission = &result->submissions[i];
		bool other = submission->stored == BROKER_UNIQUE || submission->stored == BROKER_REPEATED;
		(void)json_array_append_new(ids, json_string(other ? submission->id : task->id));
		if (!other && !(task->own_id && submission->stored == BROKER_KNOWN))
			count_submitted(request->api, task);
	}
	answer_json(request, 201, json_pack("{s:I, s:o}", "accepted", (json_int_t)request->task_count, "ids", ids));
}

/* A task that was not read. */
static void problem_task(struct request *request, int status, const struct schema_faults *faults)
{
	if (status == -ENOMEM)
		problem_broker(request, status, NULL);
	else
		problem_faults(request, faults);
}

static const char *trace_of(const struct request *request)
{
	return request->traceparent[0] != '\0' ? request->traceparent : NULL;
}

static void submit_one(struct request *request, const json_t *value, struct bytes text, bool dry)
{
	struct api *api = request->api;
	struct schema_faults faults = {0};

	int status =
		task_submission_read(api->node->config, value, text, "", clock_wall_ms(), &request->single, &faults);
	if (status < 0) {
		problem_task(request, status, &faults);
		schema_faults_fini(&faults);
		return;
	}
	request->tasks = &request->single;
	request->task_count = 1;
	if (!access_queue(request, api->node->config->queues[request->single.queue].name))
		return;
	if (dry) {
		dryrun_answer(request, value);
		return;
	}
	request->preference_ms = terms_wait_ms(request);
	if (request->preference_ms > 0 && !tasks_wait(request, request->preference_ms))
		return;
	request->submits = request->watch = request->preference_ms > 0;
	request->single.traceparent = trace_of(request);
	request->looks = request->watch || request->single.own_id; /* in case it is known: what has become of it */
	if (request->looks)
		memcpy(request->id, request->single.id, sizeof request->id);
	trip_add(&api->trip, request, one_is_stored);
}

/* Validates all elements. Returns 0, -EINVAL with faults, -EFBIG or -ENOMEM. */
static int read_elements(struct request *request, const json_t *array, struct bytes text, struct schema_faults *faults)
{
	const struct config *config = request->api->node->config;
	int64_t now_ms = clock_wall_ms();
	struct bytes element;
	char pointer[32];
	int status = 0;

	for (size_t i = 0; i < json_array_size(array) && split_next(&text, &element); i++) {
		(void)snprintf(pointer, sizeof pointer, "/%zu", i);
		if (element.length > (size_t)config->limits.document)
			return -EFBIG;
		int one = task_submission_read(
			config, json_array_get(array, i), element, pointer, now_ms, &request->tasks[i], faults);
		if (one == -ENOMEM)
			return one;
		request->tasks[i].traceparent = trace_of(request);
		if (one < 0)
			status = one;
	}
	return status;
}

static void problem_document_too_large(struct request *request)
{
	problem(request, 413, "a document may have at most %lld bytes (limits.document)",
		(long long)request->api->node->config->limits.document);
}

/* All or nothing: one queue that the caller's token is not good for refuses them all. */
static bool may_submit(struct request *request)
{
	const struct config *config = request->api->node->config;

	for (size_t i = 0; i < request->task_count; i++)
		if (!access_queue(request, config->queues[request->tasks[i].queue].name))
			return false;
	return true;
}

static void submit_many(struct request *request, const json_t *array, struct bytes text, bool dry)
{
	size_t count = json_array_size(array), most = (size_t)request->api->node->config->limits.batch;
	struct schema_faults faults = {0};

	if (count > most) {
		problem(request, 413, "an array may have at most %zu documents (limits.batch), this one has %zu", most,
			count);
		return;
	}
	if (count == 0 && !dry) {
		answer_json(request, 201, json_pack("{s:i, s:[]}", "accepted", 0, "ids"));
		return;
	}
	request->tasks = calloc(count + 1, sizeof *request->tasks);
	if (!request->tasks) {
		problem_broker(request, -ENOMEM, NULL);
		return;
	}
	int status = read_elements(request, array, text, &faults);
	request->task_count = count;
	if (status == -EFBIG)
		problem_document_too_large(request);
	else if (status < 0)
		problem_task(request, status, &faults);
	else if (may_submit(request) && dry)
		dryrun_answer(request, array);
	else if (request->stage != REQUEST_ANSWERED)
		trip_add(&request->api->trip, request, many_are_stored);
	schema_faults_fini(&faults);
}

static void problem_document(struct request *request, int status, const struct error *error)
{
	struct schema_faults faults = {0};

	switch (status) {
	case -EBADMSG: problem(request, 400, "%s", error->text); break;
	case -EINVAL:
		schema_fault(&faults, "", "%s", error->text);
		problem_faults(request, &faults);
		schema_faults_fini(&faults);
		break;
	default: problem_broker(request, status, error); break;
	}
}

void tasks_submit(struct request *request)
{
	struct bytes text = split_trim((struct bytes){request->body.data, request->body.length});
	json_auto_t *value = NULL;
	struct error error;
	bool dry;

	pace_want(&request->api->pace, request->began_mono_ns);
	if (request->stream) {
		stream_end(request);
		return;
	}
	if (!dryrun_is_meant(request, &dry) || (!dry && !terms_read(request)))
		return;
	if (text.length == 0) {
		problem(request, 400, "the body is empty: a task document or an array of them is expected");
		return;
	}
	if (text.data[0] != '[' && text.length > (size_t)request->api->node->config->limits.document) {
		problem_document_too_large(request);
		return;
	}
	int status = document_parse(text.data, text.length, DOCUMENT_STRICT, &value, &error);
	if (status < 0)
		problem_document(request, status, &error);
	else if (json_is_array(value))
		submit_many(request, value, text, dry);
	else
		submit_one(request, value, text, dry);
}
