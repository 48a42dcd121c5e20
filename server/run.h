/* run: one task in a worker, from its document to its record. First thread only. */
#ifndef MUSTER_SERVER_RUN_H
#define MUSTER_SERVER_RUN_H

#include "core/buffer.h"
#include "server/worker.h"

/* Opens the worker's handlers and what tasks may do to their worker. Returns 0 or a negative errno. */
int run_open(struct worker *worker);

/* Loads a class. While it does, the worker's area says that the slot is to be parked if this ends the process. */
int run_load(struct worker *worker, const char *class, struct error *error);

/* Runs position i of the batch and formats its record. False when there is nothing to report: it was given back. Does not
 * return when the task was aborted meanwhile (the second thread ends the process), or when its class cannot be loaded. */
bool run_task(struct worker *worker, unsigned i, struct buffer *record);

#endif
