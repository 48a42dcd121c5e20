#include "server/run.h"

#include "core/clock.h"
#include "core/id.h"
#include "core/io.h"
#include "core/log.h"
#include "core/redact.h"
#include "server/elsewhere.h"
#include "server/fault.h"
#include "server/host.h"
#include "server/policy.h"
#include "server/task_log.h"
#include "server/worker.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	AVERAGE_WEIGHT = 8,      /* of what was known before, in eighths and so on */
	LOG_DOCUMENT_MAX = 4096, /* bytes of a document in a log line */
	NO_PROGRESS = -1,
	ELSEWHERE_MS = 500, /* until a task is offered again that another node can run */
};

static int64_t wall_ms(const struct worker *worker, int64_t mono_ns)
{
	return (mono_ns + worker->wall_offset_ns) / CLOCK_NS_PER_MS;
}

int run_prepare(struct worker *worker)
{
	worker->run.worker = worker;
	worker->run.text = &worker->area->current;
	worker->run.timeout_ns = INT64_MAX;
	host_init(&worker->host, &worker->run);
	return handlers_open(&worker->handlers, worker->node->config, &worker->host);
}

int run_load(struct worker *worker, const char *class, struct error *error)
{
	struct error why;

	(void)snprintf(worker->area->reason, sizeof worker->area->reason, "ended while loading class '%s'", class);
	worker->area->leaving = LEAVING_UNFIT;
	int status = handlers_load(worker->handlers, class, &why);
	if (status < 0 && status != -ENOENT)
		return error_set(error, status, "%s", why.text);
	worker->area->leaving = LEAVING_NOT;
	worker->area->reason[0] = '\0';
	(void)snprintf(worker->loaded, sizeof worker->loaded, "%s", class);
	return 0;
}

/* ---- the steps of a run ---- */

static void read_stored(struct run *run, const struct broker_task *task)
{
	const struct config *config = run->worker->node->config;
	size_t length = task_element_id_length(task->element);

	assert(length <= ID_MAX);
	memcpy(run->id, task->element.data, length);
	run->id[length] = '\0';
	if (!task->stored.data || task_head_read(task->stored, &run->head) < 0)
		run->head = (struct task_head){.source = TASK_SOURCE_LIST}; /* an empty document: malformed */
	int index = config_find_queue(config, run->head.queue, strlen(run->head.queue));
	run->queue_index = index >= 0 ? index : run->worker->pool->queues[0].queue;
	run->queue = &config->queues[run->queue_index];
	int status = task_record_read(task->record, &run->record);
	if (status == -ENOMEM)
		abort(); /* says nothing about the record: the task counts a crash and is run again */
	if (status < 0)
		run->record = (struct task_record){.state = TASK_PENDING, .worker = "-"};
}

void run_open(struct run *run, struct worker *worker, unsigned position, const struct broker_task *task)
{
	run->worker = worker;
	run->position = position;
	run->result.result = NULL;
	run->result.delay_ms = -1;
	run->has_saved = false;
	read_stored(run, task);
	int status = task_order_read(&run->head, run->queue, &run->order, &run->malformed);
	if (status == -ENOMEM)
		abort(); /* no fault of the document: the task counts a crash and is run again */
	run->well_formed = status == 0;
	run->timeout_ns = run->order.timeout_ms == SCHEMA_NONE ? INT64_MAX : run->order.timeout_ms * CLOCK_NS_PER_MS;
}

void run_close(struct run *run)
{
	handler_result_fini(&run->result);
	task_order_fini(&run->order);
	task_record_fini(&run->record);
}

static void show(const struct run *run, int64_t started_ms)
{
	struct scoreboard_current *text = run->text;

	host_begin_text(text);
	memcpy(text->id, run->id, sizeof text->id);
	(void)stpncpy(text->class, run->order.class ? run->order.class : "", sizeof text->class - 1);
	(void)stpncpy(text->method, run->order.method ? run->order.method : "", sizeof text->method - 1);
	text->note[0] = '\0';
	text->queue = (int32_t)run->queue_index;
	text->serial = run->serial;
	text->progress = NO_PROGRESS;
	text->started_ms = started_ms;
	text->started_mono_ns = run->started_mono_ns;
	host_end_text(text);
}

void run_hide(const struct run *run)
{
	host_begin_text(run->text);
	run->text->started_ms = 0;
	host_end_text(run->text);
}

static void refuse(struct run *run, const char *kind, const char *message)
{
	run->result = (struct handler_result){.verdict = TASK_VERDICT_REFUSED, .kind = kind, .delay_ms = -1};
	(void)snprintf(run->result.message, sizeof run->result.message, "%s", message);
}

bool run_is_refused(struct run *run)
{
	if (!run->well_formed)
		refuse(run, "invalid", run->malformed.text);
	else if (run->head.expires_ms > 0 && clock_wall_ms() > run->head.expires_ms)
		refuse(run, "expired", TASK_EXPIRED);
	else
		return false;
	return true;
}

