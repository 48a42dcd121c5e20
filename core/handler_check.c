#include "core/handler.h"

#include "core/clock.h"
#include "core/handler_kind.h"
#include "core/handler_service.h"
#include "core/io.h"
#include "core/program.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOAD_SECONDS_MAX = 5 }; /* a handler that still loads after these hangs */

/* What a child tells; in memory that it shares with its parent, so that nothing must be read after its death. */
struct verdict {
	int told; /* 1: it came to its end by itself */
	int status;
	struct error error;
};

static void no_beat(void *context, int64_t for_ms)
{
	(void)context, (void)for_ms;
}
static void no_progress(void *context, int percent, const char *note)
{
	(void)context, (void)percent, (void)note;
}
static bool no_stopping(void *context)
{
	return (void)context, false;
}
static void no_log(void *context, const char *text, size_t length)
{
	(void)context, (void)text, (void)length;
}
static int64_t no_deadline_ms(void *context)
{
	return (void)context, 0;
}

static int no_push(void *context, const json_t *task, struct error *error)
{
	(void)context, (void)task;
	return error_set(error, -EPERM, "no task can be pushed by --check");
}

static const struct handler_host no_host = {
	.beat = no_beat,
	.progress = no_progress,
	.stopping = no_stopping,
	.log = no_log,
	.push = no_push,
	.deadline_ms = no_deadline_ms,
	.demo_dir = -1,
	.line_max = 1, /* nothing is ever read */
};

/* What is loaded, for a handler or for a pool's service. */
struct subject {
	const char *name, *code; /* for sentences: its class, its file or program */
	const char *origin;      /* what they begin with; NULL: nothing */
	const struct config_handler *handler;
	const struct config_pool *pool; /* of a service; NULL: it is a handler */
};

static int load_service(const struct config_pool *pool, struct error *error)
{
	struct program_plan *plan;
	struct handler_service *service;

	if (pool->service_module != NULL)
		return handler_service_open(&service, pool->service_module, pool->service, &no_host, error);
	return program_plan_new(&plan, &pool->program, error);
}

static _Noreturn void load_in_child(const struct subject *subject, struct verdict *verdict)
{
	const struct rlimit no_core = {0, 0};
	void *handler;

	(void)setpgid(0, 0); /* the parent does it as well: whoever comes first */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)setrlimit(RLIMIT_CORE, &no_core);
	if (subject->pool != NULL)
		verdict->status = load_service(subject->pool, &verdict->error);
	else
		verdict->status = handler_kind_find(subject->handler)
					  ->load(subject->handler, &no_host, &handler, &verdict->error);
	verdict->told = 1;
	_exit(0);
}

/* The child is over, or is ended at the deadline; with it whatever it started. Returns true when it was too late. */
static bool wait_for_child(pid_t pid, siginfo_t *ret_end)
{
	int pidfd = pidfd_open(pid, 0); /* CLOEXEC by nature */
	struct pollfd entry = {.fd = pidfd, .events = POLLIN};
	bool late = io_poll(&entry, 1, clock_mono_ns() + LOAD_SECONDS_MAX * CLOCK_NS_PER_S) <= 0;

	io_close(&pidfd);
	if (late)
		(void)kill(pid, SIGKILL); /* not reaped yet: the number is still its own */
	while (waitid(P_PID, (id_t)pid, ret_end, WEXITED | WNOWAIT) < 0 && errno == EINTR)
		continue;
	(void)kill(-pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	return late;
}

static int check_subject(const struct subject *subject, struct verdict *verdict, struct error *error)
{
	siginfo_t end;
	pid_t pid;

	memset(verdict, 0, sizeof *verdict);
	(void)fflush(NULL); /* a constructor that calls exit(3) would write what waits there once more */
	pid = fork();
	if (pid < 0)
		return error_set(
			error, -errno, "class \"%s\": no process to load it in: %s", subject->name, strerror(errno));
	if (pid == 0)
		load_in_child(subject, verdict);
	(void)setpgid(pid, pid);
	if (wait_for_child(pid, &end))
		return error_set(error, -EINVAL, "class \"%s\": %s still loads after %d s", subject->name,
			subject->code, LOAD_SECONDS_MAX);
	if (end.si_code != CLD_EXITED)
		return error_set(error, -EINVAL, "class \"%s\": %s crashes while loading (signal %d)", subject->name,
			subject->code, end.si_status);
	if (!verdict->told)
		return error_set(error, -EINVAL, "class \"%s\": %s ends its process while loading (exit status %d)",
			subject->name, subject->code, end.si_status);
	if (verdict->status < 0)
		return error_set(error, -EINVAL, "%s", verdict->error.text);
	return 0;
}

static void add_line(struct error *faults, size_t *length, const char *origin, const struct error *line)
{
	int written = snprintf(faults->text + *length, sizeof faults->text - *length, "%s%s%s", *length > 0 ? "\n" : "",
		origin != NULL ? origin : "", line->text);

	if (written > 0 && (size_t)written < sizeof faults->text - *length)
		*length += (size_t)written;
	else
		faults->text[*length] = '\0'; /* whole lines only */
}

struct checking {
	struct verdict *verdict;
	struct error faults;
	size_t length;
	int status;
};

static const char *code_of(const struct config_handler *handler)
{
	if (handler->url != NULL)
		return handler->url;
	return handler->module != NULL ? handler->module : handler->program.argv.items[0];
}

static void check_one(struct checking *checking, const struct subject *subject)
{
	struct error line;

	if (check_subject(subject, checking->verdict, &line) == 0)
		return;
	checking->status = -EINVAL;
	add_line(&checking->faults, &checking->length, subject->origin, &line);
}

static void check_all(struct checking *checking, const struct config *config)
{
	for (size_t i = 0; i < config->handler_count; i++) {
		const struct config_handler *handler = &config->handlers[i];
		check_one(checking, &(struct subject){.name = handler->class,
					    .code = code_of(handler),
					    .origin = handler->origin,
					    .handler = handler});
	}
	for (size_t i = 0; i < config->pool_count; i++) {
		const struct config_pool *pool = &config->pools[i];
		if (pool->kind == CONFIG_KIND_SERVICE)
			check_one(checking, &(struct subject){.name = pool->name,
						    .code = pool->service_module != NULL ? pool->service_module
											 : pool->program.argv.items[0],
						    .origin = pool->origin,
						    .pool = pool});
	}
}

int handlers_check(const struct config *config, struct error *error)
{
	struct checking checking = {.status = 0};

	checking.verdict =
		mmap(NULL, sizeof *checking.verdict, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (checking.verdict == MAP_FAILED)
		return error_set(error, -errno, "no memory to check handlers with: %s", strerror(errno));
	check_all(&checking, config);
	(void)munmap(checking.verdict, sizeof *checking.verdict);
	if (checking.status < 0 && error != NULL)
		*error = checking.faults;
	return checking.status;
}
