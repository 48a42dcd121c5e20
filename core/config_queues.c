#include "core/config_internal.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WEIGHT_MAX = 1000, POINTER_MAX = 64 };

/* ---- queues ---- */

static struct config_queue *add_queue(struct config_context *context, const char *name)
{
	struct config *config = context->config;
	struct config_queue *queues = reallocarray(config->queues, config->queue_count + 1, sizeof *queues);
	json_t *value = json_pack("{s:s}", "name", name);
	struct schema_faults faults = {0};
	struct config_queue *queue = NULL;

	if (queues != NULL) {
		config->queues = queues;
		queue = &queues[config->queue_count];
		*queue = (struct config_queue){0};
	}
	if (queue == NULL || value == NULL || schema_read(&config_queue_schema, value, "", queue, &faults) < 0) {
		context->status = -ENOMEM; /* a name alone, and checked before, has no faults */
		if (queue != NULL)
			schema_fini(&config_queue_schema, queue);
		queue = NULL;
	} else {
		config->queue_count++;
	}
	json_decref(value);
	schema_faults_fini(&faults);
	return queue;
}

static void set_list(struct config_context *context, struct config_queue *queue, const char *key)
{
	queue->list = strdup(key);
	if (queue->list == NULL)
		context->status = -ENOMEM;
}

/* `list` of the index-th queue of the file, written as {key, db}. */
static void read_list(struct config_context *context, size_t index, struct config_queue *queue)
{
	char pointer[POINTER_MAX];
	struct config_list list = {0};

	(void)snprintf(pointer, sizeof pointer, "/queues/%zu/list", index);
	if (schema_read(&config_list_schema, queue->list_value, pointer, &list, context->faults) == -ENOMEM)
		context->status = -ENOMEM;
	queue->list = list.key; /* NULL after a fault */
	queue->list_db = list.key != NULL && list.db != SCHEMA_NONE ? list.db : -1;
}

/* A queue of the name that the ancestor's producers push to is a plain list unless it says otherwise. */
static void imply_list(struct config_context *context, struct config_queue *queue)
{
	if (strcmp(queue->name, CONFIG_PLAIN_QUEUE) != 0)
		return;
	set_list(context, queue, queue->name);
	queue->list_value = json_string(queue->name);
	if (queue->list_value == NULL)
		context->status = -ENOMEM;
}

static void resolve_list(struct config_context *context, size_t index)
{
	struct config_queue *queue = &context->config->queues[index];

	queue->list_db = -1;
	if (queue->list_value == NULL)
		imply_list(context, queue);
	else if (json_is_string(queue->list_value))
		set_list(context, queue, json_string_value(queue->list_value));
	else if (json_is_object(queue->list_value))
		read_list(context, index, queue);
	if (queue->list_db == context->config->address.db)
		queue->list_db = -1;
}

/* Two queues on one list would race for its elements; Muster's own keys are no lists of others. */
static void check_list_is_free(struct config_context *context, size_t index)
{
	const struct config *config = context->config;
	const struct config_queue *queue = &config->queues[index];
	char pointer[POINTER_MAX], own[CONFIG_NAME_MAX + 4];

	if (queue->list == NULL)
		return;
	(void)snprintf(pointer, sizeof pointer, "/queues/%zu/list", index);
	(void)snprintf(own, sizeof own, "{%s}:", config->namespace);
	if (strncmp(queue->list, own, strlen(own)) == 0)
		schema_fault(context->faults, pointer,
			"\"list\" must not begin with \"%s\": these keys are Muster's own", own);
	for (size_t i = 0; i < index; i++) {
		const struct config_queue *other = &config->queues[i];

		if (other->list != NULL && strcmp(other->list, queue->list) == 0 && other->list_db == queue->list_db)
			schema_fault(context->faults, pointer,
				"\"list\": the queue \"%s\" has the list \"%.64s\" already", other->name, queue->list);
	}
}

static void check_queue_name(struct config_context *context, size_t index)
{
	const struct config_queue *queues = context->config->queues;
	char pointer[POINTER_MAX];

	if (config_find_queue(context->config, queues[index].name, strlen(queues[index].name)) == (int)index)
		return;
	(void)snprintf(pointer, sizeof pointer, "/queues/%zu/name", index);
	schema_fault(context->faults, pointer, "\"name\": the queue \"%s\" is there twice", queues[index].name);
}

