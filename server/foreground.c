#include "server/foreground.h"

#include "core/clock.h"
#include "core/document.h"
#include "core/handler.h"
#include "core/io.h"
#include "core/task.h"
#include "server/privilege.h"
#include "server/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINE_EXTRA = 256 * 1024, DEADLINE_MS = 24 * 3600 * 1000 };

/* ---- what the task may do ---- */

static void host_beat(void *context, int64_t for_ms)
{
	(void)context, (void)for_ms; /* nobody waits for it */
}

static void host_progress(void *context, int percent, const char *note)
{
	(void)context;
	(void)fprintf(stderr, "progress: %d%%%s%s\n", percent, note != NULL ? " " : "", note != NULL ? note : "");
}

static bool host_stopping(void *context)
{
	(void)context;
	return false;
}

static void host_log(void *context, const char *text, size_t length)
{
	(void)context;
	(void)fprintf(stderr, "log: %.*s\n", (int)length, text);
}

static int64_t host_deadline_ms(void *context)
{
	(void)context;
	return DEADLINE_MS;
}

static void host_child(void *context, pid_t pid)
{
	(void)context, (void)pid; /* nobody asks */
}

/* Reads it as the API would. Returns 0 or a negative errno with the sentence. */
static int read_submission(const struct config *config, const json_t *task, struct bytes document,
	struct task_submission *ret_submission, struct error *error)
{
	struct schema_faults faults = {0};
	int status = task_submission_read(config, task, document, "", clock_wall_ms(), ret_submission, &faults);

	if (status < 0)
		status = error_set(error, status, "%s: %s", faults.count > 0 ? faults.items[0].pointer : "",
			faults.count > 0 ? faults.items[0].detail : "not a task");
	schema_faults_fini(&faults);
	return status;
}

/* Looked at, and shown: there is nobody here to run it. */
static int host_push(void *context, const json_t *task, struct error *error)
{
	const struct config *config = context;
	struct task_submission submission = {0};
	char *text = json_dumps(task, JSON_COMPACT);

	if (text == NULL)
		return error_set(error, -ENOMEM, "the task cannot be written as JSON");
	int status = read_submission(config, task, (struct bytes){text, strlen(text)}, &submission, error);
	if (status == 0)
		(void)fprintf(stderr, "would push: %s\n", text);
	free(text);
	return status;
}

static int host_save(void *context, const char *json, size_t length, struct error *error)
{
	(void)context, (void)error;
	(void)fprintf(stderr, "saved: %.*s\n", (int)length, json);
	return 0;
}

static int open_demo(const struct config *config)
{
	char path[512];

	if ((size_t)snprintf(path, sizeof path, "%s/demo", config->state_dir) >= sizeof path)
		return -1;
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* none: no musterd has run here yet */
}

/* ---- the task ---- */

static int read_params(char *const *params, size_t count, json_t **ret_list, struct error *error)
{
	json_t *list = json_array(), *value = NULL;
	struct error why;

	for (size_t i = 0; i < count; i++) {
		if (document_parse(params[i], strlen(params[i]), DOCUMENT_STRICT, &value, &why) < 0) {
			json_decref(list);
			return error_set(error, -EINVAL, "'%s' is no JSON (a text is written '\"so\"'): %s", params[i],
				why.text);
		}
		if (json_array_append_new(list, value) < 0) {
			json_decref(list);
			return error_set(error, -ENOMEM, "no memory");
		}
	}
	*ret_list = list;
	return 0;
}

static int make_document(
	const char *class, const char *method, char *const *params, size_t count, char **ret_text, struct error *error)
{
	json_t *list = NULL;
	int status = read_params(params, count, &list, error);

	if (status < 0)
		return status;
	json_t *document = json_pack("{s:s, s:s, s:o}", "class", class, "method", method, "param", list);
	*ret_text = json_dumps(document, JSON_COMPACT);
	json_decref(document);
	return *ret_text != NULL ? 0 : error_set(error, -EINVAL, "its class or method is not UTF-8");
}

/* ---- running ---- */

static int show(const struct handler_result *result)
{
	if (result->verdict != TASK_VERDICT_OK) {
		(void)fprintf(stderr, "musterd: %s: %s\n", result->kind, result->message);
		return FOREGROUND_FAILED;
	}
	char *text =
		result->result != NULL ? json_dumps(result->result, JSON_COMPACT | JSON_ENCODE_ANY) : strdup("null");
	const bool written = text != NULL && puts(text) >= 0 && fflush(stdout) == 0;
	free(text);
	return written ? FOREGROUND_OK : FOREGROUND_FAILED;
}

