#include "api/events_internal.h"

#include "api/http.h"
#include "api/roll.h"
#include "api/state.h"
#include "core/clock.h"
#include "core/redact.h"

#include <stdio.h>
#include <string.h>

enum { LOOK_MS = 100 }; /* workers are looked at so often */

static void tell_worker(struct api *api, const struct roll_worker *worker)
{
	const char *pool = api->node->config->pools[worker->pool].name, *state = roll_state_name(worker->state);
	struct scoreboard_exit last;
	const bool died =
		worker->state >= ROLL_DEAD && scoreboard_read_exit(api->node->scoreboard, worker->row, 0, &last);
	struct event *event = events_append(&api->events, EVENT_WORKER,
		json_pack("{s:s, s:s, s:i, s:s, s:o, s:I, s:o, s:o}", "node", api->node->id, "pool", pool, "slot",
			worker->slot, "state", state, "pid", worker->pid > 0 ? json_integer(worker->pid) : json_null(),
			"incarnation", (json_int_t)worker->incarnation, "reason",
			died ? json_string(scoreboard_reason_name((enum scoreboard_reason)last.reason)) : json_null(),
			"at", answer_time(clock_wall_ms())));

	if (!event)
		return;
	(void)snprintf(event->queue, sizeof event->queue, "%s", pool);
	(void)snprintf(event->state, sizeof event->state, "%s", state);
}

static void tell_active(struct api *api, const struct roll_worker *worker, const struct scoreboard_current *current)
{
	const struct config *config = api->node->config;
	char name[TASK_WORKER_MAX];

	if (current->queue < 0 || (size_t)current->queue >= config->queue_count)
		return; /* what a worker wrote is not believed */
	const char *queue = config->queues[current->queue].name;
	node_worker_name(api->node, worker->row, name);
	json_auto_t *data = json_pack("{s:o, s:s, s:o, s:o, s:s, s:s, s:o, s:o}", "id",
		answer_text(current->id, sizeof current->id), "queue", queue, "class",
		answer_text(current->class, sizeof current->class), "method",
		answer_text(current->method, sizeof current->method), "state", "active", "worker", name, "started_at",
		answer_time(current->started_ms), "at", answer_time(clock_wall_ms()));
	events_append_task(&api->events, EVENT_TASK, data, queue, current->class, "active");
}

/* All that have begun after the one with that serial. */
static void tell_begun(struct api *api, const struct roll_worker *worker, uint32_t seen)
{
	const struct scoreboard_area *area = scoreboard_area(api->node->scoreboard, worker->row);
	struct scoreboard_current current;

	for (unsigned i = 0; i < SCOREBOARD_BATCH; i++)
		if (scoreboard_read_position(area, i, &current) && (int32_t)(current.serial - seen) > 0)
			tell_active(api, worker, &current);
}

static void tell_progress(struct api *api, const struct roll_worker *worker, const struct scoreboard_current *current)
{
	const struct config *config = api->node->config;
	char name[TASK_WORKER_MAX];

	if (current->queue < 0 || (size_t)current->queue >= config->queue_count || current->progress < 0)
		return; /* what a worker wrote is not believed */
	const char *queue = config->queues[current->queue].name;
	node_worker_name(api->node, worker->row, name);
	json_auto_t *data = json_pack("{s:o, s:s, s:o, s:o, s:s, s:s, s:o, s:{s:i, s:o}, s:o}", "id",
		answer_text(current->id, sizeof current->id), "queue", queue, "class",
		answer_text(current->class, sizeof current->class), "method",
		answer_text(current->method, sizeof current->method), "state", "active", "worker", name, "started_at",
		answer_time(current->started_ms), "progress", "percent", current->progress, "note",
		current->note[0] != '\0' ? answer_text(current->note, sizeof current->note) : json_null(), "at",
		answer_time(clock_wall_ms()));
	if (data && redact_value(config, data) == 0)
		events_append_task(&api->events, EVENT_PROGRESS, data, queue, current->class, "active");
}

/* Of each task in hand that has told its progress since the last look, what it told last. What is told while we look, which
 * the count that was read before does not have, is for the next one. */
static void tell_progresses(struct api *api, const struct roll_worker *worker, uint32_t seen, uint32_t now)
{
	const struct scoreboard_area *area = scoreboard_area(api->node->scoreboard, worker->row);
	struct scoreboard_current current;

	for (unsigned i = 0; i < SCOREBOARD_BATCH; i++)
		if (scoreboard_read_position(area, i, &current) && (int32_t)(current.told - seen) > 0 &&
			(int32_t)(current.told - now) <= 0)
			tell_progress(api, worker, &current);
}

static void look_at_worker(struct api *api, unsigned row, int64_t now, bool tells)
{
	struct events *events = &api->events;
	const struct scoreboard_area *area = scoreboard_area(api->node->scoreboard, row);
	struct roll_worker worker;

	if (!roll_look(api->node, row, now, &worker))
		return;
	struct events_seen *seen = &events->seen[row];
	const uint32_t serial = worker.state == ROLL_BUSY ? (uint32_t)area->serial : 0, told = area->told;
	const bool changed = worker.incarnation != seen->incarnation || (uint32_t)worker.state != seen->state;
	if (tells && changed)
		tell_worker(api, &worker);
	if (tells && serial != 0 && (changed || serial != seen->serial))
		tell_begun(api, &worker, worker.incarnation == seen->incarnation ? seen->serial : 0);
	if (tells && told != seen->told && events->progress_listeners > 0)
		tell_progresses(api, &worker, seen->told, told);
	*seen = (struct events_seen){
		.incarnation = worker.incarnation, .state = (uint32_t)worker.state, .serial = serial, .told = told};
}

void events_look_at_workers(struct api *api, int64_t now, bool tells)
{
	for (unsigned row = ROW_WORKERS; row < api->node->scoreboard->header->row_count; row++)
		look_at_worker(api, row, now, tells);
	api->events.look_at_mono_ns = now + LOOK_MS * CLOCK_NS_PER_MS;
}
