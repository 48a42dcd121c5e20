#include "api/idle.h"

#include "api/roll.h"
#include "core/clock.h"

static void look_at(
	struct idle_row *row, const struct scoreboard_area *area, const struct roll_worker *worker, int64_t now_mono_ns)
{
	uint32_t serial = area->serial;
	bool same = row->incarnation == worker->incarnation && row->serial == serial;

	if (worker->state != ROLL_IDLE)
		row->since_mono_ns = 0;
	else if (row->since_mono_ns == 0 || !same)
		row->since_mono_ns = now_mono_ns;
	row->incarnation = worker->incarnation;
	row->serial = serial;
}

void idle_look(struct idle *idle, const struct node *node, int64_t now_mono_ns)
{
	const struct scoreboard *scoreboard = node->scoreboard;
	struct roll_worker worker;

	if (now_mono_ns - idle->looked_at_mono_ns < CLOCK_NS_PER_S)
		return;
	idle->looked_at_mono_ns = now_mono_ns;
	for (unsigned row = ROW_WORKERS; row < scoreboard->header->row_count; row++)
		if (roll_look(node, row, now_mono_ns, &worker))
			look_at(&idle->rows[row], scoreboard_area(scoreboard, row), &worker, now_mono_ns);
}

static bool pool_serves(const struct config_pool *pool, int queue)
{
	for (size_t i = 0; i < pool->queue_count; i++)
		if (pool->queues[i].queue == queue)
			return true;
	return false;
}

bool idle_serves(
	const struct idle *idle, const struct node *node, int queue, int64_t for_ns, const bool rests[CONFIG_POOLS_MAX])
{
	const struct scoreboard *scoreboard = node->scoreboard;

	for (unsigned row = ROW_WORKERS; row < scoreboard->header->row_count; row++) {
		int64_t since = idle->rows[row].since_mono_ns;
		if (since == 0 || idle->looked_at_mono_ns - since < for_ns)
			continue;
		int pool = scoreboard_place_pool(scoreboard->rows[row].place);
		if (!rests[pool] && pool_serves(&node->config->pools[pool], queue))
			return true;
	}
	return false;
}
