#include "core/broker_internal.h"

#include "core/clock.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WATCH_MS = 120 * 1000 };

/* ---- submission and look-up ---- */

/* The lines that a batch means (queues, one by priority), numbered from 1 in the order in which they come up: a script is
 * told of these only. */
enum { LINES_MAX = CONFIG_QUEUES_MAX * (TASK_PRIORITY_MAX + 1) };

struct numbering {
	size_t count;
	int lines[LINES_MAX];   /* by number - 1 */
	int numbers[LINES_MAX]; /* by line; 0: not meant */
};

static int line_of(const struct task_submission *task)
{
	return task->queue * (TASK_PRIORITY_MAX + 1) + task->priority;
}

static void number_queues(const struct broker_batch *batch, struct numbering *ret_numbering)
{
	*ret_numbering = (struct numbering){0};
	for (size_t i = 0; i < batch->submission_count; i++) {
		int line = line_of(batch->submissions[i].task);
		if (ret_numbering->numbers[line] > 0)
			continue;
		ret_numbering->lines[ret_numbering->count++] = line;
		ret_numbering->numbers[line] = (int)ret_numbering->count;
	}
}

/* "queue", or "queue:priority". */
static void append_line(struct broker *broker, int line)
{
	const char *queue = broker->config->queues[line / (TASK_PRIORITY_MAX + 1)].name;
	int priority = line % (TASK_PRIORITY_MAX + 1);
	char text[CONFIG_NAME_MAX + 4];

	if (priority == TASK_PRIORITY) {
		broker_argument_text(broker, queue);
		return;
	}
	(void)snprintf(text, sizeof text, "%s:%d", queue, priority);
	broker_argument_text(broker, text);
}

static void append_stored(struct broker *broker, const struct broker_batch *batch, const struct task_submission *task)
{
	struct task_head head = {.created_ms = batch->created_ms,
		.run_at_ms = task->run_at_ms,
		.source = batch->source,
		.max_attempts = task->max_attempts,
		.priority = task->priority,
		.expires_ms = task->expires_ms,
		.calls_back = task->calls_back,
		.retention_ms = task->retention_ms};
	memcpy(head.unique, task->unique, sizeof head.unique);
	if (task->traceparent)
		(void)snprintf(head.traceparent, sizeof head.traceparent, "%s", task->traceparent);
	(void)snprintf(head.queue, sizeof head.queue, "%s", broker->config->queues[task->queue].name);
	char line[TASK_HEAD_MAX];
	size_t length = task_head_format(line, &head);
	broker_argument_pair(broker, (struct bytes){line, length}, task->document);
}

/* What is unusual about a batch: the demands of submit.lua. */
struct demands {
	bool options;                  /* a head says more than submit itself looks at */
	bool depth[CONFIG_QUEUES_MAX]; /* queues whose max_depth bounds it */
	size_t depths, groups;
};

static bool is_group_meant(const struct demands *demands, const struct broker_group *group)
{
	return group->key || demands->depths > 0;
}

static void find_demands(const struct broker *broker, const struct broker_batch *batch, struct demands *ret_demands)
{
	*ret_demands = (struct demands){0};
	for (size_t i = 0; i < batch->submission_count; i++) {
		const struct task_submission *task = batch->submissions[i].task;
		if (task->expires_ms > 0 || task->retention_ms > 0 || task->unique[0] != '\0' || task->calls_back)
			ret_demands->options = true;
		if (broker->config->queues[task->queue].max_depth > 0 && !ret_demands->depth[task->queue]) {
			ret_demands->depth[task->queue] = true;
			ret_demands->depths++;
		}
	}
	for (size_t i = 0; i < batch->group_count; i++)
		ret_demands->groups += is_group_meant(ret_demands, &batch->groups[i]);
}

static size_t count_demands(const struct demands *demands)
{
	return demands->options + demands->depths + demands->groups;
}

static void append_demands(struct broker *broker, const struct broker_batch *batch, const struct demands *demands)
{
	char text[128];

	broker_argument_integer(broker, (int64_t)count_demands(demands));
	if (demands->options)
		broker_argument_text(broker, "options");
	for (size_t i = 0; i < CONFIG_QUEUES_MAX && demands->depths > 0; i++) {
		if (!demands->depth[i])
			continue;
		const struct config_queue *queue = &broker->config->queues[i];
		(void)snprintf(text, sizeof text, "depth %s %" PRId64, queue->name, queue->max_depth);
		broker_argument_text(broker, text);
	}
	for (size_t i = 0; i < batch->group_count; i++) {
		const struct broker_group *group = &batch->groups[i];
		if (!is_group_meant(demands, group))
			continue;
		int length = snprintf(text, sizeof text, "%s %zu %zu ", group->array ? "array" : "single",
			group->first + 1, group->count);
		const char *key = group->key ? group->key : "";
		broker_argument_pair(broker, (struct bytes){text, (size_t)length}, (struct bytes){key, strlen(key)});
	}
}

