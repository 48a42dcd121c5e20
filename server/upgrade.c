#include "server/upgrade.h"

#include "core/clock.h"
#include "core/io.h"
#include "core/log.h"
#include "server/handover.h"
#include "server/notify.h"
#include "server/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { PROBE_MS = 10000, EXIT_NOT_STARTED = 127 };

/* ---- what this program was started as ---- */

static char *program;    /* absolute; NULL: not known */
static char **arguments; /* [0] as it was given, [1] is free for --check, the rest follows */

static char *make_absolute(const char *path)
{
	char *directory = path[0] == '/' ? strdup("") : getcwd(NULL, 0), *absolute = NULL;

	if (directory && asprintf(&absolute, "%s%s%s", directory, path[0] == '/' ? "" : "/", path) < 0)
		absolute = NULL;
	free(directory);
	return absolute;
}

void upgrade_remember(int argc, char **argv)
{
	const char *path = (const char *)getauxval(AT_EXECFN); /* what execve was called with: found in PATH already */

	arguments = calloc((size_t)argc + 2, sizeof *arguments);
	if (!arguments || !path || argc < 1)
		return;
	for (int i = 0; i < argc; i++) {
		arguments[i > 0 ? i + 1 : 0] = strdup(argv[i]);
		if (!arguments[i > 0 ? i + 1 : 0])
			return;
	}
	program = make_absolute(path);
}

/* ---- exec ---- */

/* The environment as it is, with `given` (two at most, NULL at the end) and, for the successor itself, the service manager's
 * words. Owned in part, and only by who is about to exec. */
static char **make_environment(char *const *given, bool managed)
{
	static char socket_name[256], watchdog[64];
	size_t count = 0;

	while (environ[count])
		count++;
	char **variables = calloc(count + 5, sizeof *variables);
	if (!variables)
		return NULL;
	memcpy(variables, environ, count * sizeof *variables);
	for (; *given; given++)
		variables[count++] = *given;
	if (managed && notify_print(socket_name, sizeof socket_name, watchdog, sizeof watchdog)) {
		variables[count++] = socket_name;
		if (watchdog[0])
			variables[count++] = watchdog;
	}
	return variables;
}

/* What it is called with; without --check everything is shifted by one: there is nothing to leave out in the middle. */
static char **make_arguments(bool probe)
{
	static char check[] = "--check";

	arguments[1] = probe ? check : arguments[0];
	return probe ? arguments : arguments + 1;
}

/* Becomes the new binary. Returns a negative errno. */
static int execute(const struct upgrade *upgrade, bool probe)
{
	char number[64], *given[] = {number, NULL};

	(void)snprintf(number, sizeof number, HANDOVER_VARIABLE "=%d", upgrade->document);
	char **variables = make_environment(given, !probe);
	if (!variables)
		return -ENOMEM;
	handover_keep(upgrade->node, upgrade->document, true);
	execve(program, make_arguments(probe), variables);
	int status = -errno;
	handover_keep(upgrade->node, upgrade->document, false);
	free(variables);
	return status;
}

/* Puts the listening sockets where LISTEN_FDS wants them, open over an exec; whatever else stood there is lost. */
static void line_up_listeners(const struct node *node)
{
	int copies[NODE_LISTENERS_MAX];

	for (int i = 0; i < node->listener_count; i++)
		copies[i] = fcntl(node->listeners[i], F_DUPFD_CLOEXEC, 3 + NODE_LISTENERS_MAX);
	for (int i = 0; i < node->listener_count; i++)
		(void)dup2(copies[i], 3 + i);
}

void upgrade_start_anew(const struct upgrade *upgrade)
{
	char count[64], pid[64], *given[] = {count, pid, NULL};

	(void)snprintf(count, sizeof count, "LISTEN_FDS=%d", upgrade->node->listener_count);
	(void)snprintf(pid, sizeof pid, "LISTEN_PID=%d", (int)getpid());
	char **variables = make_environment(given, true);
	if (variables) {
		line_up_listeners(upgrade->node);
		execve(program, make_arguments(false), variables);
	}
	/* The log's descriptor may have been one of those. */
	(void)dprintf(STDERR_FILENO, "musterd: cannot start %s: %s\n", program, strerror(errno));
}

