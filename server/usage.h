/* usage: what a task cost, CPU time and peak memory: of its worker's process, and of the program that runs it, if one does.
 *
 * A look at both is a few system calls, more than a short task is to pay: a mark is set when a task starts and the last mark is
 * older than a millisecond, and only tasks that took a few milliseconds are measured, from the last mark on. So what is
 * measured may contain up to a millisecond of the tasks before it. Of a program it contains what its own children used, once
 * it has waited for them; a program that starts with a task is all that task's; of one that runs several at a time nobody
 * can tell, and nothing is told. First thread of a worker. */
#ifndef MUSTER_SERVER_USAGE_H
#define MUSTER_SERVER_USAGE_H

#include "core/task.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct usage {
	int clear_refs; /* /proc/self/clear_refs; -1: peaks cannot be reset, and are not told */
	int64_t marked_mono_ns;
	int64_t cpu_us; /* at the mark */
	struct {
		pid_t pid; /* not reaped; 0: none was marked */
		bool runs; /* the task that started last */
		int64_t marked_mono_ns;
		int64_t cpu_us; /* at the mark */
	} program;
};

void usage_open(struct usage *usage);

/* A task starts. */
void usage_begin(struct usage *usage, int64_t now_mono_ns);

/* A program, child of this process, is about to run it. It is reaped after usage_end at the earliest. */
void usage_begin_program(struct usage *usage, pid_t pid, int64_t now_mono_ns);

/* What the task used that started and ended at those times; cpu_ms -1 where it was too short to be measured. */
struct task_usage usage_end(const struct usage *usage, int64_t started_mono_ns, int64_t ended_mono_ns);

#endif
