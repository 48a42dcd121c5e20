/* bell: what wakes a worker that has tasks in hand and room for more. An idle worker waits for the bell on its own connection,
 * in the same write as its turn (core/broker.h); one that has tasks in hand has other things to wait for, so it has a second
 * connection for the bell. A token that was heard is its to pass on: a turn has to follow, which does that. First thread. */
#ifndef MUSTER_SERVER_BELL_H
#define MUSTER_SERVER_BELL_H

#include <stdbool.h>
#include <stdint.h>

struct broker;
struct worker;

struct bell {
	struct broker *broker; /* owned; NULL until it was listened to */
	bool listens;
	int64_t again_mono_ns; /* not tried before: the broker was away */
};

/* Begins to listen to the worker's queues, if it does not. A broker that does not answer is asked again after a second. */
void bell_listen(struct bell *bell, const struct worker *worker, int64_t now_mono_ns);

/* To be waited on; -1: it does not listen. */
int bell_fd(const struct bell *bell);

/* Without waiting. True: it has rung, or a second is over; it does not listen any more, and a turn has to follow. */
bool bell_rang(struct bell *bell);

/* Ends listening; what rang just now is not heard: a turn has to follow here as well. */
void bell_hush(struct bell *bell);

#endif
