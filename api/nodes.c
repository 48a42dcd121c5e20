#include "api/workers.h"

#include "api/problem.h"
#include "api/state.h"
#include "api/tag.h"

#include <string.h>

/* What a node has said of itself, under the id that it said it by. */
static json_t *node_json(const struct node *node, const json_t *entry)
{
	const char *id = json_string_value(json_object_get(entry, "id"));
	const json_t *info = json_object_get(entry, "info");
	json_t *result = json_pack("{s:s?, s:n, s:n, s:n, s:n, s:b}", "id", id, "host", "version", "started_at",
		"workers", "self", id && strcmp(id, node->id) == 0);

	(void)json_object_update_existing(result, (json_t *)(uintptr_t)info);
	return result;
}

void nodes_list(struct request *request)
{
	struct link *link = &request->api->link;
	struct error error = {""};
	json_auto_t *entries = NULL;
	json_t *nodes, *entry;
	int64_t until;
	size_t i;

	int status = link_begin(link, &until, &error);
	if (status == 0)
		status = link_end(link, broker_nodes(link->broker, until, &entries, &error), &error);
	if (status < 0) {
		problem_broker(request, status, &error);
		return;
	}
	nodes = json_array();
	json_array_foreach(entries, i, entry)(void) json_array_append_new(nodes, node_json(request->api->node, entry));
	answer_json(request, 200, json_pack("{s:o}", "nodes", nodes));
	tag_answer(request);
}
