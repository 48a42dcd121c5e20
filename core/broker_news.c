#include "core/broker_internal.h"

#include <errno.h>
#include <string.h>

static int subscribe(struct broker *broker, const char *channel, int64_t until_mono_ns, struct error *error)
{
	int status = broker_begin(broker, until_mono_ns, error);
	if (status < 0)
		return status;
	broker_command(broker, "SUBSCRIBE", 1);
	broker_argument_key(broker, channel, "");
	_cleanup_(broker_reply_free) redisReply *reply = NULL;
	return broker_call(broker, until_mono_ns, &reply, error);
}

int broker_subscribe(struct broker *broker, int64_t until_mono_ns, struct error *error)
{
	return subscribe(broker, "ended", until_mono_ns, error);
}

int broker_subscribe_news(struct broker *broker, int64_t until_mono_ns, struct error *error)
{
	return subscribe(broker, "events", until_mono_ns, error);
}

int broker_listen(struct broker *broker, int64_t until_mono_ns, struct error *error)
{
	int status = broker_begin(broker, until_mono_ns, error);
	if (status < 0)
		return status;
	broker_command(broker, "SET", 4);
	broker_argument_key(broker, "listened", "");
	broker_argument_text(broker, "1");
	broker_argument_text(broker, "PX");
	broker_argument_integer(broker, BROKER_LISTEN_MS);
	_cleanup_(broker_reply_free) redisReply *reply = NULL;
	return broker_call(broker, until_mono_ns, &reply, error);
}

int broker_fd(const struct broker *broker)
{
	return broker->redis ? broker->redis->fd : -1;
}

int broker_next_news(struct broker *broker, struct bytes *ret_lines)
{
	if (!broker->redis)
		return BROKER_AWAY;
	for (;;) {
		broker_reply_free(&broker->announcement);
		int status = broker_receive_arrived(broker, &broker->announcement, NULL);
		if (status <= 0)
			return status;
		/* "message", the channel, the text */
		const redisReply *reply = broker->announcement;
		if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3)
			continue;
		*ret_lines = broker_reply_bytes(reply->element[2]);
		if (ret_lines->data)
			return 1;
	}
}

/* "id\nrecord" */
static int read_end(struct bytes text, char id[ID_MAX + 1], struct bytes *ret_record)
{
	const char *end = memchr(text.data, '\n', text.length);
	if (!end || end - text.data > ID_MAX)
		return -EINVAL;
	size_t length = (size_t)(end - text.data);
	memcpy(id, text.data, length);
	id[length] = '\0';
	*ret_record = (struct bytes){end + 1, text.length - length - 1};
	return 0;
}

int broker_next(struct broker *broker, char id[ID_MAX + 1], struct bytes *ret_record)
{
	struct bytes text;
	int status;

	do
		status = broker_next_news(broker, &text);
	while (status > 0 && read_end(text, id, ret_record) < 0);
	return status;
}
