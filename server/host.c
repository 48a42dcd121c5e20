#include "server/host.h"

#include "core/clock.h"
#include "core/log.h"
#include "server/task_log.h"
#include "server/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	PUSH_MS = 1000,
	SAVE_MS = 1000,
	LINE_EXTRA = 256 * 1024, /* a line of a program may be written less densely than what it holds */
};

void host_promise(struct run *run, int64_t now_mono_ns, int64_t until_mono_ns)
{
	int64_t latest = run->timeout_ns == INT64_MAX ? INT64_MAX : run->started_mono_ns + run->timeout_ns;

	run->until_mono_ns = until_mono_ns < latest ? until_mono_ns : latest;
	if (!run->among_several)
		worker_promise(run->worker, now_mono_ns, run->until_mono_ns);
}

static void host_beat(void *context, int64_t for_ms)
{
	struct run *run = context;
	int64_t now = clock_mono_ns();
	int64_t silence_ms = for_ms > 0 ? for_ms : run->worker->pool->heartbeat_timeout_ms;

	host_promise(run, now, now + silence_ms * CLOCK_NS_PER_MS);
	task_log_turn(run->worker);
}

void host_begin_text(struct scoreboard_current *text)
{
	atomic_fetch_add(&text->sequence, 1);
	atomic_thread_fence(memory_order_release);
}

void host_end_text(struct scoreboard_current *text)
{
	atomic_fetch_add(&text->sequence, 1);
}

static void host_progress(void *context, int percent, const char *note)
{
	const struct run *run = context;
	const uint32_t told = run->worker->area->told + 1;

	host_begin_text(run->text);
	run->text->told = told;
	run->text->progress = percent < 0 ? 0 : percent > 100 ? 100 : percent;
	(void)snprintf(run->text->note, sizeof run->text->note, "%s", note ? note : "");
	host_end_text(run->text);
	run->worker->area->told = told;
	task_log_turn(run->worker);
}

bool host_was_told_to_stop(const struct run *run)
{
	const struct worker *worker = run->worker;
	const struct scoreboard *scoreboard = worker->node->scoreboard;
	const uint64_t told = scoreboard_pair(worker->incarnation, run->serial);

	if (!run->among_several)
		return scoreboard->rows[worker->row].cancel == told;
	const uint64_t cancel = scoreboard->exits[worker->row].cancels[run->serial % SCOREBOARD_BATCH];
	return cancel == told || host_is_forced_to_stop(run);
}

bool host_is_forced_to_stop(const struct run *run)
{
	const struct worker *worker = run->worker;

	return run->among_several &&
	       worker->node->scoreboard->exits[worker->row].cancels[run->serial % SCOREBOARD_BATCH] ==
		       scoreboard_pair(worker->incarnation | SCOREBOARD_FORCED, run->serial);
}

static bool host_stopping(void *context)
{
	const struct run *run = context;

	task_log_turn(run->worker);
	return host_was_told_to_stop(run);
}

static void host_log(void *context, const char *text, size_t length)
{
	const struct run *run = context;

	if (run->id[0] == '\0') {
		log_info("program says", LOG_BYTES("text", text, length));
		return;
	}
	log_info("task says", LOG_TEXT("task", run->id), LOG_BYTES("text", text, length));
	if (run->among_several)
		task_log_turn_to(run->worker, run->id);
	task_log_add(run->worker, text, length);
}

static int64_t host_deadline_ms(void *context)
{
	const struct run *run = context;
	int64_t until = run->among_several ? run->until_mono_ns : run->worker->area->alive_until;
	int64_t left = until - clock_mono_ns();

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
	const struct run *run = context;
	int status = submit(run->worker, task, text, strlen(text), error);
	free(text);
	return status;
}

/* ---- for tasks that a program runs ---- */

static int host_save(void *context, const char *json, size_t length, struct error *error)
{
	struct run *run = context;

	run->has_saved = true;
	return broker_save(run->worker->broker, run->id, run->head.created_ms, (struct bytes){json, length},
		clock_mono_after(SAVE_MS), error);
}

/* Without the broker it begins anew, as a task must be able to. */
static json_t *host_saved(void *context)
{
	struct run *run = context;
	char *text = NULL;

	if (broker_saved(run->worker->broker, run->id, run->head.created_ms, clock_mono_after(SAVE_MS), &text, NULL) <
		0)
		log_warn("what the task has saved cannot be had", LOG_TEXT("task", run->id));
	json_t *saved = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
	run->has_saved |= text != NULL;
	free(text);
	return saved;
}

static void host_child(void *context, pid_t pid)
{
	const struct run *run = context;
	struct worker *worker = run->worker;

	worker->area->child = pid;
	if (pid == 0)
		return;
	worker->last_child = pid;
	if (!worker->area->runs_several)
		usage_begin_program(&worker->usage, pid, clock_mono_ns());
}

void host_forget_saved(const struct run *run)
{
	(void)broker_forget_saved(run->worker->broker, run->id, clock_mono_after(SAVE_MS), NULL);
}

void host_init(struct handler_host *host, struct run *run)
{
	const struct config *config = run->worker->node->config;
	const int64_t largest =
		config->limits.document > config->limits.result ? config->limits.document : config->limits.result;

	*host = (struct handler_host){
		.context = run,
		.beat = host_beat,
		.progress = host_progress,
		.stopping = host_stopping,
		.log = host_log,
		.push = host_push,
		.deadline_ms = host_deadline_ms,
		.demo_dir = run->worker->node->demo_dir,
		.save = host_save,
		.saved = host_saved,
		.child = host_child,
		.line_max = (size_t)largest * 2 + LINE_EXTRA,
		.kill_grace_ms = run->worker->pool->kill_grace_ms,
	};
}
