#include "api/metrics.h"

#include "api/metric_text.h"
#include "api/route.h"
#include "api/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { METRICS_MAX = 64 * 1024 * 1024 };

/* What all processes of the node counted for one queue. */
static void sum_totals(const struct scoreboard *scoreboard, size_t queue, struct scoreboard_totals *sum)
{
	*sum = (struct scoreboard_totals){0};
	for (unsigned row = ROW_API; row < scoreboard->header->row_count; row++) {
		const struct scoreboard_totals *totals = scoreboard_counted(scoreboard_area(scoreboard, row), queue);
		if (!totals)
			continue;
		sum->succeeded += totals->succeeded;
		sum->retried += totals->retried;
		sum->dead += totals->dead;
		sum->cancelled += totals->cancelled;
		sum->recovered += totals->recovered;
		sum->submitted_http += totals->submitted_http;
		sum->submitted_list += totals->submitted_list;
		sum->submitted_handler += totals->submitted_handler;
		metric_add_histogram(&sum->duration, &totals->duration);
		metric_add_histogram(&sum->wait, &totals->wait);
	}
}

static void write_outcomes(struct buffer *text, const struct config *config, const struct scoreboard_totals *totals)
{
	static const char name[] = "muster_tasks_total";

	metric_head(text, name, "counter", "Executions of tasks by how they ended");
	for (size_t i = 0; i < config->queue_count; i++) {
		const char *queue = config->queues[i].name;
		metric_value(text, name, totals[i].succeeded, "queue", queue, "outcome", "succeeded");
		metric_value(text, name, totals[i].retried, "queue", queue, "outcome", "retried");
		metric_value(text, name, totals[i].dead, "queue", queue, "outcome", "dead");
		metric_value(text, name, totals[i].cancelled, "queue", queue, "outcome", "cancelled");
		metric_value(text, name, totals[i].recovered, "queue", queue, "outcome", "recovered");
	}
}

static void write_submitted(struct buffer *text, const struct config *config, const struct scoreboard_totals *totals)
{
	static const char name[] = "muster_tasks_submitted_total";

	metric_head(text, name, "counter", "Tasks accepted by where they came from");
	for (size_t i = 0; i < config->queue_count; i++) {
		const char *queue = config->queues[i].name;
		metric_value(text, name, totals[i].submitted_http, "queue", queue, "source", "http");
		metric_value(text, name, totals[i].submitted_list, "queue", queue, "source", "list");
		metric_value(text, name, totals[i].submitted_handler, "queue", queue, "source", "handler");
	}
}

static void write_durations(struct buffer *text, const struct config *config, const struct scoreboard_totals *totals)
{
	metric_head(text, "muster_task_duration_seconds", "histogram", "How long executions took");
	for (size_t i = 0; i < config->queue_count; i++)
		metric_histogram(text, "muster_task_duration_seconds", &totals[i].duration,
			METRIC_LABELLED("queue", config->queues[i].name));
	metric_head(
		text, "muster_task_wait_seconds", "histogram", "How long tasks could have been started and were not");
	for (size_t i = 0; i < config->queue_count; i++)
		metric_histogram(text, "muster_task_wait_seconds", &totals[i].wait,
			METRIC_LABELLED("queue", config->queues[i].name));
}

static void write_tasks(struct buffer *text, const struct node *node)
{
	const struct config *config = node->config;
	struct scoreboard_totals *totals = calloc(config->queue_count, sizeof *totals);

	if (!totals) {
		text->status = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < config->queue_count; i++)
		sum_totals(node->scoreboard, i, &totals[i]);
	write_outcomes(text, config, totals);
	write_submitted(text, config, totals);
	write_durations(text, config, totals);
	free(totals);
}

