#include "api/pause.h"

#include "api/problem.h"
#include "api/queues.h"
#include "api/state.h"
#include "api/workers.h"
#include "core/log.h"

#include <stdio.h>
#include <string.h>

json_t *pause_all(struct api *api)
{
	struct link *link = &api->link;
	struct error error = {""};
	json_t *all = NULL;
	int64_t until;

	int status = link_begin(link, &until, &error);
	if (status == 0)
		(void)link_end(link, broker_paused(link->broker, until, &all, &error), &error);
	return all;
}

bool pause_has(const json_t *all, const char *what, const char *name)
{
	char entry[TASK_NAME_MAX + 16];

	(void)snprintf(entry, sizeof entry, "%s %s", what, name);
	return json_object_get(all, entry) != NULL;
}

/* Returns false when it has answered. */
static bool set(struct request *request, bool on, const char *what)
{
	struct link *link = &request->api->link;
	const char *name = request->arguments[0];
	struct error error = {""};
	int64_t until;

	int status = link_begin(link, &until, &error);
	if (status == 0)
		status = link_end(link, broker_pause(link->broker, on, what, name, until, &error), &error);
	if (status == 1)
		log_info(on ? "paused" : "resumed", LOG_TEXT("what", what), LOG_TEXT("name", name));
	if (status < 0)
		problem_broker(request, status, &error);
	return status >= 0;
}

/* ---- queues ---- */

static void change_queue(struct request *request, bool on)
{
	const char *name = request->arguments[0];

	if (config_find_queue(request->api->node->config, name, strlen(name)) < 0)
		problem_no_queue(request, name);
	else if (set(request, on, "queue"))
		queues_get(request);
}

void pause_queue(struct request *request)
{
	change_queue(request, true);
}

void pause_resume_queue(struct request *request)
{
	change_queue(request, false);
}

/* ---- pools ---- */

static void change_pool(struct request *request, bool on)
{
	if (config_find_pool(request->api->node->config, request->arguments[0]) < 0)
		problem(request, 404, "there is no pool %s", request->arguments[0]);
	else if (set(request, on, "pool"))
		pools_get(request);
}

void pause_pool(struct request *request)
{
	change_pool(request, true);
}

void pause_resume_pool(struct request *request)
{
	change_pool(request, false);
}

/* ---- classes: also such that no node has (yet) ---- */

static void change_class(struct request *request, bool on)
{
	const char *name = request->arguments[0];

	if (!task_name_is_valid(name, strlen(name)))
		problem(request, 404,
			"there can be no class %s: a class is 1 to %d letters, digits, `_`, `.`, `\\`, `-`", name,
			TASK_NAME_MAX);
	else if (set(request, on, "class"))
		answer_json(request, 200, json_pack("{s:s, s:b}", "class", name, "paused", on));
}

void pause_class(struct request *request)
{
	change_class(request, true);
}

void pause_resume_class(struct request *request)
{
	change_class(request, false);
}

/* ---- nodes ---- */

static void change_node(struct request *request, bool on)
{
	json_t *node = nodes_find(request, request->arguments[0]);

	if (!node)
		return;
	if (!set(request, on, "node")) {
		json_decref(node);
		return;
	}
	(void)json_object_set_new(node, "draining", json_boolean(on));
	answer_json(request, 200, node);
}

void pause_drain_node(struct request *request)
{
	change_node(request, true);
}

void pause_resume_node(struct request *request)
{
	change_node(request, false);
}
