#include "server/rollout.h"

#include "core/clock.h"
#include "core/log.h"
#include "server/policy.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { PROOF_MS = 500 }; /* a replacement that has no task to do is good after so long */

/* ---- rows ---- */

/* A row for the slot: the one it had, or a new one. */
static void want_slot(struct scoreboard_header *header, const struct scoreboard *scoreboard, int pool, int slot)
{
	int row = scoreboard_find(scoreboard, pool, slot);

	if (row < 0) {
		if (header->row_count == scoreboard->room) {
			log_error("no more rows, restart musterd", LOG_INT("rows", scoreboard->room));
			return;
		}
		row = (int)header->row_count;
		scoreboard->rows[row].place = (uint32_t)pool << 16 | (uint32_t)(slot + 1);
		header->row_count++; /* readers look only now */
	}
	scoreboard->rows[row].retired = 0;
}

/* Every wanted slot of the pool has a row, and rows beyond are retired. */
static void lay_out_pool(const struct scoreboard *scoreboard, uint32_t pool)
{
	struct scoreboard_header *header = scoreboard->header;
	const uint32_t wanted = header->wanted[pool];

	for (unsigned row = ROW_WORKERS; row < header->row_count; row++) {
		uint32_t place = scoreboard->rows[row].place;
		if ((uint32_t)scoreboard_place_pool(place) == pool)
			scoreboard->rows[row].retired = (uint32_t)scoreboard_place_slot(place) >= wanted;
	}
	for (uint32_t slot = 0; slot < wanted; slot++)
		want_slot(header, scoreboard, (int)pool, (int)slot);
}

void rollout_lay_out(const struct node *node)
{
	struct scoreboard_header *header = node->scoreboard->header;
	const uint32_t generation = header->config_generation;

	if (header->laid_out == generation)
		return;
	for (uint32_t pool = 0; pool < node->config->pool_count; pool++) {
		const uint32_t workers = (uint32_t)node->config->pools[pool].workers;
		if (header->configured[pool] != workers || node->config->pools[pool].removed)
			header->wanted[pool] = workers;
		header->configured[pool] = workers;
		lay_out_pool(node->scoreboard, pool);
	}
	header->laid_out = generation;
}

