#include "core/exec_message.h"

#include "core/document.h"
#include "core/units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOTE_MAX = 128, EXCERPT_MAX = 100 };

/* ---- what does not end the task ---- */

static int hear_beat(struct exec_talk *talk, const json_t *message, const json_t *value, struct error *error)
{
	const json_t *silence = json_object_get(message, "for");
	int64_t for_ms = 0;

	if (silence != NULL &&
		(!json_is_string(silence) || units_parse_duration(json_string_value(silence), &for_ms) < 0))
		return error_set(error, -EINVAL, "\"for\" is no duration as in \"10m\"");
	if (!json_is_false(value))
		talk->host->beat(talk->host->context, for_ms);
	return 0;
}

static int hear_progress(struct exec_talk *talk, const json_t *message, const json_t *value, struct error *error)
{
	const char *note = json_string_value(json_object_get(message, "note"));
	char text[NOTE_MAX];

	if (!json_is_number(value))
		return error_set(error, -EINVAL, "\"progress\" is no number");
	if (note != NULL) {
		(void)snprintf(text, sizeof text, "%s", note);
		handler_make_utf8(text);
	}
	double percent = json_number_value(value);
	talk->host->progress(talk->host->context,
		percent < 0     ? 0
		: percent > 100 ? 100
				: (int)percent,
		note != NULL ? text : NULL);
	return 0;
}

static int hear_log(struct exec_talk *talk, const json_t *message, const json_t *value, struct error *error)
{
	(void)message;
	if (!json_is_string(value))
		return error_set(error, -EINVAL, "\"log\" is no text");
	talk->host->log(talk->host->context, json_string_value(value), json_string_length(value));
	return 0;
}

/* A broker that is away costs the task what it would have saved, not its life. */
static int hear_save(struct exec_talk *talk, const json_t *message, const json_t *value, struct error *error)
{
	struct error why;

	(void)message;
	if (talk->host->save == NULL)
		return error_set(error, -EINVAL, "only a task can \"save\"");
	char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	if (text == NULL)
		return error_set(error, -ENOMEM, "no memory for what it saves");
	size_t length = strlen(text);
	int status = 0;
	if (length > EXEC_SAVE_MAX)
		status = error_set(
			error, -EMSGSIZE, "what it saves has %zu bytes, and %d are the most", length, EXEC_SAVE_MAX);
	else if (talk->host->save(talk->host->context, text, length, &why) < 0)
		talk->host->log(talk->host->context, why.text, strlen(why.text));
	free(text);
	return status;
}

/* Nobody answers a push. So that none is lost in silence, one that is refused decides about the task: a document that is
 * wrong will be wrong again, a broker that is away is worth another try. */
static int hear_push(struct exec_talk *talk, const json_t *message, const json_t *value, struct error *error)
{
	struct error why;

	(void)message, (void)error;
	int status = talk->host->push(talk->host->context, value, &why);
	if (status >= 0)
		return 0;
	(void)error_set(&talk->push_error, status, "a task that it pushed was refused: %s", why.text);
	talk->push_verdict = status == -EINVAL ? TASK_VERDICT_FAIL : TASK_VERDICT_RETRY;
	talk->host->log(talk->host->context, talk->push_error.text, strlen(talk->push_error.text));
	return 0;
}

/* ---- what ends it ---- */

static const char *words_of(const json_t *value)
{
	return json_is_string(value) ? json_string_value(value) : "";
}

static int hear_ok(struct exec_talk *talk, const json_t *message, const json_t *value, struct error *error)
{
	(void)message, (void)error;
	handler_result_set_ok(talk->result, json_incref((json_t *)value));
	return 0;
}

static int hear_retry(struct exec_talk *talk, const json_t *message, const json_t *value, struct error *error)
{
	const json_t *delay = json_object_get(message, "delay");
	int64_t delay_ms = -1;

	if (delay != NULL && !json_is_null(delay) &&
		(!json_is_string(delay) || units_parse_duration(json_string_value(delay), &delay_ms) < 0))
		return error_set(error, -EINVAL, "\"delay\" is no duration as in \"5s\"");
	handler_result_set(talk->result, TASK_VERDICT_RETRY, "retry", "%s", words_of(value));
	talk->result->delay_ms = delay_ms;
	talk->result->code = json_integer_value(json_object_get(message, "code"));
	return 0;
}

static int hear_fail(struct exec_talk *talk, const json_t *message, const json_t *value, struct error *error)
{
	(void)error;
	handler_result_set(talk->result, TASK_VERDICT_FAIL, "exception", "%s", words_of(value));
	talk->result->code = json_integer_value(json_object_get(message, "code"));
	return 0;
}