/* ---- pools ---- */

/* The queue's index; one that is not declared comes into being. -1 after a fault. */
static int find_or_add_queue(struct config_context *context, const char *pointer, const char *name)
{
	int index = config_find_queue(context->config, name, strlen(name));

	if (index >= 0)
		return index;
	if (!config_name_is_valid(name)) {
		schema_fault(context->faults, pointer,
			"\"queues\": the name \"%.64s\" is not 1 to %d letters, digits, `_`, `.` or `-`", name,
			CONFIG_NAME_MAX);
		return -1;
	}
	if (context->config->queue_count == CONFIG_QUEUES_MAX) {
		schema_fault(context->faults, pointer, "\"queues\": there may be %d queues at most", CONFIG_QUEUES_MAX);
		return -1;
	}
	if (add_queue(context, name) == NULL)
		return -1;
	return (int)context->config->queue_count - 1;
}

static void add_weight(struct config_context *context, struct config_pool *pool, const char *pointer, const char *name,
	const json_t *weight)
{
	int64_t number = json_integer_value(weight);
	int queue;

	if (!json_is_integer(weight) || number < 1 || number > WEIGHT_MAX) {
		schema_fault(context->faults, pointer,
			"\"queues\": the weight of \"%.64s\" must be a whole number from 1 to %d", name, WEIGHT_MAX);
		return;
	}
	queue = find_or_add_queue(context, pointer, name);
	if (queue >= 0)
		pool->queues[pool->queue_count++] = (struct config_weight){.queue = queue, .weight = (int)number};
}

/* ["mail", "default"] as {"mail": 1, "default": 1}; owned. */
static json_t *weigh_names(struct config_context *context, const json_t *names, const char *pointer)
{
	json_t *weights = json_object();

	for (size_t i = 0; i < json_array_size(names); i++) {
		const char *name = json_string_value(json_array_get(names, i));

		if (name == NULL)
			schema_fault(context->faults, pointer, "\"queues\" must be names of queues");
		else if (json_object_get(weights, name) != NULL)
			schema_fault(context->faults, pointer, "\"queues\": \"%.64s\" is there twice", name);
		else if (json_object_set_new(weights, name, json_integer(1)) < 0)
			context->status = -ENOMEM;
	}
	return weights;
}

/* Makes the effective `queues`, as an object, of what was written or of nothing. */
static void normalize_weights(struct config_context *context, struct config_pool *pool, const char *pointer)
{
	json_t *weights = NULL;

	if (pool->queues_value == NULL)
		weights = json_loads(CONFIG_POOL_QUEUES, 0, NULL);
	else if (json_is_array(pool->queues_value))
		weights = weigh_names(context, pool->queues_value, pointer);
	else
		return;
	json_decref(pool->queues_value);
	pool->queues_value = weights;
	if (weights == NULL)
		context->status = -ENOMEM;
}

/* One that says nothing has the default here, which it cannot mean. */
static void refuse_queues(struct config_context *context, struct config_pool *pool, const char *pointer)
{
	json_t *fallback = json_loads(CONFIG_POOL_QUEUES, 0, NULL);
	json_t *none = json_object();

	if (json_object_size(pool->queues_value) > 0 && !json_equal(pool->queues_value, fallback))
		schema_fault(context->faults, pointer,
			"\"queues\": the pool \"%s\" is of kind service, and takes no tasks", pool->name);
	json_decref(fallback);
	json_decref(pool->queues_value);
	pool->queues_value = none;
	if (none == NULL)
		context->status = -ENOMEM;
}

static void resolve_pool_queues(struct config_context *context, size_t index)
{
	struct config_pool *pool = &context->config->pools[index];
	char pointer[POINTER_MAX];
	const char *name;
	json_t *weight;

	(void)snprintf(pointer, sizeof pointer, "/pools/%zu/queues", index);
	if (pool->kind == CONFIG_KIND_SERVICE) {
		refuse_queues(context, pool, pointer);
		return;
	}
	normalize_weights(context, pool, pointer);
	if (json_object_size(pool->queues_value) == 0) {
		if (context->status == 0)
			schema_fault(context->faults, pointer,
				"\"queues\": the pool \"%s\" of tasks needs at least one queue", pool->name);
		return;
	}
	pool->queues = calloc(json_object_size(pool->queues_value), sizeof *pool->queues);
	if (pool->queues == NULL) {
		context->status = -ENOMEM;
		return;
	}
	json_object_foreach(pool->queues_value, name, weight)
	{
		add_weight(context, pool, pointer, name, weight);
	}
}