static void append_submissions(struct broker *broker, const struct broker_batch *batch)
{
	struct numbering numbering;
	struct demands demands;

	number_queues(batch, &numbering);
	find_demands(broker, batch, &demands);
	broker_script(broker, SCRIPT_SUBMIT,
		broker_list_arguments(broker) + 1 + numbering.count + 1 + count_demands(&demands) +
			4 * batch->submission_count);
	broker_append_lists(broker);
	broker_argument_integer(broker, (int64_t)numbering.count);
	for (size_t i = 0; i < numbering.count; i++)
		append_line(broker, numbering.lines[i]);
	append_demands(broker, batch, &demands);
	for (size_t i = 0; i < batch->submission_count; i++) {
		const struct task_submission *task = batch->submissions[i].task;
		broker_argument_text(broker, task->id);
		int number = numbering.numbers[line_of(task)];
		broker_argument_integer(broker, task->own_id ? -number : number);
		broker_argument_integer(broker, task->run_at_ms);
		append_stored(broker, batch, task);
	}
}

static void append_looks(struct broker *broker, const struct broker_batch *batch)
{
	broker_script(broker, SCRIPT_LOOK, 1 + 2 * batch->look_count);
	broker_argument_integer(broker, WATCH_MS);
	for (size_t i = 0; i < batch->look_count; i++) {
		broker_argument_text(broker, batch->looks[i].id);
		broker_argument_integer(broker, batch->looks[i].watch);
	}
}

/* The id after the next '\n'. Returns where it ends, NULL when there is none. */
static const char *read_other_id(const char *at, char id[ID_MAX + 1])
{
	if (*at != '\n')
		return NULL;
	size_t length = strcspn(++at, "\n");
	if (length == 0 || length > ID_MAX)
		return NULL;
	memcpy(id, at, length);
	id[length] = '\0';
	return at + length;
}

/* A letter for each, then the ids that 2 and 3 speak of. */
static int read_submissions(const redisReply *reply, struct broker_batch *batch)
{
	if (reply->type != REDIS_REPLY_STRING || reply->len < batch->submission_count)
		return -EINVAL;
	const char *ids = reply->str + batch->submission_count;
	for (size_t i = 0; i < batch->submission_count; i++) {
		struct broker_submission *submission = &batch->submissions[i];
		char letter = reply->str[i];
		if (letter < BROKER_STORED || letter > BROKER_ABUSED)
			return -EINVAL;
		submission->stored = (enum broker_stored)letter;
		if (letter != BROKER_UNIQUE && letter != BROKER_REPEATED)
			continue;
		ids = read_other_id(ids, submission->id);
		if (!ids)
			return -EINVAL;
	}
	return *ids == '\0' ? 0 : -EINVAL;
}

static bool is_state(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_STRING && reply->len == 1 && strchr("PWRSDC", reply->str[0]);
}

static int read_looks(const redisReply *reply, struct broker_batch *batch)
{
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 5 * batch->look_count)
		return -EINVAL;
	for (size_t i = 0; i < batch->look_count; i++) {
		redisReply *const *columns = reply->element + 5 * i;
		if (!is_state(columns[2]) || columns[3]->type != REDIS_REPLY_INTEGER)
			return -EINVAL;
		struct broker_look *look = &batch->looks[i];
		look->stored = broker_reply_bytes(columns[0]);
		look->record = broker_reply_bytes(columns[1]);
		look->runner = broker_reply_bytes(columns[4]);
		look->known = look->stored.data;
		look->state = (enum task_state)columns[2]->str[0];
		look->cancel_requested = columns[3]->integer == 1;
	}
	return 0;
}

static int read_batch(redisReply **replies, struct broker_batch *batch)
{
	size_t next = 0;
	if (batch->submission_count > 0 && read_submissions(replies[next++], batch) < 0)
		return -EINVAL;
	if (batch->look_count == 0)
		return 0;
	if (read_looks(replies[next], batch) < 0)
		return -EINVAL;
	batch->reply = replies[next];
	replies[next] = NULL;
	return 0;
}

static int begin_batch(struct broker *broker, struct broker_batch *batch, int64_t until_mono_ns, struct error *error)
{
	batch->reply = NULL;
	batch->sent_at_mono_ns = 0;
	batch->waits_for_copy = false;
	int status = batch->submission_count > 0 ? broker_begin_durable(broker, until_mono_ns, error)
						 : broker_begin(broker, until_mono_ns, error);
	if (status < 0)
		return status;
	if (batch->submission_count > 0)
		append_submissions(broker, batch);
	if (batch->look_count > 0)
		append_looks(broker, batch);
	if (batch->submission_count > 0)
		batch->waits_for_copy = broker_append_copy(broker, until_mono_ns);
	return 0;
}

