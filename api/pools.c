#include "api/workers.h"

#include "api/pause.h"
#include "api/problem.h"
#include "api/roll.h"
#include "api/state.h"
#include "api/tag.h"
#include "core/clock.h"

static json_t *weights_json(const struct config *config, const struct config_pool *pool)
{
	json_t *weights = json_object();

	for (size_t i = 0; i < pool->queue_count; i++)
		(void)json_object_set_new(
			weights, config->queues[pool->queues[i].queue].name, json_integer(pool->queues[i].weight));
	return weights;
}

static json_t *pool_json(const struct node *node, int index, const json_t *paused)
{
	const struct config_pool *pool = &node->config->pools[index];
	const struct scoreboard *scoreboard = node->scoreboard;
	int64_t now = clock_mono_ns();
	struct roll_worker worker;
	int counts[ROLL_STATES] = {0};

	for (unsigned row = ROW_WORKERS; row < scoreboard->header->row_count; row++)
		if (roll_look(node, row, now, &worker) && worker.pool == index)
			counts[worker.state]++;
	return json_pack("{s:s, s:s, s:I, s:o, s:i, s:i, s:f, s:o}", "name", pool->name, "kind",
		pool->kind == CONFIG_KIND_SERVICE ? "service" : "tasks", "workers",
		(json_int_t)scoreboard->header->wanted[index], "queues", weights_json(node->config, pool), "busy",
		counts[ROLL_BUSY], "idle", counts[ROLL_IDLE], "heartbeat_timeout_seconds",
		(double)pool->heartbeat_timeout_ms / 1000, "paused",
		paused ? json_boolean(pause_has(paused, "pool", pool->name)) : json_null());
}

void pools_list(struct request *request)
{
	const struct node *node = request->api->node;
	json_auto_t *paused = pause_all(request->api);
	json_t *pools = json_array();

	for (size_t i = 0; i < node->config->pool_count; i++)
		if (!node->config->pools[i].removed)
			(void)json_array_append_new(pools, pool_json(node, (int)i, paused));
	answer_json(request, 200, json_pack("{s:o}", "pools", pools));
	tag_answer(request);
}

void pools_get(struct request *request)
{
	const struct node *node = request->api->node;
	int pool = config_find_pool(node->config, request->arguments[0]);

	if (pool < 0) {
		problem(request, 404, "there is no pool %s", request->arguments[0]);
		return;
	}
	json_auto_t *paused = pause_all(request->api);
	answer_json(request, 200, pool_json(node, pool, paused));
}
