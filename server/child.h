/* child: how the supervisor makes the process of a row, step by step as SUPERVISION.md has it: killed between any two
 * steps, the next supervisor finishes what was begun. */
#ifndef MUSTER_SERVER_CHILD_H
#define MUSTER_SERVER_CHILD_H

#include "core/node.h"

/* Makes the row's next incarnation; or finishes the one that is being started. Returns 0 (in the supervisor: the child
 * never returns), or a negative errno: no process was to be had, and the row stays as one that is being started. */
int child_start(const struct node *node, unsigned row, int64_t now_mono_ns);

/* A pidfd of the row's process, owned by the caller; -1 when it is dead by now, or none can be had. */
int child_open(const struct scoreboard *scoreboard, unsigned row);

#endif