static void free_replies(redisReply **replies, size_t count)
{
	for (size_t i = 0; i < count; i++)
		broker_reply_free(&replies[i]);
}

/* Takes the replies over. */
static int end_batch(struct broker *broker, struct broker_batch *batch, redisReply **replies, struct error *error)
{
	const size_t count = broker->command_count;
	int status = 0;

	if (batch->waits_for_copy)
		status = broker_check_copy(broker, replies[count - 1], error);
	if (status == 0 && read_batch(replies, batch) < 0)
		status = broker_surprise(broker, error);
	free_replies(replies, count);
	return status;
}

int broker_batch(struct broker *broker, struct broker_batch *batch, int64_t until_mono_ns, struct error *error)
{
	int status = begin_batch(broker, batch, until_mono_ns, error);
	if (status < 0 || broker->command_count == 0)
		return status;
	struct broker_patience patience = {.until_mono_ns = until_mono_ns, .stop_fd = -1};
	redisReply *replies[BROKER_COMMANDS_MAX] = {NULL};
	status = broker_run(broker, &patience, replies, error);
	return status < 0 ? status : end_batch(broker, batch, replies, error);
}

int broker_batch_send(struct broker *broker, struct broker_batch *batch, int64_t until_mono_ns, struct error *error)
{
	int status = begin_batch(broker, batch, until_mono_ns, error);
	if (status < 0 || broker->command_count == 0)
		return status;
	batch->sent_at_mono_ns = clock_mono_ns();
	return broker_send(broker, until_mono_ns, error);
}

static bool any_refusal(redisReply *const *replies, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (replies[i]->type == REDIS_REPLY_ERROR)
			return true;
	return false;
}

int broker_batch_receive(struct broker *broker, struct broker_batch *batch, int64_t until_mono_ns, struct error *error)
{
	if (batch->sent_at_mono_ns == 0)
		return 0;
	struct broker_patience patience = {.until_mono_ns = until_mono_ns, .stop_fd = -1};
	redisReply *replies[BROKER_COMMANDS_MAX] = {NULL};
	int status = broker_receive(broker, &patience, replies, error);
	if (status < 0)
		return status;
	if (!any_refusal(replies, broker->command_count)) {
		if (broker->histogram)
			scoreboard_observe(broker->histogram, (clock_mono_ns() - batch->sent_at_mono_ns) / 1000);
		return end_batch(broker, batch, replies, error);
	}
	/* A lost script, a cluster's other node, a full Redis: said again in one piece, which does no harm, each finds its
	 * treatment. */
	free_replies(replies, broker->command_count);
	return broker_batch(broker, batch, until_mono_ns, error);
}

void broker_batch_fini(struct broker_batch *batch)
{
	if (batch->reply)
		freeReplyObject(batch->reply);
	batch->reply = NULL;
}

/* ---- cancelling ---- */

int broker_cancel(struct broker *broker, const char *id, bool force, int64_t until_mono_ns, struct error *error)
{
	int status = broker_begin(broker, until_mono_ns, error);
	if (status < 0)
		return status;
	broker_script(broker, SCRIPT_CANCEL, 2);
	broker_argument_integer(broker, force);
	broker_argument_text(broker, id);
	_cleanup_(broker_reply_free) redisReply *reply = NULL;
	status = broker_call(broker, until_mono_ns, &reply, error);
	if (status < 0)
		return status;
	struct bytes said = broker_reply_bytes(reply);
	if (said.length != 1 || said.data[0] < BROKER_SAID_UNKNOWN || said.data[0] > BROKER_SAID_OVER)
		return broker_surprise(broker, error);
	return said.data[0] - BROKER_SAID_UNKNOWN + BROKER_CANCEL_UNKNOWN;
}

int broker_cancels(struct broker *broker, bool forced, int64_t until_mono_ns, char (**ret_ids)[ID_MAX + 1],
	size_t *ret_count, struct error *error)
{
	int status = broker_begin(broker, until_mono_ns, error);
	if (status < 0)
		return status;
	broker_command(broker, "SMEMBERS", 1);
	broker_argument_key(broker, forced ? "forced" : "cancels", "");
	_cleanup_(broker_reply_free) redisReply *reply = NULL;
	status = broker_call(broker, until_mono_ns, &reply, error);
	if (status < 0)
		return status;
	if (reply->type != REDIS_REPLY_ARRAY)
		return broker_surprise(broker, error);
	char(*ids)[ID_MAX + 1] = calloc(reply->elements + 1, sizeof *ids);
	if (!ids)
		return -ENOMEM;
	size_t count = 0;
	for (size_t i = 0; i < reply->elements; i++) {
		struct bytes id = broker_reply_bytes(reply->element[i]);
		if (id.data && id.length <= ID_MAX)
			memcpy(ids[count++], id.data, id.length);
	}
	*ret_ids = ids;
	*ret_count = count;
	return 0;
}
