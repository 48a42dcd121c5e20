#include "api/workers.h"

#include "api/access.h"
#include "api/problem.h"
#include "api/resident.h"
#include "api/roll.h"
#include "api/state.h"
#include "api/tag.h"
#include "core/clock.h"
#include "core/control.h"
#include "core/units.h"

#include <string.h>

static json_t *null_or_integer(bool known, int64_t value)
{
	return known ? json_integer(value) : json_null();
}

static json_t *null_or_real(bool known, double value)
{
	return known ? json_real(value) : json_null();
}

static json_t *null_or_text(const char *text, size_t maximum)
{
	return text[0] != '\0' ? answer_text(text, maximum) : json_null();
}

/* Whether the caller may see a task of that queue. An index that a worker wrote is not believed to be one. */
static bool sees(const struct request *request, int32_t queue)
{
	const struct config *config = request->api->node->config;
	const bool known = queue >= 0 && (size_t)queue < config->queue_count;

	return access_sees_queue(request, known ? config->queues[queue].name : "");
}

/* A worker's letter for how a task ended; what stands there is not believed to be one. */
static const char *flight_state(char letter)
{
	return strchr("PRSDC", letter) && letter != '\0' ? task_state_name((enum task_state)letter) : "unknown";
}

/* The tasks that the slot had run last when that incarnation died, the latest first. What a worker wrote is not believed to
 * be text. */
static json_t *recent_json(const struct request *request, unsigned row, uint32_t incarnation)
{
	struct scoreboard_flight flight[SCOREBOARD_FLIGHT];
	const unsigned count = scoreboard_read_recent(request->api->node->scoreboard, row, incarnation, flight);
	json_t *recent = json_array();

	for (unsigned i = 0; i < count; i++) {
		if (!sees(request, flight[i].queue))
			continue;
		(void)json_array_append_new(recent,
			json_pack("{s:o, s:o, s:s, s:o, s:f}", "id", answer_text(flight[i].id, sizeof flight[i].id),
				"class", answer_text(flight[i].class, sizeof flight[i].class), "state",
				flight_state(flight[i].state), "at", answer_time(flight[i].at_ms), "duration_seconds",
				(double)flight[i].duration_us / 1e6));
	}
	return recent;
}

/* What a silent one was doing before it was ended; null where it was not looked at. */
static json_t *evidence_json(const struct scoreboard_evidence *evidence)
{
	if (evidence->state[0] == '\0')
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:I, s:I}", "state", answer_text(evidence->state, sizeof evidence->state),
		"syscall", null_or_text(evidence->syscall, sizeof evidence->syscall), "waits_on",
		null_or_text(evidence->waits_on, sizeof evidence->waits_on), "cpu_ms", (json_int_t)evidence->cpu_ms,
		"silent_ms", (json_int_t)evidence->silent_ms);
}

static json_t *last_exit_json(const struct request *request, const struct roll_worker *worker)
{
	const struct scoreboard *scoreboard = request->api->node->scoreboard;
	const struct scoreboard_area *area = scoreboard_area(scoreboard, worker->row);
	struct scoreboard_exit last;

	if (!scoreboard_read_exit(scoreboard, worker->row, 0, &last))
		return json_null();
	bool parked = worker->state == ROLL_PARKED;
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "reason",
		scoreboard_reason_name((enum scoreboard_reason)last.reason), "signal",
		null_or_integer(last.signal != 0, last.signal), "code", null_or_integer(last.code >= 0, last.code),
		"at", answer_time(last.at_ms), "task",
		null_or_text(sees(request, last.queue) ? last.task : "", sizeof last.task), "detail",
		null_or_text(parked ? area->reason : "", sizeof area->reason), "evidence",
		evidence_json(&last.evidence), "recent", recent_json(request, worker->row, last.incarnation));
}

/* What is known of the slot's ends, the latest first. */
static json_t *exits_json(const struct request *request, const struct roll_worker *worker)
{
	const struct scoreboard *scoreboard = request->api->node->scoreboard;
	json_t *exits = json_array();
	struct scoreboard_exit past;

	for (uint32_t back = 0; back < SCOREBOARD_EXITS && back < worker->incarnation; back++) {
		const uint32_t incarnation = worker->incarnation - back;
		if (!scoreboard_read_exit(scoreboard, worker->row, incarnation, &past))
			continue; /* it lives, or a later one is written in its place */
		(void)json_array_append_new(exits,
			json_pack("{s:I, s:s, s:o, s:o, s:o, s:f, s:o, s:o}", "incarnation", (json_int_t)incarnation,
				"reason", scoreboard_reason_name((enum scoreboard_reason)past.reason), "signal",
				null_or_integer(past.signal != 0, past.signal), "code",
				null_or_integer(past.code >= 0, past.code), "at", answer_time(past.at_ms),
				"lived_seconds", (double)past.lived_ms / 1000, "task",
				null_or_text(sees(request, past.queue) ? past.task : "", sizeof past.task), "evidence",
				evidence_json(&past.evidence)));
	}
	return exits;
}

