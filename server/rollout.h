/* rollout: how rows follow a configuration that was read again.
 *
 * Pools grow, shrink, come and go: rollout_lay_out gives every wanted slot a row and retires the others. Then workers are
 * replaced, in each pool one by one or a share (`roll_share`) at a time, the idle ones first: the next go only when the ones
 * before are back. The first to be replaced must prove themselves: run a task, or live for a while without one. A roll whose
 * replacements give up or fail more than the old ones did stops by itself, until the next reload. Supervisor only. */
#ifndef MUSTER_SERVER_ROLLOUT_H
#define MUSTER_SERVER_ROLLOUT_H

#include "core/node.h"

#include <stdbool.h>
#include <stdint.h>

/* Lets wanted sizes and rows follow the configuration, unless they do already. A pool that was scaled keeps its size until
 * the file gives it another number than before. */
void rollout_lay_out(const struct node *node);

/* The pool is to have so many workers from now on: those beyond leave when their tasks are done. Ignores what cannot be. */
void rollout_scale(const struct node *node, uint32_t pool, uint32_t workers);

/* Marks in `rolling` (SCOREBOARD_ROWS entries) who is to leave now because it was started with an older configuration, or
 * (api and scheduler) by older code. Returns whether the roll goes on. */
bool rollout_mark(const struct node *node, bool *rolling, int64_t now_mono_ns);

#endif
