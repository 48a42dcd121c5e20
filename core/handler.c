#include "core/handler.h"

#include "core/handler_kind.h"
#include "core/utf8.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct handler_kind *const kinds[] = {
	&handler_kind_module, &handler_kind_exec, &handler_kind_exec_several, &handler_kind_once};

struct entry {
	const struct config_handler *config;
	void *handler; /* NULL: not loaded yet */
	const struct handler_kind *kind;
};

struct handlers {
	const struct handler_host *host;
	size_t result_max;     /* bytes of JSON: limits.result */
	struct entry *entries; /* one for each configured handler */
	size_t count;
	struct entry *last;              /* of the task before: the next one mostly has its class */
	const struct handler_task *task; /* valid while `running` is not NULL */
	/* Whose method is running. Writer: the first thread; the second one reads it. Release and acquire are enough: they
	 * publish one task, and no decision compares this word with another. */
	_Atomic(struct entry *) running;
	struct entry *several; /* whose errands may be begun; NULL: nobody's */
};

/* ---- results ---- */

void handler_make_utf8(char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		uint32_t point;
		size_t length = utf8_decode(text, left, &point);
		if (length == 0) {
			*text = '?';
			length = 1;
		}
		text += length;
		left -= length;
	}
}

static void result_init(struct handler_result *result)
{
	result->verdict = TASK_VERDICT_OK;
	result->kind = NULL;
	result->message[0] = '\0';
	result->result = NULL;
	result->delay_ms = -1;
	result->code = 0;
}

void handler_result_fini(struct handler_result *result)
{
	json_decref(result->result);
	result->result = NULL;
}

void handler_result_set_ok(struct handler_result *result, json_t *value)
{
	handler_result_fini(result);
	result_init(result);
	result->result = value;
}

void handler_result_set_list(struct handler_result *result, enum task_verdict verdict, const char *kind,
	const char *format, va_list arguments)
{
	char message[sizeof result->message]; /* the arguments may be the old message */

	if (vsnprintf(message, sizeof message, format, arguments) <= 0)
		(void)snprintf(message, sizeof message, "no message");
	handler_make_utf8(message);
	handler_result_fini(result);
	result_init(result);
	result->verdict = verdict;
	result->kind = kind;
	memcpy(result->message, message, strlen(message) + 1);
}

void handler_result_set(
	struct handler_result *result, enum task_verdict verdict, const char *kind, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	handler_result_set_list(result, verdict, kind, format, arguments);
	va_end(arguments);
}

/* ---- classes ---- */

const struct handler_kind *handler_kind_find(const struct config_handler *config)
{
	size_t i = 0;

	while (i < sizeof kinds / sizeof kinds[0] && !kinds[i]->serves(config))
		i++;
	assert(i < sizeof kinds / sizeof kinds[0]);
	return kinds[i];
}

int handlers_open(struct handlers **ret_handlers, const struct config *config, const struct handler_host *host)
{
	assert(host->beat && host->progress && host->stopping && host->log && host->push && host->deadline_ms);

	struct handlers *handlers = calloc(1, sizeof *handlers);
	struct entry *entries = calloc(config->handler_count + 1, sizeof *entries);
	if (handlers == NULL || entries == NULL) {
		free(handlers);
		free(entries);
		return -ENOMEM;
	}
	for (size_t i = 0; i < config->handler_count; i++)
		entries[i] =
			(struct entry){.config = &config->handlers[i], .kind = handler_kind_find(&config->handlers[i])};
	handlers->host = host;
	handlers->result_max = (size_t)config->limits.result;
	handlers->entries = entries;
	handlers->count = config->handler_count;
	*ret_handlers = handlers;
	return 0;
}

void handlers_close(struct handlers *handlers)
{
	if (handlers == NULL)
		return;
	for (size_t i = 0; i < handlers->count; i++)
		if (handlers->entries[i].handler != NULL)
			handlers->entries[i].kind->free(handlers->entries[i].handler);
	free(handlers->entries);
	free(handlers);
}

static struct entry *find_entry(struct handlers *handlers, const char *class)
{
	if (handlers->last != NULL && strcmp(handlers->last->config->class, class) == 0)
		return handlers->last;
	for (size_t i = 0; i < handlers->count; i++)
		if (strcmp(handlers->entries[i].config->class, class) == 0)
			return handlers->last = &handlers->entries[i];
	for (size_t i = 0; i < handlers->count; i++)
		if (strcmp(handlers->entries[i].config->class, "*") == 0)
			return &handlers->entries[i];
	return NULL;
}

