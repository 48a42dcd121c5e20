#include "api/history.h"

#include "api/problem.h"
#include "api/state.h"
#include "core/clock.h"
#include "core/scoreboard.h"
#include "core/units.h"

static const int64_t step_ns = 5 * CLOCK_NS_PER_S;

static void add_totals(struct history_sample *sample, const struct scoreboard_totals *totals)
{
	sample->succeeded += totals->succeeded;
	sample->retried += totals->retried;
	sample->dead += totals->dead;
	sample->wait_us += totals->wait.sum_us;
	for (size_t i = 0; i < SCOREBOARD_BUCKETS; i++)
		sample->waits += totals->wait.count[i];
}

void history_look(struct history *history, const struct node *node, int64_t now_mono_ns)
{
	const struct scoreboard *scoreboard = node->scoreboard;
	struct history_sample sample = {.at_ms = clock_wall_ms()};

	if (history->looks > 0 && now_mono_ns - history->looked_at_mono_ns < step_ns)
		return;
	history->looked_at_mono_ns = now_mono_ns;
	for (unsigned row = ROW_API; row < scoreboard->header->row_count; row++)
		for (size_t queue = 0; queue < node->config->queue_count; queue++) {
			const struct scoreboard_totals *totals =
				scoreboard_counted(scoreboard_area(scoreboard, row), queue);
			if (totals)
				add_totals(&sample, totals);
		}
	history->ring[history->looks++ % HISTORY_KEPT] = sample;
}

static json_t *sample_json(const struct history_sample *sample)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:f}", "at", (json_int_t)sample->at_ms, "succeeded",
		(json_int_t)sample->succeeded, "retried", (json_int_t)sample->retried, "dead", (json_int_t)sample->dead,
		"waits", (json_int_t)sample->waits, "wait_seconds", (double)sample->wait_us / 1e6);
}

void history_get(struct request *request)
{
	const struct history *history = &request->api->history;
	const char *after = request_query(request, "after");
	size_t first = history->looks > HISTORY_KEPT ? history->looks - HISTORY_KEPT : 0;
	int64_t after_ms = 0;

	if (after && units_parse_integer(after, 0, CLOCK_LAST_MS, &after_ms) < 0) {
		problem(request, 400, "after is no number of milliseconds since 1970");
		return;
	}
	json_t *samples = json_array();
	for (size_t look = first; look < history->looks; look++) {
		const struct history_sample *sample = &history->ring[look % HISTORY_KEPT];
		if (sample->at_ms > after_ms)
			(void)json_array_append_new(samples, sample_json(sample));
	}
	answer_json(request, 200, json_pack("{s:o}", "samples", samples));
}
