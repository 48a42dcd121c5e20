/* several: tasks of a handler with a `concurrency` above 1, many of them in this worker at a time. First thread only.
 *
 * It starts at such a task in a batch that is run one by one, takes more as they end, and is over when none is in hand: at
 * the end of its queues, when the worker drains or is used up, and before a task of another class, which goes back to the
 * head of its queue until then. Each has its own deadline, which is looked after here: the worker's own promise is to be
 * heard of within heartbeat_timeout. What was started stands in the outbox, position by position, so that whoever
 * recovers a dead worker knows: these crashed, the others were only taken. */
#ifndef MUSTER_SERVER_SEVERAL_H
#define MUSTER_SERVER_SEVERAL_H

#include <stdbool.h>

struct worker;

/* Runs the batch from that position on, whose task was read (worker.run) and is of such a class, and what is taken meanwhile. False:
 * leave. */
bool several_run(struct worker *worker, unsigned from);

#endif
