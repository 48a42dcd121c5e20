/* orders: a worker's second thread. It owns the signals (all others have them blocked; no handler code runs in signal
 * context) and never runs a task:
 *   SIGTERM    drain: finish the task in hand, leave (what waits behind it is recovered by the scheduler)
 *   SIGUSR1    abort: claim the task in hand, run its class's `exiting` hook, leave
 *   SIGRTMIN   the slow timer: give back what waits behind a slow task
 * A service has no tasks: server/service.h says what these mean to it. */
#ifndef MUSTER_SERVER_ORDERS_H
#define MUSTER_SERVER_ORDERS_H

#include "server/worker.h"

/* Starts the thread and the timer. Returns 0 or a negative errno. */
int orders_start(struct worker *worker);

/* Second thread: SIGRTMIN in so many milliseconds. */
void orders_call_again(struct worker *worker, int64_t ms);

/* First thread: a batch of several begins to run. */
void orders_watch_batch(struct worker *worker);

#endif
