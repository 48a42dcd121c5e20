/* batch: the tasks of one lease, on their way through a worker, and the outbox that outlives it.
 *
 * Every step is written to the scoreboard before the next one begins, so that whoever recovers a dead worker's lease
 * knows what had ended, what was running, and what was never started. */
#ifndef MUSTER_SERVER_BATCH_H
#define MUSTER_SERVER_BATCH_H

#include "core/broker.h"
#include "core/scoreboard.h"

#include <stdbool.h>

struct batch {
	struct scoreboard_outbox *outbox; /* in the worker's area */
	struct broker_lease lease;        /* owned: its tasks' bytes */
	unsigned n;                       /* positions in use */
	uint32_t used;                    /* bytes of the outbox */
	bool reported[SCOREBOARD_BATCH];  /* under worker.call */
};

/* Takes over the lease and lays it out in the outbox as `generation`'s. At most SCOREBOARD_BATCH tasks. */
void batch_open(struct batch *batch, uint64_t generation, struct broker_lease *lease);

/* All is reported: nothing is in hand any more. */
void batch_close(struct batch *batch);

/* First thread, in a batch whose tasks are run several at a time: after a report, positions that were reported are free
 * again; then one more task may stand at one of them, whose number is returned (-ENOSPC: none is free). */
void batch_clear_reported(struct batch *batch);
int batch_add(struct batch *batch, struct bytes element);

/* First thread: may position i be run? False when it was given back. */
bool batch_begin(struct batch *batch, unsigned i, int64_t wall_ms);

/* First thread: may its end be reported? False when it was aborted: the process is about to end. */
bool batch_end(struct batch *batch, unsigned i);

/* First thread: keeps position i's outcome. Returns 0, or -ENOSPC when the outbox has no room: report first. */
int batch_keep(struct batch *batch, unsigned i, const char *record, size_t length);

/* Position i is over and reported; nothing is kept. */
void batch_skip(struct batch *batch, unsigned i);

/* Outcomes that were kept up to now, and give-backs, and are not reported; in batch order. Under worker.call. Returns
 * their number; `positions` says whose they are. */
size_t batch_outcomes(const struct batch *batch, struct broker_outcome *outcomes, unsigned *positions);
void batch_reported(struct batch *batch, const unsigned *positions, size_t count);

/* First thread: the running position i goes back uncounted, as if it had not been started. False when it was aborted. */
bool batch_give_back(struct batch *batch, unsigned i);

/* Second thread: claims what is running, to abort it. False when nothing is. */
bool batch_abort(struct batch *batch);

/* Whether something was given back that the broker does not know yet. Under worker.call. */
bool batch_owes(const struct batch *batch);

/* Claims all that wait, to give them back. Returns how many. */
unsigned batch_return(struct batch *batch);

/* How many positions are claimed so. */
unsigned batch_count(const struct batch *batch, enum scoreboard_claim claim);

#endif
