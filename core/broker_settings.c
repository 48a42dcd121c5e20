#include "core/broker_internal.h"

#include <errno.h>

/* queue, text: what is not JSON was not written by us, and changes nothing. */
static int add_setting(json_t *settings, redisReply *const *columns)
{
	struct bytes queue = broker_reply_bytes(columns[0]), text = broker_reply_bytes(columns[1]);
	json_t *value = text.data ? json_loadb(text.data, text.length, 0, NULL) : NULL;

	if (!queue.data || !json_is_object(value)) {
		json_decref(value);
		return 0;
	}
	return json_object_set_new(settings, queue.data, value);
}

int broker_settings(struct broker *broker, int64_t until_mono_ns, json_t **ret_settings, struct error *error)
{
	int status = broker_begin(broker, until_mono_ns, error);
	if (status < 0)
		return status;
	broker_command(broker, "HGETALL", 1);
	broker_argument_key(broker, "settings", "");
	_cleanup_(broker_reply_free) redisReply *reply = NULL;
	status = broker_call(broker, until_mono_ns, &reply, error);
	if (status < 0)
		return status;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements % 2 != 0)
		return broker_surprise(broker, error);
	json_t *settings = json_object();
	for (size_t i = 0; settings && i < reply->elements; i += 2)
		if (add_setting(settings, reply->element + i) < 0) {
			json_decref(settings);
			settings = NULL;
		}
	if (!settings)
		return -ENOMEM;
	*ret_settings = settings;
	return 0;
}

int broker_set_settings(struct broker *broker, const char *queue, const char *before, const char *after,
	int64_t until_mono_ns, struct error *error)
{
	int status = broker_begin(broker, until_mono_ns, error);
	if (status < 0)
		return status;
	broker_script(broker, SCRIPT_SETTINGS, 3);
	broker_argument_text(broker, queue);
	broker_argument_text(broker, before ? before : "");
	broker_argument_text(broker, after ? after : "");
	int64_t changed;
	status = broker_call_integer(broker, until_mono_ns, &changed, error);
	return status < 0 ? status : changed == 1;
}
