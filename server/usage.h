/* usage: what a task cost its worker's process, CPU time and peak memory.
 *
 * A look at both is two system calls, more than a short task is to pay: a mark is set when a task starts and the last mark is
 * older than a millisecond, and only tasks that took a few milliseconds are measured, from the last mark on. So what is
 * measured may contain up to a millisecond of the tasks before it. What a handler's child processes use is not in it. First
 * thread of a worker. */
#ifndef MUSTER_SERVER_USAGE_H
#define MUSTER_SERVER_USAGE_H

#include "core/task.h"

#include <stdint.h>

struct usage {
	int clear_refs; /* /proc/self/clear_refs; -1: peaks cannot be reset, and are not told */
	int64_t marked_mono_ns;
	int64_t cpu_us; /* at the mark */
};

void usage_open(struct usage *usage);

/* A task starts. */
void usage_begin(struct usage *usage, int64_t now_mono_ns);

/* What the task used that started and ended at those times; cpu_ms -1 where it was too short to be measured. */
struct task_usage usage_end(const struct usage *usage, int64_t started_mono_ns, int64_t ended_mono_ns);

#endif
