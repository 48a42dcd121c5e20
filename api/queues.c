#include "api/queues.h"

#include "api/access.h"
#include "api/problem.h"
#include "api/state.h"
#include "api/tag.h"

#include <string.h>

static json_t *queue_json(const char *name, const struct broker_depth *depth)
{
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:f}", "name", name, "pending",
		(json_int_t)depth->pending, "scheduled", (json_int_t)depth->scheduled, "retrying",
		(json_int_t)depth->retrying, "active", (json_int_t)depth->active, "dead", (json_int_t)depth->dead,
		"succeeded_total", (json_int_t)depth->succeeded_total, "dead_total", (json_int_t)depth->dead_total,
		"paused", depth->paused, "oldest_age_seconds", depth->oldest_age_s);
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
			(void)json_array_append_new(queues, queue_json(config->queues[i].name, &depths[i]));
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
		answer_json(request, 200, queue_json(config->queues[queue].name, &depths[queue]));
}
