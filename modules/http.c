/* Http: the bundled class that needs no code: it calls a URL and says what came of it.
 *
 *     fetch(url, options)         → {status, url, headers, body}
 *     push(url, body, options)    → {status}; the body is sent as JSON, or as it is when it is a string
 *
 * options: method, headers {name: value}, timeout (milliseconds, or "10s"), redirects (how many are followed; fetch 5, push
 * 0), max_bytes (of what fetch gets; 48 KiB: more is a failure), secret (the name of one in the configuration's
 * http.secrets: the request is signed as Standard Webhooks says, https://www.standardwebhooks.com).
 *
 * 2xx is success. 408, 425, 429, 5xx and a connection that fails ask for a retry, Retry-After is kept to; all else is a
 * failure. Certificates are always checked. What is not the open internet is refused unless http.allow names it
 * (http_guard.h), before each connection, redirects included; proxies of the environment are not used.
 *
 * The same code serves handlers that are URLs: a task of theirs is posted as it is, and what is answered is its result.
 *
 * A worker keeps its connections from task to task, and with a `concurrency` above 1 does so many transfers at a time. */
#include "modules/http_options.h"
#include "modules/http_sign.h"
#include "modules/http_transfer.h"

#include <muster.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	FETCH_REDIRECTS = 5,
	FETCH_BYTES = 48 * 1024,
	TIMEOUT_MS = 30 * 1000,
	SPARE_MS = 5000, /* beyond a task's own timeout */
	URL_MAX = 8000,
	RETRY_AFTER_MAX_S = 24 * 3600,
};

/* ---- the request ---- */

static bool add_header(struct http_transfer *transfer, const char *name, const char *value)
{
	/* libcurl takes "name:" for "without that header", "name;" for an empty one. */
	size_t size = strlen(name) + strlen(value) + 3;
	char *line = malloc(size);
	struct curl_slist *longer = NULL;

	if (line) {
		(void)snprintf(line, size, value[0] != '\0' ? "%s: %s" : "%s;", name, value);
		longer = curl_slist_append(transfer->headers, line);
	}
	free(line);
	if (longer)
		transfer->headers = longer;
	return longer != NULL;
}

static bool add_headers(struct http_transfer *transfer, const json_t *headers)
{
	const char *name;
	json_t *value;

	json_object_foreach(
		(json_t *)headers, name, value) if (!add_header(transfer, name, json_string_value(value))) return false;
	return true;
}

static bool names_header(const json_t *headers, const char *wanted)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)headers, name, value) if (strcasecmp(name, wanted) == 0) return true;
	return false;
}

/* The id is the same for every execution of the task. */
static bool sign(struct http_transfer *transfer, const char *secret)
{
	struct http_signature signature;

	return http_sign(&signature, secret, muster_id(transfer->task), transfer->body, transfer->body_length) &&
	       add_header(transfer, "webhook-id", muster_id(transfer->task)) &&
	       add_header(transfer, "webhook-timestamp", signature.timestamp) &&
	       add_header(transfer, "webhook-signature", signature.text);
}

/* ---- the answer ---- */

static json_t *headers_of(CURL *easy)
{
	json_t *headers = json_object();
	struct curl_header *header = NULL;

	while ((header = curl_easy_nextheader(easy, CURLH_HEADER, -1, header)) != NULL) {
		char name[128];
		size_t length = 0;
		for (; header->name[length] != '\0' && length < sizeof name - 1; length++)
			name[length] = header->name[length] >= 'A' && header->name[length] <= 'Z'
					       ? (char)(header->name[length] + 32)
					       : header->name[length];
		name[length] = '\0';
		(void)json_object_set_new(headers, name, json_string(header->value));
	}
	return headers;
}

static enum muster_end end_with_answer(struct http_transfer *transfer)
{
	struct muster_task *task = transfer->task;
	long status = 0;
	char *url = NULL;

	(void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(transfer->easy, CURLINFO_EFFECTIVE_URL, &url);
	json_t *result =
		json_pack("{s:i, s:s?, s:o}", "status", (int)status, "url", url, "headers", headers_of(transfer->easy));
	json_t *body = json_stringn(transfer->bytes, transfer->length);
	if (body) {
		(void)json_object_set_new(result, "body", body);
		return muster_ok(task, result);
	}
	char *encoded = http_base64(transfer->bytes, transfer->length);
	(void)json_object_set_new(result, "body_base64", encoded ? json_string(encoded) : json_null());
	free(encoded);
	return muster_ok(task, result);
}

static enum muster_end end_with_success(struct http_transfer *transfer)
{
	long status = 0;

