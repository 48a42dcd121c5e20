#include "server/undertaker.h"

#include "core/clock.h"
#include "core/io.h"
#include "core/log.h"
#include "core/units.h"
#include "server/process.h"
#include "server/title.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	PROC_FILE_MAX = 4 * 1024 * 1024, /* more than an environment may have */
	SWEEP_EVERY_MS = 5,
	SWEEP_FOR_MS = 2000, /* what cannot die by then hangs in the kernel */
};

/* By what a process of the tree is known. */
struct marks {
	char variable[sizeof UNDERTAKER_VARIABLE + sizeof((struct scoreboard_header *)0)->tree];
	ino_t scoreboard;
};

int undertaker_mark_tree(const struct scoreboard *scoreboard)
{
	uint64_t word[2];
	char *tree = scoreboard->header->tree;

	if (getrandom(word, sizeof word, 0) != (ssize_t)sizeof word)
		return -errno;
	(void)snprintf(tree, sizeof scoreboard->header->tree, "%016llx%016llx", (unsigned long long)word[0],
		(unsigned long long)word[1]);
	return setenv(UNDERTAKER_VARIABLE, tree, 1) == 0 ? 0 : -errno;
}

/* ---- whose a process is ---- */

static bool environment_has(const char *bytes, size_t length, const char *variable)
{
	const size_t wanted = strlen(variable) + 1; /* with the NUL that ends it */

	for (const char *at = bytes, *end = bytes + length; at < end; at += strnlen(at, (size_t)(end - at)) + 1)
		if ((size_t)(end - at) >= wanted && memcmp(at, variable, wanted) == 0)
			return true;
	return false;
}

/* In /proc/PID/maps: `address perms offset dev inode  /memfd:muster-scoreboard (deleted)`. */
static bool maps_have(const char *text, ino_t inode)
{
	for (const char *line = text; line; line = strchr(line, '\n')) {
		unsigned long found;
		line += *line == '\n';
		int named = 0; /* set where all of it was there, the name too */
		if (sscanf(line, "%*s %*s %*s %*s %lu /memfd:" SCOREBOARD_MEMFD "%n", &found, &named) == 1 &&
			named > 0 && found == inode)
			return true;
	}
	return false;
}

static bool is_of_tree(pid_t pid, const struct marks *marks)
{
	char path[64];
	char *bytes = NULL;
	size_t length;
	bool found = false;

	(void)snprintf(path, sizeof path, "/proc/%d/environ", pid);
	if (io_read_file(path, PROC_FILE_MAX, &bytes, &length) == 0)
		found = environment_has(bytes, length, marks->variable);
	free(bytes);
	if (found)
		return true;
	bytes = NULL;
	(void)snprintf(path, sizeof path, "/proc/%d/maps", pid);
	if (io_read_file(path, PROC_FILE_MAX, &bytes, &length) == 0)
		found = maps_have(bytes, marks->scoreboard);
	free(bytes);
	return found;
}

/* ---- ending them ---- */

static bool end_one(pid_t pid, const struct marks *marks)
{
	/* Opened first: what is looked at and what is ended is one and the same process. */
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	bool ended =
		pidfd >= 0 && is_of_tree(pid, marks) && syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) == 0;

	io_close(&pidfd);
	return ended;
}

/* Returns how many processes of the tree there were. */
static int sweep(const struct marks *marks)
{
	DIR *proc = opendir("/proc");
	int64_t pid;
	int ended = 0;

	if (!proc)
		return 0;
	for (const struct dirent *entry; (entry = readdir(proc));)
		if (units_parse_integer(entry->d_name, 1, INT32_MAX, &pid) == 0 && pid != getpid())
			ended += end_one((pid_t)pid, marks);
	(void)closedir(proc);
	return ended;
}

static void end_tree(const struct marks *marks)
{
	const int64_t until = clock_mono_after(SWEEP_FOR_MS);

	/* Until a look finds none: what is killed may just have forked. */
	for (int more = sweep(marks); more > 0 && clock_mono_ns() < until; more = sweep(marks)) {
		log_info("musterd was killed: ended what was left of it", LOG_INT("processes", more));
		(void)io_poll(NULL, 0, clock_mono_after(SWEEP_EVERY_MS));
	}
}

/* ---- the process ---- */

static void set_title(const struct node *node)
{
	char title[256];

	(void)snprintf(title, sizeof title, "%s%s:undertaker", node->config->pools[0].title_prefix,
		node->config->pools[0].name);
	title_set(title);
}

static int serve(const struct node *node, const struct privilege *privilege, int guardian)
{
	struct error error;
	struct stat info;
	struct marks marks;

	(void)snprintf(
		marks.variable, sizeof marks.variable, "%s=%s", UNDERTAKER_VARIABLE, node->scoreboard->header->tree);
	if (fstat(node->scoreboard->fd, &info) != 0)
		return PROCESS_EXIT_ORPHAN;
	marks.scoreboard = info.st_ino;
	process_keep(&guardian, 1); /* above all not the lock: the next start need not wait for us */
	(void)setpgid(0, 0);        /* what is sent to the guardian's group is not meant for us */
	set_title(node);
	if (privilege_drop(privilege, &error) < 0) {
		log_error("undertaker cannot start", LOG_TEXT("reason", error.text));
		return PROCESS_EXIT_ORPHAN;
	}
	struct pollfd entry = {.fd = guardian, .events = POLLIN};
	while (io_poll(&entry, 1, INT64_MAX) <= 0)
		;
	end_tree(&marks);
	return 0;
}

pid_t undertaker_start(const struct node *node, const struct privilege *privilege)
{
	int guardian = (int)syscall(SYS_pidfd_open, getpid(), 0);

	if (guardian < 0)
		return -errno;
	pid_t pid = fork();
	if (pid == 0)
		process_leave(serve(node, privilege, guardian));
	const int status = -errno;
	io_close(&guardian);
	return pid < 0 ? status : pid;
}