static json_t *tasks_json(const struct scoreboard_area *area)
{
	uint64_t succeeded = 0, failed = 0, retried = 0;

	for (size_t word = 0; word < CONFIG_QUEUES_MAX / 64; word++) {
		for (uint64_t left = area->counted[word]; left != 0; left &= left - 1) {
			const struct scoreboard_totals *totals =
				&area->totals[64 * word + (size_t)__builtin_ctzll(left)];
			succeeded += totals->succeeded;
			failed += totals->failed;
			retried += totals->retried;
		}
	}
	return json_pack("{s:I, s:I, s:I}", "succeeded", (json_int_t)succeeded, "failed", (json_int_t)failed, "retried",
		(json_int_t)retried);
}

static json_t *current_json(const struct request *request, const struct scoreboard_area *area,
	const struct roll_worker *worker, int64_t now_mono_ns)
{
	struct scoreboard_current current;

	if (worker->pid == 0 || area->incarnation != worker->incarnation || !scoreboard_read_current(area, &current) ||
		!sees(request, current.queue))
		return json_null();
	double running = (double)(now_mono_ns - current.started_mono_ns) / (double)CLOCK_NS_PER_S;
	return json_pack("{s:o, s:o, s:o, s:f}", "id", answer_text(current.id, sizeof current.id), "class",
		answer_text(current.class, sizeof current.class), "method",
		answer_text(current.method, sizeof current.method), "running_seconds", running > 0 ? running : 0.0);
}

static json_t *worker_json(
	const struct request *request, const struct roll_worker *worker, int64_t resident, int64_t now_mono_ns)
{
	const struct node *node = request->api->node;
	const struct scoreboard *scoreboard = node->scoreboard;
	const struct scoreboard_area *area = scoreboard_area(scoreboard, worker->row);
	bool beats = worker->beat_age_s >= 0;

	return json_pack("{s:s, s:i, s:o, s:s, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:i}", "pool",
		node->config->pools[worker->pool].name, "slot", worker->slot, "pid",
		null_or_integer(worker->pid > 0, worker->pid), "state", roll_state_name(worker->state),
		"heartbeat_age_seconds", null_or_real(beats, worker->beat_age_s), "promise_seconds",
		null_or_real(beats, worker->promise_s), "uptime_seconds",
		null_or_real(worker->uptime_s >= 0, worker->uptime_s), "restarts",
		(json_int_t)scoreboard_restarts(scoreboard, worker->row), "last_exit", last_exit_json(request, worker),
		"tasks", tasks_json(area), "rss_bytes", null_or_integer(resident >= 0, resident), "task",
		current_json(request, area, worker, now_mono_ns), "in_hand", worker->pid > 0 ? (int)area->in_task : 0);
}

void workers_list(struct request *request)
{
	const struct node *node = request->api->node;
	int64_t now = clock_mono_ns();
	struct roll_worker worker;
	struct resident *resident = &request->api->resident;
	json_t *workers = json_array();

	for (unsigned row = ROW_WORKERS; row < node->scoreboard->header->row_count; row++)
		if (roll_look(node, row, now, &worker))
			(void)json_array_append_new(
				workers, worker_json(request, &worker,
						 resident_bytes(resident, node->scoreboard, &worker), now));
	resident_go_on(resident, node->scoreboard);
	answer_json(request, 200, json_pack("{s:o}", "workers", workers));
	tag_answer(request);
}

/* The worker that the path names; answers 404 and returns false if there is none. */
static bool find_worker(struct request *request, struct roll_worker *ret_worker)
{
	const struct node *node = request->api->node;
	int pool = config_find_pool(node->config, request->arguments[0]);
	int64_t slot;
	int row = -1;

	if (pool >= 0 && units_parse_integer(request->arguments[1], 0, CONFIG_WORKERS_MAX, &slot) == 0)
		row = scoreboard_find(node->scoreboard, pool, (int)slot);
	if (row >= 0 && roll_look(node, (unsigned)row, clock_mono_ns(), ret_worker))
		return true;
	problem(request, 404, "there is no worker %s/%s", request->arguments[0], request->arguments[1]);
	return false;
}

static json_t *fresh_worker_json(const struct request *request, const struct roll_worker *worker)
{
	const int64_t resident = roll_resident_bytes(request->api->node->scoreboard, worker);

	return worker_json(request, worker, resident, clock_mono_ns());
}

void workers_get(struct request *request)
{
	struct roll_worker worker;

	if (!find_worker(request, &worker))
		return;
	json_t *value = fresh_worker_json(request, &worker);
	(void)json_object_set_new(value, "exits", exits_json(request, &worker));
	answer_json(request, 200, value);
}

void workers_restart(struct request *request)
{
	const struct node *node = request->api->node;
	struct roll_worker worker;

	if (!find_worker(request, &worker))
		return;
	const struct control_request order = {
		.verb = CONTROL_RESTART, .row = worker.row, .incarnation = worker.incarnation};
	if (control_send(node->control_api[1], &order) < 0) {
		problem(request, 503, "the supervisor is behind with its requests");
		answer_header(request, "Retry-After", "1");
		return;
	}
	answer_json(request, 202, fresh_worker_json(request, &worker));
}
