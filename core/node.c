#include "core/node.h"

#include <assert.h>
#include <stdio.h>

void node_worker_name(const struct node *node, unsigned row, char name[TASK_WORKER_MAX])
{
	uint32_t place = node->scoreboard->rows[row].place;

	assert(place != 0);
	/* A reload may have made a pool that this process's configuration does not have yet. */
	const size_t pool = (size_t)scoreboard_place_pool(place);
	(void)snprintf(name, TASK_WORKER_MAX, "%s/%s/%d", node->id,
		pool < node->config->pool_count ? node->config->pools[pool].name : "-", scoreboard_place_slot(place));
}
