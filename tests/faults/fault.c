#include "server/fault.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PATH_SIZE = 512 };

/* Whether this process is the one that an armed point hits: who renames it, unless it stays armed. */
static bool claim(const char *armed, const char *hit, bool stays)
{
	if (!stays)
		return rename(armed, hit) == 0;
	int fd = open(hit, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd >= 0)
		(void)close(fd);
	return true;
}

/* The file's text is a signal's number, or an exit status to leave with, negated; behind it '+': the point stays armed, else
 * it hits once. NAME.hit tells that it was reached. */
void fault_point(const char *name)
{
	const char *folder = getenv("MUSTER_FAULTS");
	char armed[PATH_SIZE], hit[PATH_SIZE], text[16] = "", *end;

	if (!folder)
		return;
	(void)snprintf(armed, sizeof armed, "%s/%s", folder, name);
	(void)snprintf(hit, sizeof hit, "%s/%s.hit", folder, name);
	int fd = open(armed, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	ssize_t length = read(fd, text, sizeof text - 1);
	(void)close(fd);
	long what = strtol(text, &end, 10);
	if (length <= 0 || !claim(armed, hit, *end == '+'))
		return;
	if (what <= 0)
		_exit((int)-what);
	(void)kill(getpid(), (int)what);
}