static int run(const struct config *config, const struct task_submission *submission, struct error *error)
{
	const size_t largest = (size_t)(config->limits.document > config->limits.result ? config->limits.document
											: config->limits.result);
	const struct handler_host host = {
		.context = (void *)config, /* host_push only reads it */
		.beat = host_beat,
		.progress = host_progress,
		.stopping = host_stopping,
		.log = host_log,
		.push = host_push,
		.deadline_ms = host_deadline_ms,
		.demo_dir = open_demo(config),
		.save = host_save,
		.child = host_child,
		.line_max = largest * 2 + LINE_EXTRA,
		.kill_grace_ms = config->pools[0].kill_grace_ms,
	};
	struct task_head head = {
		.created_ms = clock_wall_ms(), .source = TASK_SOURCE_HTTP, .document = submission->document};
	struct task_order order;
	struct handler_result result;
	struct handlers *handlers;

	(void)snprintf(head.queue, sizeof head.queue, "%s", config->queues[submission->queue].name);
	int status = task_order_read(&head, &config->queues[submission->queue], &order, error);
	if (status < 0)
		return status;
	status = handlers_open(&handlers, config, &host);
	if (status == 0) {
		const struct handler_task task = {.id = submission->id, .head = &head, .order = &order, .attempt = 1};
		status = handlers_run(handlers, &task, &result, error);
		if (status == 0) {
			status = show(&result);
			handler_result_fini(&result);
		}
		handlers_close(handlers);
	}
	task_order_fini(&order);
	return status;
}

static int complain(const struct error *error, int status)
{
	(void)fprintf(stderr, "musterd: %s\n", error->text);
	return status;
}

/* What a child tells before its end, in memory that it shares: a handler may end or crash its process. */
struct told {
	bool ended;
	int status;
};

static _Noreturn void run_in_child(
	const struct config *config, const struct task_submission *submission, pid_t parent, struct told *told)
{
	struct error error;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(FOREGROUND_FAILED);
	int status = run(config, submission, &error);
	told->status = status < 0 ? complain(&error, FOREGROUND_FAILED) : status;
	told->ended = true;
	_exit(0);
}

/* A handler's crash is the task's, not ours. */
static int tell_end(const struct told *told, int end)
{
	struct error error;

	if (told->ended)
		return told->status;
	if (WIFSIGNALED(end))
		(void)error_set(
			&error, -EIO, "crash: it ended by signal %d (%s)", WTERMSIG(end), strsignal(WTERMSIG(end)));
	else
		(void)error_set(&error, -EIO, "crash: it ended its process with status %d", WEXITSTATUS(end));
	return complain(&error, FOREGROUND_FAILED);
}

static int run_apart(const struct config *config, const struct task_submission *submission, struct error *error)
{
	const pid_t parent = getpid();
	int end = 0;

	struct told *told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (told == MAP_FAILED)
		return error_set(error, -errno, "no memory to run it with: %s", strerror(errno));
	pid_t pid = fork();
	if (pid == 0)
		run_in_child(config, submission, parent, told);
	int status = pid < 0 ? error_set(error, -errno, "no process to run it in: %s", strerror(errno)) : 0;
	while (pid > 0 && waitpid(pid, &end, 0) < 0 && errno == EINTR)
		continue;
	if (status == 0)
		status = tell_end(told, end);
	(void)munmap(told, sizeof *told);
	return status;
}

/* Signals mean what they mean to any program, but a pipe that is closed is an error. */
static void let_interrupts_end_it(void)
{
	sigset_t none;

	sigemptyset(&none);
	process_reset_signals(&none);
	(void)sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
}

int foreground_run(
	const struct config *config, const char *class, const char *method, char *const *params, size_t count)
{
	struct task_submission submission = {0};
	struct privilege privilege;
	struct error error = {"no memory"};
	char *text = NULL;
	json_t *value = NULL;

	if (make_document(class, method, params, count, &text, &error) < 0)
		return complain(&error, FOREGROUND_USAGE);
	int status = document_parse(text, strlen(text), DOCUMENT_STRICT, &value, &error);
	if (status == 0)
		status = read_submission(config, value, (struct bytes){text, strlen(text)}, &submission, &error);
	json_decref(value);
	if (status < 0) {
		free(text);
		return complain(&error, FOREGROUND_USAGE);
	}
	let_interrupts_end_it();
	status = privilege_find(config->user, &privilege, &error);
	if (status == 0)
		status = privilege_drop(&privilege, &error);
	if (status == 0)
		status = run_apart(config, &submission, &error);
	free(text);
	return status < 0 ? complain(&error, FOREGROUND_FAILED) : status;
}
