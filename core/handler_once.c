#include "core/clock.h"
#include "core/document.h"
#include "core/exec_child.h"
#include "core/exec_order.h"
#include "core/handler_kind.h"
#include "core/io.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	LOOK_MS = 50,    /* how often it is asked whether the task was told to stop */
	EXIT_RETRY = 75, /* EX_TEMPFAIL of sysexits.h */
	VARIABLE_MAX = TASK_NAME_MAX + 32,
};

/* A handler that starts its program anew for each task: the document on its stdin, the result on its stdout, and how it
 * went in its exit status. One that has ended is reaped at the next task only, as in handler_exec.c. */
struct once {
	const struct handler_host *host;
	struct exec_child child;
	struct buffer line;
};

/* What one run knows. */
struct turn {
	struct handler_result *result;
	size_t written;
	bool too_long, told_to_stop;
};

static bool serves(const struct config_handler *config)
{
	return config->program.argv.count > 0 && config->mode == CONFIG_MODE_ONCE;
}

static void release(void *handler)
{
	struct once *once = handler;

	exec_child_fini(&once->child);
	buffer_fini(&once->line);
	free(once);
}

static int load(
	const struct config_handler *config, const struct handler_host *host, void **ret_handler, struct error *error)
{
	struct once *once = calloc(1, sizeof *once);

	if (once == NULL)
		return error_set(error, -ENOMEM, "class \"%s\": no memory", config->class);
	once->host = host;
	int status = exec_child_init(&once->child, &config->program, host, config->class, error);
	if (status < 0) {
		free(once);
		return status;
	}
	buffer_init(&once->line, EXEC_ORDER_EXTRA);
	*ret_handler = once;
	return 0;
}

static int start_child(struct once *once, const struct handler_task *task, struct error *error)
{
	char variables[4][VARIABLE_MAX];
	const char *const list[] = {variables[0], variables[1], variables[2], variables[3], NULL};

	(void)snprintf(variables[0], VARIABLE_MAX, "MUSTER_TASK_ID=%s", task->id);
	(void)snprintf(variables[1], VARIABLE_MAX, "MUSTER_TASK_CLASS=%s", task->order->class);
	(void)snprintf(variables[2], VARIABLE_MAX, "MUSTER_TASK_METHOD=%s", task->order->method);
	(void)snprintf(variables[3], VARIABLE_MAX, "MUSTER_TASK_ATTEMPT=%d", task->attempt);
	return exec_child_start(&once->child, list, error);
}

/* It need not read what it gets. */
static void give(struct once *once, struct turn *turn)
{
	if (once->child.program.in < 0)
		return;
	if (!exec_child_write(&once->child, &once->line, &turn->written) || turn->written == once->line.length)
		io_close(&once->child.program.in);
}

/* Returns false when no more can come. */
static bool collect(struct once *once, struct turn *turn)
{
	struct program *program = &once->child.program;

	if (program->out < 0)
		return false;
	int count = lines_fill(&once->child.out, program->out);
	if (count > 0 || count == -EAGAIN)
		return count > 0;
	io_close(&program->out);
	if (count != -EMSGSIZE)
		return false;
	turn->too_long = true;
	program_signal(program, SIGKILL);
	return false;
}

static void wait_for_end(struct once *once, struct turn *turn)
{
	unsigned events = 0;

	while ((events & EXEC_OVER) == 0) {
		give(once, turn);
		events = exec_child_wait(&once->child, once->child.program.in >= 0, clock_mono_after(LOOK_MS));
		if ((events & EXEC_SAYS) != 0)
			(void)collect(once, turn);
		if (!turn->told_to_stop && once->host->stopping(once->host->context)) {
			turn->told_to_stop = true;
			program_signal(&once->child.program, SIGTERM);
		}
	}
	while (collect(
		once, turn)) /* what it has left in the pipe, which others may hold open; bounded by what is kept */
		continue;
	exec_child_log_last(&once->child);
}

/* JSON as it is, anything else as text, without the line break at its end. */
static json_t *read_result(const char *text, size_t length)
{
	json_t *value;

	if (document_parse(text, length, DOCUMENT_LENIENT, &value, NULL) == 0)
		return value;
	while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r'))
		length--;
	char *copy = strndup(text, length);
	if (copy == NULL)
		return NULL;
	handler_make_utf8(copy);
	value = json_string(copy);
	free(copy);
	return value;
}

static void settle_well(struct once *once, struct turn *turn)
{
	const char *text;
	size_t length;

	if (!lines_rest(&once->child.out, &text, &length))
		return; /* null, as the result came in */
	json_t *value = read_result(text, length);
	if (value == NULL)
		handler_result_set(turn->result, TASK_VERDICT_CRASH, "crash", "no memory for the result");
	else
		handler_result_set_ok(turn->result, value);
}

static void settle(struct once *once, struct turn *turn)
{
	const struct program_end end = program_look_at_end(&once->child.program);
	const char *words = once->child.last_words;
	char how[160];

	program_describe_end(end, how, sizeof how);
	if (turn->too_long)
		handler_result_set(turn->result, TASK_VERDICT_FAIL, "exception",
			"the handler's program wrote more than %zu bytes to its stdout", once->child.out.maximum);
	else if (end.by_signal)
		handler_result_set(turn->result, TASK_VERDICT_CRASH, "crash", "the handler's program %s", how);
	else if (end.status == 0)
		settle_well(once, turn);
	else if (end.status == EXIT_RETRY)
		handler_result_set(turn->result, TASK_VERDICT_RETRY, "retry", "%s", *words != '\0' ? words : how);
	else
		handler_result_set(turn->result, TASK_VERDICT_FAIL, "exception", "the handler's program %s%s%s", how,
			*words != '\0' ? ": " : "", words);
}

static void run(void *handler, const struct handler_task *task, struct handler_result *result)
{
	struct once *once = handler;
	struct turn turn = {.result = result};
	struct error error = {"no memory for the task"};

	exec_child_end(&once->child);
	if (exec_order_write(&once->line, once->host, task) < 0 || start_child(once, task, &error) < 0) {
		handler_result_set(result, TASK_VERDICT_CRASH, "crash", "the handler's program: %s", error.text);
		return;
	}
	once->host->child(once->host->context, once->child.program.pid);
	wait_for_end(once, &turn);
	once->host->child(once->host->context, 0);
	settle(once, &turn);
}

static void exiting(void *handler, const struct handler_task *task)
{
	const struct once *once = handler;

	(void)task;
	program_signal(&once->child.program, SIGTERM);
	(void)program_wait(&once->child.program, INT64_MAX); /* kill_grace is the supervisor's to measure */
}

const struct handler_kind handler_kind_once = {
	.serves = serves,
	.load = load,
	.run = run,
	.exiting = exiting,
	.free = release,
};