static int load_entry(struct handlers *handlers, struct entry *entry, struct error *error)
{
	void *handler;
	int status;

	if (entry->handler != NULL)
		return 0;
	status = entry->kind->load(entry->config, handlers->host, &handler, error);
	if (status < 0)
		return status;
	status = entry->kind->start != NULL ? entry->kind->start(handler, error) : 0;
	if (status < 0) {
		entry->kind->free(handler);
		return status;
	}
	entry->handler = handler;
	return 0;
}

int handlers_load(struct handlers *handlers, const char *class, struct error *error)
{
	struct entry *entry = find_entry(handlers, class);

	if (entry == NULL)
		return error_set(error, -ENOENT, "no handler has the class \"%s\"", class);
	return load_entry(handlers, entry, error);
}

/* ---- running ---- */

/* A result that cannot be kept is a failure that says so. Numbers and words always can. */
static void bound_result(const struct handlers *handlers, struct handler_result *result)
{
	size_t length;

	if (!json_is_object(result->result) && !json_is_array(result->result) && !json_is_string(result->result))
		return;
	length = json_dumpb(result->result, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
	if (length == 0)
		handler_result_set(result, TASK_VERDICT_FAIL, "exception", "the result cannot be written as JSON");
	else if (length > handlers->result_max)
		handler_result_set(result, TASK_VERDICT_FAIL, "exception",
			"the result has %zu bytes, and limits.result is %zu", length, handlers->result_max);
}

/* Of one that runs several at a time: just one. */
static void run_alone(struct handlers *handlers, struct entry *entry, const struct handler_task *task,
	struct handler_result *ret_result)
{
	struct handler_errand errand = {.task = *task, .host = *handlers->host};

	result_init(&errand.result);
	entry->kind->begin(entry->handler, &errand);
	while (errand.state == ERRAND_RUNS)
		entry->kind->attend(entry->handler, -1, INT64_MAX);
	*ret_result = errand.result;
}

int handlers_run(struct handlers *handlers, const struct handler_task *task, struct handler_result *ret_result,
	struct error *error)
{
	assert(task->order->class && task->order->method && task->order->param);

	struct entry *entry = find_entry(handlers, task->order->class);
	if (entry != NULL) {
		int status = load_entry(handlers, entry, error);
		if (status < 0)
			return status;
	}
	result_init(ret_result);
	if (entry == NULL) {
		handler_result_set(ret_result, TASK_VERDICT_REFUSED, "unknown_class", "no handler has the class \"%s\"",
			task->order->class);
		return 0;
	}
	handlers->task = task;
	atomic_store_explicit(&handlers->running, entry, memory_order_release);
	if (entry->kind->run != NULL)
		entry->kind->run(entry->handler, task, ret_result);
	else
		run_alone(handlers, entry, task, ret_result);
	atomic_store_explicit(&handlers->running, NULL, memory_order_release);
	bound_result(handlers, ret_result);
	return 0;
}

/* ---- several at a time ---- */

unsigned handlers_concurrency(struct handlers *handlers, const char *class)
{
	const struct entry *entry = find_entry(handlers, class);

	return entry != NULL ? (unsigned)entry->config->concurrency : 1;
}

void handlers_open_several(struct handlers *handlers, const char *class)
{
	handlers->several = find_entry(handlers, class);
	assert(handlers->several != NULL && handlers->several->handler != NULL);
	handlers->task = NULL;
	atomic_store_explicit(&handlers->running, handlers->several, memory_order_release);
}

void handlers_close_several(struct handlers *handlers)
{
	atomic_store_explicit(&handlers->running, NULL, memory_order_release);
	handlers->several = NULL;
}

bool handlers_serve(struct handlers *handlers, const char *class)
{
	return find_entry(handlers, class) == handlers->several;
}

bool handlers_are_ready(struct handlers *handlers)
{
	return handlers->several->kind->is_ready(handlers->several->handler);
}

void handlers_begin(struct handlers *handlers, struct handler_errand *errand)
{
	result_init(&errand->result);
	errand->state = ERRAND_RUNS;
	handlers->several->kind->begin(handlers->several->handler, errand);
}

void handlers_attend(struct handlers *handlers, int wake_fd, int64_t until_mono_ns)
{
	handlers->several->kind->attend(handlers->several->handler, wake_fd, until_mono_ns);
}

void handlers_end(struct handlers *handlers, struct handler_errand *errand, enum handler_end how)
{
	handlers->several->kind->end(handlers->several->handler, errand, how);
}

enum handler_errand_state handlers_look(const struct handlers *handlers, struct handler_errand *errand)
{
	if (errand->state == ERRAND_ENDED)
		bound_result(handlers, &errand->result);
	return errand->state;
}

void handlers_exiting(struct handlers *handlers)
{
	struct entry *entry = atomic_load_explicit(&handlers->running, memory_order_acquire);

	if (entry != NULL)
		entry->kind->exiting(entry->handler, handlers->task);
}
