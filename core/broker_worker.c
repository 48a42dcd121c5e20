#include "core/broker_internal.h"

#include "core/clock.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An id's last two characters are the script's: it makes as many tasks of a plain list as it takes. */
enum { ID_BASE = ID_LENGTH - 2 };

static void append_outcomes(struct broker *broker, const struct broker_outcome *outcomes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		broker_argument_text(broker, outcomes[i].element);
		broker_argument(broker, outcomes[i].record.data, outcomes[i].record.length);
	}
}

/* ---- turn ---- */

static void append_bells(struct broker *broker, const struct broker_turn *turn)
{
	const size_t count = turn->rests ? 0 : turn->queue_count;
	broker_command(broker, "BLPOP", count + turn->rests + 1);
	if (turn->rests)
		broker_argument_key(broker, "resumed", "");
	for (size_t i = 0; i < count; i++)
		broker_argument_key(broker, "bell:", broker->config->queues[turn->queues[i]].name);
	char seconds[24];
	int length = snprintf(seconds, sizeof seconds, "%d.%03d", turn->wait_ms / 1000, turn->wait_ms % 1000);
	broker_argument(broker, seconds, (size_t)length);
}

static void append_source(struct broker *broker, const struct broker_turn *turn, size_t i)
{
	const struct config_queue *queue = &broker->config->queues[turn->queues[i]];
	unsigned share = turn->shares ? turn->shares[i] : 0;
	char text[CONFIG_NAME_MAX + 48];
	int length;

	if (queue->max_active > 0)
		length = snprintf(text, sizeof text, "%s %u %" PRId64, queue->name, share, queue->max_active);
	else if (turn->shares)
		length = snprintf(text, sizeof text, "%s %u", queue->name, share);
	else
		length = snprintf(text, sizeof text, "%s", queue->name);
	broker_argument(broker, text, (size_t)length);
}

static void append_turn(struct broker *broker, const struct broker_turn *turn)
{
	char id[ID_LENGTH + 1];
	id_generate(id);
	broker_script(broker, SCRIPT_TURN,
		6 + broker_list_arguments(broker) + 1 + turn->queue_count + 2 * turn->outcome_count);
	broker_argument_text(broker, turn->slot);
	broker_argument_integer(broker, (int64_t)turn->generation);
	broker_argument_integer(broker, (int64_t)turn->sequence);
	broker_argument_integer(broker, turn->want);
	broker_argument(broker, id, ID_BASE);
	broker_argument_integer(broker, broker->config->node_timeout_ms);
	broker_append_lists(broker);
	broker_argument_integer(broker, (int64_t)turn->queue_count);
	for (size_t i = 0; i < turn->queue_count; i++)
		append_source(broker, turn, i);
	append_outcomes(broker, turn->outcomes, turn->outcome_count);
}

static bool is_array_of(const redisReply *reply, size_t count)
{
	return reply->type == REDIS_REPLY_ARRAY && reply->elements == count;
}

/* {admitted, elements, stored, records}; records is empty when none of them has one. */
static bool is_lease(const redisReply *reply)
{
	if (!is_array_of(reply, 4) || reply->element[0]->type != REDIS_REPLY_INTEGER ||
		reply->element[1]->type != REDIS_REPLY_ARRAY)
		return false;
	size_t count = reply->element[1]->elements;
	return is_array_of(reply->element[2], count) &&
	       (is_array_of(reply->element[3], count) || is_array_of(reply->element[3], 0));
}

static int read_lease(struct broker *broker, redisReply **reply, struct broker_lease *ret_lease, struct error *error)
{
	if (is_array_of(*reply, 0)) {
		*ret_lease = (struct broker_lease){0};
		return 0;
	}
	if (!is_lease(*reply))
		return broker_surprise(broker, error);
	redisReply **columns = (*reply)->element;
	size_t count = columns[1]->elements;
	if (columns[0]->integer < 0) {
		*ret_lease = (struct broker_lease){.rests = true};
		return 0;
	}
	struct broker_task *tasks = calloc(count, sizeof *tasks);
	if (!tasks)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		tasks[i].element = broker_reply_bytes(columns[1]->element[i]);
		tasks[i].stored = broker_reply_bytes(columns[2]->element[i]);
		if (columns[3]->elements > 0)
			tasks[i].record = broker_reply_bytes(columns[3]->element[i]);
	}
	*ret_lease = (struct broker_lease){
		.tasks = tasks, .count = count, .admitted = (size_t)columns[0]->integer, .reply = *reply};
	*reply = NULL;
	return 0;
}

