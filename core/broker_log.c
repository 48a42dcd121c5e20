#include "core/broker_internal.h"

int broker_log(struct broker *broker, const char *id, struct bytes lines, int64_t until_mono_ns, struct error *error)
{
	int64_t known;
	int status = broker_begin(broker, until_mono_ns, error);

	if (status < 0)
		return status;
	broker_script(broker, SCRIPT_LOG, 3);
	broker_argument_text(broker, id);
	broker_argument_integer(broker, broker->config->limits.log);
	broker_argument(broker, lines.data, lines.length);
	return broker_call_integer(broker, until_mono_ns, &known, error);
}

int broker_logged(
	struct broker *broker, const char *id, struct broker_logged *logged, int64_t until_mono_ns, struct error *error)
{
	enum { UNKNOWN, LIVES, ENDED };
	redisReply *reply = NULL;
	int status = broker_begin(broker, until_mono_ns, error);

	if (status < 0)
		return status;
	broker_script(broker, SCRIPT_LOGGED, 2);
	broker_argument_text(broker, id);
	broker_argument_integer(broker, logged->from);
	status = broker_call(broker, until_mono_ns, &reply, error);
	if (status < 0)
		return status;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 ||
		reply->element[0]->type != REDIS_REPLY_INTEGER || reply->element[1]->type != REDIS_REPLY_INTEGER ||
		reply->element[2]->type != REDIS_REPLY_STRING) {
		broker_reply_free(&reply);
		return broker_surprise(broker, error);
	}
	*logged = (struct broker_logged){
		.from = reply->element[1]->integer,
		.known = reply->element[0]->integer != UNKNOWN,
		.ended = reply->element[0]->integer == ENDED,
		.lines = broker_reply_bytes(reply->element[2]),
		.reply = reply,
	};
	return 0;
}

void broker_logged_fini(struct broker_logged *logged)
{
	redisReply *reply = logged->reply;

	broker_reply_free(&reply);
	logged->reply = NULL;
	logged->lines = (struct bytes){0};
}
