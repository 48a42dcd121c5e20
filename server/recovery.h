/* recovery: what becomes of the tasks that a dead worker held.
 *
 * What had ended is reported as it ended; what was running counts a crash, or ends as its supervisor's order says
 * (timeout, cancelled, back uncounted at a stop); what was never started goes back to the head of its queue. Doing it
 * twice changes nothing. Scheduler only. */
#ifndef MUSTER_SERVER_RECOVERY_H
#define MUSTER_SERVER_RECOVERY_H

#include "core/broker.h"
#include "core/node.h"

struct recovery {
	const struct node *node;
	struct broker *broker;        /* borrowed */
	struct scoreboard_area *area; /* the scheduler's: where it counts */
	/* The last incarnation of each row that was recovered. */
	uint32_t done[SCOREBOARD_ROWS];
};

/* Begins with the deaths that the scoreboard still tells of; what is older shows as leases without an owner. */
void recovery_init(
	struct recovery *recovery, const struct node *node, struct broker *broker, struct scoreboard_area *area);

/* Recovers every worker whose death was understood and which was not yet. Returns 0, or a failure of the broker. */
int recovery_of_the_dead(struct recovery *recovery, struct error *error);

/* Recovers leases of `node_id` whose owners do not live: this node's former lives or, for another node, all. */
int recovery_of_leases(struct recovery *recovery, const char *node_id, struct error *error);

#endif
