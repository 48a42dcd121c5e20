#include "server/run.h"

#include "core/clock.h"
#include "core/id.h"
#include "core/io.h"
#include "core/log.h"
#include "core/redact.h"
#include "server/elsewhere.h"
#include "server/fault.h"
#include "server/policy.h"
#include "server/task_log.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	PUSH_MS = 1000,
	SAVE_MS = 1000,
	LINE_EXTRA = 256 * 1024, /* a line of a program may be written less densely than what it holds */
	AVERAGE_WEIGHT = 8,      /* of what was known before, in eighths and so on */
	LOG_DOCUMENT_MAX = 4096, /* bytes of a document in a log line */
	NO_PROGRESS = -1,
	ELSEWHERE_MS = 500, /* until a task is offered again that another node can run */
};

/* One task on its way. */
struct run {
	struct task_head head;
	struct task_order order;
	struct task_record record; /* as it stood, then as it stands */
	const struct config_queue *queue;
	int queue_index;
	char id[ID_MAX + 1];
	struct handler_result result;
	int64_t ended_mono_ns;
};

static int64_t wall_ms(const struct worker *worker, int64_t mono_ns)
{
	return (mono_ns + worker->wall_offset_ns) / CLOCK_NS_PER_MS;
}

/* ---- what a task may do to its worker ---- */

/* A task's promise is bounded by its own timeout. */
static void promise(struct worker *worker, int64_t now, int64_t until)
{
	int64_t latest = worker->timeout_ns == INT64_MAX ? INT64_MAX : worker->started_mono_ns + worker->timeout_ns;

	worker_promise(worker, now, until < latest ? until : latest);
}

static void host_beat(void *context, int64_t for_ms)
{
	struct worker *worker = context;
	int64_t now = clock_mono_ns();
	int64_t silence_ms = for_ms > 0 ? for_ms : worker->pool->heartbeat_timeout_ms;

	promise(worker, now, now + silence_ms * CLOCK_NS_PER_MS);
	task_log_turn(worker);
}

/* Display text changes under an odd sequence number. */
static void begin_text(struct scoreboard_current *current)
{
	atomic_fetch_add(&current->sequence, 1);
	atomic_thread_fence(memory_order_release);
}

static void end_text(struct scoreboard_current *current)
{
	atomic_fetch_add(&current->sequence, 1);
}

static void host_progress(void *context, int percent, const char *note)
{
	struct worker *worker = context;
	struct scoreboard_current *current = &worker->area->current;

	begin_text(current);
	current->progress = percent < 0 ? 0 : percent > 100 ? 100 : percent;
	(void)snprintf(current->note, sizeof current->note, "%s", note ? note : "");
	end_text(current);
	task_log_turn(worker);
}

static bool was_told_to_stop(const struct worker *worker)
{
	return worker->node->scoreboard->rows[worker->row].cancel ==
	       scoreboard_pair(worker->incarnation, worker->area->serial);
}

static bool host_stopping(void *context)
{
	task_log_turn(context);
	return was_told_to_stop(context);
}

static void host_log(void *context, const char *text, size_t length)
{
	struct worker *worker = context;

	log_info("task says", LOG_TEXT("task", worker->area->current.id), LOG_BYTES("text", text, length));
	task_log_add(worker, text, length);
}

static int64_t host_deadline_ms(void *context)
{
	const struct worker *worker = context;
	int64_t left = worker->area->alive_until - clock_mono_ns();

	return left > 0 ? left / CLOCK_NS_PER_MS : 0;
}