void rollout_scale(const struct node *node, uint32_t pool, uint32_t workers)
{
	struct scoreboard_header *header = node->scoreboard->header;

	if (pool >= node->config->pool_count || node->config->pools[pool].removed || workers > CONFIG_WORKERS_MAX)
		return;
	log_info("pool is scaled", LOG_TEXT("pool", node->config->pools[pool].name),
		LOG_INT("from", header->wanted[pool]), LOG_INT("to", workers));
	header->wanted[pool] = workers;
	lay_out_pool(node->scoreboard, pool);
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

/* ---- how they fare ---- */

static bool is_fresh(const struct scoreboard *scoreboard, unsigned row)
{
	return scoreboard->exits[row].started_with == scoreboard->header->config_generation;
}

/* A replacement, which is watched; a slot that has just been added replaces nobody. */
static bool is_replacement(const struct scoreboard *scoreboard, unsigned row)
{
	return is_fresh(scoreboard, row) && scoreboard_high(scoreboard->rows[row].who) > 1;
}

/* It has started a second task, or has ended its first, or nobody has had work for it. */
static bool has_proved_itself(const struct scoreboard *scoreboard, unsigned row, int64_t now)
{
	const struct scoreboard_area *area = scoreboard_area(scoreboard, row);

	return area->serial > 1 || (area->serial == 1 && area->in_task == 0) ||
	       now - scoreboard->rows[row].born_at >= PROOF_MS * CLOCK_NS_PER_MS;
}

static bool is_failure(const struct scoreboard_exit *exit)
{
	return exit->reason != REASON_ORDER && exit->reason != REASON_RECYCLED && exit->signal != SIGKILL;
}

/* Adds a slot's last deaths, and how long it lived around them, to those of its kind. */
static void add_failures(const struct scoreboard *scoreboard, unsigned row, int64_t now, struct policy_failures *fresh,
	struct policy_failures *old)
{
	const uint32_t last = scoreboard_high(scoreboard->rows[row].who);
	struct policy_failures *kind = is_fresh(scoreboard, row) ? fresh : old;
	struct scoreboard_exit exit;

	if (scoreboard_life(scoreboard, row, NULL, NULL) == LIFE_ALIVE)
		kind->lived_ns += now - scoreboard->rows[row].born_at;
	for (uint32_t i = last; i > 0 && i + SCOREBOARD_EXITS > last; i--) {
		if (!scoreboard_read_exit(scoreboard, row, i, &exit))
			continue;
		kind = exit.started_with == scoreboard->header->config_generation ? fresh : old;
		kind->deaths += is_failure(&exit);
		kind->lived_ns += exit.lived_ms * CLOCK_NS_PER_MS;
	}
}

/* ---- who goes next ---- */

struct pool_roll {
	unsigned size;     /* rows that are not retired */
	unsigned missing;  /* not well, or not proved yet */
	unsigned replaced; /* replacements that live */
	bool given_up;     /* one of them is parked */
	struct policy_failures fresh, old;
};

struct candidate {
	int pool;
	unsigned row;
	int64_t busy_since; /* mono ns; INT64_MAX: it is idle */
};

/* Pool by pool; idle ones first, then those whose task is the youngest: a long one holds up nobody but its own worker. */
static int by_turn(const void *a, const void *b)
{
	const struct candidate *left = a, *right = b;

	if (left->pool != right->pool)
		return left->pool < right->pool ? -1 : 1;
	if (left->busy_since != right->busy_since)
		return left->busy_since > right->busy_since ? -1 : 1;
	return (left->row > right->row) - (left->row < right->row);
}

static unsigned share_of(const struct config_pool *pool, unsigned size)
{
	unsigned share = size * (unsigned)pool->roll_share / 100;

	return share > 1 ? share : 1;
}

static void look_at_pools(const struct node *node, struct pool_roll *rolls, int64_t now)
{
	const struct scoreboard *scoreboard = node->scoreboard;

	for (unsigned row = ROW_WORKERS; row < scoreboard->header->row_count; row++) {
		struct pool_roll *roll = &rolls[scoreboard_place_pool(scoreboard->rows[row].place)];
		if (scoreboard->rows[row].retired)
			continue;
		roll->size++;
		roll->missing += !is_well(scoreboard, row);
		roll->replaced += is_replacement(scoreboard, row);
		roll->given_up |= is_fresh(scoreboard, row) && scoreboard_is_parked(scoreboard, row);
		add_failures(scoreboard, row, now, &roll->fresh, &roll->old);
	}
	/* The first ones must prove themselves before anybody follows. */
	for (unsigned row = ROW_WORKERS; row < scoreboard->header->row_count; row++) {
		const int pool = scoreboard_place_pool(scoreboard->rows[row].place);
		if (!scoreboard->rows[row].retired && is_replacement(scoreboard, row) && is_well(scoreboard, row) &&
			rolls[pool].replaced <= share_of(&node->config->pools[pool], rolls[pool].size))
			rolls[pool].missing += !has_proved_itself(scoreboard, row, now);
	}
}

/* How many more of the pool may leave now. */
static unsigned room_of(const struct node *node, int pool, const struct pool_roll *roll)
{
	const unsigned share = share_of(&node->config->pools[pool], roll->size);

	return roll->given_up || roll->missing >= share ? 0 : share - roll->missing;
}

/* Said once, and it holds until the next configuration, even when those that failed are quiet for a while. */
static bool is_stopped(const struct node *node, int pool, const struct pool_roll *roll)
{
	struct scoreboard_header *header = node->scoreboard->header;

	if (scoreboard_roll_is_stopped(node->scoreboard, (size_t)pool))
		return true;
	if (!policy_stops_roll(&roll->fresh, &roll->old))
		return false;
	header->roll_stopped[pool] = header->config_generation;
	log_error("roll stopped: replaced workers fail more than the old ones, which go on; mend it and send HUP again",
		LOG_TEXT("pool", node->config->pools[pool].name), LOG_INT("replaced", roll->replaced),
		LOG_INT("their_failures", roll->fresh.deaths));
	return true;
}

static bool mark_workers(const struct node *node, bool *rolling, int64_t now)
{
	static struct candidate candidates[SCOREBOARD_ROWS];
	const struct scoreboard *scoreboard = node->scoreboard;
	struct pool_roll rolls[CONFIG_POOLS_MAX] = {0};
	unsigned room[CONFIG_POOLS_MAX] = {0};
	size_t count = 0;

	for (unsigned row = ROW_WORKERS; row < scoreboard->header->row_count; row++) {
		const struct scoreboard_area *area = scoreboard_area(scoreboard, row);
		if (scoreboard->rows[row].retired || !is_outdated(scoreboard, row))
			continue;
		candidates[count++] = (struct candidate){
			.pool = scoreboard_place_pool(scoreboard->rows[row].place),
			.row = row,
			.busy_since = area->in_task ? area->current.started_mono_ns : INT64_MAX,
		};
	}
	if (count == 0)
		return false;
	qsort(candidates, count, sizeof *candidates, by_turn);
	look_at_pools(node, rolls, now);
	bool goes_on = false;
	for (size_t pool = 0; pool < node->config->pool_count; pool++)
		room[pool] = room_of(node, (int)pool, &rolls[pool]);
	for (size_t i = 0; i < count; i++) {
		const int pool = candidates[i].pool;
		if (is_stopped(node, pool, &rolls[pool]))
			continue;
		goes_on = true;
		if (!is_well(scoreboard, candidates[i].row))
			continue; /* on its way already */
		rolling[candidates[i].row] = room[pool] > 0;
		room[pool] -= room[pool] > 0;
	}
	return goes_on;
}

bool rollout_mark(const struct node *node, bool *rolling, int64_t now_mono_ns)
{
	const struct scoreboard *scoreboard = node->scoreboard;
	const struct scoreboard_header *header = scoreboard->header;

	memset(rolling, 0, SCOREBOARD_ROWS * sizeof *rolling);
	if (header->stage != STAGE_RUN)
		return false;
	rolling[ROW_API] = is_old_code(scoreboard, ROW_API);
	rolling[ROW_SCHEDULER] = is_outdated(scoreboard, ROW_SCHEDULER) || is_old_code(scoreboard, ROW_SCHEDULER);
	const bool workers = header->config_generation != 0 && mark_workers(node, rolling, now_mono_ns);
	return workers || rolling[ROW_API] || rolling[ROW_SCHEDULER];
}
