#include "server/process.h"

#include "core/id.h"
#include "core/io.h"
#include "core/log.h"
#include "server/title.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Where glibc keeps the thread id that pthread_kill uses: the kernel renews it for the child. */
static uint64_t tid_address(void)
{
	int *address = NULL;

	return prctl(PR_GET_TID_ADDRESS, &address) == 0 ? (uint64_t)(uintptr_t)address : 0;
}

static pid_t clone_old(uint64_t flags, uint64_t exit_signal, int *parent_tid, uint64_t child_tid)
{
#if defined(__x86_64__)
	return (pid_t)syscall(SYS_clone, flags | exit_signal, 0, parent_tid, child_tid, 0);
#else
	return (pid_t)syscall(SYS_clone, flags | exit_signal, 0, parent_tid, 0, child_tid);
#endif
}

pid_t process_clone(const struct scoreboard *scoreboard, unsigned row, enum process_parent parent)
{
	int *pid_half = (int *)&scoreboard->rows[row].who;
	const uint64_t child_tid = tid_address();
	struct clone_args args = {
		.flags = CLONE_PARENT_SETTID,
		.parent_tid = (uint64_t)(uintptr_t)pid_half,
		.child_tid = child_tid,
	};

	if (child_tid)
		args.flags |= CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
	if (parent == PROCESS_SIBLING)
		args.flags |= CLONE_PARENT; /* exit_signal stays 0: it is inherited */
	else
		args.exit_signal = SIGCHLD;
	long pid = syscall(SYS_clone3, &args, sizeof args);
	if (pid < 0 && (errno == ENOSYS || errno == EPERM)) /* seccomp filters of old container engines */
		pid = clone_old(args.flags, args.exit_signal, pid_half, child_tid);
	return pid < 0 ? (pid_t)-errno : (pid_t)pid;
}

void process_title(const struct node *node, unsigned row, char *title, size_t size)
{
	const struct config *config = node->config;
	uint32_t place = node->scoreboard->rows[row].place;

	if (place == 0) {
		(void)snprintf(title, size, "%s%s:%s", config->pools[0].title_prefix, config->pools[0].name,
			scoreboard_row_name(row));
		return;
	}
	const struct config_pool *pool = &config->pools[scoreboard_place_pool(place)];
	(void)snprintf(title, size, "%s%s:worker-%d", pool->title_prefix, pool->name, scoreboard_place_slot(place));
}

void process_die_with_guardian(const struct scoreboard *scoreboard, int death_signal)
{
	if (prctl(PR_SET_PDEATHSIG, death_signal) != 0 || getppid() != scoreboard->header->guardian)
		_exit(PROCESS_EXIT_ORPHAN);
}

/* The sanitizer's; not there in other builds. */
extern int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

void process_leave(int status)
{
	if (__lsan_do_recoverable_leak_check)
		(void)__lsan_do_recoverable_leak_check();
	_exit(status);
}

void process_become(const struct node *node, unsigned row, int death_signal)
{
	const struct scoreboard *scoreboard = node->scoreboard;
	const pid_t self = (pid_t)syscall(SYS_getpid);
	char title[256];

	/* clone3 succeeds even when the kernel could not write the pid. */
	if (scoreboard_low(scoreboard->rows[row].who) != (uint32_t)self)
		_exit(PROCESS_EXIT_UNRECORDED);
	process_die_with_guardian(scoreboard, death_signal);
	if (row != ROW_SUPERVISOR)
		(void)setpgid(0, 0); /* cannot fail: a fresh child is no session leader */
	id_forget();
	process_title(node, row, title, sizeof title);
	title_set(title);
	log_become(title, &scoreboard_area(scoreboard, row)->log_dropped, &scoreboard->header->log_generation);
}

static int by_number(const void *a, const void *b)
{
	const int *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

void process_keep(const int *descriptors, size_t count)
{
	int sorted[64];
	unsigned next = 3;

	assert(count < sizeof sorted / sizeof *sorted);
	memcpy(sorted, descriptors, count * sizeof *sorted);
	sorted[count++] = log_descriptor();
	qsort(sorted, count, sizeof *sorted, by_number);
	for (size_t i = 0; i < count; i++) {
		if (sorted[i] < (int)next)
			continue;
		if (sorted[i] > (int)next)
			(void)close_range(next, (unsigned)sorted[i] - 1, 0);
		next = (unsigned)sorted[i] + 1;
	}
	(void)close_range(next, ~0U, 0);
}

static void reset_dispositions(void)
{
	for (int number = 1; number < SIGRTMAX; number++)
		if (number != SIGKILL && number != SIGSTOP)
			(void)sigaction(number, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
}

void process_reset_signals(const sigset_t *mask)
{
	reset_dispositions();
	(void)sigprocmask(SIG_SETMASK, mask, NULL);
}

int process_stop_descriptor(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int64_t process_resident(pid_t pid)
{
	char path[64], text[128];
	long long size, resident;

	(void)snprintf(path, sizeof path, "/proc/%d/statm", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t length = io_read(fd, text, sizeof text - 1);
	io_close(&fd);
	if (length <= 0)
		return 0;
	text[length] = '\0';
	return sscanf(text, "%lld %lld", &size, &resident) == 2 ? resident * sysconf(_SC_PAGESIZE) : 0;
}

void process_list_signals(sigset_t *ret_set)
{
	static const int ours[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD};

	sigemptyset(ret_set);
	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
		sigaddset(ret_set, ours[i]);
}

void process_block_signals(void)
{
	sigset_t set;

	process_list_signals(&set);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	reset_dispositions(); /* whoever started us may ignore some: that is not ours, nor our children's */
	(void)sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
}

bool process_is_told_to_stop(void)
{
	sigset_t pending;

	return sigpending(&pending) == 0 && (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1);
}
