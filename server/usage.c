#include "server/usage.h"

#include "core/clock.h"
#include "core/io.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	MARK_NS = 1000000,     /* a mark serves the tasks that start so soon after it */
	MEASURED_NS = 5000000, /* shorter ones are not measured */
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

void usage_begin(struct usage *usage, int64_t now_mono_ns)
{
	struct rusage now;

	if (usage->marked_mono_ns > 0 && now_mono_ns - usage->marked_mono_ns < MARK_NS)
		return;
	if (usage->clear_refs >= 0 && io_write(usage->clear_refs, "5", 1) < 0) /* the peak begins anew */
		io_close(&usage->clear_refs);
	(void)getrusage(RUSAGE_SELF, &now);
	usage->cpu_us = cpu_us(&now);
	usage->marked_mono_ns = now_mono_ns;
}

struct task_usage usage_end(const struct usage *usage, int64_t started_mono_ns, int64_t ended_mono_ns)
{
	struct rusage now;

	if (ended_mono_ns - started_mono_ns < MEASURED_NS)
		return (struct task_usage){.cpu_ms = -1, .peak_rss_bytes = -1};
	(void)getrusage(RUSAGE_SELF, &now);
	return (struct task_usage){
		.cpu_ms = (cpu_us(&now) - usage->cpu_us) / 1000,
		.peak_rss_bytes = usage->clear_refs >= 0 ? (int64_t)now.ru_maxrss * 1024 : -1,
	};
}
