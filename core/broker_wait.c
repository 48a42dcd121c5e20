#include "core/broker_internal.h"

#include "core/clock.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	CARRY_MAX = 256, /* documents in one box */
	WAIT_MAX_MS = 5000,
	CARRY_TIMEOUT_MS = 1000, /* for each of the steps */
	ID_BASE = ID_LENGTH - 2, /* the script adds two characters */
};

static const struct config_queue *queue_at(const struct broker *broker, int queue)
{
	assert(queue >= 0 && (size_t)queue < broker->config->queue_count);
	return &broker->config->queues[queue];
}

static bool is_foreign(const struct broker *broker, const struct config_queue *queue)
{
	return queue->list_db >= 0 && queue->list_db != broker->config->address.db;
}

static void append_select(struct broker *broker, int64_t db)
{
	broker_command(broker, "SELECT", 1);
	broker_argument_integer(broker, db);
}

/* Waits until the list is not empty and leaves the element where it is: nobody holds what a death could lose. */
static void append_list_wait(struct broker *broker, const char *list)
{
	broker_command(broker, "BLMOVE", 5);
	broker_argument_text(broker, list);
	broker_argument_text(broker, list);
	broker_argument_text(broker, "RIGHT");
	broker_argument_text(broker, "RIGHT");
	broker_argument_text(broker, "1");
}

static void append_armed_wait(struct broker *broker, const char *name, const char *list)
{
	broker_command(broker, "BLPOP", 2);
	broker_argument_key(broker, name, list);
	broker_argument_text(broker, "1");
}

static void append_wake(struct broker *broker, const struct config_queue *queue)
{
	broker_script(broker, SCRIPT_WAKE, 2);
	broker_argument_text(broker, queue->name);
	broker_argument_text(broker, queue->list);
}

/* Two waits of a second, each up to a tenth late, and some time to answer. */
static void begin_waiting(struct broker *broker, enum broker_waiting waiting)
{
	broker->waiting = waiting;
	broker->waiting_until_mono_ns = clock_mono_ns() + WAIT_MAX_MS * CLOCK_NS_PER_MS;
}

int broker_wait_due(struct broker *broker, int64_t until_mono_ns, struct error *error)
{
	int status = broker_begin(broker, until_mono_ns, error);
	if (status < 0)
		return status;
	append_armed_wait(broker, "armed:due", "");
	status = broker_send(broker, until_mono_ns, error);
	if (status < 0)
		return status;
	begin_waiting(broker, WAITING_FOR_DUE);
	return 0;
}

int broker_wait_bells(
	struct broker *broker, const int *queues, size_t count, int64_t until_mono_ns, struct error *error)
{
	assert(count > 0);
	int status = broker_begin(broker, until_mono_ns, error);
	if (status < 0)
		return status;
	broker_command(broker, "BLPOP", count + 1);
	for (size_t i = 0; i < count; i++)
		broker_argument_key(broker, "bell:", queue_at(broker, queues[i])->name);
	broker_argument_text(broker, "1");
	status = broker_send(broker, until_mono_ns, error);
	if (status < 0)
		return status;
	begin_waiting(broker, WAITING_FOR_BELL);
	return 0;
}

int broker_wait_list(struct broker *broker, int queue_index, int64_t until_mono_ns, struct error *error)
{
	const struct config_queue *queue = queue_at(broker, queue_index);
	assert(queue->list);
	int status = broker_begin(broker, until_mono_ns, error);
	if (status < 0)
		return status;
	bool foreign = is_foreign(broker, queue);
	if (foreign) {
		append_select(broker, queue->list_db);
		append_list_wait(broker, queue->list);
		append_select(broker, broker->config->address.db);
	} else {
		append_list_wait(broker, queue->list);
		append_wake(broker, queue);
		append_armed_wait(broker, "armed:list:", queue->list);
	}
	status = broker_send(broker, until_mono_ns, error);
	if (status < 0)
		return status;
	begin_waiting(broker, foreign ? WAITING_FOR_FOREIGN_LIST : WAITING_FOR_LIST);
	broker->waiting_queue = queue_index;
	return 0;
}

/* ---- carrying over what stands in another database ---- */

static int64_t step_until(void)
{
	return clock_mono_ns() + CARRY_TIMEOUT_MS * CLOCK_NS_PER_MS;
}

/* Runs the script that was begun between two SELECTs, in the list's database. */
static int run_there(struct broker *broker, redisReply **ret_reply, struct error *error)
{
	append_select(broker, broker->config->address.db);
	struct broker_patience patience = {.until_mono_ns = step_until(), .stop_fd = -1, .from_the_start = true};
	redisReply *replies[BROKER_COMMANDS_MAX] = {NULL};
	int status = broker_run(broker, &patience, replies, error);
	if (status < 0)
		return status;
	*ret_reply = replies[1];
	broker_reply_free(&replies[0]);
	broker_reply_free(&replies[2]);
	return 0;
}

/* "db list": by what boxes of different lists are told apart. */
static void append_source(struct broker *broker, const struct config_queue *queue)
{
	char db[32];
	int length = snprintf(db, sizeof db, "%" PRId64 " ", queue->list_db);
	broker_argument_pair(
		broker, (struct bytes){db, (size_t)length}, (struct bytes){queue->list, strlen(queue->list)});
}