int broker_turn(struct broker *broker, const struct broker_turn *turn, int64_t until_mono_ns,
	struct broker_lease *ret_lease, struct error *error)
{
	assert(turn->sequence > 0 && turn->want <= SCOREBOARD_BATCH && turn->outcome_count <= SCOREBOARD_BATCH);
	assert(turn->wait_ms == 0 || (turn->wait_ms > 0 && turn->queue_count > 0)); /* to Redis 0 is for ever */
	int status = broker_begin(broker, until_mono_ns, error);
	if (status < 0)
		return status;
	bool waits = turn->wait_ms > 0;
	if (waits)
		append_bells(broker, turn);
	append_turn(broker, turn);
	struct broker_patience patience = {
		.until_mono_ns = until_mono_ns, .stop_fd = waits ? turn->stop_fd : -1, .blocks = waits};
	redisReply *replies[BROKER_COMMANDS_MAX] = {NULL};
	status = broker_run(broker, &patience, replies, error);
	if (status < 0)
		return status;
	status = read_lease(broker, &replies[waits ? 1 : 0], ret_lease, error);
	broker_reply_free(&replies[0]);
	broker_reply_free(&replies[1]);
	return status;
}

void broker_lease_fini(struct broker_lease *lease)
{
	free(lease->tasks);
	if (lease->reply)
		freeReplyObject(lease->reply);
	*lease = (struct broker_lease){0};
}

/* ---- recovery ---- */

int broker_recover(struct broker *broker, const char *slot, uint64_t generation, const struct broker_outcome *outcomes,
	size_t outcome_count, int64_t until_mono_ns, struct broker_recovered *ret_recovered, struct error *error)
{
	assert(outcome_count <= SCOREBOARD_BATCH);
	int status = broker_begin(broker, until_mono_ns, error);
	if (status < 0)
		return status;
	broker_script(broker, SCRIPT_RECOVER, 2 + broker_list_arguments(broker) + 2 * outcome_count);
	broker_argument_text(broker, slot);
	broker_argument_integer(broker, (int64_t)generation);
	broker_append_lists(broker);
	append_outcomes(broker, outcomes, outcome_count);
	_cleanup_(broker_reply_free) redisReply *reply = NULL;
	status = broker_call(broker, until_mono_ns, &reply, error);
	if (status < 0)
		return status;
	if (!is_array_of(reply, 3))
		return broker_surprise(broker, error);
	*ret_recovered = (struct broker_recovered){.settled = (size_t)reply->element[0]->integer,
		.returned = (size_t)reply->element[1]->integer,
		.ended = (size_t)reply->element[2]->integer};
	return 0;
}

static int read_held(redisReply *const *columns, struct broker_held *ret_held)
{
	for (int i = 0; i < 4; i++)
		if (columns[i]->type != REDIS_REPLY_STRING)
			return -EINVAL;
	if (columns[0]->len >= sizeof ret_held->slot)
		return -EINVAL;
	memcpy(ret_held->slot, columns[0]->str, columns[0]->len + 1);
	ret_held->generation = strtoull(columns[1]->str, NULL, 10);
	ret_held->sequence = strtoll(columns[2]->str, NULL, 10);
	ret_held->elements = broker_reply_bytes(columns[3]);
	return 0;
}

int broker_holdings(struct broker *broker, const char *node, int64_t until_mono_ns,
	struct broker_holdings *ret_holdings, struct error *error)
{
	int status = broker_begin(broker, until_mono_ns, error);
	if (status < 0)
		return status;
	broker_script(broker, SCRIPT_HOLDINGS, 1);
	broker_argument_text(broker, node);
	_cleanup_(broker_reply_free) redisReply *reply = NULL;
	status = broker_call(broker, until_mono_ns, &reply, error);
	if (status < 0)
		return status;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements % 4 != 0)
		return broker_surprise(broker, error);
	struct broker_holdings holdings = {.count = reply->elements / 4};
	holdings.items = calloc(holdings.count + 1, sizeof *holdings.items);
	if (!holdings.items)
		return -ENOMEM;
	for (size_t i = 0; i < holdings.count; i++)
		if (read_held(reply->element + 4 * i, &holdings.items[i]) < 0) {
			free(holdings.items);
			return broker_surprise(broker, error);
		}
	holdings.reply = reply;
	reply = NULL;
	*ret_holdings = holdings;
	return 0;
}

void broker_holdings_fini(struct broker_holdings *holdings)
{
	free(holdings->items);
	if (holdings->reply)
		freeReplyObject(holdings->reply);
	*holdings = (struct broker_holdings){0};
}
