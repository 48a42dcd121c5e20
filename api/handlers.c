#include "api/workers.h"

#include "api/pause.h"
#include <string.h>

static json_t *handler_json(json_t *handlers, const char *class, const json_t *paused)
{
	json_t *handler, *found = NULL;
	size_t i;

	json_array_foreach(handlers, i, handler)
	{
		if (strcmp(json_string_value(json_object_get(handler, "class")), class) == 0)
			found = handler;
	}
	if (found)
		return found;
	found = json_pack("{s:s, s:[], s:b}", "class", class, "nodes", "paused", pause_has(paused, "class", class));
	(void)json_array_append_new(handlers, found);
	return found;
}

/* Each class that a living node has, and which nodes these are. */
void handlers_list(struct request *request)
{
	json_auto_t *nodes = nodes_ask(request);
	json_t *node, *class;
	size_t i, k;

	if (!nodes)
		return;
	json_auto_t *paused = pause_all(request->api);
	json_t *handlers = json_array();
	json_array_foreach(nodes, i, node)
	{
		json_array_foreach(json_object_get(json_object_get(node, "info"), "classes"), k, class)
		{
			if (!json_is_string(class))
				continue;
			json_t *handler = handler_json(handlers, json_string_value(class), paused);
			(void)json_array_append(json_object_get(handler, "nodes"), json_object_get(node, "id"));
		}
	}
	answer_json(request, 200, json_pack("{s:o}", "handlers", handlers));
}