/* The number of the last box that was put. */
static int last_box(struct broker *broker, const struct config_queue *queue, int64_t *ret_number, struct error *error)
{
	int status = broker_begin(broker, step_until(), error);
	if (status < 0)
		return status;
	broker_command(broker, "HGET", 2);
	broker_argument_key(broker, "boxes", "");
	append_source(broker, queue);
	_cleanup_(broker_reply_free) redisReply *reply = NULL;
	status = broker_call(broker, step_until(), &reply, error);
	if (status == 0)
		*ret_number = reply->type == REDIS_REPLY_STRING ? strtoll(reply->str, NULL, 10) : 0;
	return status;
}

static int grab(struct broker *broker, const struct config_queue *queue, int64_t last, redisReply **ret_box,
	struct error *error)
{
	int status = broker_begin(broker, step_until(), error);
	if (status < 0)
		return status;
	append_select(broker, queue->list_db);
	broker_script(broker, SCRIPT_GRAB, 3);
	broker_argument_text(broker, queue->list);
	broker_argument_integer(broker, CARRY_MAX);
	broker_argument_integer(broker, last);
	redisReply *box;
	status = run_there(broker, &box, error);
	if (status < 0)
		return status;
	if (box->type != REDIS_REPLY_ARRAY || box->elements == 0 || box->element[0]->type != REDIS_REPLY_INTEGER) {
		broker_reply_free(&box);
		return broker_surprise(broker, error);
	}
	*ret_box = box;
	return 0;
}

static int put(struct broker *broker, const struct config_queue *queue, const redisReply *box, struct error *error)
{
	int status = broker_begin(broker, step_until(), error);
	if (status < 0)
		return status;
	char id[ID_LENGTH + 1];
	id_generate(id);
	broker_script(broker, SCRIPT_PUT, 4 + box->elements - 1);
	broker_argument_text(broker, queue->name);
	append_source(broker, queue);
	broker_argument_integer(broker, box->element[0]->integer);
	broker_argument(broker, id, ID_BASE);
	for (size_t i = 1; i < box->elements; i++) {
		struct bytes document = broker_reply_bytes(box->element[i]);
		broker_argument(broker, document.data ? document.data : "", document.length);
	}
	int64_t made;
	return broker_call_integer(broker, step_until(), &made, error);
}

static int drop(struct broker *broker, const struct config_queue *queue, int64_t number, struct error *error)
{
	int status = broker_begin(broker, step_until(), error);
	if (status < 0)
		return status;
	append_select(broker, queue->list_db);
	broker_script(broker, SCRIPT_DROP, 2);
	broker_argument_text(broker, queue->list);
	broker_argument_integer(broker, number);
	_cleanup_(broker_reply_free) redisReply *reply = NULL;
	return run_there(broker, &reply, error);
}

static int carry_over(struct broker *broker, const struct config_queue *queue, struct error *error)
{
	int64_t last;
	_cleanup_(broker_reply_free) redisReply *box = NULL;
	int status = last_box(broker, queue, &last, error);
	if (status == 0)
		status = grab(broker, queue, last, &box, error);
	if (status < 0 || !box || box->elements == 1)
		return status;
	status = put(broker, queue, box, error);
	return status < 0 ? status : drop(broker, queue, box->element[0]->integer, error);
}

/* ---- the end of a wait ---- */

static int say_wake(struct broker *broker, const struct config_queue *queue, struct error *error)
{
	int status = broker_begin(broker, step_until(), error);
	if (status < 0)
		return status;
	append_wake(broker, queue);
	int64_t rang;
	return broker_call_integer(broker, step_until(), &rang, error);
}

static bool is_lost_script(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "NOSCRIPT", 8) == 0;
}

/* All replies are there, in `replies`. */
static int understand(struct broker *broker, enum broker_waiting waiting, redisReply *const *replies, size_t count,
	struct error *error)
{
	bool lost_script = false;
	for (size_t i = 0; i < count; i++) {
		if (is_lost_script(replies[i]))
			lost_script = true;
		else if (replies[i]->type == REDIS_REPLY_ERROR)
			return broker_refuse(broker, replies[i], error);
	}
	int status = 0;
	if (waiting == WAITING_FOR_LIST || waiting == WAITING_FOR_FOREIGN_LIST) {
		const struct config_queue *queue = queue_at(broker, broker->waiting_queue);
		if (waiting == WAITING_FOR_FOREIGN_LIST)
			status = carry_over(broker, queue, error);
		else if (lost_script)
			status = say_wake(broker, queue, error);
	}
	return status < 0 ? status : 1;
}

int broker_wait_finish(struct broker *broker, struct error *error)
{
	assert(broker->waiting != WAITING_FOR_NOTHING);
	while (broker->received_count < broker->command_count) {
		redisReply *reply = NULL;
		int status = broker_receive_arrived(broker, &reply, error);
		if (status == 0 && clock_mono_ns() > broker->waiting_until_mono_ns)
			return broker_miss(broker, error);
		if (status <= 0)
			return status;
		broker->received[broker->received_count++] = reply;
	}
	redisReply *replies[BROKER_COMMANDS_MAX];
	size_t count = broker->received_count;
	enum broker_waiting waiting = broker->waiting;
	memcpy(replies, broker->received, sizeof replies);
	broker->received_count = 0;
	broker->waiting = WAITING_FOR_NOTHING;
	int status = understand(broker, waiting, replies, count, error);
	for (size_t i = 0; i < count; i++)
		broker_reply_free(&replies[i]);
	return status;
}
