#include "api/workers.h"

#include "api/pause.h"
#include "api/problem.h"
#include "api/state.h"
#include "api/tag.h"

#include <string.h>

/* What a node has said of itself, under the id that it said it by. */
static json_t *node_json(const struct node *node, const json_t *entry, const json_t *paused)
{
	const char *id = json_string_value(json_object_get(entry, "id"));
	const json_t *info = json_object_get(entry, "info");
	json_t *result = json_pack("{s:s?, s:n, s:n, s:n, s:n, s:b, s:b}", "id", id, "host", "version", "started_at",
		"workers", "self", id && strcmp(id, node->id) == 0, "draining", id && pause_has(paused, "node", id));

	(void)json_object_update_existing(result, (json_t *)(uintptr_t)info);
	return result;
}

json_t *nodes_ask(struct request *request)
{
	struct link *link = &request->api->link;
	struct error error = {""};
	json_t *entries = NULL;
	int64_t until;

	int status = link_begin(link, &until, &error);
	if (status == 0)
		status = link_end(link, broker_nodes(link->broker, until, &entries, &error), &error);
	if (status < 0)
		problem_broker(request, status, &error);
	return entries;
}

json_t *nodes_find(struct request *request, const char *id)
{
	json_auto_t *entries = nodes_ask(request);
	const json_t *entry;
	size_t i;

	if (!entries)
		return NULL;
	json_array_foreach(entries, i, entry)
	{
		const char *known = json_string_value(json_object_get(entry, "id"));
		if (known && strcmp(known, id) == 0)
			return node_json(request->api->node, entry, NULL);
	}
	problem(request, 404, "there is no node %s that lives, see /v1/nodes", id);
	return NULL;
}

void nodes_list(struct request *request)
{
	json_auto_t *entries = nodes_ask(request);
	json_t *nodes, *entry;
	size_t i;

	if (!entries)
		return;
	json_auto_t *paused = pause_all(request->api);
	nodes = json_array();
	json_array_foreach(entries, i, entry)
	{
		(void)json_array_append_new(nodes, node_json(request->api->node, entry, paused));
	}
	answer_json(request, 200, json_pack("{s:o}", "nodes", nodes));
	tag_answer(request);
}
