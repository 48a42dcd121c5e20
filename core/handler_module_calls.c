#include "core/buffer.h"
#include "core/exec_order.h"
#include "core/handler_module.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOG_LINE_MAX = 4096, NOTE_MAX = 128 };

static const int64_t MS_MAX = INT64_C(365) * 24 * 3600 * 1000;

const char *muster_id(const struct muster_task *task)
{
	return task->task->id;
}
const char *muster_class(const struct muster_task *task)
{
	return task->task->order->class;
}
const char *muster_method(const struct muster_task *task)
{
	return task->task->order->method;
}
const char *muster_queue(const struct muster_task *task)
{
	return task->task->head->queue;
}
int muster_attempt(const struct muster_task *task)
{
	return task->task->attempt;
}
const char *muster_traceparent(const struct muster_task *task)
{
	const char *trace = task->task->head->traceparent;

	return trace[0] != '\0' ? trace : NULL;
}
const json_t *muster_param(const struct muster_task *task)
{
	return task->task->order->param;
}
const json_t *muster_document(const struct muster_task *task)
{
	return task->task->order->document;
}

char *muster_line(const struct muster_task *task)
{
	_cleanup_(buffer_fini) struct buffer line = {0};

	buffer_init(&line, EXEC_ORDER_EXTRA);
	if (task->exiting || exec_order_write(&line, task->host, task->task) < 0)
		return NULL;
	return strndup(line.data, line.length - 1);
}

const json_t *muster_options(const struct muster_task *task)
{
	return task->options;
}

static enum muster_end speak(struct muster_task *task, enum muster_end end)
{
	task->spoke = true;
	return task->said = end;
}

enum muster_end muster_ok(struct muster_task *task, json_t *result)
{
	handler_result_set_ok(task->result, result);
	return speak(task, MUSTER_OK);
}

enum muster_end muster_retry(struct muster_task *task, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	handler_result_set_list(task->result, TASK_VERDICT_RETRY, "retry", format, arguments);
	va_end(arguments);
	return speak(task, MUSTER_RETRY);
}

enum muster_end muster_retry_after(struct muster_task *task, int64_t delay_ms, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	handler_result_set_list(task->result, TASK_VERDICT_RETRY, "retry", format, arguments);
	va_end(arguments);
	task->result->delay_ms = delay_ms < 0 ? 0 : delay_ms > MS_MAX ? MS_MAX : delay_ms;
	return speak(task, MUSTER_RETRY);
}

enum muster_end muster_fail(struct muster_task *task, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	handler_result_set_list(task->result, TASK_VERDICT_FAIL, "exception", format, arguments);
	va_end(arguments);
	return speak(task, MUSTER_FAIL);
}

void muster_beat(struct muster_task *task)
{
	if (!task->exiting)
		task->host->beat(task->host->context, 0);
}

void muster_beat_for(struct muster_task *task, int64_t ms)
{
	if (!task->exiting)
		task->host->beat(task->host->context, ms > MS_MAX ? MS_MAX : ms);
}

void muster_progress(struct muster_task *task, int percent, const char *note)
{
	char text[NOTE_MAX];

	if (task->exiting)
		return;
	if (note != NULL) {
		(void)snprintf(text, sizeof text, "%s", note);
		handler_make_utf8(text);
		note = text;
	}
	task->host->progress(task->host->context, percent < 0 ? 0 : percent > 100 ? 100 : percent, note);
}

bool muster_stopping(const struct muster_task *task)
{
	return task->exiting || task->host->stopping(task->host->context);
}

int64_t muster_deadline_ms(const struct muster_task *task)
{
	return task->exiting ? 0 : task->host->deadline_ms(task->host->context);
}

void muster_log(struct muster_task *task, const char *format, ...)
{
	char line[LOG_LINE_MAX];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	if (length >= 0)
		task->host->log(task->host->context, line, strlen(line));
}

int muster_push(struct muster_task *task, const json_t *document, const char **why)
{
	int status;

	if (task->exiting)
		status = error_set(&task->why, -EPERM, "an exiting hook cannot push tasks");
	else
		status = task->host->push(task->host->context, document, &task->why);
	if (status >= 0)
		return 0;
	if (why != NULL)
		*why = task->why.text;
	return -1;
}

int muster_demo_directory(const struct muster_task *task)
{
	return task->host->demo_dir;
}

/* ---- how it has ended ---- */

/* Makes a result of a return value that no helper has prepared, or another helper than it says. */
void module_settle(struct muster_task *task, enum muster_end end)
{
	static const char *const words[] = {[MUSTER_OK] = "ok", [MUSTER_RETRY] = "retry", [MUSTER_FAIL] = "fail"};

	if (task->spoke && task->said == end)
		return;
	if ((unsigned)end > MUSTER_FAIL)
		handler_result_set(task->result, TASK_VERDICT_FAIL, "exception",
			"the method \"%s\" returned %d, which is no enum muster_end", muster_method(task), (int)end);
	else if (task->spoke)
		handler_result_set(task->result, TASK_VERDICT_FAIL, "exception",
			"the method \"%s\" returned %s but had said %s%s%s", muster_method(task), words[end],
			words[task->said], task->result->message[0] != '\0' ? ": " : "", task->result->message);
	else if (end == MUSTER_RETRY)
		handler_result_set(task->result, TASK_VERDICT_RETRY, "retry", "no message");
	else if (end == MUSTER_FAIL)
		handler_result_set(task->result, TASK_VERDICT_FAIL, "exception", "no message");
}

bool muster_is_one_of_several(const struct muster_task *task)
{
	return !task->exiting && task->module != NULL;
}

int handler_module_wake_fd = -1;

int muster_wake_fd(void)
{
	return handler_module_wake_fd;
}

void muster_finish(struct muster_task *task, enum muster_end end)
{
	struct handler_errand *errand = task->errand, **link = &task->module->first;

	assert(task->begun); /* a method returns its end, or MUSTER_LATER and comes here later */
	module_settle(task, end);
	if (task->late)
		handler_result_set(
			&errand->result, TASK_VERDICT_TIMEOUT, "timeout", "gave no sign of life in time and was ended");
	while (*link != errand)
		link = &(*link)->next;
	*link = errand->next;
	errand->own = NULL;
	errand->state = ERRAND_ENDED;
	free(task);
}
