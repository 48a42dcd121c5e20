#include "core/broker_internal.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum {
	DUE_MAX = 500,     /* moved in one call */
	RETAIN_MAX = 1000, /* dropped of one queue and state in one call */
	NODE_MAX = 32,
	DEPTH_COLUMNS = 10,
};

static int64_t integer_of(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_INTEGER ? reply->integer : 0;
}

/* `queue number` pairs behind the first two: tasks that expired. */
static void read_expired(const struct config *config, const redisReply *reply, size_t expired[])
{
	for (size_t i = 2; i + 1 < reply->elements; i += 2) {
		struct bytes name = broker_reply_bytes(reply->element[i]);
		int queue = name.data ? config_find_queue(config, name.data, name.length) : -1;
		if (queue >= 0)
			expired[queue] += (size_t)integer_of(reply->element[i + 1]);
	}
}

int broker_due(
	struct broker *broker, int64_t until_mono_ns, int64_t *ret_next_ms, size_t expired[], struct error *error)
{
	int status = broker_begin(broker, until_mono_ns, error);
	if (status < 0)
		return status;
	broker_script(broker, SCRIPT_DUE, 1 + broker_list_arguments(broker) + broker_queue_arguments(broker));
	broker_argument_integer(broker, DUE_MAX);
	broker_append_lists(broker);
	broker_append_queues(broker);
	_cleanup_(broker_reply_free) redisReply *reply = NULL;
	status = broker_call(broker, until_mono_ns, &reply, error);
	if (status < 0)
		return status;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 2)
		return broker_surprise(broker, error);
	if (expired)
		read_expired(broker->config, reply, expired);
	*ret_next_ms = integer_of(reply->element[1]);
	return (int)integer_of(reply->element[0]);
}

int broker_retain(struct broker *broker, int64_t until_mono_ns, struct error *error)
{
	const struct config *config = broker->config;
	int status = broker_begin(broker, until_mono_ns, error);
	if (status < 0)
		return status;
	broker_script(broker, SCRIPT_RETAIN, 2 + 5 * config->queue_count);
	broker_argument_integer(broker, RETAIN_MAX);
	broker_argument_integer(broker, config->node_timeout_ms);
	for (size_t i = 0; i < config->queue_count; i++) {
		const struct config_retention *retention = &config->queues[i].retention;
		broker_argument_text(broker, config->queues[i].name);
		broker_argument_integer(broker, retention->succeeded_ms);
		broker_argument_integer(broker, retention->dead_ms);
		broker_argument_integer(broker, retention->cancelled_ms);
		broker_argument_integer(broker, retention->max);
	}
	int64_t dropped;
	status = broker_call_integer(broker, until_mono_ns, &dropped, error);
	return status < 0 ? status : (int)dropped;
}

/* ---- nodes ---- */

static int read_nodes_lost(const redisReply *reply, char (**ret_lost)[NODE_MAX + 1], size_t *ret_count)
{
	char(*lost)[NODE_MAX + 1] = calloc(reply->elements + 1, sizeof *lost);
	if (!lost)
		return -ENOMEM;
	size_t count = 0;
	for (size_t i = 0; i < reply->elements; i++) {
		struct bytes node = broker_reply_bytes(reply->element[i]);
		if (node.data && node.length <= NODE_MAX)
			memcpy(lost[count++], node.data, node.length);
	}
	*ret_lost = lost;
	*ret_count = count;
	return 0;
}

int broker_node(struct broker *broker, const char *node, int64_t timeout_ms, const char *description,
	int64_t until_mono_ns, char (**ret_lost)[NODE_MAX + 1], size_t *ret_lost_count, struct error *error)
{
	assert(strlen(node) <= NODE_MAX);
	int status = broker_begin(broker, until_mono_ns, error);
	if (status < 0)
		return status;
	broker_script(broker, SCRIPT_NODE, 3);
	broker_argument_text(broker, node);
	broker_argument_integer(broker, timeout_ms);
	broker_argument_text(broker, description);
	_cleanup_(broker_reply_free) redisReply *reply = NULL;
	status = broker_call(broker, until_mono_ns, &reply, error);
	if (status < 0)
		return status;
	if (reply->type != REDIS_REPLY_ARRAY)
		return broker_surprise(broker, error);
	return read_nodes_lost(reply, ret_lost, ret_lost_count);
}

