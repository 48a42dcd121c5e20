#include "server/obituary.h"

#include "core/backoff.h"
#include "core/clock.h"
#include "core/id.h"
#include "core/log.h"
#include "server/fault.h"
#include "server/policy.h"
#include "server/process.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* The order that this incarnation died of. One to end a task, when that task was over before it came to a SIGKILL, is not. */
static enum scoreboard_order read_order(const struct scoreboard_row_words *words, const struct scoreboard_area *area)
{
	const uint64_t word = words->order;
	const enum scoreboard_order order = scoreboard_low(word) & 0xff;
	const bool about_task = order == ORDER_ABORT || order == ORDER_CANCEL;

	if (scoreboard_high(word) != scoreboard_high(words->who))
		return ORDER_NONE;
	if (about_task && !scoreboard_order_stands(word, area))
		return ORDER_NONE;
	return scoreboard_low(word) >> 8 & 0xff;
}

static struct policy_death read_death(const struct scoreboard *scoreboard, unsigned row)
{
	const struct scoreboard_row_words *words = &scoreboard->rows[row];
	const struct scoreboard_area *area = scoreboard_area(scoreboard, row);

	return (struct policy_death){
		.exited = words->obituary.code == CLD_EXITED,
		.status = words->obituary.status,
		.order = read_order(words, area),
		.lived_ns = words->obituary.at_mono_ns - words->born_at,
		.leaving = (enum scoreboard_leaving)area->leaving,
		.was_ready = area->ready_at != 0,
		.started_task = area->serial != 0,
	};
}

/* What the order means for the task in hand: one that was about another task, which ended just then, means that this one
 * goes back as if it had not been started. */
static enum scoreboard_order order_for_task(
	enum scoreboard_order order, uint64_t word, const struct scoreboard_area *area)
{
	const bool about_task = order == ORDER_ABORT || order == ORDER_CANCEL;

	return about_task && !scoreboard_order_names(word, area->serial) ? ORDER_STOP : order;
}

static void write_exit(const struct scoreboard *scoreboard, unsigned row, const struct policy_death *death,
	enum scoreboard_reason reason)
{
	const struct scoreboard_row_words *words = &scoreboard->rows[row];
	const struct scoreboard_area *area = scoreboard_area(scoreboard, row);
	uint32_t incarnation = scoreboard_high(words->who);
	struct scoreboard_exit *entry = &scoreboard->exits[row].last[incarnation % SCOREBOARD_EXITS];
	struct scoreboard_current current;

	entry->incarnation = 0;
	entry->reason = reason;
	entry->order = order_for_task(death->order, words->order, area);
	entry->code = death->exited ? death->status : -1;
	entry->signal = death->exited ? 0 : death->status;
	entry->parked = policy_parks(death);
	entry->started_with = scoreboard->exits[row].started_with;
	entry->damaged = scoreboard_is_damaged(scoreboard, row);
	entry->at_ms = clock_wall_ms() - (clock_mono_ns() - words->obituary.at_mono_ns) / CLOCK_NS_PER_MS;
	entry->lived_ms = death->lived_ns / CLOCK_NS_PER_MS;
	entry->task[0] = '\0';
	entry->evidence = (struct scoreboard_evidence){0};
	if (scoreboard->exits[row].evidence_about == incarnation)
		entry->evidence = scoreboard->exits[row].evidence;
	if (area->in_task && scoreboard_read_current(area, &current))
		memcpy(entry->task, current.id, sizeof entry->task), entry->queue = current.queue;
	entry->incarnation = incarnation;
}

/* What ran last is kept as it is now: the next incarnation of the slot writes on in its flight recorder. */
static void keep_recent(const struct scoreboard *scoreboard, unsigned row)
{
	const struct scoreboard_area *area = scoreboard_area(scoreboard, row);
	struct scoreboard_exits *exits = &scoreboard->exits[row];
	const uint32_t count = area->flight_count;

	exits->recent_of = 0;
	exits->recent_count = count < SCOREBOARD_FLIGHT ? count : SCOREBOARD_FLIGHT;
	for (uint32_t i = 0; i < exits->recent_count; i++)
		exits->recent[i] = area->flight[(count - 1 - i) % SCOREBOARD_FLIGHT];
	exits->recent_of = scoreboard_high(scoreboard->rows[row].who);
}

static void count_exit(struct scoreboard_exits *exits, uint32_t incarnation, enum scoreboard_reason reason)
{
	uint64_t count = exits->count[reason];

	if (scoreboard_high(count) != incarnation)
		exits->count[reason] = scoreboard_pair(incarnation, scoreboard_low(count) + 1);
}

static void set_backoff(struct scoreboard_row_words *words, const struct policy_death *death)
{
	uint32_t incarnation = scoreboard_high(words->who);
	uint64_t streak = words->streak;

	if (scoreboard_high(streak) == incarnation)
		return;
	uint32_t value = policy_streak(death, scoreboard_low(streak));
	words->start_at = words->obituary.at_mono_ns + backoff_restart_ns(value, id_chance());
	words->streak = scoreboard_pair(incarnation, value);
}

static void log_exit(
	const struct node *node, unsigned row, const struct policy_death *death, enum scoreboard_reason reason)
{
	const struct scoreboard_row_words *words = &node->scoreboard->rows[row];
	const struct scoreboard_area *area = scoreboard_area(node->scoreboard, row);
	char title[256];

	process_title(node, row, title, sizeof title);
	if (policy_parks(death)) {
		log_error("process gives up, its slot is parked until it is restarted by order",
			LOG_TEXT("process", title), LOG_TEXT("reason", area->reason));
		return;
	}
	int64_t wait_ms = (words->start_at - words->obituary.at_mono_ns) / CLOCK_NS_PER_MS;
	enum config_log_level level =
		reason == REASON_ORDER || reason == REASON_RECYCLED ? CONFIG_LOG_INFO : CONFIG_LOG_WARN;
	LOG_AT(level, "process ended", LOG_TEXT("process", title), LOG_INT("pid", scoreboard_low(words->who)),
		LOG_INT("incarnation", scoreboard_high(words->who)), LOG_TEXT("reason", scoreboard_reason_name(reason)),
		LOG_INT(death->exited ? "code" : "signal", death->status),
		LOG_INT("replaced_in_ms", wait_ms > 0 ? wait_ms : 0));
}

bool obituary_understand(const struct node *node, unsigned row)
{
	const struct scoreboard *scoreboard = node->scoreboard;
	struct scoreboard_row_words *words = &scoreboard->rows[row];
	uint32_t incarnation;

	if (scoreboard_life(scoreboard, row, &incarnation, NULL) != LIFE_DEAD ||
		scoreboard_is_understood(scoreboard, row))
		return false;
	fault_point("death-seen");
	struct policy_death death = read_death(scoreboard, row);
	enum scoreboard_reason reason = policy_reason(&death);
	set_backoff(words, &death);
	count_exit(&scoreboard->exits[row], incarnation, reason);
	log_exit(node, row, &death, reason);
	fault_point("death-counted");
	if (row >= ROW_WORKERS)
		keep_recent(scoreboard, row);
	write_exit(scoreboard, row, &death, reason); /* last: it says that all this is done */
	return true;
}
