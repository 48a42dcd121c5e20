#include "cli/top_model.h"

#include "cli/memory.h"
#include "cli/view.h"
#include "core/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const top_sort_names[TOP_SORTS] = {
	[TOP_BY_NAME] = "name",
	[TOP_BY_STATE] = "state",
	[TOP_BY_BEAT] = "heartbeat",
	[TOP_BY_RUNNING] = "time in task",
	[TOP_BY_MEMORY] = "memory",
	[TOP_BY_RESTARTS] = "restarts",
};

void top_model_init(struct top_model *model)
{
	*model = (struct top_model){.workers = json_array(), .queues = json_array()};
}

void top_model_fini(struct top_model *model)
{
	json_decref(model->workers);
	json_decref(model->queues);
}

/* ---- order ---- */

double top_beat_fill(const json_t *worker)
{
	const double age = view_seconds(worker, "heartbeat_age_seconds"),
		     left = view_seconds(worker, "promise_seconds");

	if (age < 0)
		return -1;
	return left > 0 ? age / (age + left) : 1;
}

/* Larger comes first. */
static double weight(const json_t *worker, enum top_sort sort)
{
	switch (sort) {
	case TOP_BY_BEAT: return top_beat_fill(worker);
	case TOP_BY_RUNNING: return view_seconds(json_object_get(worker, "task"), "running_seconds");
	case TOP_BY_MEMORY: return (double)view_integer(worker, "rss_bytes");
	case TOP_BY_RESTARTS: return (double)view_integer(worker, "restarts");
	case TOP_BY_NAME:
	case TOP_BY_STATE:
	case TOP_SORTS: break;
	}
	return 0;
}

static int compare_names(const json_t *one, const json_t *other)
{
	int order = strcmp(view_string(one, "pool"), view_string(other, "pool"));
	const int64_t slot = view_integer(one, "slot"), other_slot = view_integer(other, "slot");

	return order != 0 ? order : (slot > other_slot) - (slot < other_slot);
}

static int compare(const void *one, const void *other, void *context)
{
	const json_t *worker = *(json_t *const *)one, *beside = *(json_t *const *)other;
	const enum top_sort sort = *(const enum top_sort *)context;
	const double first = weight(worker, sort), second = weight(beside, sort);
	const int states =
		sort == TOP_BY_STATE ? strcmp(view_string(worker, "state"), view_string(beside, "state")) : 0;

	if (states != 0)
		return states;
	return first != second ? (first < second) - (first > second) : compare_names(worker, beside);
}

void top_model_sort(struct top_model *model)
{
	const size_t count = json_array_size(model->workers);
	json_t **workers = memory_or_end(calloc(count + 1, sizeof(json_t *))), *sorted = json_array();

	for (size_t i = 0; i < count; i++)
		workers[i] = json_array_get(model->workers, i);
	qsort_r(workers, count, sizeof *workers, compare, &model->sort);
	for (size_t i = 0; i < count; i++)
		(void)json_array_append(sorted, workers[i]);
	free(workers);
	json_decref(model->workers);
	model->workers = sorted;
}

/* ---- rates ---- */

static struct top_rates *find_rates(struct top_model *model, const char *queue)
{
	for (size_t i = 0; i < model->rate_count; i++)
		if (strcmp(model->rates[i].name, queue) == 0)
			return &model->rates[i];
	return NULL;
}

const struct top_rates *top_model_rates(const struct top_model *model, const char *queue)
{
	return find_rates((struct top_model *)(uintptr_t)model, queue);
}

/* A total that went back is another server's, or one that was started anew. */
static double per_second(int64_t now, int64_t before, double seconds)
{
	return now >= before && seconds > 0 ? (double)(now - before) / seconds : 0;
}

static void note_queue(struct top_model *model, const json_t *queue, double seconds)
{
	const int64_t dead = view_integer(queue, "dead_total");
	const int64_t ended = view_integer(queue, "succeeded_total") + dead;
	struct top_rates *rates = find_rates(model, view_string(queue, "name"));

	if (!rates && model->rate_count < TOP_QUEUES_MAX) {
		rates = &model->rates[model->rate_count++];
		*rates = (struct top_rates){.ended_total = ended, .dead_total = dead};
		(void)snprintf(rates->name, sizeof rates->name, "%s", view_string(queue, "name"));
	}
	if (!rates)
		return;
	memmove(rates->ended, rates->ended + 1, sizeof rates->ended - sizeof rates->ended[0]);
	rates->ended[TOP_HISTORY - 1] = per_second(ended, rates->ended_total, seconds);
	rates->failed = per_second(dead, rates->dead_total, seconds);
	rates->ended_total = ended;
	rates->dead_total = dead;
}

/* ---- looking ---- */

/* The array of that name in what the server answers, which the caller owns; NULL: model->error says why. */
static json_t *get(struct top_model *model, struct client *client, const char *path, const char *member)
{
	struct answer answer;
	json_t *array = NULL;

	int status = client_call(client, "GET", path, NULL, &answer, &model->error);
	if (status == 0) {
		array = json_object_get(answer.body, member);
		if (answer.status != 200 || !json_is_array(array)) {
			answer_sentence(&answer, &model->error);
			array = NULL;
		}
	}
	json_incref(array);
	answer_fini(&answer);
	return array;
}

void top_model_look(struct top_model *model, struct client *client)
{
	const int64_t now = clock_mono_ns();
	const double seconds =
		model->looked_mono_ns > 0 ? (double)(now - model->looked_mono_ns) / (double)CLOCK_NS_PER_S : 0;
	json_t *workers, *queues, *queue;
	size_t i;

	model->error.text[0] = '\0';
	workers = get(model, client, "/v1/workers", "workers");
	queues = workers ? get(model, client, "/v1/queues", "queues") : NULL;
	if (workers) {
		json_decref(model->workers);
		model->workers = workers;
		top_model_sort(model);
	}
	if (!queues)
		return;
	json_decref(model->queues);
	model->queues = queues;
	model->looked_mono_ns = now;
	json_array_foreach(queues, i, queue) note_queue(model, queue, seconds);
}
