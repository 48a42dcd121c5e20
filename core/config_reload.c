#include "core/config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What is bound, opened or shared when musterd starts. */
static const char *const fixed_keys[] = {"listen", "user", "broker", "broker_password_file", "broker_tls", "durability",
	"namespace", "state_dir", "log"};

static int refuse_key(const char *key, struct error *error)
{
	return error_set(error, -EPERM, "%s cannot be changed while musterd runs: restart it", key);
}

/* Fixed keys are compared as they would be printed. */
static int compare_fixed(const json_t *next, const json_t *now, struct error *error)
{
	if (!next || !now)
		return error_set(error, -ENOMEM, "no memory");
	for (size_t i = 0; i < sizeof fixed_keys / sizeof *fixed_keys; i++)
		if (!json_equal(json_object_get(next, fixed_keys[i]), json_object_get(now, fixed_keys[i])))
			return refuse_key(fixed_keys[i], error);
	return 0;
}

static int check_fixed(const struct config *next, const struct config *now, struct error *error)
{
	if (strcmp(next->broker, now->broker) != 0) /* printed, its password would be masked */
		return refuse_key("broker", error);
	if (next->limits.broker_memory != now->limits.broker_memory)
		return refuse_key("limits.broker_memory", error);
	if (!next->tls.certificate != !now->tls.certificate)
		return error_set(error, -EPERM, "tls cannot be switched on or off while musterd runs: restart it");
	json_t *next_value = schema_dump(&config_schema, next);
	json_t *now_value = schema_dump(&config_schema, now);
	int status = compare_fixed(next_value, now_value, error);
	json_decref(next_value);
	json_decref(now_value);
	return status;
}

/* Position of a name among `count` names that lie `stride` bytes apart, or -1. */
static int find_name(const void *items, size_t count, size_t stride, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(*(char *const *)((const char *)items + i * stride), name) == 0)
			return (int)i;
	return -1;
}

/* Lays `next` items out behind the positions of `now`: places[i] is where next's i-th goes. Returns how many there are
 * then. Both kinds of item begin with their name. */
static size_t place_items(
	const void *next, size_t next_count, const void *now, size_t now_count, size_t stride, int *places)
{
	size_t count = now_count;

	for (size_t i = 0; i < next_count; i++) {
		int place = find_name(now, now_count, stride, *(char *const *)((const char *)next + i * stride));
		places[i] = place >= 0 ? place : (int)count++;
	}
	return count;
}

static int adopt_queues(struct config *next, const struct config *now, int *places, struct error *error)
{
	size_t count = place_items(
		next->queues, next->queue_count, now->queues, now->queue_count, sizeof *next->queues, places);

	if (count > CONFIG_QUEUES_MAX)
		return error_set(
			error, -E2BIG, "more than %d queues since musterd started: restart it", CONFIG_QUEUES_MAX);
	struct config_queue *queues = calloc(count, sizeof *queues);
	if (!queues)
		return error_set(error, -ENOMEM, "no memory");
	for (size_t i = 0; i < now->queue_count; i++) {
		queues[i] = now->queues[i];
		queues[i].removed = true;
	}
	for (size_t i = 0; i < next->queue_count; i++)
		queues[places[i]] = next->queues[i];
	free(next->queues);
	next->queues = queues;
	next->queue_count = count;
	return 0;
}

static int adopt_pools(struct config *next, const struct config *now, const int *queue_places, struct error *error)
{
	int places[CONFIG_POOLS_MAX];
	size_t count =
		place_items(next->pools, next->pool_count, now->pools, now->pool_count, sizeof *next->pools, places);

	if (count > CONFIG_POOLS_MAX)
		return error_set(
			error, -E2BIG, "more than %d pools since musterd started: restart it", CONFIG_POOLS_MAX);
	struct config_pool *pools = calloc(count, sizeof *pools);
	if (!pools)
		return error_set(error, -ENOMEM, "no memory");
	for (size_t i = 0; i < now->pool_count; i++) {
		pools[i] = now->pools[i];
		pools[i].removed = true;
		pools[i].workers = 0;
	}
	for (size_t i = 0; i < next->pool_count; i++) {
		for (size_t j = 0; j < next->pools[i].queue_count; j++)
			next->pools[i].queues[j].queue = queue_places[next->pools[i].queues[j].queue];
		pools[places[i]] = next->pools[i];
	}
	free(next->pools);
	next->pools = pools;
	next->pool_count = count;
	return 0;
}

int config_adopt(struct config *next, const struct config *now, struct error *error)
{
	int queue_places[CONFIG_QUEUES_MAX];

	_Static_assert(offsetof(struct config_queue, name) == 0, "place_items reads the name");
	_Static_assert(offsetof(struct config_pool, name) == 0, "place_items reads the name");
	assert(next->queue_count <= CONFIG_QUEUES_MAX && next->pool_count <= CONFIG_POOLS_MAX);
	int status = check_fixed(next, now, error);
	if (status == 0)
		status = adopt_queues(next, now, queue_places, error);
	return status == 0 ? adopt_pools(next, now, queue_places, error) : status;
}

/* ---- for a successor by exec, which has but the file's text ---- */

static json_t *pool_place(const struct config_pool *pool)
{
	return json_pack("{s:s, s:o, s:o, s:s}", "name", pool->name, "heartbeat_timeout",
		json_sprintf("%lldms", (long long)pool->heartbeat_timeout_ms), "kill_grace",
		json_sprintf("%lldms", (long long)pool->kill_grace_ms), "title_prefix", pool->title_prefix);
}

json_t *config_places(const struct config *config)
{
	json_t *queues = json_array(), *pools = json_array();

	for (size_t i = 0; i < config->queue_count; i++)
		(void)json_array_append_new(queues, json_pack("{s:s}", "name", config->queues[i].name));
	for (size_t i = 0; i < config->pool_count; i++)
		(void)json_array_append_new(pools, pool_place(&config->pools[i]));
	if (json_array_size(queues) == config->queue_count && json_array_size(pools) == config->pool_count)
		return json_pack("{s:o, s:o}", "queues", queues, "pools", pools);
	json_decref(queues);
	json_decref(pools);
	return NULL;
}

int config_arrange(struct config *next, const json_t *places, struct error *error)
{
	int queue_places[CONFIG_QUEUES_MAX];
	struct schema_faults faults = {0};
	static struct config *former; /* kept for good: what is removed borrows from it */

	former = calloc(1, sizeof *former);
	if (!former)
		return error_set(error, -ENOMEM, "no memory");
	/* The table alone: what these queues and pools were good for was checked when they came. */
	int status = schema_read(&config_schema, places, "", former, &faults);
	if (status == 0 && faults.count > 0)
		status = -EINVAL;
	if (status < 0)
		(void)error_set(error, status, "queues and pools of the one before: %s",
			faults.count > 0 ? faults.items[0].detail : strerror(-status));
	schema_faults_fini(&faults);
	if (status == 0)
		status = adopt_queues(next, former, queue_places, error);
	return status == 0 ? adopt_pools(next, former, queue_places, error) : status;
}