int broker_node_leave(struct broker *broker, const char *node, int64_t until_mono_ns, struct error *error)
{
	int status = broker_begin(broker, until_mono_ns, error);
	if (status < 0)
		return status;
	broker_script(broker, SCRIPT_LEAVE, 1);
	broker_argument_text(broker, node);
	_cleanup_(broker_reply_free) redisReply *reply = NULL;
	return broker_call(broker, until_mono_ns, &reply, error);
}

/* node, until_ms, description: one that is not JSON was not written by us, and is shown as null. */
static json_t *node_value(redisReply *const *columns)
{
	struct bytes node = broker_reply_bytes(columns[0]), description = broker_reply_bytes(columns[2]);
	json_t *info = description.data ? json_loadb(description.data, description.length, 0, NULL) : NULL;
	return json_pack("{s:s#, s:o, s:I}", "id", node.data ? node.data : "", (int)node.length, "info",
		info ? info : json_null(), "until_ms", (json_int_t)integer_of(columns[1]));
}

int broker_nodes(struct broker *broker, int64_t until_mono_ns, json_t **ret_nodes, struct error *error)
{
	int status = broker_begin(broker, until_mono_ns, error);
	if (status < 0)
		return status;
	broker_script(broker, SCRIPT_NODES, 0);
	_cleanup_(broker_reply_free) redisReply *reply = NULL;
	status = broker_call(broker, until_mono_ns, &reply, error);
	if (status < 0)
		return status;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements % 3 != 0)
		return broker_surprise(broker, error);
	json_t *nodes = json_array();
	for (size_t i = 0; nodes && i < reply->elements; i += 3)
		if (json_array_append_new(nodes, node_value(reply->element + i)) < 0) {
			json_decref(nodes);
			nodes = NULL;
		}
	if (!nodes)
		return -ENOMEM;
	*ret_nodes = nodes;
	return 0;
}

/* ---- depths ---- */

static void read_depths(const redisReply *reply, struct broker_depth *depths, size_t queue_count)
{
	for (size_t i = 0; i < queue_count; i++) {
		redisReply *const *columns = reply->element + DEPTH_COLUMNS * i;
		depths[i] = (struct broker_depth){
			.pending = integer_of(columns[0]),
			.scheduled = integer_of(columns[1]),
			.retrying = integer_of(columns[2]),
			.active = integer_of(columns[3]),
			.dead = integer_of(columns[4]),
			.succeeded_total = integer_of(columns[5]),
			.dead_total = integer_of(columns[6]),
			.cancelled_total = integer_of(columns[7]),
			.oldest_age_s = (double)integer_of(columns[8]) / 1000,
			.paused = integer_of(columns[9]) == 1,
		};
	}
}

int broker_memory_percent(const struct broker_state *state)
{
	return state->memory_limit > 0 ? (int)(state->memory_bytes * 100 / state->memory_limit) : 0;
}

static int64_t info_number(const redisReply *info, const char *name)
{
	const char *value = info->type == REDIS_REPLY_STRING ? broker_info(info, name) : NULL;
	return value ? strtoll(value, NULL, 10) : 0;
}

static bool info_says(const redisReply *info, const char *name, const char *word)
{
	const char *value = info->type == REDIS_REPLY_STRING ? broker_info(info, name) : NULL;
	return value && strncmp(value, word, strlen(word)) == 0;
}

static void copy_info(char *text, size_t size, const redisReply *info, const char *name)
{
	const char *value = info->type == REDIS_REPLY_STRING ? broker_info(info, name) : NULL;

	(void)snprintf(text, size, "%.*s", value ? (int)strcspn(value, "\r\n") : 0, value ? value : "");
}

