#include "api/dryrun.h"

#include "api/problem.h"
#include "api/state.h"
#include "core/units.h"

#include <string.h>

bool dryrun_is_meant(struct request *request, bool *ret_meant)
{
	const char *value = request_query(request, "dry_run");

	*ret_meant = value && (strcmp(value, "true") == 0 || value[0] == '\0');
	if (!value || *ret_meant || strcmp(value, "false") == 0)
		return true;
	problem(request, 400, "dry_run is true or false");
	return false;
}

/* A reference of its own; `fallback`, which is taken over, where the member is absent or null. */
static json_t *member(const json_t *document, const char *name, json_t *fallback)
{
	json_t *value = json_object_get(document, name);

	if (!value || json_is_null(value))
		return fallback;
	json_decref(fallback);
	return json_incref(value);
}

static json_t *duration(int64_t ms)
{
	char text[UNITS_TEXT_SIZE];

	if (ms == SCHEMA_NONE)
		return json_null();
	units_format_duration(text, ms);
	return json_string(text);
}

static bool has_class(const struct config *config, const char *class)
{
	for (size_t i = 0; i < config->handler_count; i++)
		if (strcmp(config->handlers[i].class, class) == 0 || strcmp(config->handlers[i].class, "*") == 0)
			return true;
	return false;
}

static bool is_served(const struct config *config, int queue)
{
	for (size_t i = 0; i < config->pool_count; i++)
		for (size_t k = 0; k < config->pools[i].queue_count; k++)
			if (!config->pools[i].removed && config->pools[i].queues[k].queue == queue)
				return true;
	return false;
}

/* What this node's configuration says; other nodes may know more classes. */
static json_t *handler_of(const struct node *node, const char *class)
{
	bool known = has_class(node->config, class);

	return json_pack("{s:b, s:s, s:s}", "known", known, "node", node->id, "detail",
		known ? "this node's configuration has a handler for the class"
		      : "this node's configuration has no handler for the class: it would end dead (unknown_class), "
			"unless "
			"another node that serves the queue has one");
}

static json_t *task_of(const struct request *request, const struct task_submission *task, const json_t *document)
{
	const struct node *node = request->api->node;
	const struct config_queue *queue = &node->config->queues[task->queue];

	json_t *value = json_pack("{s:o, s:s, s:O, s:O, s:o, s:s, s:i, s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "id",
		task->own_id ? json_string(task->id) : json_null(), "queue", queue->name, "class",
		json_object_get(document, "class"), "method", json_object_get(document, "method"), "param",
		member(document, "param", json_array()), "state",
		task_state_name(task->run_at_ms > 0 ? TASK_SCHEDULED : TASK_PENDING), "priority", task->priority,
		"max_attempts", task->max_attempts, "run_at", answer_time(task->run_at_ms), "timeout",
		member(document, "timeout", duration(queue->timeout_ms)), "expires_at", answer_time(task->expires_ms),
		"unique", member(document, "unique", json_null()), "retention",
		member(document, "retention", json_null()), "meta", member(document, "meta", json_null()));
	if (!value)
		return NULL;
	(void)json_object_set_new(
		value, "handler", handler_of(node, json_string_value(json_object_get(document, "class"))));
	(void)json_object_set_new(value, "queue_served", json_boolean(is_served(node->config, task->queue)));
	return value;
}

void dryrun_answer(struct request *request, const json_t *value)
{
	if (!json_is_array(value)) {
		answer_exact_json(request, 200,
			json_pack("{s:b, s:o}", "dry_run", 1, "task", task_of(request, request->tasks, value)));
		return;
	}
	json_t *tasks = json_array();
	for (size_t i = 0; i < request->task_count; i++)
		(void)json_array_append_new(tasks, task_of(request, &request->tasks[i], json_array_get(value, i)));
	answer_exact_json(request, 200,
		json_pack(
			"{s:b, s:I, s:o}", "dry_run", 1, "accepted", (json_int_t)request->task_count, "tasks", tasks));
}