/* ---- the probe ---- */

static __attribute__((noreturn)) void be_probe(const struct upgrade *upgrade)
{
	sigset_t none;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)dup2(upgrade->answer, STDOUT_FILENO);
	(void)dup2(upgrade->answer, STDERR_FILENO);
	sigemptyset(&none);
	process_reset_signals(&none);
	int status = execute(upgrade, true);
	(void)dprintf(STDERR_FILENO, "%s: %s\n", program, strerror(-status));
	_exit(EXIT_NOT_STARTED);
}

static void forget(struct upgrade *upgrade)
{
	upgrade->verdict = UPGRADE_NONE;
	io_close(&upgrade->document);
	io_close(&upgrade->answer);
}

static void refuse(struct upgrade *upgrade, const char *why)
{
	log_error("upgrade refused, going on as before", LOG_TEXT("binary", program), LOG_TEXT("reason", why));
	forget(upgrade);
}

void upgrade_init(struct upgrade *upgrade, struct node *node, const struct strays *strays)
{
	*upgrade = (struct upgrade){.node = node, .strays = strays, .document = -1, .answer = -1};
}

void upgrade_begin(struct upgrade *upgrade)
{
	upgrade->again = upgrade->probe != 0;
	if (upgrade->again)
		return;
	forget(upgrade);
	upgrade->document = handover_write(upgrade->node, upgrade->strays);
	upgrade->answer = memfd_create("muster-answer", MFD_CLOEXEC);
	if (!program || upgrade->document < 0 || upgrade->answer < 0) {
		refuse(upgrade, program ? "no memory or no descriptors" : "it is not known where musterd stands");
		return;
	}
	pid_t pid = fork();
	if (pid == 0)
		be_probe(upgrade);
	if (pid < 0) {
		refuse(upgrade, strerror(errno));
		return;
	}
	upgrade->probe = pid;
	upgrade->until = clock_mono_ns() + PROBE_MS * CLOCK_NS_PER_MS;
	log_info("upgrade: trying the new binary", LOG_TEXT("binary", program), LOG_INT("pid", pid));
}

void upgrade_watch(struct upgrade *upgrade, int64_t now_mono_ns)
{
	if (upgrade->probe != 0 && now_mono_ns > upgrade->until)
		(void)kill(upgrade->probe, SIGKILL); /* our child, not reaped yet */
}

/* The last line that the probe printed; "": none. */
static void read_answer(int fd, char *line, size_t size)
{
	char text[4096];
	ssize_t length = pread(fd, text, sizeof text - 1, 0);

	text[length > 0 ? length : 0] = '\0';
	for (size_t end = strlen(text); end > 0 && text[end - 1] == '\n'; end--)
		text[end - 1] = '\0';
	const char *last = strrchr(text, '\n');
	(void)snprintf(line, size, "%s", last ? last + 1 : text);
}

void upgrade_finish(struct upgrade *upgrade, int exit_status)
{
	char line[512];

	upgrade->probe = 0;
	if (upgrade->again) { /* what was just tried may have been replaced */
		upgrade_begin(upgrade);
		return;
	}
	read_answer(upgrade->answer, line, sizeof line);
	if (exit_status == EXIT_SUCCESS && strcmp(line, UPGRADE_READY) == 0)
		upgrade->verdict = UPGRADE_TAKES_OVER;
	else if (exit_status == EXIT_SUCCESS && strcmp(line, UPGRADE_ANEW) == 0)
		upgrade->verdict = UPGRADE_STARTS_ANEW;
	else if (exit_status == EXIT_SUCCESS)
		refuse(upgrade, "it knows nothing of upgrades: stop musterd and start that one");
	else
		refuse(upgrade, line[0] ? line : "it did not survive its start, or not within 10 s");
}

void upgrade_exec(struct upgrade *upgrade)
{
	io_close(&upgrade->document); /* a reload may have come between */
	upgrade->document = handover_write(upgrade->node, upgrade->strays);
	int status = upgrade->document < 0 ? upgrade->document : execute(upgrade, false);
	refuse(upgrade, strerror(-status));
}
