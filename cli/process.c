#include "cli/process.h"

#include "core/clock.h"
#include "core/io.h"
#include "core/units.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FILE_MAX = 64 * 1024 };

/* Its arguments, separated by NUL, have that title. */
static bool has_title(int pid, const char *title)
{
	char path[64], *text;
	size_t length;

	(void)snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
	if (io_read_file(path, FILE_MAX, &text, &length) < 0)
		return false;
	bool has = memmem(text, length, title, strlen(title)) != NULL;
	free(text);
	return has;
}

/* 0: it cannot be known. In stat the parent comes third, after a name that may hold anything. */
static int parent_of(int pid)
{
	char path[64], *text;
	size_t length;
	int64_t parent = 0;

	(void)snprintf(path, sizeof path, "/proc/%d/stat", pid);
	if (io_read_file(path, FILE_MAX, &text, &length) < 0)
		return 0;
	char *rest = strrchr(text, ')');
	if (rest && strlen(rest) > 4) {
		rest += 4; /* ") S " */
		rest[strcspn(rest, " ")] = '\0';
		if (units_parse_integer(rest, 1, INT_MAX, &parent) < 0)
			parent = 0;
	}
	free(text);
	return (int)parent;
}

int process_open(int pid, const char *title, struct process *ret_process, struct error *error)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd < 0)
		return error_set(
			error, -errno, "there is no process %d here: a drill works on the server's own machine", pid);
	if (!has_title(pid, title)) {
		io_close(&fd);
		return error_set(error, -ESRCH, "process %d is no %s here: a drill works on the server's own machine",
			pid, title);
	}
	*ret_process = (struct process){pid, fd};
	return 0;
}

int process_open_sibling(
	const struct process *process, const char *title, struct process *ret_process, struct error *error)
{
	const int parent = parent_of(process->pid);
	DIR *folder = opendir("/proc");
	int status = -ESRCH;
	int64_t pid;

	for (struct dirent *entry; folder && status < 0 && (entry = readdir(folder)) != NULL;)
		if (units_parse_integer(entry->d_name, 2, INT_MAX, &pid) == 0 && parent_of((int)pid) == parent &&
			parent > 1 && has_title((int)pid, title))
			status = process_open((int)pid, title, ret_process, error);
	if (folder)
		(void)closedir(folder);
	if (status < 0)
		return error_set(
			error, status, "there is no %s beside the workers: is the broker an external one?", title);
	return 0;
}

void process_close(struct process *process)
{
	io_close(&process->fd);
}

int process_signal(const struct process *process, int signal)
{
	return syscall(SYS_pidfd_send_signal, process->fd, signal, NULL, 0) < 0 ? -errno : 0;
}

void process_wait(const struct process *process, int64_t most_ms)
{
	struct pollfd entry = {.fd = process->fd, .events = POLLIN};

	(void)io_poll(&entry, 1, clock_mono_after(most_ms));
}
