#include "core/broker_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE_FIXED = 3, PAGE_COLUMNS = 7, RESTORE_MAX = 10000 };

/* ---- looking ---- */

/* What the scripts find there; shown as active only by who sees it run. */
static enum task_state state_of(enum broker_station place)
{
	switch (place) {
	case BROKER_HELD_BY_WORKERS:
	case BROKER_IN_LINE:
	case BROKER_SET_ASIDE: return TASK_PENDING;
	case BROKER_SCHEDULED: return TASK_SCHEDULED;
	case BROKER_RETRYING: return TASK_RETRYING;
	case BROKER_DEAD: return TASK_DEAD;
	case BROKER_CANCELLED: return TASK_CANCELLED;
	case BROKER_SUCCEEDED: return TASK_SUCCEEDED;
	}
	__builtin_unreachable();
}

static int copy_text(const redisReply *reply, char *text, size_t size)
{
	struct bytes bytes = broker_reply_bytes(reply);
	if (!bytes.data || bytes.length >= size)
		return -EINVAL;
	memcpy(text, bytes.data, bytes.length);
	text[bytes.length] = '\0';
	return 0;
}

static int read_position(redisReply *const *columns, struct broker_position *ret_position)
{
	if (copy_text(columns[0], ret_position->at, sizeof ret_position->at) < 0)
		return -EINVAL;
	return copy_text(columns[1], ret_position->last, sizeof ret_position->last);
}

static int read_entry(redisReply *const *columns, enum broker_station place, struct broker_entry *entry)
{
	if (copy_text(columns[0], entry->look.id, sizeof entry->look.id) < 0 ||
		read_position(columns + 1, &entry->position) < 0)
		return -EINVAL;
	entry->look.known = true;
	entry->look.stored = broker_reply_bytes(columns[3]);
	entry->look.record = broker_reply_bytes(columns[4]);
	entry->look.state = state_of(place);
	entry->look.runner = broker_reply_bytes(columns[6]);
	entry->look.cancel_requested = columns[5]->type == REDIS_REPLY_INTEGER && columns[5]->integer == 1;
	return 0;
}

static int read_page(const redisReply *reply, struct broker_page *page)
{
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements < PAGE_FIXED ||
		(reply->elements - PAGE_FIXED) % PAGE_COLUMNS != 0 || reply->element[0]->type != REDIS_REPLY_INTEGER ||
		read_position(reply->element + 1, &page->position) < 0)
		return -EINVAL;
	const size_t count = (reply->elements - PAGE_FIXED) / PAGE_COLUMNS;
	page->entries = calloc(count + 1, sizeof *page->entries);
	if (!page->entries)
		return -ENOMEM;
	page->scanned = (size_t)reply->element[0]->integer;
	page->count = count;
	for (size_t i = 0; i < count; i++)
		if (read_entry(reply->element + PAGE_FIXED + PAGE_COLUMNS * i, page->place, &page->entries[i]) < 0)
			return -EINVAL;
	return 0;
}

int broker_page(struct broker *broker, struct broker_page *page, int64_t until_mono_ns, struct error *error)
{
	assert(page->limit > 0 && page->limit <= BROKER_MANY);
	const char place[] = {(char)page->place, '\0'};
	int status = broker_begin(broker, until_mono_ns, error);
	if (status < 0)
		return status;
	page->entries = NULL;
	page->reply = NULL;
	page->scanned = page->count = 0;
	broker_script(broker, SCRIPT_PAGE, 6);
	broker_argument_text(broker, page->queue);
	broker_argument_text(broker, place);
	broker_argument_text(broker, page->position.at);
	broker_argument_text(broker, page->position.last);
	broker_argument_integer(broker, page->limit);
	broker_argument_integer(broker, page->bare);
	_cleanup_(broker_reply_free) redisReply *reply = NULL;
	status = broker_call(broker, until_mono_ns, &reply, error);
	if (status < 0)
		return status;
	status = read_page(reply, page);
	if (status < 0)
		broker_page_fini(page);
	if (status == -EINVAL)
		return broker_surprise(broker, error);
	if (status < 0)
		return status;
	page->reply = reply;
	reply = NULL;
	return 0;
}

void broker_page_fini(struct broker_page *page)
{
	free(page->entries);
	if (page->reply)
		freeReplyObject(page->reply);
	page->entries = NULL;
	page->reply = NULL;
	page->count = 0;
}

/* ---- acting ---- */

/* Runs what was begun; its answer is a letter for each task. */
static int run_for_letters(struct broker *broker, const char (*ids)[ID_MAX + 1], size_t count, char *said,
	int64_t until_mono_ns, struct error *error)
{
	for (size_t i = 0; i < count; i++)
		broker_argument_text(broker, ids[i]);
	_cleanup_(broker_reply_free) redisReply *reply = NULL;
	int status = broker_call(broker, until_mono_ns, &reply, error);
	if (status < 0)
		return status;
	struct bytes letters = broker_reply_bytes(reply);
	if (!letters.data || letters.length != count)
		return broker_surprise(broker, error);
	memcpy(said, letters.data, count);
	return 0;
}

static void append_act(struct broker *broker, enum broker_act act, size_t count)
{
	switch (act) {
	case BROKER_ACT_RETRY:
		broker_script(broker, SCRIPT_RETRY, broker_list_arguments(broker) + count);
		broker_append_lists(broker);
		break;
	case BROKER_ACT_CANCEL:
		broker_script(broker, SCRIPT_CANCEL, 1 + count);
		broker_argument_integer(broker, 0);
		break;
	case BROKER_ACT_DELETE: broker_script(broker, SCRIPT_DELETE, count); break;
	}
}

