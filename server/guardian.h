/* guardian: the parent of all (process title `master`). It knows almost nothing, so that it has nothing to die of: it
 * starts the supervisor again when that is gone, reaps everybody, writes each death's obituary into the row, ends groups
 * and strays that the dead leave behind, and reads the signals that people send to musterd.
 *
 * It owns what must survive a supervisor: scoreboard, listening sockets, control channels, bells, the lock. */
#ifndef MUSTER_SERVER_GUARDIAN_H
#define MUSTER_SERVER_GUARDIAN_H

#include "core/node.h"
#include "server/privilege.h"
#include "server/strays.h"

/* Runs the node until it was told to stop. A reload replaces node->config. `inherited`: this is an upgrade, the node runs
 * already, and these are not strays (NULL: a start). Returns musterd's exit status. Single-threaded; called once. */
int guardian_main(struct node *node, const struct privilege *privilege, const struct strays *inherited);

#endif
