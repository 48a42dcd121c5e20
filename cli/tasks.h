/* tasks: one task, or a list of them. */
#ifndef MUSTER_CLI_TASKS_H
#define MUSTER_CLI_TASKS_H

#include <jansson.h>
#include <stdint.h>

struct call;

int tasks_get(struct call *call);
int tasks_wait(struct call *call);
int tasks_list(struct call *call);
int tasks_why(struct call *call);

/* Waits until the task is over, at most `most_ms` (INT64_MAX: as long as it takes), and prints its result, or the task with
 * --json. Returns the exit status: EXIT_REFUSED when it ended otherwise than succeeded, or did not end in time. */
int tasks_await(struct call *call, const char *id, int64_t most_ms);

/* Prints a task in full, for people. */
void tasks_print(const struct call *call, const json_t *task);

#endif
