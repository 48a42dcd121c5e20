#include "cli/bench.h"

#include "cli/call.h"
#include "cli/memory.h"
#include "cli/path.h"
#include "cli/view.h"
#include "core/buffer.h"
#include "core/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	FOR_MS = 10 * 1000,
	FOR_MAX_MS = 600 * 1000,
	TRIPS_MAX = 100000,
	PORTION = 1000,
	AHEAD_MAX = 20000, /* tasks that wait: enough for any worker, and soon over */
	DRAIN_MS = 60 * 1000,
	BODY_MAX = 1024 * 1024,
};

struct bench {
	struct call *call;
	const char *queue;
	double *trips; /* owned: seconds from a submission to its result, sorted */
	size_t trip_count;
	int64_t submitted, ended;
	double submit_s, run_s; /* spent in submitting; from the first to the end of all */
};

static double seconds_since(int64_t began_mono_ns)
{
	return (double)(clock_mono_ns() - began_mono_ns) / (double)CLOCK_NS_PER_S;
}

/* ---- one after the other: how long a task takes from submission to result ---- */

static int make_trip(struct bench *bench)
{
	json_auto_t *task = json_pack("{s:s, s:s, s:s}", "class", "Demo", "method", "noop", "queue", bench->queue);
	const int64_t began = clock_mono_ns();
	json_t *answer = NULL, *ended = NULL;
	struct path path;

	int status = call_ask(bench->call, "POST", "/v1/tasks", task, &answer);
	if (status != EXIT_DONE)
		return status;
	path_init(&path, "/v1/tasks");
	path_segment(&path, view_string(answer, "id"));
	path_query(&path, "wait", "10s");
	json_decref(answer);
	status = call_get(bench->call, path.text, &ended);
	if (status != EXIT_DONE)
		return status;
	if (strcmp(view_string(ended, "state"), "succeeded") != 0)
		status = call_refused(bench->call,
			"a task of Demo.noop is %s: bench wants the bundled class Demo and a worker for queue %s",
			view_string(ended, "state"), bench->queue);
	json_decref(ended);
	bench->trips[bench->trip_count++] = seconds_since(began);
	return status;
}

static int compare(const void *one, const void *other)
{
	const double first = *(const double *)one, second = *(const double *)other;

	return (first > second) - (first < second);
}

static int make_trips(struct bench *bench, int64_t most_ms)
{
	const int64_t until = clock_mono_after(most_ms);
	int status = EXIT_DONE;

	while (status == EXIT_DONE && clock_mono_ns() < until && bench->trip_count < TRIPS_MAX)
		status = make_trip(bench);
	qsort(bench->trips, bench->trip_count, sizeof *bench->trips, compare);
	return status;
}

/* ---- many: how many a second ---- */

static int count_ended(struct bench *bench, int64_t *ret_total)
{
	struct path path;
	json_t *queue = NULL;

	path_init(&path, "/v1/queues");
	path_segment(&path, bench->queue);
	int status = call_get(bench->call, path.text, &queue);
	if (status == EXIT_DONE)
		*ret_total = view_integer(queue, "succeeded_total") + view_integer(queue, "dead_total");
	json_decref(queue);
	return status;
}

static int submit_portion(struct bench *bench, const struct buffer *body)
{
	const int64_t began = clock_mono_ns();
	struct answer answer;
	struct error error = {""};
	int result = EXIT_DONE;

	int status = client_send(bench->call->client, "POST", "/v1/tasks", "application/x-ndjson", body->data,
		body->length, &answer, &error);
	if (status < 0) {
		result = call_unreachable(bench->call, &error);
	} else if (answer.status != 200 || view_integer(answer.body, "accepted") != PORTION) {
		answer_sentence(&answer, &error);
		result = call_refused(bench->call, "a portion of tasks was not accepted: %s", error.text);
	}
	answer_fini(&answer);
	bench->submitted += PORTION;
	bench->submit_s += seconds_since(began);
	return result;
}

