/* elsewhere: which classes the nodes of the namespace have, as they publish it.
 *
 * Asked by a worker that meets a class it does not know. One thread. */
#ifndef MUSTER_SERVER_ELSEWHERE_H
#define MUSTER_SERVER_ELSEWHERE_H

#include "core/broker.h"

struct elsewhere {     /* all 0: not asked yet */
	json_t *nodes; /* owned: broker_nodes' */
	int64_t asked_mono_ns;
};

/* Whether a node that lives takes tasks of this class from that queue: another one, or this one by a newer configuration. Asks
 * the broker, at most four times a second; while it is away, what it said last holds, or true. */
bool elsewhere_is_known(struct elsewhere *elsewhere, struct broker *broker, const char *class, const char *queue);

#endif
