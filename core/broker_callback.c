#include "core/broker_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CALLS_MAX = 16 }; /* each may hold a whole document */

/* "task length\n", so many bytes of what is stored of it, its record. */
static int read_call(const redisReply *id, const redisReply *value, struct broker_callback *ret_call)
{
	char *end;

	if (id->type != REDIS_REPLY_STRING || id->len > ID_MAX || value->type != REDIS_REPLY_STRING)
		return -EINVAL;
	const char *blank = memchr(value->str, ' ', value->len), *at = memchr(value->str, '\n', value->len);
	if (!blank || !at || blank > at || blank - value->str > ID_MAX)
		return -EINVAL;
	const size_t rest = value->len - (size_t)(++at - value->str);
	const unsigned long long length = strtoull(blank + 1, &end, 10);
	if (end + 1 != at || length > rest)
		return -EINVAL;
	*ret_call = (struct broker_callback){.stored = {at, length}, .record = {at + length, rest - length}};
	memcpy(ret_call->id, id->str, id->len);
	memcpy(ret_call->task, value->str, (size_t)(blank - value->str));
	return 0;
}

static int append_pair(struct broker_callbacks *callbacks, const redisReply *pair)
{
	struct broker_callback *call = &callbacks->items[callbacks->count];

	if (pair->type != REDIS_REPLY_ARRAY || pair->elements != 2)
		return -EINVAL;
	const int status = read_call(pair->element[0], pair->element[1], call);
	callbacks->count += status == 0;
	return status;
}

int broker_callbacks(
	struct broker *broker, int64_t until_mono_ns, struct broker_callbacks *ret_callbacks, struct error *error)
{
	struct broker_callbacks callbacks = {0};
	redisReply *reply = NULL;
	int status = broker_begin(broker, until_mono_ns, error);

	if (status < 0)
		return status;
	broker_script(broker, SCRIPT_CALLED, 1);
	broker_argument_integer(broker, CALLS_MAX);
	status = broker_call(broker, until_mono_ns, &reply, error);
	if (status < 0)
		return status;
	callbacks.reply = reply;
	callbacks.items =
		reply->type == REDIS_REPLY_ARRAY ? calloc(reply->elements + 1, sizeof *callbacks.items) : NULL;
	if (!callbacks.items)
		status = reply->type == REDIS_REPLY_ARRAY ? -ENOMEM : -EINVAL;
	for (size_t i = 0; status == 0 && i < reply->elements; i++)
		status = append_pair(&callbacks, reply->element[i]);
	if (status < 0) {
		broker_callbacks_fini(&callbacks);
		return status == -EINVAL ? broker_surprise(broker, error) : status;
	}
	*ret_callbacks = callbacks;
	return 0;
}

void broker_callbacks_fini(struct broker_callbacks *callbacks)
{
	redisReply *reply = callbacks->reply;

	free(callbacks->items);
	broker_reply_free(&reply);
	*callbacks = (struct broker_callbacks){0};
}

int broker_callback_done(struct broker *broker, const char *id, int64_t until_mono_ns, struct error *error)
{
	int64_t dropped;
	int status = broker_begin(broker, until_mono_ns, error);

	if (status < 0)
		return status;
	broker_command(broker, "HDEL", 2);
	broker_argument_key(broker, "called", "");
	broker_argument_text(broker, id);
	return broker_call_integer(broker, until_mono_ns, &dropped, error);
}