int broker_act(struct broker *broker, enum broker_act act, const char (*ids)[ID_MAX + 1], size_t count, char *said,
	int64_t until_mono_ns, struct error *error)
{
	assert(count <= BROKER_MANY);
	if (count == 0)
		return 0;
	int status = broker_begin(broker, until_mono_ns, error);
	if (status < 0)
		return status;
	append_act(broker, act, count);
	return run_for_letters(broker, ids, count, said, until_mono_ns, error);
}

static void append_unless(struct broker *broker, int64_t number, int64_t absent)
{
	if (number == absent)
		broker_argument_text(broker, "");
	else
		broker_argument_integer(broker, number);
}

int broker_change(struct broker *broker, const struct broker_change *change, const char (*ids)[ID_MAX + 1],
	size_t count, char *said, int64_t until_mono_ns, struct error *error)
{
	assert(count <= BROKER_MANY);
	if (count == 0)
		return 0;
	int status = broker_begin(broker, until_mono_ns, error);
	if (status < 0)
		return status;
	broker_script(broker, SCRIPT_CHANGE, 3 + broker_list_arguments(broker) + count);
	broker_argument_text(broker, change->queue ? change->queue : "");
	append_unless(broker, change->priority, -1);
	append_unless(broker, change->run_at_ms, -1);
	broker_append_lists(broker);
	return run_for_letters(broker, ids, count, said, until_mono_ns, error);
}

int broker_why(
	struct broker *broker, const char *id, int64_t until_mono_ns, struct broker_why *ret_why, struct error *error)
{
	int status = broker_begin(broker, until_mono_ns, error);
	if (status < 0)
		return status;
	broker_script(broker, SCRIPT_WHY, 1);
	broker_argument_text(broker, id);
	_cleanup_(broker_reply_free) redisReply *reply = NULL;
	status = broker_call(broker, until_mono_ns, &reply, error);
	if (status < 0)
		return status;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
		reply->element[1]->type != REDIS_REPLY_INTEGER ||
		copy_text(reply->element[0], ret_why->slot, sizeof ret_why->slot) < 0)
		return broker_surprise(broker, error);
	ret_why->ahead = reply->element[1]->integer;
	return 0;
}

int broker_purge(struct broker *broker, const char *queue, enum broker_station place, bool *ret_more,
	int64_t until_mono_ns, struct error *error)
{
	const char letter[] = {(char)place, '\0'};
	int status = broker_begin(broker, until_mono_ns, error);
	if (status < 0)
		return status;
	broker_script(broker, SCRIPT_PURGE, 3 + broker_list_arguments(broker));
	broker_argument_text(broker, queue);
	broker_argument_text(broker, letter);
	broker_argument_integer(broker, BROKER_MANY);
	broker_append_lists(broker);
	_cleanup_(broker_reply_free) redisReply *reply = NULL;
	status = broker_call(broker, until_mono_ns, &reply, error);
	if (status < 0)
		return status;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
		reply->element[0]->type != REDIS_REPLY_INTEGER || reply->element[1]->type != REDIS_REPLY_INTEGER)
		return broker_surprise(broker, error);
	*ret_more = reply->element[1]->integer == 1;
	return (int)reply->element[0]->integer;
}

/* ---- resting ---- */

int broker_pause(
	struct broker *broker, bool on, const char *what, const char *name, int64_t until_mono_ns, struct error *error)
{
	int status = broker_begin(broker, until_mono_ns, error);
	if (status < 0)
		return status;
	broker_script(broker, SCRIPT_PAUSE, 3 + broker_list_arguments(broker));
	broker_argument_integer(broker, on);
	broker_argument_text(broker, what);
	broker_argument_text(broker, name);
	broker_append_lists(broker);
	int64_t changed;
	status = broker_call_integer(broker, until_mono_ns, &changed, error);
	return status < 0 ? status : changed == 1;
}

int broker_paused(struct broker *broker, int64_t until_mono_ns, json_t **ret_paused, struct error *error)
{
	int status = broker_begin(broker, until_mono_ns, error);
	if (status < 0)
		return status;
	broker_command(broker, "SMEMBERS", 1);
	broker_argument_key(broker, "paused", "");
	_cleanup_(broker_reply_free) redisReply *reply = NULL;
	status = broker_call(broker, until_mono_ns, &reply, error);
	if (status < 0)
		return status;
	if (reply->type != REDIS_REPLY_ARRAY)
		return broker_surprise(broker, error);
	json_t *paused = json_object();
	for (size_t i = 0; paused && i < reply->elements; i++) {
		struct bytes entry = broker_reply_bytes(reply->element[i]);
		if (entry.data) /* one that is no UTF-8 is not ours, and not shown */
			(void)json_object_set_new(paused, entry.data, json_null());
	}
	if (!paused)
		return -ENOMEM;
	*ret_paused = paused;
	return 0;
}

int broker_restore(struct broker *broker, int64_t until_mono_ns, struct error *error)
{
	int64_t left;
	int status = broker_begin(broker, until_mono_ns, error);
	if (status < 0)
		return status;
	broker_script(broker, SCRIPT_RESTORE, 1);
	broker_argument_integer(broker, RESTORE_MAX);
	status = broker_call_integer(broker, until_mono_ns, &left, error);
	return status < 0 ? status : left > 0;
}
