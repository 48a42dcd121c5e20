#include "core/broker_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAVED_SECONDS = 30 * 24 * 3600, SAVED_HEAD_MAX = 24 };

/* How a value begins: whose it is. */
static size_t format_owner(char text[SAVED_HEAD_MAX], int64_t created_ms)
{
	return (size_t)snprintf(text, SAVED_HEAD_MAX, "%lld ", (long long)created_ms);
}

int broker_save(struct broker *broker, const char *id, int64_t created_ms, struct bytes json, int64_t until_mono_ns,
	struct error *error)
{
	char head[SAVED_HEAD_MAX];
	int status = broker_begin(broker, until_mono_ns, error);
	if (status < 0)
		return status;
	broker_command(broker, "SET", 4);
	broker_argument_key(broker, "saved:", id);
	broker_argument_pair(broker, (struct bytes){head, format_owner(head, created_ms)}, json);
	broker_argument_text(broker, "EX");
	broker_argument_integer(broker, SAVED_SECONDS);
	_cleanup_(broker_reply_free) redisReply *reply = NULL;
	return broker_call(broker, until_mono_ns, &reply, error);
}

int broker_saved(struct broker *broker, const char *id, int64_t created_ms, int64_t until_mono_ns, char **ret_json,
	struct error *error)
{
	char head[SAVED_HEAD_MAX];
	const size_t length = format_owner(head, created_ms);
	int status = broker_begin(broker, until_mono_ns, error);
	if (status < 0)
		return status;
	broker_command(broker, "GET", 1);
	broker_argument_key(broker, "saved:", id);
	_cleanup_(broker_reply_free) redisReply *reply = NULL;
	status = broker_call(broker, until_mono_ns, &reply, error);
	if (status < 0)
		return status;
	*ret_json = NULL;
	if (reply->type != REDIS_REPLY_STRING || reply->len < length || memcmp(reply->str, head, length) != 0)
		return 0;
	*ret_json = strndup(reply->str + length, reply->len - length);
	return *ret_json != NULL ? 0 : -ENOMEM;
}

int broker_forget_saved(struct broker *broker, const char *id, int64_t until_mono_ns, struct error *error)
{
	int status = broker_begin(broker, until_mono_ns, error);
	if (status < 0)
		return status;
	broker_command(broker, "UNLINK", 1);
	broker_argument_key(broker, "saved:", id);
	_cleanup_(broker_reply_free) redisReply *reply = NULL;
	return broker_call(broker, until_mono_ns, &reply, error);
}