static void check_preload(struct config_context *context, size_t index)
{
	const struct config *config = context->config;
	const struct config_pool *pool = &config->pools[index];
	char pointer[POINTER_MAX];

	for (size_t i = 0; i < pool->preload.count; i++) {
		size_t handler = 0;

		while (handler < config->handler_count &&
			strcmp(config->handlers[handler].class, pool->preload.items[i]) != 0)
			handler++;
		if (handler < config->handler_count)
			continue;
		(void)snprintf(pointer, sizeof pointer, "/pools/%zu/preload/%zu", index, i);
		schema_fault(context->faults, pointer, "\"preload\" names the class \"%.128s\", which no handler has",
			pool->preload.items[i]);
	}
}

static int64_t count_processors(void)
{
	cpu_set_t set;
	long online;

	if (sched_getaffinity(0, sizeof set, &set) == 0)
		return CPU_COUNT(&set);
	online = sysconf(_SC_NPROCESSORS_ONLN); /* more processors than a cpu_set_t has */
	return online > 0 ? online : 1;
}

static void check_pool(struct config_context *context, size_t index)
{
	struct config_pool *pool = &context->config->pools[index];
	char pointer[POINTER_MAX];

	if (config_find_pool(context->config, pool->name) != (int)index) {
		(void)snprintf(pointer, sizeof pointer, "/pools/%zu/name", index);
		schema_fault(context->faults, pointer, "\"name\": the pool \"%s\" is there twice", pool->name);
	}
	if (pool->workers == SCHEMA_NONE)
		pool->workers = count_processors();
	(void)snprintf(pointer, sizeof pointer, "/pools/%zu", index);
	config_check_service(context, pool, pointer);
	resolve_pool_queues(context, index);
	check_preload(context, index);
}

static void check_worker_count(struct config_context *context)
{
	int64_t workers = 0;

	for (size_t i = 0; i < context->config->pool_count; i++)
		workers += context->config->pools[i].workers;
	if (workers > CONFIG_WORKERS_MAX)
		schema_fault(context->faults, "/pools",
			"\"workers\" of all pools together must be %d at most, not %lld", CONFIG_WORKERS_MAX,
			(long long)workers);
}

/* ---- all together ---- */

static bool is_served(const struct config *config, int queue)
{
	for (size_t i = 0; i < config->pool_count; i++)
		for (size_t j = 0; j < config->pools[i].queue_count; j++)
			if (config->pools[i].queues[j].queue == queue)
				return true;
	return false;
}

/* `declared`: how many queues stand in the file; they come first. */
static void warn_of_unserved(struct config_context *context, size_t declared)
{
	const struct config *config = context->config;
	char pointer[POINTER_MAX];

	for (size_t i = 0; i < config->queue_count; i++) {
		if (is_served(config, (int)i))
			continue;
		(void)snprintf(pointer, sizeof pointer, "/queues/%zu", i);
		if (i < declared)
			schema_fault(context->warnings, pointer, "no pool serves the queue \"%s\": its tasks will wait",
				config->queues[i].name);
		else
			schema_fault(context->warnings, "/pools",
				"no pool serves the queue \"%s\": tasks that name no queue will wait there",
				config->queues[i].name);
	}
}

void config_check_queues(struct config_context *context)
{
	struct config *config = context->config;
	size_t declared = config->queue_count;

	for (size_t i = 0; i < declared; i++)
		check_queue_name(context, i);
	if (config_find_queue(config, "default", strlen("default")) < 0)
		(void)find_or_add_queue(context, "/queues", "default");
	for (size_t i = 0; i < config->pool_count && context->status == 0; i++)
		check_pool(context, i);
	check_worker_count(context);
	for (size_t i = 0; i < config->queue_count && context->status == 0; i++) {
		resolve_list(context, i);
		check_list_is_free(context, i);
	}
	warn_of_unserved(context, declared);
}