static __attribute__((noreturn)) void give_up(struct worker *worker, const char *class, const struct error *error)
{
	log_error("handler cannot be loaded", LOG_TEXT("class", class), LOG_TEXT("error", error->text));
	(void)snprintf(worker->area->reason, sizeof worker->area->reason, "%s", error->text);
	worker->area->leaving = LEAVING_UNFIT;
	_exit(POLICY_EXIT_CONFIG);
}

void run_load_class(struct run *run)
{
	struct error error = {""};

	if (strcmp(run->order.class, run->worker->loaded) != 0 && run_load(run->worker, run->order.class, &error) < 0)
		give_up(run->worker, run->order.class, &error);
}

struct handler_task run_task(const struct run *run)
{
	return (struct handler_task){
		.id = run->id,
		.head = &run->head,
		.order = &run->order,
		.attempt = run->record.attempts + 1,
		.again = run->record.executions > 0,
	};
}

static void call_handler(struct run *run)
{
	const struct handler_task task = run_task(run);
	struct error error = {""};

	run_load_class(run);
	if (handlers_run(run->worker->handlers, &task, &run->result, &error) < 0)
		give_up(run->worker, run->order.class, &error);
}

/* The ancestor's words, which people grep for, with the document. */
static const char *ancestors_words(const struct run *run)
{
	switch (run->result.verdict) {
	case TASK_VERDICT_REFUSED:
		if (strcmp(run->result.kind, "expired") == 0)
			return "expired:";
		return strcmp(run->result.kind, "invalid") == 0 ? "task format wrong:" : "class method not found:";
	case TASK_VERDICT_RETRY: return run->record.state == TASK_RETRYING ? "retry task:" : "retry is zero:";
	case TASK_VERDICT_FAIL: return "exception:";
	case TASK_VERDICT_TIMEOUT: return "killed timeout:";
	case TASK_VERDICT_OK:
	case TASK_VERDICT_CRASH:
	case TASK_VERDICT_ELSEWHERE:
	case TASK_VERDICT_CANCELLED: return NULL;
	}
	__builtin_unreachable();
}

static void log_crash(const struct run *run)
{
	log_warn("task lost its program", LOG_TEXT("task", run->id),
		LOG_TEXT("state", task_state_name(run->record.state)), LOG_INT("crashes", run->record.crashes),
		LOG_TEXT("why", run->result.message));
}

static void log_end(const struct worker *worker, const struct run *run)
{
	const char *words = ancestors_words(run);
	_cleanup_(buffer_fini) struct buffer line = {0};

	if (run->result.verdict == TASK_VERDICT_CRASH)
		log_crash(run);
	if (!words)
		return;
	buffer_init(&line, LOG_DOCUMENT_MAX + sizeof run->result.message + 64);
	buffer_append_text(&line, words);
	redact_append(&line, worker->node->config, run->head.document, LOG_DOCUMENT_MAX);
	if (run->result.verdict == TASK_VERDICT_FAIL || *words == 'r')
		if (run->record.state == TASK_DEAD)
			buffer_append_format(&line, "|||%s(%" PRId64 ")", run->result.message, run->result.code);
	log_warn(line.data ? line.data : words, LOG_TEXT("task", run->id));
}

static bool has_handler(const struct config *config, const char *class)
{
	for (size_t i = 0; i < config->handler_count; i++)
		if (strcmp(config->handlers[i].class, class) == 0 || strcmp(config->handlers[i].class, "*") == 0)
			return true;
	return false;
}

/* In a rolling deploy not every node has every class yet: that one has none with this name is final only where no node has. */
static void look_elsewhere(struct worker *worker, struct run *run)
{
	struct handler_result *result = &run->result;

	if (result->verdict != TASK_VERDICT_REFUSED || strcmp(result->kind, "unknown_class") != 0 ||
		has_handler(worker->node->config, run->order.class) || /* its program has refused it */
		!elsewhere_is_known(&worker->elsewhere, worker->broker, run->order.class, run->queue->name))
		return;
	log_info("task waits for a node that has its class", LOG_TEXT("task", run->id),
		LOG_TEXT("class", run->order.class));
	result->verdict = TASK_VERDICT_ELSEWHERE;
	result->delay_ms = ELSEWHERE_MS;
}

/* Counted here and nowhere else: by whoever ran it, when it has ended. */
static void count(struct worker *worker, const struct run *run, int64_t duration_ns)
{
	struct scoreboard_totals *totals = scoreboard_count(worker->area, (int)run->queue_index);
	int64_t ready_ms = run->head.run_at_ms > run->head.created_ms ? run->head.run_at_ms : run->head.created_ms;
	unsigned flight = worker->area->flight_count;
	struct scoreboard_flight *entry = &worker->area->flight[flight % SCOREBOARD_FLIGHT];

	totals->succeeded += run->record.state == TASK_SUCCEEDED;
	totals->retried += run->record.state == TASK_RETRYING && run->result.verdict != TASK_VERDICT_ELSEWHERE;
	totals->recovered += run->record.state == TASK_PENDING;
	totals->cancelled += run->record.state == TASK_CANCELLED;
	totals->failed += run->record.state == TASK_DEAD;
	totals->dead += run->record.state == TASK_DEAD;
	scoreboard_observe(&totals->duration, duration_ns / 1000);
	if (run->record.executions == 1 && ready_ms > 0)
		scoreboard_observe(&totals->wait, (wall_ms(worker, run->started_mono_ns) - ready_ms) * 1000);
	memcpy(entry->id, run->id, sizeof entry->id);
	(void)stpncpy(entry->class, run->order.class ? run->order.class : "", sizeof entry->class - 1);
	entry->state = (char)run->record.state;
	entry->queue = (int32_t)run->queue_index;
	entry->at_ms = wall_ms(worker, run->ended_mono_ns);
	entry->duration_us = duration_ns / 1000;
	worker->area->flight_count = flight + 1;
}

