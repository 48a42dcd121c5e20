/* task_filter: which tasks a call on many is about.
 *
 * One table of members, one struct, for every such call: the query of GET and DELETE, the body of POST. What can be seen
 * by where a task stands (queue, state) is left to who looks there; task_filter_matches judges the rest. Pure. */
#ifndef MUSTER_CORE_TASK_FILTER_H
#define MUSTER_CORE_TASK_FILTER_H

#include "core/schema.h"
#include "core/task.h"

enum { TASK_FILTER_LIMIT_MAX = 10000000, TASK_FILTER_RATE_MAX = 100000, TASK_FILTER_CURSOR_MAX = 512 };

struct task_filter {
	/* all that are given must hold; NULL or SCHEMA_NONE: it does not matter */
	char *queue;
	int state; /* index into task_filter_states; -1: it does not matter */
	char *class, *method;
	char *error_kind; /* of how it died, or of the last execution that did not succeed */
	char *error;      /* a part of that one's message, upper and lower case alike */
	char *created_after, *created_before, *finished_after, *finished_before; /* times, as they were given */
	/* not the filter's own: */
	int64_t limit; /* of tasks; SCHEMA_NONE: the call's own */
	int64_t rate;  /* tasks per second; SCHEMA_NONE: as fast as it goes */
	bool dry_run;
	char *cursor;
	char *to; /* move: the queue to move to */
};

extern const struct schema task_filter_schema;
extern const char *const task_filter_states[]; /* "pending" …, NULL-terminated */

/* Whether it must look into a task at all, or queue and state are everything. */
bool task_filter_is_plain(const struct task_filter *filter);

/* Whether the task is meant, as far as its head, document and record say. What cannot be read is not. */
bool task_filter_matches(const struct task_filter *filter, struct bytes stored, struct bytes record);

#endif
