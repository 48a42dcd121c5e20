/* link: the API's one connection to the broker, and what is known of it.
 *
 * A broker that missed a call's deadline, or whose connection was cut, is *away*: every call is refused at once, so that
 * nobody hangs, until a probe is answered. Probes are made by the loop (link_probe), soon at first, then twice a second. */
#ifndef MUSTER_API_LINK_H
#define MUSTER_API_LINK_H

#include "core/broker.h"
#include "core/error.h"
#include "core/node.h"

#include <stdbool.h>
#include <stdint.h>

struct promise;

struct link {
	struct broker *broker; /* owned */
	const struct promise *promise;
	struct scoreboard_area *area; /* for broker_at */
	bool up;
	bool told;                /* the log knows that it is away */
	unsigned failures;        /* probes without an answer, in a row */
	int64_t probe_at_mono_ns; /* while it is away */
	struct error why;         /* while it is away */

	/* Called before anything is said: receives what is under way over this connection (trip.h).
	 * NULL: nothing ever is. */
	void (*clear)(void *context);
	void *context;
};

int link_open(struct link *link, const struct node *node, const struct promise *promise);
void link_close(struct link *link);

/* Before a call: 0 with the deadline of the call (a second from now), or BROKER_AWAY at once, with the reason. Renews the
 * promise: many calls in one turn may take longer than one promise lasts. */
int link_begin(struct link *link, int64_t *ret_until_mono_ns, struct error *error);

/* After a call: notes whether the broker answered. Returns status. */
int link_end(struct link *link, int status, const struct error *error);

/* Asks the broker anew, away or not, within the time. Returns 0 or why not. */
int link_ask(struct link *link, int64_t timeout_ns, struct error *error);

/* From the loop: the connection became readable between calls: it was cut, no call is open. */
void link_cut(struct link *link);
/* From the loop: asks again when it is time. Returns when to be called next, INT64_MAX: not before the next failure. */
int64_t link_probe(struct link *link, int64_t now_mono_ns);

#endif