	(void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	return muster_ok(transfer->task, json_pack("{s:i}", "status", (int)status));
}

/* What it answered is the result, as JSON; nothing is null. */
static enum muster_end end_with_result(struct http_transfer *transfer)
{
	json_error_t error;

	if (transfer->length == 0)
		return muster_ok(transfer->task, NULL);
	json_t *result = json_loadb(transfer->bytes, transfer->length, JSON_DECODE_ANY, &error);
	if (result)
		return muster_ok(transfer->task, result);
	return muster_fail(transfer->task, "the server's answer is no JSON: %s", error.text);
}

static enum muster_end retry(const struct http_transfer *transfer, long status)
{
	curl_off_t after_s = 0;

	(void)curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &after_s);
	if (after_s <= 0)
		return muster_retry(transfer->task, "the server answered %ld", status);
	if (after_s > RETRY_AFTER_MAX_S)
		after_s = RETRY_AFTER_MAX_S;
	return muster_retry_after(transfer->task, after_s * 1000, "the server answered %ld, and to come back in %ld s",
		status, (long)after_s);
}

static enum muster_end end_with_status(struct http_transfer *transfer)
{
	long status = 0;

	(void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status >= 200 && status < 300)
		return transfer->finish(transfer);
	if (status == 408 || status == 425 || status == 429 || status >= 500)
		return retry(transfer, status);
	if (status >= 300 && status < 400)
		return muster_fail(transfer->task,
			"the server answered %ld: redirects beyond the option \"redirects\" are not followed", status);
	return muster_fail(transfer->task, "the server answered %ld", status);
}

static enum muster_end end_with_error(const struct http_transfer *transfer, CURLcode code)
{
	struct muster_task *task = transfer->task;

	if (transfer->refused[0] != '\0')
		return muster_fail(task, "%s", transfer->refused);
	if (transfer->too_long)
		return muster_fail(
			task, "the answer has more than %zu bytes (\"max_bytes\", or limits.result)", transfer->most);
	switch (code) {
	case CURLE_UNSUPPORTED_PROTOCOL: return muster_fail(task, "refused: only http and https URLs are called");
	case CURLE_URL_MALFORMAT: return muster_fail(task, "that is no URL");
	case CURLE_TOO_MANY_REDIRECTS: return muster_fail(task, "redirected too often (option \"redirects\")");
	case CURLE_ABORTED_BY_CALLBACK: return muster_retry(task, "told to stop");
	default:
		return muster_retry(
			task, "%s", transfer->detail[0] != '\0' ? transfer->detail : curl_easy_strerror(code));
	}
}

static enum muster_end settle(struct http_transfer *transfer, CURLcode code)
{
	return code == CURLE_OK ? end_with_status(transfer) : end_with_error(transfer, code);
}

/* ---- methods ---- */

static bool add_body(struct http_transfer *transfer, const json_t *body, const json_t *headers)
{
	transfer->body = json_is_string(body) ? strndup(json_string_value(body), json_string_length(body))
					      : json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY);
	if (!transfer->body)
		return false;
	transfer->body_length = json_is_string(body) ? json_string_length(body) : strlen(transfer->body);
	return names_header(headers, "Content-Type") ||
	       add_header(transfer, "Content-Type",
		       json_is_string(body) ? "text/plain; charset=utf-8" : "application/json");
}

static const char *name_of(const struct http_options *options)
{
	return options->secret ? options->secret : "of secret_file";
}

/* What the task is signed with, if it is. Returns false with why there is nothing. */
static bool read_secret(const struct http_transfer *transfer, const struct http_options *options,
	char secret[HTTP_SECRET_MAX], const char **ret_why)
{
	const json_t *secrets = json_object_get(muster_options(transfer->task), "secrets");
	const char *path = options->secret_file;

	secret[0] = '\0';
	if (options->secret) {
		path = json_string_value(json_object_get(secrets, options->secret));
		*ret_why = "the configuration's http.secrets has none of that name";
		if (!path)
			return false;
	}
	return !path || http_secret_read(path, secret, ret_why);
}

/* Signs and sends it. */
static enum muster_end send_signed(
	struct http_transfer *transfer, const char *url, const struct http_options *options, const char *secret)
{
	struct muster_task *task = transfer->task;

	if (secret[0] != '\0' && !sign(transfer, secret)) {
		http_transfer_free(transfer);
		return muster_fail(
			task, "the secret \"%.64s\" cannot be signed with: it is no base64", name_of(options));
	}
	return http_transfer_run(transfer, url, options, settle);
}

