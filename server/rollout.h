/* rollout: how rows follow a configuration that was read again.
 *
 * Pools grow, shrink, come and go: rollout_lay_out gives every wanted slot a row and retires the others. Then workers are
 * replaced one by one in each pool: the next goes only when all others of its pool are well, so a roll whose first
 * replacements fail stops by itself. Supervisor only. */
#ifndef MUSTER_SERVER_ROLLOUT_H
#define MUSTER_SERVER_ROLLOUT_H

#include "core/node.h"

#include <stdbool.h>

/* Lets wanted sizes and rows follow the configuration, unless they do already. */
void rollout_lay_out(const struct node *node);

/* Marks in `rolling` (SCOREBOARD_ROWS entries) who is to leave now because it was started with an older configuration.
 * Returns whether the roll goes on. */
bool rollout_mark(const struct scoreboard *scoreboard, bool *rolling);

#endif