static void write_depths(struct buffer *text, const struct config *config, const struct broker_depth *depths)
{
	static const char name[] = "muster_queue_depth";

	metric_head(text, name, "gauge", "Tasks in the queue by state; active ones are in workers' hands");
	for (size_t i = 0; i < config->queue_count; i++) {
		const char *queue = config->queues[i].name;
		metric_value(text, name, depths[i].pending, "queue", queue, "state", "pending");
		metric_value(text, name, depths[i].scheduled, "queue", queue, "state", "scheduled");
		metric_value(text, name, depths[i].retrying, "queue", queue, "state", "retrying");
		metric_value(text, name, depths[i].active, "queue", queue, "state", "active");
		metric_value(text, name, depths[i].dead, "queue", queue, "state", "dead");
	}
	metric_head(text, "muster_queue_paused", "gauge", "1: the queue is paused");
	for (size_t i = 0; i < config->queue_count; i++)
		metric_value(text, "muster_queue_paused", depths[i].paused, "queue", config->queues[i].name);
	metric_head(text, "muster_queue_oldest_age_seconds", "gauge", "Age of the task that is next in line");
	for (size_t i = 0; i < config->queue_count; i++)
		metric_value(text, "muster_queue_oldest_age_seconds", depths[i].oldest_age_s, "queue",
			config->queues[i].name);
}

static void write_broker(struct buffer *text, struct api *api)
{
	struct broker_depth depths[CONFIG_QUEUES_MAX] = {0};
	struct broker_state state = {0};
	int64_t until;
	struct link *link = &api->link;
	struct error error = {""};

	int status = link_begin(link, &until, &error);
	if (status == 0)
		status = link_end(link, broker_depths(link->broker, depths, &state, until, &error), &error);
	metric_head(text, "muster_broker_up", "gauge", "Whether the broker answers");
	metric_value(text, "muster_broker_up", status >= 0);
	if (status < 0)
		return;
	metric_head(
		text, "muster_broker_info", "gauge", "The broker's version and what of its settings tasks depend on");
	metric_value(text, "muster_broker_info", 1, "version", state.version, "maxmemory_policy", state.eviction,
		"append_only", state.appends ? "yes" : "no");
	metric_head(text, "muster_broker_memory_bytes", "gauge", "Memory that the broker uses");
	metric_value(text, "muster_broker_memory_bytes", state.memory_bytes);
	if (state.memory_limit > 0) {
		metric_head(text, "muster_broker_memory_limit_bytes", "gauge",
			"Bound of that memory: submissions are refused there");
		metric_value(text, "muster_broker_memory_limit_bytes", state.memory_limit);
	}
	metric_head(text, "muster_tasks_unaccounted", "gauge",
		"Tasks submitted and revived, less those ended and those alive; not 0 for long is a bug");
	metric_value(text, "muster_tasks_unaccounted", state.unaccounted);
	write_depths(text, api->node->config, depths);
}

static void write_roundtrips(struct buffer *text, const struct scoreboard *scoreboard)
{
	struct scoreboard_histogram sum = {0};

	for (unsigned row = ROW_API; row < scoreboard->header->row_count; row++)
		metric_add_histogram(&sum, &scoreboard_area(scoreboard, row)->roundtrip);
	metric_head(text, "muster_broker_roundtrip_seconds", "histogram", "How long calls to the broker took");
	metric_histogram(text, "muster_broker_roundtrip_seconds", &sum, METRIC_LABELLED());
}

