#include "api/settings.h"

#include "api/state.h"
#include "api/tag.h"
#include "core/config.h"

/* Environments and options hold what their programs want, passwords among it: their names are told, no more. */
static void mask_values(const json_t *object)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, name, value)(void)
		json_object_set_new((json_t *)(uintptr_t)object, name, json_string("********"));
}

/* Of a copy: the configuration's own values are shared with the dump. */
static void mask_member(json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	if (!json_is_object(value))
		return;
	json_t *masked = json_copy((json_t *)(uintptr_t)value);
	mask_values(masked);
	(void)json_object_set_new(object, name, masked);
}

static void show_queues(json_t *queues, const struct config *config)
{
	for (size_t i = config->queue_count; i > 0; i--)
		if (config->queues[i - 1].removed)
			(void)json_array_remove(queues, i - 1);
}

static void show_pools(json_t *pools, const struct node *node)
{
	for (size_t i = node->config->pool_count; i > 0; i--) {
		json_t *pool = json_array_get(pools, i - 1);
		if (node->config->pools[i - 1].removed) {
			(void)json_array_remove(pools, i - 1);
			continue;
		}
		mask_member(pool, "env");
		const uint32_t wanted = node->scoreboard->header->wanted[i - 1];
		if (wanted > 0) /* none is a size that no configuration can have */
			(void)json_object_set_new(pool, "workers", json_integer((json_int_t)wanted));
	}
}

static void show_handlers(json_t *handlers)
{
	json_t *handler;
	size_t i;

	json_array_foreach(handlers, i, handler)
	{
		mask_member(handler, "env");
		mask_member(handler, "options");
	}
}

static json_t *settings_json(const struct node *node)
{
	json_t *settings = config_dump(node->config);

	show_queues(json_object_get(settings, "queues"), node->config);
	show_pools(json_object_get(settings, "pools"), node);
	show_handlers(json_object_get(settings, "handlers"));
	return settings;
}

void settings_get(struct request *request)
{
	const struct node *node = request->api->node;
	const struct scoreboard_header *header = node->scoreboard->header;

	answer_json(request, 200,
		json_pack("{s:s?, s:I, s:o, s:o}", "file", node->config->path, "generation",
			(json_int_t)header->config_generation, "refused",
			header->config_error[0] != '\0' ? answer_text(header->config_error, sizeof header->config_error)
							: json_null(),
			"settings", settings_json(node)));
	tag_answer(request);
}