static int submit(struct worker *worker, const json_t *task, const char *text, size_t length, struct error *error)
{
	const int64_t now_ms = clock_wall_ms();
	struct task_submission submission = {0};
	struct schema_faults faults = {0};

	int status = task_submission_read(
		worker->node->config, task, (struct bytes){text, length}, "", now_ms, &submission, &faults);
	if (status < 0) {
		status = error_set(error, status, "%s: %s", faults.count > 0 ? faults.items[0].pointer : "",
			faults.count > 0 ? faults.items[0].detail : "not a task");
		schema_faults_fini(&faults);
		return status;
	}
	struct broker_submission item = {.task = &submission};
	struct broker_batch batch = {
		.submissions = &item, .submission_count = 1, .created_ms = now_ms, .source = TASK_SOURCE_HANDLER};
	status = broker_batch(worker->broker, &batch, clock_mono_after(PUSH_MS), error);
	broker_batch_fini(&batch);
	if (status == 0 && item.stored == BROKER_OVERFLOW)
		return error_set(error, -ENOSPC, "the queue \"%s\" is full (max_depth)",
			worker->node->config->queues[submission.queue].name);
	if (status == 0 && item.stored == BROKER_STORED)
		scoreboard_count(worker->area, submission.queue)->submitted_handler++;
	return status;
}

static int host_push(void *context, const json_t *task, struct error *error)
{
	char *text = json_dumps(task, JSON_COMPACT);

	if (!text)
		return error_set(error, -ENOMEM, "the task cannot be written as JSON");
	int status = submit(context, task, text, strlen(text), error);
	free(text);
	return status;
}

/* ---- for tasks that a program runs ---- */

static int host_save(void *context, const char *json, size_t length, struct error *error)
{
	struct worker *worker = context;

	worker->has_saved = true;
	return broker_save(worker->broker, worker->area->current.id, worker->created_ms, (struct bytes){json, length},
		clock_mono_after(SAVE_MS), error);
}

/* Without the broker it begins anew, as a task must be able to. */
static json_t *host_saved(void *context)
{
	struct worker *worker = context;
	const char *id = worker->area->current.id;
	char *text = NULL;

	if (broker_saved(worker->broker, id, worker->created_ms, clock_mono_after(SAVE_MS), &text, NULL) < 0)
		log_warn("what the task has saved cannot be had", LOG_TEXT("task", id));
	json_t *saved = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
	worker->has_saved |= text != NULL;
	free(text);
	return saved;
}

static void host_child(void *context, pid_t pid)
{
	struct worker *worker = context;

	worker->area->child = pid;
	if (pid == 0)
		return;
	worker->last_child = pid;
	usage_begin_program(&worker->usage, pid, clock_mono_ns());
}

/* A dead task may be told to run again; what is over for good needs nothing more. What cannot be deleted goes by itself. */
static void forget_saved(struct worker *worker, const struct run *run)
{
	if (worker->has_saved && (run->record.state == TASK_SUCCEEDED || run->record.state == TASK_CANCELLED))
		(void)broker_forget_saved(worker->broker, run->id, clock_mono_after(SAVE_MS), NULL);
}