static int hear_unknown(struct exec_talk *talk, const json_t *message, const json_t *value, struct error *error)
{
	(void)message;
	if (strcmp(words_of(value), "class") == 0)
		handler_result_set(
			talk->result, TASK_VERDICT_REFUSED, "unknown_class", "the handler's program has no such class");
	else if (strcmp(words_of(value), "method") == 0)
		handler_result_set(talk->result, TASK_VERDICT_REFUSED, "unknown_method",
			"the handler's program has no such method in the class");
	else
		return error_set(error, -EINVAL, "\"unknown\" is neither \"class\" nor \"method\"");
	return 0;
}

/* In this order, where one line says several things. */
static const struct word {
	const char *name;
	bool ends;
	int (*hear)(struct exec_talk *talk, const json_t *message, const json_t *value, struct error *error);
} words[] = {
	{"beat", false, hear_beat},
	{"save", false, hear_save},
	{"progress", false, hear_progress},
	{"log", false, hear_log},
	{"push", false, hear_push},
	{"ok", true, hear_ok},
	{"retry", true, hear_retry},
	{"fail", true, hear_fail},
	{"unknown", true, hear_unknown},
};

/* A task that would have ended well has not, where a task that it pushed was refused. */
static void settle_pushes(struct exec_talk *talk)
{
	if (talk->push_verdict == TASK_VERDICT_OK || talk->result->verdict != TASK_VERDICT_OK)
		return;
	handler_result_set(talk->result, talk->push_verdict,
		talk->push_verdict == TASK_VERDICT_RETRY ? "retry" : "exception", "%s", talk->push_error.text);
}

static bool is_about_another(const struct exec_talk *talk, const json_t *message)
{
	const char *id = json_string_value(json_object_get(message, "id"));

	return id != NULL && talk->id != NULL && strcmp(id, talk->id) != 0;
}

static enum exec_heard hear_words(struct exec_talk *talk, const json_t *message, struct error *error)
{
	bool known = false;

	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		const json_t *value = json_object_get(message, words[i].name);
		if (value == NULL || (words[i].ends && talk->result == NULL))
			continue;
		if (words[i].hear(talk, message, value, error) < 0)
			return EXEC_WRONG;
		known = true;
		if (!words[i].ends)
			continue;
		settle_pushes(talk);
		return EXEC_ENDED;
	}
	if (known)
		return EXEC_GOES_ON;
	(void)error_set(error, -EINVAL, "nothing in it means anything");
	return EXEC_WRONG;
}

static enum exec_heard complain(const char *line, size_t length, const char *why, struct error *error)
{
	char excerpt[EXCERPT_MAX + 1];

	(void)snprintf(excerpt, sizeof excerpt, "%.*s", length < EXCERPT_MAX ? (int)length : EXCERPT_MAX, line);
	handler_make_utf8(excerpt);
	(void)error_set(
		error, -EINVAL, "the handler's program wrote what is not of the protocol: %s: %s", why, excerpt);
	return EXEC_WRONG;
}

/* Returns EXEC_GOES_ON with the object, which the caller owns, or EXEC_WRONG. */
static enum exec_heard read_message(const char *line, size_t length, json_t **ret_message, struct error *error)
{
	struct error why = {""};
	json_t *message;

	if (document_parse(line, length, DOCUMENT_LENIENT, &message, &why) < 0)
		return complain(line, length, why.text, error);
	if (!json_is_object(message)) {
		json_decref(message);
		return complain(line, length, "no object", error);
	}
	*ret_message = message;
	return EXEC_GOES_ON;
}

enum exec_heard exec_message_hear_any(struct exec_talk *(*find)(void *context, const char *id), void *context,
	const char *line, size_t length, struct exec_talk **ret_talk, struct error *error)
{
	struct error why = {""};
	json_t *message;

	*ret_talk = NULL;
	if (length == 0)
		return EXEC_GOES_ON;
	enum exec_heard heard = read_message(line, length, &message, error);
	if (heard == EXEC_WRONG)
		return heard;
	const char *id = json_string_value(json_object_get(message, "id"));
	*ret_talk = id != NULL ? find(context, id) : NULL;
	if (id == NULL)
		heard = complain(line, length, "no \"id\", with a concurrency above 1", error);
	else if (*ret_talk != NULL && (heard = hear_words(*ret_talk, message, &why)) == EXEC_WRONG)
		(void)complain(line, length, why.text, error);
	json_decref(message);
	return heard;
}

enum exec_heard exec_message_hear(struct exec_talk *talk, const char *line, size_t length, struct error *error)
{
	struct error why = {""};
	json_t *message;

	if (length == 0)
		return EXEC_GOES_ON;
	enum exec_heard heard = read_message(line, length, &message, error);
	if (heard == EXEC_WRONG)
		return heard;
	if (!is_about_another(talk, message) && (heard = hear_words(talk, message, &why)) == EXEC_WRONG)
		(void)complain(line, length, why.text, error);
	json_decref(message);
	return heard;
}
