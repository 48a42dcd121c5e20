/* obituary: from "a process is dead", as the guardian wrote it, to why, as people and the scheduler read it.
 *
 * Supervisor only. All bookkeeping is keyed by incarnation: done twice, it changes nothing. */
#ifndef MUSTER_SERVER_OBITUARY_H
#define MUSTER_SERVER_OBITUARY_H

#include "core/node.h"

#include <stdbool.h>

/* If the row is dead and that was not yet understood: writes its exit, counts it, sets its back-off, logs it. Returns
 * whether it did. */
bool obituary_understand(const struct node *node, unsigned row);

#endif
