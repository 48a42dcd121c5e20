/* one_worker: a worker as handlers see it, for test_handler.c and test_demo.c: it notes what it is told. */
#ifndef MUSTER_TESTS_ONE_WORKER_H
#define MUSTER_TESTS_ONE_WORKER_H

#include "core/handler.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { ROWS_MAX = 16 };

struct one_worker {
	struct config config;
	struct config_handler rows[ROWS_MAX];
	struct handler_host host;
	struct handlers *handlers;
	/* what it was told */
	atomic_int beats;
	int64_t beat_for_ms;
	int percent;
	char note[128];
	char log[5000];
	json_t *pushed;
	/* what it answers */
	bool stopping;
	int stop_after_beats; /* 0: never */
	const char *push_error;
};

static void worker_beat(void *context, int64_t for_ms)
{
	struct one_worker *worker = context;

	worker->beat_for_ms = for_ms;
	if (++worker->beats == worker->stop_after_beats)
		worker->stopping = true;
}

static void worker_progress(void *context, int percent, const char *note)
{
	struct one_worker *worker = context;

	worker->percent = percent;
	if (note != NULL) {
		assert_true(strlen(note) < sizeof worker->note);
		(void)strcpy(worker->note, note);
	}
}

static bool worker_stopping(void *context)
{
	return ((struct one_worker *)context)->stopping;
}

static void worker_log(void *context, const char *text, size_t length)
{
	struct one_worker *worker = context;

	assert_true(length < sizeof worker->log);
	memcpy(worker->log, text, length);
	worker->log[length] = '\0';
}

static int worker_push(void *context, const json_t *task, struct error *error)
{
	struct one_worker *worker = context;

	if (worker->push_error != NULL)
		return error_set(error, -EINVAL, "%s", worker->push_error);
	json_decref(worker->pushed);
	worker->pushed = json_deep_copy(task);
	return 0;
}

static int64_t worker_deadline_ms(void *context)
{
	return (void)context, 4321;
}

/* The path of something in the build's tree, where this program lies in tests/unit. Owned. */
static char *build_path(const char *name)
{
	char self[PATH_MAX], *path;
	ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);

	assert_true(length > 0);
	self[length] = '\0';
	assert_true(asprintf(&path, "%s/%s", dirname(dirname(dirname(self))), name) > 0);
	return path;
}

/* One more handler; `module` is absolute, or a name in the build's tree. */
static void worker_add(struct one_worker *worker, const char *class, const char *module)
{
	struct config_handler *row = &worker->rows[worker->config.handler_count++];

	assert_true(worker->config.handler_count <= ROWS_MAX);
	row->class = strdup(class);
	row->module = module[0] == '/' ? strdup(module) : build_path(module);
	assert_true(row->class != NULL && row->module != NULL);
}

static void worker_init(struct one_worker *worker)
{
	memset(worker, 0, sizeof *worker);
	worker->config.handlers = worker->rows;
	worker->config.limits.result = 1000;
	worker->host = (struct handler_host){
		.context = worker,
		.beat = worker_beat,
		.progress = worker_progress,
		.stopping = worker_stopping,
		.log = worker_log,
		.push = worker_push,
		.deadline_ms = worker_deadline_ms,
		.demo_dir = -1,
	};
}

static void worker_open(struct one_worker *worker)
{
	assert_int_equal(handlers_open(&worker->handlers, &worker->config, &worker->host), 0);
}

static void worker_close(struct one_worker *worker)
{
	handlers_close(worker->handlers);
	json_decref(worker->pushed);
	for (size_t i = 0; i < worker->config.handler_count; i++) {
		free(worker->rows[i].class);
		free(worker->rows[i].module);
	}
}

/* Runs `class.method(param)`; the result is the caller's to fini when 0 comes back. */
static int worker_run(struct one_worker *worker, const char *class, const char *method, const char *param,
	struct handler_result *ret_result, struct error *error)
{
	struct task_head head = {.queue = "mail"};
	json_t *value = json_loads(param, JSON_ALLOW_NUL, NULL);
	assert_non_null(value);
	json_t *document = json_pack("{s:s, s:s, s:o}", "class", class, "method", method, "param", value);
	assert_non_null(document);
	struct task_order order = {.document = document, .class = class, .method = method, .param = value};
	struct handler_task task = {.id = "task-1", .head = &head, .order = &order, .attempt = 2};
	int status = handlers_run(worker->handlers, &task, ret_result, error);

	json_decref(document);
	return status;
}

/* The same for a task that must end with that verdict and message (NULL: any). Returns its result, owned. */
static json_t *worker_expect(struct one_worker *worker, const char *class, const char *method, const char *param,
	enum task_verdict verdict, const char *message)
{
	struct handler_result result;
	struct error error;
	json_t *value;

	assert_int_equal(worker_run(worker, class, method, param, &result, &error), 0);
	if (message != NULL)
		assert_string_equal(result.message, message);
	assert_int_equal(result.verdict, verdict);
	value = json_incref(result.result);
	handler_result_fini(&result);
	return value;
}

#endif
