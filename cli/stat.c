#include "cli/stat.h"

#include "cli/call.h"
#include "cli/view.h"
#include "core/clock.h"
#include "core/units.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { HEAD_EVERY = 20, SECONDS_MAX = 24 * 3600, COUNT_MAX = 1000000000 };

struct sample {
	int64_t at_mono_ns;
	int64_t pending, active, scheduled, retrying, dead, succeeded_total, dead_total;
	int64_t workers, busy;
	double oldest_s;
};

static void add_queues(struct sample *sample, const json_t *queues)
{
	json_t *queue;
	size_t i;

	json_array_foreach(queues, i, queue)
	{
		const double oldest_s = view_seconds(queue, "oldest_age_seconds");
		sample->pending += view_integer(queue, "pending");
		sample->active += view_integer(queue, "active");
		sample->scheduled += view_integer(queue, "scheduled");
		sample->retrying += view_integer(queue, "retrying");
		sample->dead += view_integer(queue, "dead");
		sample->succeeded_total += view_integer(queue, "succeeded_total");
		sample->dead_total += view_integer(queue, "dead_total");
		sample->oldest_s = oldest_s > sample->oldest_s ? oldest_s : sample->oldest_s;
	}
}

static void add_pools(struct sample *sample, const json_t *pools)
{
	json_t *pool;
	size_t i;

	json_array_foreach(pools, i, pool)
	{
		sample->workers += view_integer(pool, "workers");
		sample->busy += view_integer(pool, "busy");
	}
}

/* Returns 0, -EACCES-like with a sentence when the server said no, or why it cannot be reached. */
static int get(struct call *call, const char *path, const char *member, void (*add)(struct sample *, const json_t *),
	struct sample *sample, struct error *error)
{
	struct answer answer;

	int status = client_call(call->client, "GET", path, NULL, &answer, error);
	if (status == 0 && answer.status != 200) {
		answer_sentence(&answer, error);
		status = 1;
	} else if (status == 0) {
		add(sample, json_object_get(answer.body, member));
	}
	answer_fini(&answer);
	return status;
}

static int take_sample(struct call *call, struct sample *sample, struct error *error)
{
	*sample = (struct sample){.at_mono_ns = clock_mono_ns()};
	int status = get(call, "/v1/queues", "queues", add_queues, sample, error);
	return status == 0 ? get(call, "/v1/pools", "pools", add_pools, sample, error) : status;
}

static double rate(int64_t now, int64_t before, const struct sample *sample, const struct sample *last)
{
	const double seconds = (double)(sample->at_mono_ns - last->at_mono_ns) / (double)CLOCK_NS_PER_S;

	return last->at_mono_ns > 0 && now >= before && seconds > 0 ? (double)(now - before) / seconds : 0;
}

static void print_sample(struct call *call, const struct sample *sample, const struct sample *last, int64_t line)
{
	const double done = rate(sample->succeeded_total, last->succeeded_total, sample, last);
	const double failed = rate(sample->dead_total, last->dead_total, sample, last);

	if (call_has(call, OPTION_JSON)) {
		(void)call_print_json(
			call, json_pack("{s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:I, s:I}", "pending",
				      (json_int_t)sample->pending, "active", (json_int_t)sample->active, "scheduled",
				      (json_int_t)sample->scheduled, "retrying", (json_int_t)sample->retrying, "dead",
				      (json_int_t)sample->dead, "succeeded_per_second", done, "dead_per_second", failed,
				      "oldest_age_seconds", sample->oldest_s, "busy", (json_int_t)sample->busy,
				      "workers", (json_int_t)sample->workers));
		return;
	}
	if (line % HEAD_EVERY == 0)
		(void)printf("%s%9s %9s %8s %9s %8s %8s %9s %7s %8s%s\n", terminal_begin(&call->terminal, PAINT_FAINT),
			"done/s", "failed/s", "pending", "scheduled", "retrying", "active", "busy", "dead", "oldest",
			terminal_end(&call->terminal, PAINT_FAINT));
	char busy[64];
	(void)snprintf(busy, sizeof busy, "%lld/%lld", (long long)sample->busy, (long long)sample->workers);
	(void)printf("%9.0f %9.0f %8lld %9lld %8lld %8lld %9s %7lld %8s\n", done, failed, (long long)sample->pending,
		(long long)sample->scheduled, (long long)sample->retrying, (long long)sample->active, busy,
		(long long)sample->dead, view_age(sample->oldest_s > 0 ? sample->oldest_s : -1).text);
}

/* A server that is away for a while is said and waited for, once it has answered. */
static int go_on(struct call *call, int64_t seconds, int64_t count)
{
	struct sample last = {0}, sample;
	struct error error;

	for (int64_t line = 0; line < count; line++) {
		int status = take_sample(call, &sample, &error);
		if (status > 0)
			return call_refused(call, "%s", error.text);
		if (status < 0 && last.at_mono_ns == 0)
			return call_unreachable(call, &error);
		if (status < 0) {
			(void)call_unreachable(call, &error);
		} else {
			print_sample(call, &sample, &last, line);
			last = sample;
		}
		(void)fflush(stdout);
		if (line + 1 < count)
			(void)sleep((unsigned)seconds);
	}
	return EXIT_DONE;
}

int stat_run(struct call *call)
{
	int64_t seconds = 1, count = COUNT_MAX;

	if (call->argument_count > 0 && units_parse_integer(call->arguments[0], 1, SECONDS_MAX, &seconds) < 0)
		return call_misused(call, "'%s' is no number of seconds", call->arguments[0]);
	if (call->argument_count > 1 && units_parse_integer(call->arguments[1], 1, COUNT_MAX, &count) < 0)
		return call_misused(call, "'%s' is no number of lines", call->arguments[1]);
	return go_on(call, seconds, count);
}
