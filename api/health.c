#include "api/health.h"

#include "api/pause.h"
#include "api/problem.h"
#include "api/roll.h"
#include "api/state.h"
#include "core/clock.h"

#include <stdarg.h>
#include <stdio.h>

static const int64_t stuck_ns = 5 * CLOCK_NS_PER_S;
static const int64_t idle_scheduler_ns = 10 * CLOCK_NS_PER_S; /* it has something to do each second */
static const int64_t emptied_shown_ms = 3600 * 1000;
static const int64_t ask_ns = 200 * CLOCK_NS_PER_MS; /* a broker that needs longer is not ready, and others wait */

enum check { CHECK_BROKER, CHECK_WORKERS, CHECK_SCHEDULER, CHECK_PROGRESS, CHECK_CONFIG, CHECKS };

static const char *const check_names[CHECKS] = {"broker", "workers", "scheduler", "progress", "config"};

struct checks {
	struct error failed[CHECKS]; /* "": ok */
	struct error warned[CHECKS]; /* "": nothing; the node is ready all the same */
};

static void fail(struct checks *checks, enum check check, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void fail(struct checks *checks, enum check check, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(checks->failed[check].text, sizeof checks->failed[check].text, format, arguments);
	va_end(arguments);
}

static void warn(struct checks *checks, enum check check, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void warn(struct checks *checks, enum check check, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(checks->warned[check].text, sizeof checks->warned[check].text, format, arguments);
	va_end(arguments);
}

static bool keeps_promise(const struct scoreboard *scoreboard, unsigned row)
{
	return scoreboard_area(scoreboard, row)->alive_until > clock_mono_ns();
}

void health_alive(struct request *request)
{
	json_t *checks = json_pack("{s:s}", "api", "ok");

	if (keeps_promise(request->api->node->scoreboard, ROW_SUPERVISOR)) {
		(void)json_object_set_new(checks, "supervisor", json_string("ok"));
		answer_json(request, 200, json_pack("{s:o}", "checks", checks));
		return;
	}
	(void)json_object_set_new(checks, "supervisor", json_string("has broken its promise"));
	problem_with(request, 503, "the supervisor has broken its promise", "checks", checks);
}

/* What a person should know of a broker that serves. */
static void look_at_broker(struct checks *checks, const struct broker_state *state)
{
	int percent = broker_memory_percent(state);
	char time[CLOCK_TEXT_SIZE];

	if (state->disk_fails)
		fail(checks, CHECK_BROKER,
			"the broker cannot write its append-only file (a full disk?), and takes nothing until it can");
	if (percent >= BROKER_MEMORY_WARN_PERCENT)
		warn(checks, CHECK_BROKER, "%d %% of the broker's memory (%lld of %lld bytes) are in use%s", percent,
			(long long)state->memory_bytes, (long long)state->memory_limit,
			percent >= 100 ? ": submissions are refused" : "");
	if (state->emptied_ms == 0 || clock_wall_ms() - state->emptied_ms > emptied_shown_ms)
		return;
	clock_format(time, state->emptied_ms);
	warn(checks, CHECK_BROKER,
		"the broker was emptied behind Muster's back (FLUSHALL, or a restart without its data), noticed at %s: "
		"all tasks from before are lost",
		time);
}

/* Workers and look-ups go on without what `durability: power` needs. */
static void look_at_power(struct checks *checks, struct broker *broker, int64_t until_mono_ns)
{
	struct error error;

	if (broker_check_power(broker, until_mono_ns, &error) == BROKER_UNCOPIED)
		warn(checks, CHECK_BROKER, "submissions are refused: %.400s", error.text);
}

/* The broker is asked anew, and says what waits. Returns whether it answered. */
static bool check_broker(struct api *api, struct checks *checks, struct broker_depth depths[CONFIG_QUEUES_MAX])
{
	struct link *link = &api->link;
	struct broker_state state = {0};
	int64_t until = 0;
	struct error *error = &checks->failed[CHECK_BROKER];

	int status = link->up ? 0 : link_ask(link, ask_ns, error);
	if (status == 0)
		status = link_begin(link, &until, error);
	if (status == 0)
		status = link_end(link, broker_depths(link->broker, depths, &state, until, error), error);
	if (status < 0) {
		if (error->text[0] == '\0')
			fail(checks, CHECK_BROKER, "the broker is away");
		return false;
	}
	error->text[0] = '\0';
	look_at_broker(checks, &state);
	look_at_power(checks, link->broker, until);
	return true;
}

static void check_workers(const struct node *node, struct checks *checks)
{
	int able[CONFIG_POOLS_MAX] = {0}, parked[CONFIG_POOLS_MAX] = {0};
	int64_t now = clock_mono_ns();
	struct roll_worker worker;

	for (unsigned row = ROW_WORKERS; row < node->scoreboard->header->row_count; row++) {
		if (!roll_look(node, row, now, &worker))
			continue;
		able[worker.pool] += worker.state == ROLL_IDLE || worker.state == ROLL_BUSY;
		parked[worker.pool] += worker.state == ROLL_PARKED;
	}
	for (size_t pool = 0; pool < node->config->pool_count; pool++) {
		const char *name = node->config->pools[pool].name;
		if (node->scoreboard->header->wanted[pool] == 0 || able[pool] > 0)
			continue;
		if (parked[pool] > 0)
			fail(checks, CHECK_WORKERS, "all workers of pool %s are parked or down: /v1/workers says why",
				name);
		else
			fail(checks, CHECK_WORKERS, "no worker of pool %s is up", name);
		return;
	}
}

static void find_resting(struct api *api, bool rests[CONFIG_POOLS_MAX])
{
	const struct node *node = api->node;
	json_auto_t *paused = pause_all(api);

	for (size_t i = 0; i < node->config->pool_count; i++)
		rests[i] =
			pause_has(paused, "node", node->id) || pause_has(paused, "pool", node->config->pools[i].name);
}

/* Tasks that could be taken, and somebody who could take them, and has not. */
static void check_progress(struct api *api, struct checks *checks, const struct broker_depth *depths)
{
	const struct config *config = api->node->config;
	bool rests[CONFIG_POOLS_MAX] = {false};
	double stuck_s = (double)stuck_ns / (double)CLOCK_NS_PER_S;

	find_resting(api, rests);
	for (size_t i = 0; i < config->queue_count; i++) {
		if (depths[i].pending <= 0 || depths[i].paused || depths[i].oldest_age_s < stuck_s ||
			!idle_serves(&api->idle, api->node, (int)i, stuck_ns, rests))
			continue;
		fail(checks, CHECK_PROGRESS, "queue %s has waited for %.0f s although a worker that serves it is idle",
			config->queues[i].name, depths[i].oldest_age_s);
		return;
	}
}

static json_t *checks_json(const struct checks *checks)
{
	json_t *result = json_object();

	for (int i = 0; i < CHECKS; i++) {
		const char *failed = checks->failed[i].text, *warned = checks->warned[i].text;
		const char *text = failed[0] != '\0' ? failed : warned;
		(void)json_object_set_new(result, check_names[i],
			text[0] == '\0' ? json_string("ok") : answer_text(text, ERROR_TEXT_MAX));
	}
	return result;
}

/* The first thing that keeps the node from its work; NULL: nothing does. */
static const char *first_failure(const struct checks *checks)
{
	for (int i = 0; i < CHECKS; i++)
		if (checks->failed[i].text[0] != '\0')
			return checks->failed[i].text;
	return NULL;
}

/* It lives, keeps its promise, and has lately done its duties: recovery, due times, retention. */
static void check_scheduler(const struct scoreboard *scoreboard, struct checks *checks)
{
	const int64_t done_at = scoreboard_area(scoreboard, ROW_SCHEDULER)->broker_at;

	if (scoreboard_life(scoreboard, ROW_SCHEDULER, NULL, NULL) == LIFE_DEAD)
		fail(checks, CHECK_SCHEDULER, "the scheduler is down");
	else if (!keeps_promise(scoreboard, ROW_SCHEDULER))
		fail(checks, CHECK_SCHEDULER, "the scheduler has broken its promise");
	else if (done_at == 0)
		fail(checks, CHECK_SCHEDULER, "the scheduler has not reached the broker yet");
	else if (clock_mono_ns() - done_at > idle_scheduler_ns)
		fail(checks, CHECK_SCHEDULER, "the scheduler has done nothing for %d s",
			(int)((clock_mono_ns() - done_at) / CLOCK_NS_PER_S));
}

/* Said, but no reason to take this node out of service: what held before still holds. */
static void check_config(const struct node *node, struct checks *checks)
{
	const struct scoreboard_header *header = node->scoreboard->header;

	for (size_t pool = 0; pool < node->config->pool_count; pool++)
		if (scoreboard_roll_is_stopped(node->scoreboard, pool))
			warn(checks, CHECK_CONFIG,
				"the roll of pool %s was stopped: its replaced workers fail more than the old ones, "
				"which go on; mend the cause and reload again",
				node->config->pools[pool].name);
	if (header->config_error[0] != '\0')
		warn(checks, CHECK_CONFIG, "the last reload was refused: %s", header->config_error);
}

void health_ready(struct request *request)
{
	struct api *api = request->api;
	const struct scoreboard *scoreboard = api->node->scoreboard;
	struct broker_depth depths[CONFIG_QUEUES_MAX] = {0};
	struct checks checks = {0};

	if (check_broker(api, &checks, depths))
		check_progress(api, &checks, depths);
	check_workers(api->node, &checks);
	check_scheduler(scoreboard, &checks);
	const char *failure = scoreboard->header->stage == STAGE_RUN ? first_failure(&checks) : "the node is stopping";
	check_config(api->node, &checks);
	if (!failure) {
		answer_json(request, 200, json_pack("{s:o}", "checks", checks_json(&checks)));
		return;
	}
	problem_with(request, 503, failure, "checks", checks_json(&checks));
	answer_header(request, "Retry-After", "1");
}
