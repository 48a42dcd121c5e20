#include "api/queues.h"

#include "api/access.h"
#include "api/body.h"
#include "api/problem.h"
#include "api/state.h"
#include "api/tag.h"
#include "core/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CHANGE_TRIES = 5 }; /* while others change the same queue */

static json_t *queue_json(const struct config_queue *queue, const struct broker_depth *depth)
{
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:f, s:o}", "name", queue->name, "pending",
		(json_int_t)depth->pending, "scheduled", (json_int_t)depth->scheduled, "retrying",
		(json_int_t)depth->retrying, "active", (json_int_t)depth->active, "dead", (json_int_t)depth->dead,
		"succeeded_total", (json_int_t)depth->succeeded_total, "dead_total", (json_int_t)depth->dead_total,
		"paused", depth->paused, "oldest_age_seconds", depth->oldest_age_s, "settings",
		schema_dump(&config_queue_settings_schema, queue));
}

/* Returns whether depths were filled; answers if not. */
static bool ask(struct request *request, struct broker_depth depths[CONFIG_QUEUES_MAX])
{
	struct link *link = &request->api->link;
	struct broker_state state = {0};
	int64_t until;
	struct error error = {""};

	int status = link_begin(link, &until, &error);
	if (status == 0)
		status = link_end(link, broker_depths(link->broker, depths, &state, until, &error), &error);
	if (status < 0)
		problem_broker(request, status, &error);
	return status >= 0;
}

void queues_list(struct request *request)
{
	const struct config *config = request->api->node->config;
	struct broker_depth depths[CONFIG_QUEUES_MAX] = {0};
	json_t *queues;

	if (!ask(request, depths))
		return;
	queues = json_array();
	for (size_t i = 0; i < config->queue_count; i++)
		if (!config->queues[i].removed && access_sees_queue(request, config->queues[i].name))
			(void)json_array_append_new(queues, queue_json(&config->queues[i], &depths[i]));
	answer_json(request, 200, json_pack("{s:o}", "queues", queues));
	tag_answer(request);
}

void queues_get(struct request *request)
{
	const struct config *config = request->api->node->config;
	const char *name = request->arguments[0];
	struct broker_depth depths[CONFIG_QUEUES_MAX] = {0};

	int queue = config_find_queue(config, name, strlen(name));
	if (queue < 0) {
		problem_no_queue(request, name);
		return;
	}
	if (ask(request, depths))
		answer_json(request, 200, queue_json(&config->queues[queue], &depths[queue]));
}

/* ---- what holds of a queue ---- */

/* Reads what was changed of it so far, an object; owned, NULL: none. */
static int read_changes(struct request *request, const char *name, json_t **ret_changes, struct error *error)
{
	struct link *link = &request->api->link;
	json_auto_t *all = NULL;
	int64_t until;

	int status = link_begin(link, &until, error);
	if (status == 0)
		status = link_end(link, broker_settings(link->broker, until, &all, error), error);
	if (status == 0)
		*ret_changes = json_incref(json_object_get(all, name));
	return status;
}

static int write_changes(
	struct request *request, const char *name, const json_t *before, const json_t *after, struct error *error)
{
	const size_t form = JSON_COMPACT | JSON_SORT_KEYS;
	struct link *link = &request->api->link;
	char *old = before ? json_dumps(before, form) : NULL, *new = after ? json_dumps(after, form) : NULL;
	int64_t until;

	int status = (before && !old) || (after && !new) ? -ENOMEM : link_begin(link, &until, error);
	if (status == 0)
		status = link_end(link, broker_set_settings(link->broker, name, old, new, until, error), error);
	free(old);
	free(new);
	return status;
}

/* Adds `patch` (NULL: takes away all) to what was changed so far. Returns 1, 0 when another was faster, or a failure. */
static int try_change(struct request *request, int queue, json_t *patch, struct error *error)
{
	const struct config *config = request->api->node->config;
	const char *name = config->queues[queue].name;
	json_auto_t *before = NULL, *after = patch ? json_object() : NULL;
	struct config_queue holds = {0};
	struct schema_faults faults = {.maximum = 1};

	int status = read_changes(request, name, &before, error);
	if (status < 0)
		return status;
	if (patch && ((before && json_object_update_recursive(after, before) < 0) ||
			     json_object_update_recursive(after, patch) < 0))
		return -ENOMEM;
	json_auto_t *changes = after ? json_incref(after) : json_object();
	status = queue_settings_work_out(&request->api->settings, config, queue, changes, &holds, &faults);
	schema_faults_fini(&faults);
	if (status == 0)
		status = write_changes(request, name, before, after, error);
	if (status == 1)
		queue_settings_take(&request->api->settings, config, queue, &holds);
	return status;
}

static void change(struct request *request, int queue, json_t *patch)
{
	struct error error = {""};
	int status = 0;

	for (int tries = 0; status == 0 && tries < CHANGE_TRIES; tries++)
		status = try_change(request, queue, patch, &error);
	if (status == -EINVAL) {
		problem(request, 409,
			"another version of musterd has changed this queue in a way that is not understood "
			"here: DELETE its settings first");
	} else if (status < 0) {
		problem_broker(request, status, &error);
	} else if (status == 0) {
		problem(request, 409, "others change this queue just now: look at it, and try again");
	} else {
		log_info("a queue's settings were changed", LOG_TEXT("queue", request->arguments[0]));
		queues_get(request);
	}
}

/* Returns the queue's index; answers if there is none. */
static int find(struct request *request)
{
	const char *name = request->arguments[0];
	const int queue = config_find_queue(request->api->node->config, name, strlen(name));

	if (queue < 0)
		problem_no_queue(request, name);
	return queue;
}

void queues_change(struct request *request)
{
	const int queue = find(request);
	struct config_queue checked = {0}; /* owns nothing: all are numbers */
	struct schema_faults faults = {0};

	json_auto_t *patch = queue < 0 ? NULL : body_json(request);
	if (!patch)
		return;
	int status = schema_read(&config_queue_settings_schema, patch, "", &checked, &faults);
	if (status == -ENOMEM)
		problem_broker(request, status, NULL);
	else if (status < 0)
		problem_faults(request, &faults);
	else
		change(request, queue, patch);
	schema_faults_fini(&faults);
}

void queues_reset(struct request *request)
{
	const int queue = find(request);

	if (queue >= 0)
		change(request, queue, NULL);
}
