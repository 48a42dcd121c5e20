#include "server/rollout.h"

#include "core/log.h"

#include <string.h>

/* ---- rows ---- */

/* A row for the slot: the one it had, or a new one. */
static void want_slot(struct scoreboard_header *header, const struct scoreboard *scoreboard, int pool, int slot)
{
	int row = scoreboard_find(scoreboard, pool, slot);

	if (row < 0) {
		if (header->row_count == SCOREBOARD_ROWS) {
			log_error("no more rows, restart musterd", LOG_INT("rows", SCOREBOARD_ROWS));
			return;
		}
		row = (int)header->row_count;
		scoreboard->rows[row].place = (uint32_t)pool << 16 | (uint32_t)(slot + 1);
		header->row_count++; /* readers look only now */
	}
	scoreboard->rows[row].retired = 0;
}

void rollout_lay_out(const struct node *node)
{
	const struct scoreboard *scoreboard = node->scoreboard;
	struct scoreboard_header *header = scoreboard->header;
	const uint32_t generation = header->config_generation;

	if (header->laid_out == generation)
		return;
	for (size_t pool = 0; pool < node->config->pool_count; pool++)
		header->wanted[pool] = (uint32_t)node->config->pools[pool].workers;
	for (unsigned row = ROW_WORKERS; row < header->row_count; row++) {
		uint32_t place = scoreboard->rows[row].place;
		scoreboard->rows[row].retired =
			(uint32_t)scoreboard_place_slot(place) >= header->wanted[scoreboard_place_pool(place)];
	}
	for (size_t pool = 0; pool < node->config->pool_count; pool++)
		for (uint32_t slot = 0; slot < header->wanted[pool]; slot++)
			want_slot(header, scoreboard, (int)pool, (int)slot);
	header->laid_out = generation;
}

/* ---- replacing ---- */

static bool is_outdated(const struct scoreboard *scoreboard, unsigned row)
{
	return scoreboard_life(scoreboard, row, NULL, NULL) == LIFE_ALIVE &&
	       scoreboard->exits[row].started_with != scoreboard->header->config_generation;
}

/* An upgrade has replaced the code that it runs. */
static bool is_old_code(const struct scoreboard *scoreboard, unsigned row)
{
	return scoreboard_life(scoreboard, row, NULL, NULL) == LIFE_ALIVE &&
	       scoreboard->exits[row].made_by != scoreboard->header->code_generation;
}

/* It runs, has made its first promise, and nobody told it to leave. */
static bool is_well(const struct scoreboard *scoreboard, unsigned row)
{
	const struct scoreboard_row_words *words = &scoreboard->rows[row];
	const struct scoreboard_area *area = scoreboard_area(scoreboard, row);
	uint32_t incarnation;

	return scoreboard_life(scoreboard, row, &incarnation, NULL) == LIFE_ALIVE && area->incarnation == incarnation &&
	       area->ready_at != 0 && scoreboard_high(words->order) != incarnation;
}

bool rollout_mark(const struct scoreboard *scoreboard, bool *rolling)
{
	const struct scoreboard_header *header = scoreboard->header;
	bool busy[CONFIG_POOLS_MAX] = {false};

	memset(rolling, 0, SCOREBOARD_ROWS * sizeof *rolling);
	if (header->stage != STAGE_RUN)
		return false;
	rolling[ROW_API] = is_old_code(scoreboard, ROW_API);
	rolling[ROW_SCHEDULER] = is_outdated(scoreboard, ROW_SCHEDULER) || is_old_code(scoreboard, ROW_SCHEDULER);
	bool goes_on = rolling[ROW_API] || rolling[ROW_SCHEDULER];
	if (header->config_generation == 0)
		return goes_on;
	for (unsigned row = ROW_WORKERS; row < header->row_count; row++)
		if (!scoreboard->rows[row].retired && !is_well(scoreboard, row))
			busy[scoreboard_place_pool(scoreboard->rows[row].place)] = true;
	for (unsigned row = ROW_WORKERS; row < header->row_count; row++) {
		int pool = scoreboard_place_pool(scoreboard->rows[row].place);
		if (scoreboard->rows[row].retired || !is_outdated(scoreboard, row))
			continue;
		goes_on = true;
		rolling[row] = !busy[pool];
		busy[pool] = true;
	}
	return goes_on;
}