int run_open(struct worker *worker)
{
	const struct config *config = worker->node->config;
	const int64_t largest =
		config->limits.document > config->limits.result ? config->limits.document : config->limits.result;

	worker->host = (struct handler_host){
		.context = worker,
		.beat = host_beat,
		.progress = host_progress,
		.stopping = host_stopping,
		.log = host_log,
		.push = host_push,
		.deadline_ms = host_deadline_ms,
		.demo_dir = worker->node->demo_dir,
		.save = host_save,
		.saved = host_saved,
		.child = host_child,
		.line_max = (size_t)largest * 2 + LINE_EXTRA,
		.kill_grace_ms = worker->pool->kill_grace_ms,
	};
	return handlers_open(&worker->handlers, config, &worker->host);
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

static void read_stored(struct worker *worker, const struct broker_task *task, struct run *run)
{
	size_t length = task_element_id_length(task->element);

	assert(length <= ID_MAX);
	memcpy(run->id, task->element.data, length);
	run->id[length] = '\0';
	if (!task->stored.data || task_head_read(task->stored, &run->head) < 0)
		run->head = (struct task_head){.source = TASK_SOURCE_LIST}; /* an empty document: malformed */
	int index = config_find_queue(worker->node->config, run->head.queue, strlen(run->head.queue));
	run->queue_index = index >= 0 ? index : worker->pool->queues[0].queue;
	run->queue = &worker->node->config->queues[run->queue_index];
	int status = task_record_read(task->record, &run->record);
	if (status == -ENOMEM)
		abort(); /* says nothing about the record: the task counts a crash and is run again */
	if (status < 0)
		run->record = (struct task_record){.state = TASK_PENDING, .worker = "-"};
}

static void show(struct worker *worker, const struct run *run, int64_t started_ms)
{
	struct scoreboard_current *current = &worker->area->current;

	begin_text(current);
	memcpy(current->id, run->id, sizeof current->id);
	(void)stpncpy(current->class, run->order.class ? run->order.class : "", sizeof current->class - 1);
	(void)stpncpy(current->method, run->order.method ? run->order.method : "", sizeof current->method - 1);
	current->note[0] = '\0';
	current->queue = (int32_t)run->queue_index;
	current->progress = NO_PROGRESS;
	current->started_ms = started_ms;
	current->started_mono_ns = worker->started_mono_ns;
	end_text(current);
}

static void show_nothing(struct worker *worker)
{
	struct scoreboard_current *current = &worker->area->current;

	begin_text(current);
	current->started_ms = 0;
	end_text(current);
}

static void refuse(struct run *run, const char *kind, const char *message)
{
	run->result = (struct handler_result){.verdict = TASK_VERDICT_REFUSED, .kind = kind, .delay_ms = -1};
	(void)snprintf(run->result.message, sizeof run->result.message, "%s", message);
}

static void call_handler(struct worker *worker, struct run *run)
{
	const struct handler_task task = {
		.id = run->id,
		.head = &run->head,
		.order = &run->order,
		.attempt = run->record.attempts + 1,
		.again = run->record.executions > 0,
	};
	struct error error = {""};
	int status = 0;

	if (strcmp(run->order.class, worker->loaded) != 0)
		status = run_load(worker, run->order.class, &error);
	if (status == 0)
		status = handlers_run(worker->handlers, &task, &run->result, &error);
	if (status < 0) {
		log_error(
			"handler cannot be loaded", LOG_TEXT("class", run->order.class), LOG_TEXT("error", error.text));
		(void)snprintf(worker->area->reason, sizeof worker->area->reason, "%s", error.text);
		worker->area->leaving = LEAVING_UNFIT;
		_exit(POLICY_EXIT_CONFIG);
	}
}

/* Between in_task and the claim: whatever goes wrong here is the task's doing. */
static void execute(struct worker *worker, struct run *run, bool well_formed, const struct error *malformed)
{
	usage_begin(&worker->usage, worker->started_mono_ns);
	worker->area->in_task = 1;
	if (!well_formed)
		refuse(run, "invalid", malformed->text);
	else if (run->head.expires_ms > 0 && clock_wall_ms() > run->head.expires_ms)
		refuse(run, "expired", TASK_EXPIRED);
	else
		call_handler(worker, run);
	worker->area->in_task = 0;
	run->ended_mono_ns = clock_mono_ns();
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
	case TASK_VERDICT_OK:
	case TASK_VERDICT_TIMEOUT:
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
		scoreboard_observe(&totals->wait, (wall_ms(worker, worker->started_mono_ns) - ready_ms) * 1000);
	memcpy(entry->id, run->id, sizeof entry->id);
	(void)stpncpy(entry->class, run->order.class ? run->order.class : "", sizeof entry->class - 1);
	entry->state = (char)run->record.state;
	entry->queue = (int32_t)run->queue_index;
	entry->at_ms = wall_ms(worker, run->ended_mono_ns);
	entry->duration_us = duration_ns / 1000;
	worker->area->flight_count = flight + 1;
}

static void settle(struct worker *worker, struct run *run, struct buffer *record)
{
	const int64_t duration_ns = run->ended_mono_ns - worker->started_mono_ns;
	const struct task_usage used = usage_end(&worker->usage, worker->started_mono_ns, run->ended_mono_ns);
	const bool invalid = run->order.retry_invalid && run->result.verdict == TASK_VERDICT_RETRY;
	struct task_execution execution = {
		.verdict = run->result.verdict,
		.kind = invalid ? "invalid" : run->result.kind,
		.message = run->result.message[0] ? run->result.message : NULL,
		.result = run->result.result,
		.worker = worker->name,
		.started_ms = wall_ms(worker, worker->started_mono_ns),
		.ended_ms = wall_ms(worker, run->ended_mono_ns),
		.delay_ms = run->result.delay_ms,
		.max_attempts = run->order.max_attempts,
		.random = id_chance(),
		.usage = &used,
	};

	if (was_told_to_stop(worker)) {
		execution.verdict = TASK_VERDICT_CANCELLED;
		execution.kind = execution.message = NULL;
		execution.result = NULL;
	}
	/* Without memory for a record there is nothing to report: the worker ends, and the task counts a crash. */
	if (task_record_apply(&run->record, run->queue, &execution) < 0 || task_record_format(record, &run->record) < 0)
		abort();
	count(worker, run, duration_ns);
	forget_saved(worker, run);
	if (execution.verdict != TASK_VERDICT_CANCELLED)
		log_end(worker, run);
	worker->average_ns = worker->average_ns == 0
				     ? duration_ns + 1
				     : (worker->average_ns * (AVERAGE_WEIGHT - 1) + duration_ns) / AVERAGE_WEIGHT + 1;
}

/* The second thread has claimed this task and ends the process; nothing may be reported any more. */
static __attribute__((noreturn)) void wait_for_the_end(void)
{
	for (;;)
		(void)pause();
}

bool run_task(struct worker *worker, unsigned i, struct buffer *record)
{
	struct run run = {.result = {.delay_ms = -1}};
	struct error malformed = {""};

	worker->started_mono_ns = clock_mono_ns();
	read_stored(worker, &worker->batch.lease.tasks[i], &run);
	int status = task_order_read(&run.head, run.queue, &run.order, &malformed);
	if (status == -ENOMEM)
		abort(); /* no fault of the document: the task counts a crash and is run again */
	bool well_formed = status == 0;
	worker->created_ms = run.head.created_ms;
	worker->has_saved = false;
	worker->timeout_ns = run.order.timeout_ms == SCHEMA_NONE ? INT64_MAX : run.order.timeout_ms * CLOCK_NS_PER_MS;
	show(worker, &run, wall_ms(worker, worker->started_mono_ns));
	task_log_begin(worker, run.id);
	const int64_t silence_ms = worker->pool->heartbeat_timeout_ms;
	/* Until its first beat a task has its own timeout, if it has one; `promise` bounds by that. */
	promise(worker, worker->started_mono_ns,
		worker->timeout_ns == INT64_MAX ? worker->started_mono_ns + silence_ms * CLOCK_NS_PER_MS : INT64_MAX);
	/* After its promise: whoever sees this number does not hold it to the task before's. Before it is begun: an order about
	 * the task before is none about this one. */
	worker->area->serial++;
	fault_point("task-begins");
	bool begun = batch_begin(&worker->batch, i, wall_ms(worker, worker->started_mono_ns));
	if (begun) {
		execute(worker, &run, well_formed, &malformed);
		fault_point("task-ended");
		/* A success is believed; that it failed may be the fault of who ran before it. */
		if (run.result.verdict == TASK_VERDICT_FAIL || run.result.verdict == TASK_VERDICT_RETRY)
			worker_leave_if_maimed(worker);
		if (!batch_end(&worker->batch, i))
			wait_for_the_end();
		task_log_end(worker);
		look_elsewhere(worker, &run);
		settle(worker, &run, record);
	}
	show_nothing(worker);
	handler_result_fini(&run.result);
	task_order_fini(&run.order);
	task_record_fini(&run.record);
	return begun;
}
