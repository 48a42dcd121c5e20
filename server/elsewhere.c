#include "server/elsewhere.h"

#include "core/clock.h"

#include <string.h>

enum { ASK_MS = 250, CALL_MS = 250 };

static void ask(struct elsewhere *elsewhere, struct broker *broker)
{
	json_t *nodes;

	if (elsewhere->nodes && clock_mono_ns() - elsewhere->asked_mono_ns < ASK_MS * CLOCK_NS_PER_MS)
		return;
	if (broker_nodes(broker, clock_mono_after(CALL_MS), &nodes, NULL) < 0)
		return;
	json_decref(elsewhere->nodes);
	elsewhere->nodes = nodes;
	elsewhere->asked_mono_ns = clock_mono_ns();
}

static bool holds(const json_t *names, const char *wanted, const char *all)
{
	const json_t *name;
	size_t index;

	json_array_foreach((json_t *)names, index, name)
	{
		const char *text = json_string_value(name);
		if (text && (strcmp(text, wanted) == 0 || (all && strcmp(text, all) == 0)))
			return true;
	}
	return false;
}

bool elsewhere_is_known(struct elsewhere *elsewhere, struct broker *broker, const char *class, const char *queue)
{
	const json_t *node;
	size_t index;

	ask(elsewhere, broker);
	if (!elsewhere->nodes)
		return true;
	json_array_foreach(elsewhere->nodes, index, node)
	{
		const json_t *info = json_object_get(node, "info");
		if (holds(json_object_get(info, "classes"), class, "*") &&
			holds(json_object_get(info, "queues"), queue, NULL))
			return true;
	}
	return false;
}
