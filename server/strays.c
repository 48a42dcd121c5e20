#include "server/strays.h"

#include "core/clock.h"
#include "core/io.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILDREN_MAX = SCOREBOARD_ROWS + STRAYS_OLD_MAX, REAP_MS = 50 };

/* The children of this (single-threaded) process, as the kernel lists them; -1 when it cannot. */
static int list_children(pid_t *children, int maximum)
{
	char path[64];
	int count = 0, pid;

	(void)snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
	FILE *file = fopen(path, "re");
	if (!file)
		return -1;
	while (count < maximum && fscanf(file, "%d", &pid) == 1)
		children[count++] = pid;
	(void)fclose(file);
	return count;
}

static bool is_among(const pid_t *pids, int count, pid_t pid)
{
	for (int i = 0; i < count; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

static bool stands_in_row(const struct scoreboard *scoreboard, pid_t pid)
{
	for (unsigned row = 0; row < scoreboard->header->row_count; row++)
		if (scoreboard_low(scoreboard->rows[row].who) == (uint32_t)pid)
			return true;
	return false;
}

static bool any_starting(const struct scoreboard *scoreboard)
{
	for (unsigned row = 0; row < scoreboard->header->row_count; row++)
		if (scoreboard_life(scoreboard, row, NULL, NULL) == LIFE_STARTING)
			return true;
	return false;
}

void strays_init(struct strays *strays)
{
	int count = list_children(strays->old, STRAYS_OLD_MAX);

	strays->old_count = count > 0 ? count : 0;
}

bool strays_end(const struct strays *strays, const struct scoreboard *scoreboard, const pid_t own[], size_t own_count)
{
	static pid_t children[CHILDREN_MAX];
	int count = list_children(children, CHILDREN_MAX);

	for (int i = 0; i < count; i++) {
		pid_t pid = children[i];
		if (is_among(own, (int)own_count, pid) || is_among(strays->old, strays->old_count, pid))
			continue;
		/* In this order: a child that is not in a row yet belongs to a row that is being started. */
		bool starting = any_starting(scoreboard);
		if (stands_in_row(scoreboard, pid))
			continue;
		if (starting)
			return false;
		(void)kill(pid, SIGKILL); /* our child, reaped by us alone: the pid cannot be another's */
	}
	return true;
}

/* One that hangs in the kernel is left to whoever comes after us. */
static bool reap_soon(pid_t pid)
{
	const int64_t until = clock_mono_after(REAP_MS);
	pid_t reaped;

	while ((reaped = waitpid(pid, NULL, WNOHANG)) == 0 && clock_mono_ns() < until)
		(void)io_poll(NULL, 0, clock_mono_after(1));
	return reaped > 0;
}

void strays_end_all(const struct strays *strays)
{
	static pid_t children[CHILDREN_MAX];
	int count, left;

	do {
		left = 0;
		count = list_children(children, CHILDREN_MAX);
		for (int i = 0; i < count; i++) {
			if (is_among(strays->old, strays->old_count, children[i]))
				continue;
			(void)kill(children[i], SIGKILL);
			left += reap_soon(children[i]);
		}
	} while (left > 0); /* what they leave behind falls to us in turn */
}
