#include "server/evidence.h"

#include "core/io.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* System calls in which processes wait; others are shown by number. */
static const struct {
	long number;
	const char *name;
} waiting_calls[] = {
	{SYS_read, "read"},
	{SYS_write, "write"},
	{SYS_pread64, "pread"},
	{SYS_readv, "readv"},
	{SYS_writev, "writev"},
	{SYS_recvfrom, "recvfrom"},
	{SYS_recvmsg, "recvmsg"},
	{SYS_sendto, "sendto"},
	{SYS_sendmsg, "sendmsg"},
	{SYS_connect, "connect"},
	{SYS_accept4, "accept4"},
	{SYS_ppoll, "ppoll"},
	{SYS_pselect6, "pselect6"},
	{SYS_epoll_pwait, "epoll_pwait"},
	{SYS_futex, "futex"},
	{SYS_clock_nanosleep, "clock_nanosleep"},
	{SYS_nanosleep, "nanosleep"},
	{SYS_wait4, "wait4"},
	{SYS_waitid, "waitid"},
	{SYS_flock, "flock"},
	{SYS_fcntl, "fcntl"},
	{SYS_fsync, "fsync"},
	{SYS_fdatasync, "fdatasync"},
	{SYS_rt_sigtimedwait, "rt_sigtimedwait"},
	{SYS_rt_sigsuspend, "rt_sigsuspend"},
#ifdef SYS_poll
	{SYS_poll, "poll"},
	{SYS_select, "select"},
	{SYS_epoll_wait, "epoll_wait"},
	{SYS_accept, "accept"},
	{SYS_pause, "pause"},
#endif
};

static bool read_proc(pid_t pid, const char *name, char *text, size_t size)
{
	char path[64];

	(void)snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t length = io_read(fd, text, size - 1);
	io_close(&fd);
	if (length < 0)
		return false;
	text[length] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return true;
}

static const char *name_state(char letter)
{
	switch (letter) {
	case 'R': return "spinning";
	case 'T':
	case 't': return "stopped";
	case 'Z':
	case 'X': return "dead";
	default: return "waiting";
	}
}

static void read_stat(pid_t pid, struct scoreboard_evidence *evidence)
{
	char text[1024], letter;
	unsigned long user, system;

	if (!read_proc(pid, "stat", text, sizeof text))
		return;
	const char *behind_name = strrchr(text, ')'); /* the name may hold anything, brackets too */
	if (!behind_name || sscanf(behind_name + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &letter,
				    &user, &system) != 3)
		return;
	(void)snprintf(evidence->state, sizeof evidence->state, "%s", name_state(letter));
	evidence->cpu_ms = (int64_t)(user + system) * 1000 / sysconf(_SC_CLK_TCK);
}

static void read_syscall(pid_t pid, struct scoreboard_evidence *evidence)
{
	char text[256];
	long number;

	if (!read_proc(pid, "syscall", text, sizeof text) || sscanf(text, "%ld", &number) != 1 || number < 0)
		return; /* "running", or stopped outside of a call */
	(void)snprintf(evidence->syscall, sizeof evidence->syscall, "%ld", number);
	for (size_t i = 0; i < sizeof waiting_calls / sizeof *waiting_calls; i++)
		if (waiting_calls[i].number == number)
			(void)snprintf(evidence->syscall, sizeof evidence->syscall, "%s", waiting_calls[i].name);
}

struct scoreboard_evidence evidence_take(pid_t pid, int64_t silent_ms)
{
	struct scoreboard_evidence evidence = {.silent_ms = silent_ms};

	read_stat(pid, &evidence);
	read_syscall(pid, &evidence);
	if (!read_proc(pid, "wchan", evidence.waits_on, sizeof evidence.waits_on) ||
		strcmp(evidence.waits_on, "0") == 0)
		evidence.waits_on[0] = '\0';
	return evidence;
}
