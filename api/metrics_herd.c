#include "api/metrics.h"

#include "api/metric_text.h"
#include "api/roll.h"
#include "api/state.h"
#include "core/clock.h"

#include <stdio.h>

static void write_states(struct buffer *text, const struct node *node)
{
	static const char name[] = "muster_workers";
	int counts[CONFIG_POOLS_MAX][ROLL_STATES] = {0};
	int64_t now = clock_mono_ns();
	struct roll_worker worker;

	for (unsigned row = ROW_WORKERS; row < node->scoreboard->header->row_count; row++)
		if (roll_look(node, row, now, &worker))
			counts[worker.pool][worker.state]++;
	metric_head(text, name, "gauge", "Workers by state");
	for (size_t pool = 0; pool < node->config->pool_count; pool++)
		for (int state = 0; state < ROLL_STATES; state++)
			metric_value(text, name, counts[pool][state], "pool", node->config->pools[pool].name, "state",
				roll_state_name((enum roll_state)state));
}

/* One value a worker that has it; `value` returns a negative one where there is none. */
static void write_each(struct buffer *text, struct api *api, const char *name, const char *help,
	double (*value)(struct api *api, const struct roll_worker *worker))
{
	const struct node *node = api->node;
	int64_t now = clock_mono_ns();
	struct roll_worker worker;
	char slot[16];

	metric_head(text, name, "gauge", help);
	for (unsigned row = ROW_WORKERS; row < node->scoreboard->header->row_count; row++) {
		if (!roll_look(node, row, now, &worker))
			continue;
		double is = value(api, &worker);
		(void)snprintf(slot, sizeof slot, "%d", worker.slot);
		if (is >= 0)
			metric_value(text, name, is, "pool", node->config->pools[worker.pool].name, "slot", slot);
	}
}

static double beat_age(struct api *api, const struct roll_worker *worker)
{
	(void)api;
	return worker->beat_age_s;
}

static double resident(struct api *api, const struct roll_worker *worker)
{
	return (double)resident_bytes(&api->resident, api->node->scoreboard, worker);
}

/* Rows that have left a pool count on: a total never goes back. */
static void write_restarts(struct buffer *text, const struct node *node)
{
	static const char name[] = "muster_worker_restarts_total";
	uint64_t counts[CONFIG_POOLS_MAX][REASON_COUNT] = {0};
	const struct scoreboard *scoreboard = node->scoreboard;

	for (unsigned row = ROW_WORKERS; row < scoreboard->header->row_count; row++) {
		uint32_t place = scoreboard->rows[row].place;
		for (int reason = 0; place != 0 && reason < REASON_COUNT; reason++)
			counts[scoreboard_place_pool(place)][reason] +=
				scoreboard_low(scoreboard->exits[row].count[reason]);
	}
	metric_head(text, name, "counter", "Ends of workers by reason");
	for (size_t pool = 0; pool < node->config->pool_count; pool++)
		for (int reason = 0; reason < REASON_COUNT; reason++)
			metric_value(text, name, counts[pool][reason], "pool", node->config->pools[pool].name, "reason",
				scoreboard_reason_name((enum scoreboard_reason)reason));
}

static void write_stopped_rolls(struct buffer *text, const struct node *node)
{
	static const char name[] = "muster_roll_stopped";

	metric_head(text, name, "gauge",
		"1 where a roll was stopped since the replaced workers failed more than the old ones");
	for (size_t pool = 0; pool < node->config->pool_count; pool++)
		metric_value(text, name, scoreboard_roll_is_stopped(node->scoreboard, pool), "pool",
			node->config->pools[pool].name);
}

static void write_refused(struct buffer *text, const struct scoreboard *scoreboard)
{
	static const char name[] = "muster_leases_refused_total";
	uint64_t refused = 0;

	for (unsigned row = ROW_WORKERS; row < scoreboard->header->row_count; row++)
		refused += scoreboard_area(scoreboard, row)->refused;
	metric_head(text, name, "counter",
		"Leases of this node that another one had taken over (not heard of for node_timeout)");
	metric_value(text, name, refused);
}

void metrics_write_herd(struct buffer *text, struct api *api)
{
	write_states(text, api->node);
	write_each(text, api, "muster_worker_heartbeat_age_seconds", "Time since a worker's last beat", beat_age);
	write_each(text, api, "muster_worker_resident_bytes", "Resident memory of a worker", resident);
	resident_go_on(&api->resident, api->node->scoreboard);
	write_restarts(text, api->node);
	write_stopped_rolls(text, api->node);
	write_refused(text, api->node->scoreboard);
}
