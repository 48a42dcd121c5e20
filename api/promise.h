/* promise: the API's word to the supervisor that it will be heard of again (scoreboard.h: alive_until). */
#ifndef MUSTER_API_PROMISE_H
#define MUSTER_API_PROMISE_H

#include "core/node.h"

#include <stdint.h>

struct promise {
	const struct node *node;
	struct scoreboard_area *area; /* the API's own */
};

/* Ten seconds from now: the loop turns at least once a second, and no call to the broker takes longer than one. */
void promise_renew(const struct promise *promise, int64_t now_mono_ns);

#endif
