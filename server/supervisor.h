/* supervisor: makes children, times them, ends them. One thread, one loop; no Redis, no HTTP; it never blocks.
 *
 * It holds nothing that a new one could not take up: all it knows stands on the scoreboard. Killed between any two steps,
 * nothing that matters is lost. What it decides is policy.c's. */
#ifndef MUSTER_SERVER_SUPERVISOR_H
#define MUSTER_SERVER_SUPERVISOR_H

#include "core/node.h"
#include "server/privilege.h"

/* Runs in the freshly made supervisor process, as long as there is a row alive or wanted. Returns its exit status. */
int supervisor_main(const struct node *node, const struct privilege *privilege);

#endif