/* Takes the transfer, which has its body, if there is one, and that body's header. */
static enum muster_end call(struct http_transfer *transfer, const json_t *url, const struct http_options *options)
{
	struct muster_task *task = transfer->task;
	char secret[HTTP_SECRET_MAX];
	const char *why = "";
	enum muster_end end;

	transfer->most = (size_t)options->max_bytes;
	transfer->bytes = malloc(transfer->most + 1);
	if (!json_is_string(url) || json_string_length(url) > URL_MAX)
		end = muster_fail(task, "the first param must be a URL of at most %d bytes", URL_MAX);
	else if (!transfer->bytes || !add_headers(transfer, options->headers))
		end = muster_retry(task, "out of memory");
	else if (!read_secret(transfer, options, secret, &why))
		end = muster_fail(task, "no secret \"%.64s\": %s", name_of(options), why);
	else {
		end = send_signed(transfer, json_string_value(url), options, secret);
		transfer = NULL;
	}
	explicit_bzero(secret, sizeof secret);
	http_transfer_free(transfer);
	return end;
}

static enum muster_end fetch(struct muster_task *task)
{
	struct http_options options = {
		.timeout_ms = TIMEOUT_MS, .redirects = FETCH_REDIRECTS, .max_bytes = FETCH_BYTES};
	const json_t *values[2];

	if (!http_read_params(task, (const char *const[]){"url", "options"}, 2, values))
		return muster_fail(task, "fetch wants a URL and, if need be, options: [url, {…}]");
	const char *wrong = http_options_read(values[1], &options);
	if (wrong)
		return muster_fail(task, "the option \"%.64s\" is unknown or has a wrong value", wrong);
	struct http_transfer *transfer = http_transfer_new(task, end_with_answer, true);
	if (!transfer)
		return muster_retry(task, "out of memory");
	return call(transfer, values[0], &options);
}

static enum muster_end push(struct muster_task *task)
{
	struct http_options options = {.timeout_ms = TIMEOUT_MS};
	const json_t *values[3];
	json_t *nothing = json_null();

	if (!http_read_params(task, (const char *const[]){"url", "body", "options"}, 3, values))
		return muster_fail(task, "push wants a URL, a body and, if need be, options: [url, body, {…}]");
	const char *wrong = http_options_read(values[2], &options);
	if (wrong)
		return muster_fail(task, "the option \"%.64s\" is unknown or has a wrong value", wrong);
	struct http_transfer *transfer = http_transfer_new(task, end_with_success, false);
	if (!transfer || !add_body(transfer, values[1] ? values[1] : nothing, options.headers)) {
		http_transfer_free(transfer);
		return muster_retry(task, "out of memory");
	}
	return call(transfer, values[0], &options);
}

/* ---- a handler that is a URL ---- */

/* How long the task may take in all; where nothing says, TIMEOUT_MS. At its own timeout it is ended like any other task,
 * before the transfer would give up. */
static json_int_t time_of(struct muster_task *task)
{
	muster_beat_for(task, HTTP_TIMEOUT_MAX_MS);
	const int64_t left_ms = muster_deadline_ms(task);

	return left_ms < HTTP_TIMEOUT_MAX_MS - SPARE_MS ? left_ms + SPARE_MS : TIMEOUT_MS;
}

static enum muster_end post(struct muster_task *task)
{
	const json_t *given = muster_options(task);
	struct http_transfer *transfer = http_transfer_new(task, end_with_result, true);
	const struct http_options options = {
		.secret_file = json_string_value(json_object_get(given, "secret_file")),
		.max_bytes = json_integer_value(json_object_get(given, "max_bytes")),
		.timeout_ms = time_of(task),
	};

	if (transfer)
		transfer->body = muster_line(task);
	if (!transfer || !transfer->body || !add_header(transfer, "Content-Type", "application/json")) {
		http_transfer_free(transfer);
		return muster_retry(task, "out of memory");
	}
	transfer->body_length = strlen(transfer->body);
	return call(transfer, json_object_get(given, "url"), &options);
}

static int start(const char **why)
{
	return http_transfer_prepare(why) ? 0 : -1;
}

MUSTER_EXPORT const struct muster_several muster_several = {MUSTER_ABI, http_transfer_attend, http_transfer_stop};

static const struct muster_method methods[] = {{"fetch", fetch}, {"push", push}, {0}};

MUSTER_EXPORT const struct muster_module muster_module = {MUSTER_ABI, "Http", methods, start, NULL};

/* What serves handlers that are URLs, whatever their classes. */
static const struct muster_method every_method[] = {{"*", post}, {0}};

extern MUSTER_EXPORT const struct muster_module muster_caller;
MUSTER_EXPORT const struct muster_module muster_caller = {MUSTER_ABI, "*", every_method, start, NULL};
