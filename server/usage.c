#include "server/usage.h"

#include "core/clock.h"
#include "core/io.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	MARK_NS = 1000000,     /* a mark serves the tasks that start so soon after it */
	MEASURED_NS = 5000000, /* shorter ones are not measured */
	PROC_MAX = 8192,       /* bytes of a file in /proc */
};

static int64_t cpu_us(const struct rusage *usage)
{
	return (usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000 + usage->ru_utime.tv_usec +
	       usage->ru_stime.tv_usec;
}

void usage_open(struct usage *usage)
{
	*usage = (struct usage){.clear_refs = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC)};
}

/* The peak begins anew. */
static bool reset_peak(int clear_refs)
{
	return io_write(clear_refs, "5", 1) == 0;
}

void usage_begin(struct usage *usage, int64_t now_mono_ns)
{
	struct rusage now;

	usage->program.runs = false;
	if (usage->marked_mono_ns > 0 && now_mono_ns - usage->marked_mono_ns < MARK_NS)
		return;
	if (usage->clear_refs >= 0 && !reset_peak(usage->clear_refs))
		io_close(&usage->clear_refs);
	(void)getrusage(RUSAGE_SELF, &now);
	usage->cpu_us = cpu_us(&now);
	usage->marked_mono_ns = now_mono_ns;
}

/* ---- a program ---- */

/* What is missing there reads as empty: whoever asks finds nothing in it. */
static void read_proc(pid_t pid, const char *name, char text[PROC_MAX])
{
	char path[64];
	ssize_t length = 0;

	(void)snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		length = io_read(fd, text, PROC_MAX - 1);
	io_close(&fd);
	text[length > 0 ? length : 0] = '\0';
}

/* Of its children that it has waited for. */
static int64_t reaped_cpu_us(pid_t pid)
{
	char text[PROC_MAX];
	long user, system;

	read_proc(pid, "stat", text);
	const char *behind_name = strrchr(text, ')'); /* the name may hold anything, brackets too */
	if (!behind_name || sscanf(behind_name + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %ld %ld",
				    &user, &system) != 2)
		return 0;
	return (user + system) * 1000000 / sysconf(_SC_CLK_TCK);
}

static int64_t program_cpu_us(pid_t pid)
{
	struct timespec own = {0};
	clockid_t its_clock;

	if (clock_getcpuclockid(pid, &its_clock) == 0)
		(void)clock_gettime(its_clock, &own);
	return own.tv_sec * 1000000 + own.tv_nsec / 1000 + reaped_cpu_us(pid);
}

static int64_t program_peak_bytes(pid_t pid)
{
	char text[PROC_MAX];

	read_proc(pid, "status", text);
	const char *peak = strstr(text, "\nVmHWM:");
	return peak ? strtoll(peak + strlen("\nVmHWM:"), NULL, 10) * 1024 : 0;
}

/* One that has ended tells both together. */
static bool has_ended(pid_t pid, struct rusage *ret_usage)
{
	siginfo_t info = {0};

	return syscall(SYS_waitid, P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT, ret_usage) == 0 &&
	       info.si_pid == pid;
}

void usage_begin_program(struct usage *usage, pid_t pid, int64_t now_mono_ns)
{
	char path[64];

	usage->program.runs = true;
	if (pid == usage->program.pid && now_mono_ns - usage->program.marked_mono_ns < MARK_NS)
		return;
	usage->program.cpu_us = 0;
	if (pid == usage->program.pid) {
		(void)snprintf(path, sizeof path, "/proc/%d/clear_refs", pid);
		int clear_refs = open(path, O_WRONLY | O_CLOEXEC);
		if (clear_refs >= 0)
			(void)reset_peak(clear_refs);
		io_close(&clear_refs);
		usage->program.cpu_us = program_cpu_us(pid);
	}
	usage->program.pid = pid;
	usage->program.marked_mono_ns = now_mono_ns;
}

static void add_program(const struct usage *usage, int64_t *cpu, int64_t *peak_bytes)
{
	const pid_t pid = usage->program.pid;
	struct rusage whole;

	if (has_ended(pid, &whole)) {
		*cpu += cpu_us(&whole) - usage->program.cpu_us;
		*peak_bytes += whole.ru_maxrss * 1024;
		return;
	}
	*cpu += program_cpu_us(pid) - usage->program.cpu_us;
	*peak_bytes += program_peak_bytes(pid);
}

struct task_usage usage_end(const struct usage *usage, int64_t started_mono_ns, int64_t ended_mono_ns)
{
	struct rusage now;

	if (ended_mono_ns - started_mono_ns < MEASURED_NS)
		return (struct task_usage){.cpu_ms = -1, .peak_rss_bytes = -1};
	(void)getrusage(RUSAGE_SELF, &now);
	int64_t cpu = cpu_us(&now) - usage->cpu_us, peak_bytes = now.ru_maxrss * 1024;
	if (usage->program.runs)
		add_program(usage, &cpu, &peak_bytes);
	return (struct task_usage){
		.cpu_ms = cpu / 1000,
		.peak_rss_bytes = usage->clear_refs >= 0 ? peak_bytes : -1,
	};
}
