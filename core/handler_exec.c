#include "core/backoff.h"
#include "core/buffer.h"
#include "core/clock.h"
#include "core/exec_child.h"
#include "core/exec_order.h"
#include "core/handler_kind.h"
#include "core/io.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	REAP_EVERY = 256,   /* tasks: what the child has left behind is looked for */
	LOOK_MS = 50,       /* how often a running task is asked whether it was told to stop */
	ENDING_MS = 100,    /* for whoever closes its pipes: it is about to end */
	LAST_WORDS_MS = 50, /* for the first thread, to log what a stuck task said before its end */
};

/* A handler whose program runs task after task, in one child that is started at the first one.
 *
 * A child that has ended, or must not be used again, is reaped at the next task only: the second thread may be about to
 * signal it, and by then there is no second thread that would (it has claimed the task, and with it the process). */
struct exec {
	const struct handler_host *host;
	struct exec_child child;
	atomic_bool heard;  /* all that the child said about the task in hand; writer: the first thread */
	atomic_bool asked;  /* the second thread waits for that, on heard_fd; it sets it once and for all */
	int heard_fd;       /* a bell */
	struct buffer line; /* the task in hand, as the child gets it */
	bool spent;         /* the child must not get another task */
	unsigned tasks;     /* since strays were reaped */
};

static bool serves(const struct config_handler *config)
{
	return config->program.argv.count > 0 && config->mode == CONFIG_MODE_PERSISTENT && config->concurrency == 1;
}

static void release(void *handler)
{
	struct exec *exec = handler;

	if (exec->child.program.pid > 0 && !exec->spent)
		exec_child_leave(&exec->child);
	exec_child_fini(&exec->child);
	buffer_fini(&exec->line);
	io_close(&exec->heard_fd);
	free(exec);
}

static int load(
	const struct config_handler *config, const struct handler_host *host, void **ret_handler, struct error *error)
{
	struct exec *exec = calloc(1, sizeof *exec);

	if (exec == NULL)
		return error_set(error, -ENOMEM, "class \"%s\": no memory", config->class);
	exec->host = host;
	exec->heard_fd = io_bell_new();
	int status = exec->heard_fd < 0
			     ? error_set(error, exec->heard_fd, "class \"%s\": no descriptor is left", config->class)
			     : exec_child_init(&exec->child, &config->program, host, config->class, error);
	if (status < 0) {
		io_close(&exec->heard_fd);
		free(exec);
		return status;
	}
	buffer_init(&exec->line, EXEC_ORDER_EXTRA);
	*ret_handler = exec;
	return 0;
}

/* ---- the child's life ---- */

static __attribute__((format(printf, 2, 3))) void say(const struct exec *exec, const char *format, ...)
{
	char text[256];
	va_list arguments;

	va_start(arguments, format);
	int length = vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	if (length > 0)
		exec->host->log(exec->host->context, text, strlen(text));
}

/* Its end is understood once. */
static void note_end(struct exec *exec, size_t written)
{
	exec->spent = true;
	exec_child_note_end(&exec->child, written);
}

/* May the child that there is get a task? What it has said since the last one belongs to none. */
static bool is_fit(struct exec *exec)
{
	char end[128];

	if (exec->spent)
		return false;
	unsigned events = exec_child_wait(&exec->child, false, 0);
	if ((events & EXEC_OVER) != 0) {
		program_describe_end(program_look_at_end(&exec->child.program), end, sizeof end);
		say(exec, "the handler's program %s between two tasks", end);
		note_end(exec, 0);
		return false;
	}
	if ((events & EXEC_SAYS) == 0 && !exec_child_has_rest(&exec->child))
		return true;
	say(exec, "the handler's program wrote to its stdout between two tasks, or closed it, and is replaced");
	return false;
}

/* The wait is not the task's fault: afterwards it has as much time as it had before. */
static void wait_out_backoff(const struct exec *exec)
{
	const struct handler_host *host = exec->host;
	const int64_t left_ms = host->deadline_ms(host->context), now = clock_mono_ns();

	if (exec->child.next_mono_ns <= now)
		return;
	host->beat(host->context, (exec->child.next_mono_ns - now) / CLOCK_NS_PER_MS + BACKOFF_YOUNG_MS);
	(void)io_poll(NULL, 0, exec->child.next_mono_ns);
	host->beat(host->context, left_ms);
}

static int prepare(struct exec *exec, struct error *error)
{
	if (exec->child.program.pid > 0) {
		if (is_fit(exec))
			return 0;
		exec_child_end(&exec->child);
	}
	exec->spent = false;
	wait_out_backoff(exec);
	return exec_child_start(&exec->child, NULL, error);
}

/* ---- running ---- */

