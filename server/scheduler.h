/* scheduler: what a node does for its queues when nobody else has a reason to. One per node, any number agree.
 *
 *   deaths      recovers what dead workers held, from their outboxes (recovery.c), at once
 *   due times   moves scheduled and retrying tasks to their queues when their time has come
 *   plain lists waits on lists that foreign producers LPUSH to, and rings for the workers
 *   each second says that the node lives, hears what was changed of queues, delivers cancellations, drops what retention
 *               no longer keeps
 *   every 5 s   looks for leases whose owners are gone: of this node's former lives, and of nodes whose time ran out
 *
 * It never waits on one thing only: blocking waits are sent, and all connections polled together. */
#ifndef MUSTER_SERVER_SCHEDULER_H
#define MUSTER_SERVER_SCHEDULER_H

#include "core/node.h"

/* Runs in the freshly made scheduler process until stop_fd is readable; then recovers what is left. Returns its exit
 * status. */
int scheduler_main(const struct node *node, int stop_fd);

#endif
