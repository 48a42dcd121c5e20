#include "api/terms.h"

#include "api/problem.h"
#include "api/state.h"
#include "core/units.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { WAIT_MAX_S = 3600 };

/* ---- Idempotency-Key ---- */

/* A quoted string, as the draft has it, or the bare characters, as most clients send it. */
static bool read_key(const char *value, char key[REQUEST_KEY_MAX + 1])
{
	size_t length = strlen(value);

	if (length >= 2 && value[0] == '"' && value[length - 1] == '"') {
		value++;
		length -= 2;
	}
	if (length == 0 || length > REQUEST_KEY_MAX)
		return false;
	for (size_t i = 0; i < length; i++)
		if (value[i] < ' ' || value[i] > '~' || value[i] == '"' || value[i] == '\\')
			return false;
	memcpy(key, value, length);
	key[length] = '\0';
	return true;
}

/* Once the broker has answered, the key is known there, and a repeat is answered from there. A client that has gone may ask
 * again at once. */
static bool is_in_hand(const struct request *request)
{
	for (const struct request *other = request->api->keyed; other; other = other->keyed_next)
		if (other->stage == REQUEST_ASKING && other->connection && strcmp(other->key, request->key) == 0)
			return true;
	return false;
}

static bool take_key(struct request *request, const char *value)
{
	struct api *api = request->api;
	char key[REQUEST_KEY_MAX + 1];

	if (!read_key(value, key)) {
		problem(request, 400,
			"an Idempotency-Key is 1 to %d visible characters without `\"` and `\\`, in quotes or not",
			REQUEST_KEY_MAX);
		return false;
	}
	memcpy(request->key, key, sizeof key);
	if (is_in_hand(request)) {
		request->key[0] = '\0'; /* it is in no list */
		problem(request, 409, "a request with this Idempotency-Key is in hand: ask again when it is answered");
		return false;
	}
	request->keyed_next = api->keyed;
	if (api->keyed)
		api->keyed->keyed_previous = request;
	api->keyed = request;
	return true;
}

void terms_end(struct request *request)
{
	if (request->key[0] == '\0')
		return;
	if (request->keyed_previous)
		request->keyed_previous->keyed_next = request->keyed_next;
	else
		request->api->keyed = request->keyed_next;
	if (request->keyed_next)
		request->keyed_next->keyed_previous = request->keyed_previous;
	request->key[0] = '\0';
}

/* ---- traceparent ---- */

static bool are_hex(const char *text, size_t length)
{
	return strspn(text, "0123456789abcdef") >= length;
}

/* 00-<32 hex>-<16 hex>-<2 hex>, where neither id is all zeros; a later version may say more behind it. */
static bool is_traceparent(const char *value)
{
	static const char zeros[] = "00000000000000000000000000000000";

	if (strnlen(value, TASK_TRACE_MAX + 1) < TASK_TRACE_MAX || !are_hex(value, 2) || value[2] != '-' ||
		!are_hex(value + 3, 32) || value[35] != '-' || !are_hex(value + 36, 16) || value[52] != '-' ||
		!are_hex(value + 53, 2))
		return false;
	if (strncmp(value, "ff", 2) == 0 || strncmp(value + 3, zeros, 32) == 0 || strncmp(value + 36, zeros, 16) == 0)
		return false;
	return value[TASK_TRACE_MAX] == '\0' || (value[TASK_TRACE_MAX] == '-' && strncmp(value, "00", 2) != 0);
}

/* ---- */

bool terms_read(struct request *request)
{
	const char *trace = request_header(request, "traceparent");
	const char *key = request_header(request, "Idempotency-Key");

	if (trace && is_traceparent(trace))
		memcpy(request->traceparent, trace, TASK_TRACE_MAX);
	return !key || take_key(request, key);
}

int64_t terms_wait_ms(const struct request *request)
{
	const char *at = request_header(request, "Prefer");
	int64_t seconds;
	char word[64];

	while (at && *at != '\0') {
		at += strspn(at, " \t,;");
		size_t length = strcspn(at, " \t,;");
		if (length < sizeof word && strncasecmp(at, "wait=", 5) == 0) {
			(void)snprintf(word, sizeof word, "%.*s", (int)(length - 5), at + 5);
			if (units_parse_integer(word, 0, WAIT_MAX_S, &seconds) == 0)
				return seconds * 1000;
		}
		at += length;
	}
	return 0;
}