int broker_depths(struct broker *broker, struct broker_depth *depths, struct broker_state *ret_state,
	int64_t until_mono_ns, struct error *error)
{
	size_t queue_count = broker->config->queue_count;
	int status = broker_begin(broker, until_mono_ns, error);
	if (status < 0)
		return status;
	broker_script(broker, SCRIPT_DEPTHS, broker_list_arguments(broker) + broker_queue_arguments(broker));
	broker_append_lists(broker);
	broker_append_queues(broker);
	broker_command(broker, "INFO", 3);
	broker_argument_text(broker, "server");
	broker_argument_text(broker, "memory");
	broker_argument_text(broker, "persistence");
	struct broker_patience patience = {.until_mono_ns = until_mono_ns, .stop_fd = -1};
	redisReply *replies[BROKER_COMMANDS_MAX] = {NULL};
	status = broker_run(broker, &patience, replies, error);
	if (status < 0)
		return status;
	_cleanup_(broker_reply_free) redisReply *numbers = replies[0];
	_cleanup_(broker_reply_free) redisReply *info = replies[1];
	size_t columns = DEPTH_COLUMNS * queue_count;
	if (numbers->type != REDIS_REPLY_ARRAY || numbers->elements != columns + 2)
		return broker_surprise(broker, error);
	read_depths(numbers, depths, queue_count);
	*ret_state = (struct broker_state){.memory_bytes = info_number(info, "used_memory"),
		.memory_limit = info_number(info, "maxmemory"),
		.unaccounted = integer_of(numbers->element[columns]),
		.emptied_ms = integer_of(numbers->element[columns + 1]),
		.disk_fails = info_says(info, "aof_last_write_status", "err"),
		.appends = info_says(info, "aof_enabled", "1")};
	copy_info(ret_state->version, sizeof ret_state->version, info, "redis_version");
	copy_info(ret_state->eviction, sizeof ret_state->eviction, info, "maxmemory_policy");
	return 0;
}

/* ---- is it the same, and will it be ---- */

int broker_mark(struct broker *broker, char mark[ID_LENGTH + 1], int64_t until_mono_ns, struct error *error)
{
	char fresh[ID_LENGTH + 1];
	int status = broker_begin(broker, until_mono_ns, error);
	if (status < 0)
		return status;
	id_generate(fresh);
	broker_script(broker, SCRIPT_MARK, 2);
	broker_argument_text(broker, mark);
	broker_argument_text(broker, fresh);
	_cleanup_(broker_reply_free) redisReply *reply = NULL;
	status = broker_call(broker, until_mono_ns, &reply, error);
	if (status < 0)
		return status;
	if (reply->type != REDIS_REPLY_STRING || reply->len != ID_LENGTH)
		return broker_surprise(broker, error);
	bool other = mark[0] != '\0' && strcmp(mark, reply->str) != 0;
	memcpy(mark, reply->str, ID_LENGTH + 1);
	return other;
}

/* `save` is empty: no snapshots. Managed ones refuse to tell. */
static enum broker_persistence read_snapshots(const redisReply *save)
{
	if (save->type != REDIS_REPLY_ARRAY || save->elements != 2 || save->element[1]->type != REDIS_REPLY_STRING)
		return BROKER_KEEPS_UNKNOWN;
	return save->element[1]->len > 0 ? BROKER_KEEPS_SNAPSHOTS : BROKER_KEEPS_NOTHING;
}

int broker_persistence(
	struct broker *broker, enum broker_persistence *ret_persistence, int64_t until_mono_ns, struct error *error)
{
	int status = broker_begin(broker, until_mono_ns, error);
	if (status < 0)
		return status;
	broker_command(broker, "INFO", 1);
	broker_argument_text(broker, "persistence");
	broker_command(broker, "CONFIG", 2);
	broker_argument_text(broker, "GET");
	broker_argument_text(broker, "save");
	struct broker_patience patience = {.until_mono_ns = until_mono_ns, .stop_fd = -1};
	redisReply *replies[BROKER_COMMANDS_MAX] = {NULL};
	status = broker_exchange(broker, &patience, replies, error);
	if (status < 0)
		return status;
	_cleanup_(broker_reply_free) redisReply *info = replies[0];
	_cleanup_(broker_reply_free) redisReply *save = replies[1];
	const char *appends = info->type == REDIS_REPLY_STRING ? broker_info(info, "aof_enabled") : NULL;
	if (!appends)
		*ret_persistence = BROKER_KEEPS_UNKNOWN;
	else
		*ret_persistence = appends[0] == '1' ? BROKER_KEEPS_ALL : read_snapshots(save);
	return 0;
}
