/* waits: requests that wait for a task's end (`?wait`), and the one connection that hears of ends.
 *
 * Order matters: first the subscription (waits_prepare), then the look-up with `watch` in the turn's trip, then the wait:
 * an end in between is either seen by the look-up or announced. The announcement carries the record, so an end is
 * delivered although retention has dropped the task already. While the subscription is lost, waiting requests stay; when
 * it is back each is looked up again. One thread. */
#ifndef MUSTER_API_WAITS_H
#define MUSTER_API_WAITS_H

#include "api/request.h"
#include "core/broker.h"
#include "core/config.h"

#include <stdbool.h>
#include <stdint.h>

struct link;

struct waits {
	struct broker *broker; /* owned: the subscription's connection */
	bool subscribed;
	struct request *first; /* borrowed */
	int64_t next_mono_ns;  /* no wait is over before; INT64_MAX: none waits */
	int64_t retry_at_mono_ns;
	unsigned failures;
	bool stopping; /* nobody may begin to wait */
};

int waits_open(struct waits *waits, const struct config *config);
void waits_close(struct waits *waits);

/* Subscribes if that is not done yet. Returns 0, or why ends cannot be heard of. */
int waits_prepare(struct waits *waits, struct link *link, struct error *error);

/* The request waits from now on, until request->wait_until_mono_ns. */
void waits_add(struct waits *waits, struct request *request);

/* What to poll for POLLIN; -1: nothing. */
int waits_fd(const struct waits *waits);
/* From the loop, when that is readable: hands announced ends to their requests. */
void waits_hear(struct waits *waits);
/* From the loop: waits that are over, and a lost subscription. Returns when to be called next (mono ns). */
int64_t waits_turn(struct waits *waits, struct link *link, int64_t now_mono_ns);
/* The node stops: all that wait are answered as things stand. */
void waits_stop(struct waits *waits);

#endif