static int flood(struct bench *bench, const struct buffer *body, int64_t most_ms)
{
	const struct timespec moment = {0, 2 * CLOCK_NS_PER_MS};
	const int64_t began = clock_mono_ns(), until = clock_mono_after(most_ms);
	const int64_t give_up = clock_mono_after(most_ms + DRAIN_MS);
	int64_t before, now;

	int status = count_ended(bench, &before);
	while (status == EXIT_DONE && (clock_mono_ns() < until || bench->ended < bench->submitted)) {
		if (clock_mono_ns() >= give_up)
			return call_refused(bench->call, "%lld of the tasks have not ended",
				(long long)(bench->submitted - bench->ended));
		if (clock_mono_ns() < until && bench->submitted - bench->ended < AHEAD_MAX)
			status = submit_portion(bench, body);
		else
			(void)nanosleep(&moment, NULL);
		if (status == EXIT_DONE)
			status = count_ended(bench, &now);
		if (status == EXIT_DONE)
			bench->ended = now - before;
	}
	bench->run_s = seconds_since(began);
	return status;
}

static int flood_with(struct bench *bench, int64_t most_ms)
{
	json_auto_t *task = json_pack("{s:s, s:s, s:s}", "class", "Demo", "method", "noop", "queue", bench->queue);
	char *line = memory_or_end(json_dumps(task, JSON_COMPACT));
	struct buffer body;

	buffer_init(&body, BODY_MAX);
	for (int i = 0; i < PORTION; i++)
		buffer_append_format(&body, "%s\n", line);
	int status = body.status < 0 ? call_refused(bench->call, "the queue's name is too long")
				     : flood(bench, &body, most_ms);
	buffer_fini(&body);
	free(line);
	return status;
}

/* ---- the report ---- */

static double quantile_ms(const struct bench *bench, double part)
{
	const size_t last = bench->trip_count > 0 ? bench->trip_count - 1 : 0;

	return bench->trip_count > 0 ? bench->trips[(size_t)(part * (double)last)] * 1000 : 0;
}

static int report(const struct bench *bench)
{
	const double submitted = bench->submit_s > 0 ? (double)bench->submitted / bench->submit_s : 0;
	const double ended = bench->run_s > 0 ? (double)bench->ended / bench->run_s : 0;
	const double p50 = quantile_ms(bench, 0.5), p99 = quantile_ms(bench, 0.99);

	if (call_has(bench->call, OPTION_JSON))
		return call_print_json(
			bench->call, json_pack("{s:f, s:f, s:f, s:f, s:I, s:I}", "submitted_per_second", submitted,
					     "run_per_second", ended, "trip_p50_ms", p50, "trip_p99_ms", p99, "trips",
					     (json_int_t)bench->trip_count, "tasks", (json_int_t)bench->submitted));
	(void)printf("one at a time   %.2f ms from submission to result (p50), %.2f ms (p99), %s tasks\n", p50, p99,
		view_count((int64_t)bench->trip_count).text);
	(void)printf("submitted       %s tasks/s in portions of %d, over one connection\n",
		view_count((int64_t)submitted).text, PORTION);
	(void)printf("run             %s tasks/s, %s tasks\n", view_count((int64_t)ended).text,
		view_count(bench->submitted).text);
	return EXIT_DONE;
}

int bench_run(struct call *call)
{
	const int64_t for_ms = call_duration_ms(call, OPTION_FOR, FOR_MS);
	const char *queue = call_has(call, OPTION_QUEUE) ? call->options[OPTION_QUEUE] : "default";
	struct bench bench = {.call = call, .queue = queue};
	char question[512];

	if (for_ms < 100 || for_ms > FOR_MAX_MS)
		return call_misused(call, "--for must be from 100ms to 10m");
	(void)snprintf(question, sizeof question, "Keep queue %.100s of %.200s busy for about %lld s?", queue,
		client_url(call->client), (long long)(for_ms / 1000));
	int status = call_confirm(call, question);
	if (status != EXIT_DONE)
		return status;
	bench.trips = memory_or_end(calloc(TRIPS_MAX, sizeof *bench.trips));
	status = make_trips(&bench, for_ms * 3 / 10);
	if (status == EXIT_DONE)
		status = flood_with(&bench, for_ms * 7 / 10);
	if (status == EXIT_DONE)
		status = report(&bench);
	free(bench.trips);
	return status;
}
