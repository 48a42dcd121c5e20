#include "api/roll.h"

#include "core/clock.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *roll_state_name(enum roll_state state)
{
	static const char *const names[ROLL_STATES] = {
		"starting", "idle", "busy", "draining", "dead", "backoff", "parked"};

	assert(state < ROLL_STATES);
	return names[state];
}

static enum roll_state state_of_dead(const struct scoreboard *scoreboard, unsigned row, int64_t now_mono_ns)
{
	if (scoreboard_is_parked(scoreboard, row))
		return ROLL_PARKED;
	return scoreboard->rows[row].start_at > now_mono_ns ? ROLL_BACKOFF : ROLL_DEAD;
}

/* What the process says itself; one that has not spoken yet is starting. */
static enum roll_state state_of_living(const struct scoreboard_area *area, uint32_t incarnation)
{
	static const enum roll_state said[] = {
		[SCOREBOARD_STARTING] = ROLL_STARTING,
		[SCOREBOARD_IDLE] = ROLL_IDLE,
		[SCOREBOARD_BUSY] = ROLL_BUSY,
		[SCOREBOARD_DRAINING] = ROLL_DRAINING,
	};
	uint32_t state = area->state;

	return area->incarnation == incarnation && state < sizeof said / sizeof said[0] ? said[state] : ROLL_STARTING;
}

static double seconds(int64_t ns)
{
	return (double)ns / (double)CLOCK_NS_PER_S;
}

static void look_at_living(const struct scoreboard *scoreboard, int64_t now_mono_ns, struct roll_worker *worker)
{
	const struct scoreboard_area *area = scoreboard_area(scoreboard, worker->row);
	int64_t born_at = scoreboard->rows[worker->row].born_at, beat_at = area->beat_at;

	worker->state = state_of_living(area, worker->incarnation);
	worker->uptime_s = born_at > 0 && born_at <= now_mono_ns ? seconds(now_mono_ns - born_at) : 0;
	if (beat_at <= 0 || area->incarnation != worker->incarnation)
		return;
	/* A beat that is newer than our look at the clock is no beat of the future. */
	worker->beat_age_s = beat_at < now_mono_ns ? seconds(now_mono_ns - beat_at) : 0;
	worker->promise_s = seconds(area->alive_until - now_mono_ns);
}

bool roll_look(const struct node *node, unsigned row, int64_t now_mono_ns, struct roll_worker *ret_worker)
{
	const struct scoreboard *scoreboard = node->scoreboard;
	const struct scoreboard_row_words *words = &scoreboard->rows[row];
	uint32_t place = words->place;

	if (place == 0 || (words->retired && scoreboard_is_understood(scoreboard, row)))
		return false;
	if ((size_t)scoreboard_place_pool(place) >= node->config->pool_count)
		return false;
	struct roll_worker worker = {
		.row = row,
		.pool = scoreboard_place_pool(place),
		.slot = scoreboard_place_slot(place),
		.beat_age_s = -1,
		.uptime_s = -1,
	};
	switch (scoreboard_life(scoreboard, row, &worker.incarnation, &worker.pid)) {
	case LIFE_NEVER:
	case LIFE_STARTING:
		worker.pid = 0;
		worker.state = ROLL_STARTING;
		break;
	case LIFE_ALIVE: look_at_living(scoreboard, now_mono_ns, &worker); break;
	case LIFE_DEAD:
		if (words->retired)
			return false;
		worker.pid = 0;
		worker.state = state_of_dead(scoreboard, row, now_mono_ns);
		break;
	}
	*ret_worker = worker;
	return true;
}

int64_t roll_resident_bytes(const struct scoreboard *scoreboard, const struct roll_worker *worker)
{
	char path[64], text[128];
	long long pages;

	if (worker->pid <= 0)
		return -1;
	(void)snprintf(path, sizeof path, "/proc/%d/statm", worker->pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t length = read(fd, text, sizeof text - 1);
	(void)close(fd);
	if (length <= 0)
		return -1;
	text[length] = '\0';
	/* The pid may be another's by now: then the row has changed. */
	if (scoreboard->rows[worker->row].who != scoreboard_pair(worker->incarnation, (uint32_t)worker->pid))
		return -1;
	return sscanf(text, "%*d %lld", &pages) == 1 ? pages * sysconf(_SC_PAGESIZE) : -1;
}

/* Elements are "id" or "id~executions". */
static bool is_element_of(const char element[TASK_ELEMENT_MAX], const char *id, size_t length)
{
	return strncmp(element, id, length) == 0 && (element[length] == '\0' || element[length] == '~');
}

static bool was_started(uint32_t claim)
{
	return claim == CLAIM_RUNNING || claim == CLAIM_DONE || claim == CLAIM_KEPT || claim == CLAIM_ABORTED;
}

static bool stands_in_outbox(const struct scoreboard_outbox *outbox, uint32_t incarnation, const char *id)
{
	size_t length = strlen(id);
	uint32_t n = outbox->n;

	if (scoreboard_low(outbox->owner) != incarnation)
		return false;
	for (uint32_t i = 0; i < n && i < SCOREBOARD_BATCH; i++)
		if (was_started(outbox->claim[i]) && is_element_of(outbox->element[i], id, length))
			return true;
	return false;
}

static bool look_for(const struct scoreboard *scoreboard, unsigned row, const char *id, struct roll_task *ret_task)
{
	const struct scoreboard_area *area = scoreboard_area(scoreboard, row);
	struct scoreboard_current current;
	struct roll_task task = {.row = row, .progress = -1};

	if (scoreboard_life(scoreboard, row, &task.incarnation, NULL) != LIFE_ALIVE)
		return false;
	if (scoreboard_find_current(area, id, &current)) {
		task.serial = current.serial;
		task.started_ms = current.started_ms;
		task.progress = current.progress;
		memcpy(task.note, current.note, sizeof task.note);
		task.note[sizeof task.note - 1] = '\0';
	} else if (!stands_in_outbox(&area->outbox, task.incarnation, id)) {
		return false;
	}
	*ret_task = task;
	return true;
}

bool roll_find_task(const struct scoreboard *scoreboard, const char *id, struct roll_task *ret_task)
{
	for (unsigned row = ROW_WORKERS; row < scoreboard->header->row_count; row++)
		if (scoreboard->rows[row].place != 0 && look_for(scoreboard, row, id, ret_task))
			return true;
	return false;
}
