#include "core/handler.h"

#include "core/clock.h"
#include "core/handler_kind.h"
#include "core/io.h"

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

static _Noreturn void load_in_child(const struct config_handler *config, struct verdict *verdict)
{
	const struct rlimit no_core = {0, 0};
	void *handler;

	(void)setpgid(0, 0); /* the parent does it as well: whoever comes first */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)setrlimit(RLIMIT_CORE, &no_core);
	verdict->status = handler_kind_find(config)->load(config, &no_host, &handler, &verdict->error);
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

static int check_handler(const struct config_handler *config, struct verdict *verdict, struct error *error)
{
	const char *code = config->module != NULL ? config->module : config->program.argv.items[0];
	siginfo_t end;
	pid_t pid;

	memset(verdict, 0, sizeof *verdict);
	(void)fflush(NULL); /* a constructor that calls exit(3) would write what waits there once more */
	pid = fork();
	if (pid < 0)
		return error_set(
			error, -errno, "class \"%s\": no process to load it in: %s", config->class, strerror(errno));
	if (pid == 0)
		load_in_child(config, verdict);
	(void)setpgid(pid, pid);
	if (wait_for_child(pid, &end))
		return error_set(error, -EINVAL, "class \"%s\": %s still loads after %d s", config->class, code,
			LOAD_SECONDS_MAX);
	if (end.si_code != CLD_EXITED)
		return error_set(error, -EINVAL, "class \"%s\": %s crashes while loading (signal %d)", config->class,
			code, end.si_status);
	if (!verdict->told)
		return error_set(error, -EINVAL, "class \"%s\": %s ends its process while loading (exit status %d)",
			config->class, config->module, end.si_status);
	if (verdict->status < 0)
		return error_set(error, -EINVAL, "%s", verdict->error.text);
	return 0;
}

static void add_line(struct error *faults, size_t *length, const struct error *line)
{
	int written = snprintf(
		faults->text + *length, sizeof faults->text - *length, "%s%s", *length > 0 ? "\n" : "", line->text);

	if (written > 0 && (size_t)written < sizeof faults->text - *length)
		*length += (size_t)written;
	else
		faults->text[*length] = '\0'; /* whole lines only */
}

int handlers_check(const struct config *config, struct error *error)
{
	struct error faults, line;
	struct verdict *verdict;
	size_t length = 0;
	int status = 0;

	verdict = mmap(NULL, sizeof *verdict, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (verdict == MAP_FAILED)
		return error_set(error, -errno, "no memory to check handlers with: %s", strerror(errno));
	for (size_t i = 0; i < config->handler_count; i++) {
		if (check_handler(&config->handlers[i], verdict, &line) == 0)
			continue;
		status = -EINVAL;
		add_line(&faults, &length, &line);
	}
	(void)munmap(verdict, sizeof *verdict);
	if (status < 0 && error != NULL)
		*error = faults;
	return status;
}