static void write_processes(struct buffer *text, const struct scoreboard *scoreboard)
{
	static const char name[] = "muster_process_restarts_total";
	uint64_t dropped = scoreboard->header->guardian_log_dropped;

	metric_head(text, name, "counter", "Processes that were started again, workers aside");
	metric_value(
		text, name, scoreboard->header->supervisor_restarts, "process", scoreboard_row_name(ROW_SUPERVISOR));
	for (unsigned row = ROW_BROKER; row < ROW_WORKERS; row++)
		metric_value(text, name, scoreboard_restarts(scoreboard, row), "process", scoreboard_row_name(row));
	for (unsigned row = 0; row < scoreboard->header->row_count; row++)
		dropped += scoreboard_area(scoreboard, row)->log_dropped;
	metric_head(text, "muster_scheduler_lag_seconds", "gauge", "By how much the last due task was moved too late");
	metric_value(text, "muster_scheduler_lag_seconds", (double)scoreboard->header->scheduler_lag_us / 1e6);
	metric_head(text, "muster_log_dropped_total", "counter", "Lines of the log that its reader was too slow for");
	metric_value(text, "muster_log_dropped_total", dropped);
}

static bool same_pattern(size_t a, size_t b)
{
	return strcmp(routes[a].pattern, routes[b].pattern) == 0;
}

static uint64_t requests_of(const struct scoreboard_http *http, size_t row)
{
	uint64_t requests = 0;

	for (size_t code = 0; code < SCOREBOARD_CODES; code++)
		requests += http->requests[row][code];
	return requests;
}

static void write_requests(struct buffer *text, const struct scoreboard_http *http)
{
	static const char name[] = "muster_http_requests_total";
	char code[16];

	metric_head(text, name, "counter", "Requests answered by the API");
	for (size_t row = 0; row < route_count; row++) {
		for (size_t i = 0; i < SCOREBOARD_CODES; i++) {
			if (http->requests[row][i] == 0)
				continue;
			(void)snprintf(code, sizeof code, "%d", scoreboard_codes[i]);
			metric_value(text, name, http->requests[row][i], "route", routes[row].pattern, "method",
				routes[row].method, "code", scoreboard_codes[i] != 0 ? code : "other");
		}
	}
}

/* Rows of one pattern, whatever their methods, are one route here. */
static void write_request_durations(struct buffer *text, const struct scoreboard_http *http)
{
	static const char name[] = "muster_http_request_duration_seconds";

	metric_head(text, name, "histogram", "From a request's headers to its answer");
	for (size_t row = 0; row < route_count; row++) {
		struct scoreboard_histogram sum = {0};
		uint64_t requests = 0;
		size_t first = 0;
		while (!same_pattern(first, row))
			first++;
		if (first < row)
			continue;
		for (size_t other = row; other < route_count; other++) {
			if (!same_pattern(other, row))
				continue;
			requests += requests_of(http, other);
			metric_add_histogram(&sum, &http->duration[other]);
		}
		if (requests > 0)
			metric_histogram(text, name, &sum, METRIC_LABELLED("route", routes[row].pattern));
	}
}

/* In the format that the caller asks for. */
static void answer_text_of(struct request *request, struct buffer *text)
{
	const char *accept = request_header(request, "Accept");
	_cleanup_(buffer_fini) struct buffer open;

	buffer_init(&open, METRICS_MAX);
	if (text->status < 0 || !accept || !strstr(accept, "application/openmetrics-text")) {
		answer_buffer(request, 200, "text/plain; version=0.0.4; charset=utf-8", text);
		return;
	}
	metric_open(text, &open);
	answer_buffer(request, 200, "application/openmetrics-text; version=1.0.0; charset=utf-8", &open);
}

void metrics_get(struct request *request)
{
	struct api *api = request->api;
	const struct scoreboard *scoreboard = api->node->scoreboard;
	_cleanup_(buffer_fini) struct buffer text;

	buffer_init(&text, METRICS_MAX);
	metric_head(&text, "muster_build_info", "gauge", "The version that runs");
	metric_value(&text, "muster_build_info", 1, "version", MUSTER_VERSION);
	write_tasks(&text, api->node);
	metrics_write_herd(&text, api);
	write_broker(&text, api);
	write_roundtrips(&text, scoreboard);
	write_processes(&text, scoreboard);
	write_requests(&text, scoreboard->http);
	write_request_durations(&text, scoreboard->http);
	answer_text_of(request, &text);
}
