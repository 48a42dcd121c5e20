/* idle: since when each worker has had nothing to do, for `progress` in /readyz.
 *
 * Sampled by the loop about once a second from the scoreboard: a worker that has started a task since the last look has
 * not been idle in between, even if it is now. */
#ifndef MUSTER_API_IDLE_H
#define MUSTER_API_IDLE_H

#include "core/node.h"

#include <stdbool.h>
#include <stdint.h>

struct idle_row {
	uint32_t incarnation, serial;
	int64_t since_mono_ns; /* 0: it is not idle */
};

struct idle {
	struct idle_row rows[SCOREBOARD_ROWS];
	int64_t looked_at_mono_ns;
};

/* Looks, if the last look is a second ago. */
void idle_look(struct idle *idle, const struct node *node, int64_t now_mono_ns);

/* Whether a worker that serves the queue has been idle for at least that long. rests: by pool: those do not count. */
bool idle_serves(const struct idle *idle, const struct node *node, int queue, int64_t for_ns,
	const bool rests[CONFIG_POOLS_MAX]);

#endif
