/* turn: what a worker says to the broker: what it has finished, and what it would like to have. First thread only.
 *
 * A call that was not answered is said again as it was, with the same number, until it is: so nothing is counted twice, and
 * nothing that was taken is forgotten. */
#ifndef MUSTER_SERVER_TURN_H
#define MUSTER_SERVER_TURN_H

#include "core/broker.h"
#include "core/buffer.h"

#include <stdbool.h>

struct worker;

/* Reports what is kept and takes up to `wanted` tasks, said until it is answered. wait: for the bell, when there is
 * nothing. False: leave. */
bool turn_take(struct worker *worker, unsigned wanted, bool wait, struct broker_lease *ret_lease);

/* Reports what was kept and, behind it, an outcome that the outbox has no room for. False: leave. */
bool turn_report(struct worker *worker, unsigned i, const struct buffer *record);

enum turn_answer { TURN_ANSWERED, TURN_LATER, TURN_LEAVE };

/* While tasks are in hand, `held` of them in the lease: reports what is kept and `extra` (NULL: nothing), and takes up to
 * `wanted` more. It is tried once; TURN_LATER: it is open, and the next try says the same again, whatever its arguments
 * are; so what `extra` points to must last until the answer. */
enum turn_answer turn_try(struct worker *worker, unsigned held, unsigned wanted, const struct broker_outcome *extra,
	struct broker_lease *ret_lease);
bool turn_is_open(void);

#endif