/* A dead task may be told to run again; what is over for good needs nothing more. What cannot be deleted goes by itself. */
static void forget_saved(const struct run *run)
{
	if (run->has_saved && (run->record.state == TASK_SUCCEEDED || run->record.state == TASK_CANCELLED))
		host_forget_saved(run);
}

static void note_average(struct worker *worker, int64_t duration_ns)
{
	worker->average_ns = worker->average_ns == 0
				     ? duration_ns + 1
				     : (worker->average_ns * (AVERAGE_WEIGHT - 1) + duration_ns) / AVERAGE_WEIGHT + 1;
}

void run_settle(struct run *run, struct buffer *record)
{
	struct worker *worker = run->worker;

	look_elsewhere(worker, run);
	const int64_t duration_ns = run->ended_mono_ns - run->started_mono_ns;
	struct task_usage used = {.cpu_ms = -1, .peak_rss_bytes = -1}; /* of one of several nobody can tell */
	const bool invalid = run->order.retry_invalid && run->result.verdict == TASK_VERDICT_RETRY;
	struct task_execution execution = {
		.verdict = run->result.verdict,
		.kind = invalid ? "invalid" : run->result.kind,
		.message = run->result.message[0] ? run->result.message : NULL,
		.result = run->result.result,
		.worker = worker->name,
		.started_ms = wall_ms(worker, run->started_mono_ns),
		.ended_ms = wall_ms(worker, run->ended_mono_ns),
		.delay_ms = run->result.delay_ms,
		.max_attempts = run->order.max_attempts,
		.random = id_chance(),
		.usage = &used,
	};

	if (!run->among_several)
		used = usage_end(&worker->usage, run->started_mono_ns, run->ended_mono_ns);
	if (host_was_told_to_stop(run)) {
		execution.verdict = TASK_VERDICT_CANCELLED;
		execution.kind = execution.message = NULL;
		execution.result = NULL;
	}
	/* Without memory for a record there is nothing to report: the worker ends, and the task counts a crash. */
	if (task_record_apply(&run->record, run->queue, &execution) < 0 || task_record_format(record, &run->record) < 0)
		abort();
	count(worker, run, duration_ns);
	forget_saved(run);
	if (execution.verdict != TASK_VERDICT_CANCELLED)
		log_end(worker, run);
	if (!run->among_several)
		note_average(worker, duration_ns);
}

/* The second thread has claimed this task and ends the process; nothing may be reported any more. */
static __attribute__((noreturn)) void wait_for_the_end(void)
{
	for (;;)
		(void)pause();
}

bool run_begin(struct run *run)
{
	struct worker *worker = run->worker;
	const int64_t silence_ms = worker->pool->heartbeat_timeout_ms;

	run->started_mono_ns = clock_mono_ns();
	run->serial = worker->area->serial + 1;
	show(run, wall_ms(worker, run->started_mono_ns));
	if (!run->among_several)
		task_log_begin(worker, run->id);
	/* Until its first beat a task has its own timeout, if it has one; the promise is bounded by that. */
	host_promise(run, run->started_mono_ns,
		run->timeout_ns == INT64_MAX ? run->started_mono_ns + silence_ms * CLOCK_NS_PER_MS : INT64_MAX);
	/* After its promise: whoever sees this number does not hold it to the task before's. Before it is begun: an order about
	 * the task before is none about this one. */
	worker->area->serial = run->serial;
	fault_point("task-begins");
	if (batch_begin(&worker->batch, run->position, wall_ms(worker, run->started_mono_ns)))
		return true;
	run_hide(run);
	return false;
}

void run_end(struct run *run)
{
	struct worker *worker = run->worker;

	fault_point("task-ended");
	/* A success is believed; that it failed may be the fault of who ran before it. */
	if (run->result.verdict == TASK_VERDICT_FAIL || run->result.verdict == TASK_VERDICT_RETRY)
		worker_leave_if_maimed(worker);
	if (!batch_end(&worker->batch, run->position))
		wait_for_the_end();
}

/* Between in_task and the claim: whatever goes wrong here is the task's doing. */
void run_execute(struct run *run)
{
	struct worker *worker = run->worker;

	usage_begin(&worker->usage, run->started_mono_ns);
	worker->area->in_task = 1;
	if (!run_is_refused(run))
		call_handler(run);
	worker->area->in_task = 0;
	run->ended_mono_ns = clock_mono_ns();
	run_end(run);
	task_log_end(worker);
}
