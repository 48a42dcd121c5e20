#include "cli/top_model.h"

#include "cli/memory.h"
#include "cli/path.h"
#include "cli/view.h"
#include "core/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	LOOK_MS = 500,
	LIVE_LOOK_MS = 1000,
	LOOK_AROUND_MS = 2000,
	RATE_MS = 900,
	SOON_MS = 100, /* after an event: many that come at once are one look */
};

#define FAILED_MAX       20
#define STRING_OF(value) #value
#define STRING(value)    STRING_OF(value)

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
	*model = (struct top_model){
		.workers = json_array(), .queues = json_array(), .failed = json_array(), .restarts = json_object()};
}

void top_model_fini(struct top_model *model)
{
	json_decref(model->workers);
	json_decref(model->queues);
	json_decref(model->failed);
	json_decref(model->restarts);
	json_decref(model->task);
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

/* A worker that has been replaced since, unless somebody wanted it to be. */
static void note_restart(struct top_model *model, const json_t *worker)
{
	const json_t *exit = json_object_get(worker, "last_exit");
	const char *reason = view_string(exit, "reason"), *task = view_string(exit, "task");
	const int64_t restarts = view_integer(worker, "restarts");
	char name[160];

	(void)snprintf(
		name, sizeof name, "%s/%lld", view_string(worker, "pool"), (long long)view_integer(worker, "slot"));
	const json_t *before = json_object_get(model->restarts, name);
	if (before && restarts > json_integer_value(before) && strcmp(reason, "order") != 0 &&
		strcmp(reason, "recycled") != 0)
		(void)snprintf(model->news, sizeof model->news, "worker %s ended: %s%s%s", name, reason,
			task[0] != '\0' ? ", with task " : "", task);
	(void)json_object_set_new(model->restarts, name, json_integer(restarts));
}

/* Looks that events bring forward follow one another closely; what ended between two of them is no rate yet. */
static void note_rates(struct top_model *model, int64_t now)
{
	const int64_t gap = now - model->rated_mono_ns;
	json_t *queue;
	size_t i;

	if (model->rated_mono_ns > 0 && gap < RATE_MS * CLOCK_NS_PER_MS)
		return;
	json_array_foreach(model->queues, i, queue)
		note_queue(model, queue, model->rated_mono_ns > 0 ? (double)gap / (double)CLOCK_NS_PER_S : 0);
	model->rated_mono_ns = now;
}

static void look(struct top_model *model, struct client *client)
{
	const int64_t now = clock_mono_ns();
	json_t *workers, *queues, *worker;
	size_t i;

	model->error.text[0] = '\0';
	workers = get(model, client, "/v1/workers", "workers");
	queues = workers ? get(model, client, "/v1/queues", "queues") : NULL;
	if (workers) {
		json_decref(model->workers);
		model->workers = workers;
		json_array_foreach(workers, i, worker) note_restart(model, worker);
		top_model_sort(model);
	}
	if (!queues)
		return;
	json_decref(model->queues);
	model->queues = queues;
	model->looked_mono_ns = now;
	note_rates(model, now);
}

static void look_into(struct top_model *model, struct client *client, const char *id)
{
	struct answer answer;
	struct error error;
	struct path path;

	path_init(&path, "/v1/tasks");
	path_segment(&path, id);
	const int status = client_call(client, "GET", path.text, NULL, &answer, &error);
	if (status == 0) {
		json_decref(model->task);
		model->task = json_incref(answer.body);
	}
	answer_fini(&answer);
}

/* The first sentence of /readyz that is not "ok". */
static void look_for_trouble(struct top_model *model, struct client *client)
{
	struct answer answer;
	struct error error;
	const char *name;
	json_t *value;

	model->trouble[0] = '\0';
	if (client_call(client, "GET", "/readyz", NULL, &answer, &error) == 0)
		json_object_foreach(json_object_get(answer.body, "checks"), name, value)
		{
			const char *text = json_string_value(value);
			if (text && strcmp(text, "ok") != 0 && model->trouble[0] == '\0')
				(void)snprintf(model->trouble, sizeof model->trouble, "%s: %s", name, text);
		}
	answer_fini(&answer);
}

static void look_around(struct top_model *model, struct client *client)
{
	json_t *failed = get(model, client, "/v1/tasks?state=dead&limit=" STRING(FAILED_MAX), "tasks");

	if (failed) {
		json_decref(model->failed);
		model->failed = failed;
	}
	look_for_trouble(model, client);
}

void top_model_look(struct top_model *model, struct client *client, const char *task)
{
	const int64_t now = clock_mono_ns();

	if (now >= model->look_at_mono_ns) {
		look(model, client);
		if (task[0] != '\0' && model->error.text[0] == '\0')
			look_into(model, client, task);
		model->look_at_mono_ns = clock_mono_after(model->live ? LIVE_LOOK_MS : LOOK_MS);
	}
	if (now >= model->look_around_at_mono_ns && model->error.text[0] == '\0') {
		look_around(model, client);
		model->look_around_at_mono_ns = clock_mono_after(LOOK_AROUND_MS);
	}
}

int64_t top_model_next_look(const struct top_model *model)
{
	return model->look_around_at_mono_ns < model->look_at_mono_ns && model->error.text[0] == '\0'
		       ? model->look_around_at_mono_ns
		       : model->look_at_mono_ns;
}

double top_model_age(const struct top_model *model)
{
	return (double)(clock_mono_ns() - model->looked_mono_ns) / (double)CLOCK_NS_PER_S;
}

/* ---- hearing ---- */

static void bring_forward(int64_t *at_mono_ns)
{
	const int64_t soon = clock_mono_after(SOON_MS);

	*at_mono_ns = *at_mono_ns < soon ? *at_mono_ns : soon;
}

/* Its row has the state at once; the rest comes with the look. */
static void hear_of_worker(struct top_model *model, const json_t *data)
{
	json_t *worker;
	size_t i;

	json_array_foreach(model->workers, i, worker)
	{
		if (strcmp(view_string(worker, "pool"), view_string(data, "pool")) != 0 ||
			view_integer(worker, "slot") != view_integer(data, "slot"))
			continue;
		(void)json_object_set(worker, "state", json_object_get(data, "state"));
		(void)json_object_set(worker, "pid", json_object_get(data, "pid"));
	}
}

static void hear_of_task(struct top_model *model, const json_t *data)
{
	const json_t *error = json_object_get(data, "error");

	if (strcmp(view_string(data, "state"), "dead") != 0)
		return;
	(void)snprintf(model->news, sizeof model->news, "task %s is dead: %s: %s", view_string(data, "id"),
		view_string(error, "kind"), view_string(error, "message"));
	bring_forward(&model->look_around_at_mono_ns);
}

void top_model_hear(struct top_model *model, const char *type, const json_t *data)
{
	if (strcmp(type, "worker") == 0)
		hear_of_worker(model, data);
	else if (strcmp(type, "task") == 0)
		hear_of_task(model, data);
	bring_forward(&model->look_at_mono_ns);
}
