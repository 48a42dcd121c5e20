/* history: what became of tasks on this node in the last hour, for the dashboard's charts.
 *
 * The loop notes the node's counters every five seconds in a ring; whoever draws takes the differences. It is kept in the
 * API's memory and begins anew with the API: for more than an hour there is /metrics. One thread. */
#ifndef MUSTER_API_HISTORY_H
#define MUSTER_API_HISTORY_H

#include "api/request.h"
#include "core/node.h"

#include <stddef.h>
#include <stdint.h>

enum { HISTORY_KEPT = 720 };

/* Counters of all queues and processes, since the node started. */
struct history_sample {
	int64_t at_ms; /* wall clock */
	uint64_t succeeded, retried, dead;
	uint64_t waits, wait_us; /* tasks that were started, and how long they had waited in sum */
};

struct history {
	struct history_sample ring[HISTORY_KEPT]; /* of look n: [n % HISTORY_KEPT] */
	size_t looks;
	int64_t looked_at_mono_ns;
};

/* Looks, if it is time to. */
void history_look(struct history *history, const struct node *node, int64_t now_mono_ns);

/* GET /v1/history: {samples[]}, the oldest first; ?after=: only those later than so many ms since 1970. */
void history_get(struct request *request);

#endif
