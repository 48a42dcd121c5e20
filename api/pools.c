#include "api/workers.h"

#include "api/body.h"
#include "api/pause.h"
#include "api/problem.h"
#include "api/roll.h"
#include "api/state.h"
#include "api/tag.h"
#include "core/clock.h"
#include "core/control.h"

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

/* ---- scaling ---- */

struct scale {
	int64_t workers;
};

static const struct schema_member scale_members[] = {
	{.name = "workers",
		.type = SCHEMA_INTEGER,
		.offset = offsetof(struct scale, workers),
		.required = true,
		.maximum = CONFIG_WORKERS_MAX,
		.help = "How many workers the pool is to have."},
	{0},
};
const struct schema pools_scale_schema = {"pool", scale_members, sizeof(struct scale)};

static int64_t workers_of_others(const struct node *node, int pool)
{
	int64_t workers = 0;

	for (size_t i = 0; i < node->config->pool_count; i++)
		workers += (int)i == pool ? 0 : node->scoreboard->header->wanted[i];
	return workers;
}

/* Asks the supervisor, which writes the number down for whoever comes after it. Returns false when it has answered. */
static bool order_scale(struct request *request, int pool, int64_t workers)
{
	const struct node *node = request->api->node;
	const struct control_request order = {
		.verb = CONTROL_SCALE, .row = (uint32_t)pool, .serial = (uint32_t)workers};

	if (workers + workers_of_others(node, pool) > CONFIG_WORKERS_MAX) {
		problem(request, 422, "all pools together may have at most %d workers", CONFIG_WORKERS_MAX);
		return false;
	}
	if (control_send(node->control_api[1], &order) == 0)
		return true;
	problem(request, 503, "the supervisor is behind with its requests");
	answer_header(request, "Retry-After", "1");
	return false;
}

void pools_scale(struct request *request)
{
	const struct node *node = request->api->node;
	int pool = config_find_pool(node->config, request->arguments[0]);
	struct scale scale = {0};

	if (pool < 0 || node->config->pools[pool].removed) {
		problem(request, 404, "there is no pool %s", request->arguments[0]);
		return;
	}
	if (!body_read(request, &pools_scale_schema, &scale) || !order_scale(request, pool, scale.workers))
		return;
	json_auto_t *paused = pause_all(request->api);
	json_t *value = pool_json(node, pool, paused);
	(void)json_object_set_new(
		value, "workers", json_integer(scale.workers)); /* the supervisor may not have read it yet */
	answer_json(request, 200, value);
}
