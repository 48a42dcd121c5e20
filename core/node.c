#include "core/node.h"

#include <assert.h>
#include <stdio.h>

void node_worker_name(const struct node *node, unsigned row, char name[TASK_WORKER_MAX])
{
	uint32_t place = node->scoreboard->rows[row].place;

	assert(place != 0);
	(void)snprintf(name, TASK_WORKER_MAX, "%s/%s/%d", node->id,
		node->config->pools[scoreboard_place_pool(place)].name, scoreboard_place_slot(place));
}