struct turn {
	struct exec_talk talk;
	size_t written;
	bool told_to_stop;
};

static void crash(struct handler_result *result, const char *what)
{
	handler_result_set(result, TASK_VERDICT_CRASH, "crash", "the handler's program %s", what);
}

static void crash_by_end(struct exec *exec, struct turn *turn)
{
	char end[128];

	program_describe_end(program_look_at_end(&exec->child.program), end, sizeof end);
	crash(turn->talk.result, end);
	note_end(exec, turn->written);
}

/* It has closed a pipe without which it is of no use: mostly it is about to end, else it is ended. */
static void crash_by_closing(struct exec *exec, struct turn *turn, const char *what)
{
	if (program_wait(&exec->child.program, clock_mono_after(ENDING_MS))) {
		crash_by_end(exec, turn);
		return;
	}
	crash(turn->talk.result, what);
	exec->child.took = true; /* it lived on: no death at its start */
	note_end(exec, turn->written);
	program_signal(&exec->child.program, SIGKILL);
}

/* Told once; whatever it says then, it gets no further task. */
static void look_for_stop(struct exec *exec, struct turn *turn)
{
	if (turn->told_to_stop || !exec->host->stopping(exec->host->context))
		return;
	turn->told_to_stop = exec->spent = true;
	program_signal(&exec->child.program, SIGTERM);
}

/* Returns true when the task has come to its end. */
static bool hear(struct exec *exec, struct turn *turn, unsigned events)
{
	struct error error;
	const bool over = (events & EXEC_OVER) != 0;
	enum exec_heard heard = over ? exec_child_hear_last(&exec->child, &turn->talk, &error)
				     : exec_child_hear(&exec->child, &turn->talk, &error);

	switch (heard) {
	case EXEC_GOES_ON: return false;
	case EXEC_ENDED: exec->child.took = true; return true;
	case EXEC_WRONG:
		handler_result_set(turn->talk.result, TASK_VERDICT_FAIL, "exception", "%s", error.text);
		exec->spent = exec->child.took = true;
		program_signal(&exec->child.program, SIGKILL);
		return true;
	case EXEC_CLOSED:
		if (over)
			crash_by_end(exec, turn);
		else
			crash_by_closing(exec, turn, "closed its standard output, and was ended");
		return true;
	}
	__builtin_unreachable();
}

static void converse(struct exec *exec, struct turn *turn)
{
	for (;;) {
		if (turn->written < exec->line.length && !exec_child_write(&exec->child, &exec->line, &turn->written)) {
			crash_by_closing(exec, turn, "closed its standard input, and was ended");
			return;
		}
		const bool wants_room = turn->written < exec->line.length;
		unsigned events = exec_child_wait(&exec->child, wants_room, clock_mono_after(LOOK_MS));
		if ((events & (EXEC_SAYS | EXEC_OVER)) != 0 && hear(exec, turn, events))
			return;
		look_for_stop(exec, turn);
	}
}

static void run(void *handler, const struct handler_task *task, struct handler_result *result)
{
	struct exec *exec = handler;
	struct turn turn = {.talk = {.host = exec->host, .id = task->id, .result = result}};
	struct error error;

	if (++exec->tasks % REAP_EVERY == 0)
		program_reap_strays();
	if (prepare(exec, &error) < 0) {
		handler_result_set(result, TASK_VERDICT_CRASH, "crash", "the handler's program: %s", error.text);
		return;
	}
	if (exec_order_write(&exec->line, exec->host, task) < 0) {
		crash(result, "got no memory for the task");
		return;
	}
	exec->heard = false;
	exec->host->child(exec->host->context, exec->child.program.pid);
	converse(exec, &turn);
	exec->heard = true;
	if (exec->asked)
		io_bell_ring(exec->heard_fd);
	exec->host->child(exec->host->context, 0);
	if (turn.told_to_stop)
		program_signal(&exec->child.program, SIGKILL);
}

/* What it still says is heard by the first thread, which then finds that the task is no longer its own: the worker does not
 * leave before that. */
static void exiting(void *handler, const struct handler_task *task)
{
	struct exec *exec = handler;
	struct pollfd heard = {.fd = exec->heard_fd, .events = POLLIN};

	(void)task;
	program_signal(&exec->child.program, SIGTERM);
	(void)program_wait(&exec->child.program, INT64_MAX); /* kill_grace is the supervisor's to measure */
	exec->asked = true;
	if (!exec->heard)
		(void)io_poll(&heard, 1, clock_mono_after(LAST_WORDS_MS));
}

const struct handler_kind handler_kind_exec = {
	.serves = serves,
	.load = load,
	.run = run,
	.exiting = exiting,
	.free = release,
};
