#include "api/follow.h"

#include "api/http.h"
#include "api/problem.h"
#include "api/state.h"
#include "api/tasks.h"
#include "core/buffer.h"
#include "core/clock.h"
#include "core/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	FOLLOWERS_MAX = 64,
	ASK_MS = 250,
	RETRY_AFTER_S = 5,
	GROWTH = 16, /* a line of JSON may be so much longer than what is stored of it, and then some */
	LINE_EXTRA = 64,
};

static const char json_lines[] = "application/x-ndjson";

struct follower { /* one client */
	struct request *request;
	struct follower *next, *previous;
	bool json;
	int64_t from; /* broker_logged's */
	int64_t ask_at_mono_ns;
	bool over;          /* nothing more will come */
	struct buffer text; /* to be sent */
	size_t sent;        /* of it */
};

/* ---- lines ---- */

/* Bytes that somebody's program wrote: what is no UTF-8 becomes `?`, and so does what would steer a terminal. */
static void append_clean(struct buffer *text, const char *bytes, size_t length)
{
	while (length > 0) {
		uint32_t point;
		const size_t size = utf8_decode(bytes, length, &point);
		const bool shows = size > 0 && (point == '\t' || !utf8_is_unprintable(point));
		buffer_append(text, shows ? bytes : "?", shows ? size : 1);
		bytes += size > 0 ? size : 1;
		length -= size > 0 ? size : 1;
	}
}

static void append_json(struct buffer *text, const char *time, const char *bytes, size_t length)
{
	json_auto_t *line = json_pack("{s:s, s:o}", "at", time, "text", answer_text(bytes, length));
	char *dumped = line ? json_dumps(line, JSON_COMPACT) : NULL;

	if (dumped)
		buffer_append_text(text, dumped);
	free(dumped);
}

/* "milliseconds text", without its line feed. */
static void append_line(struct buffer *text, const char *line, size_t length, bool json)
{
	char time[CLOCK_TEXT_SIZE], *end;
	const char *blank = memchr(line, ' ', length);
	const int64_t at_ms = blank ? strtoll(line, &end, 10) : -1;

	if (!blank || end != blank || at_ms < 0)
		return; /* a worker's memory was written over */
	clock_format(time, at_ms);
	length -= (size_t)(blank + 1 - line);
	if (json) {
		append_json(text, time, blank + 1, length);
	} else {
		buffer_append_text(text, time);
		buffer_append(text, " ", 1);
		append_clean(text, blank + 1, length);
	}
	buffer_append(text, "\n", 1);
}

static void append_lines(struct buffer *text, struct bytes lines, bool json)
{
	const char *end;

	while ((end = memchr(lines.data, '\n', lines.length)) != NULL) {
		append_line(text, lines.data, (size_t)(end - lines.data), json);
		lines.length -= (size_t)(end + 1 - lines.data);
		lines.data = end + 1;
	}
}

/* ---- asking ---- */

static int ask(struct api *api, const char *id, struct broker_logged *logged, struct error *error)
{
	int64_t until;
	int status = link_begin(&api->link, &until, error);

	return status < 0 ? status
			  : link_end(&api->link, broker_logged(api->link.broker, id, logged, until, error), error);
}

static void text_init(const struct api *api, struct buffer *text)
{
	buffer_init(text, (size_t)api->node->config->limits.log * GROWTH + LINE_EXTRA);
}

static void follow_on(struct follower *follower)
{
	struct api *api = follower->request->api;
	struct broker_logged logged = {.from = follower->from};
	struct error error;

	if (follower->sent < follower->text.length)
		return; /* it has not read what there is */
	if (ask(api, follower->request->id, &logged, &error) < 0)
		return; /* asked again */
	buffer_clear(&follower->text);
	follower->sent = 0;
	follower->from = logged.from;
	append_lines(&follower->text, logged.lines, follower->json);
	follower->over = !logged.known || logged.ended;
	broker_logged_fini(&logged);
}

/* ---- clients ---- */

static ssize_t read_follower(struct request *request, char *bytes, size_t room)
{
	struct follower *follower = request->follower;
	size_t left = follower->text.length - follower->sent;

	if (left == 0)
		return follower->over ? -1 : 0;
	left = left < room ? left : room;
	memcpy(bytes, follower->text.data + follower->sent, left);
	follower->sent += left;
	return (ssize_t)left;
}

void follow_leave(struct request *request)
{
	struct follower *follower = request->follower;

	if (!follower)
		return;
	if (follower->previous)
		follower->previous->next = follower->next;
	else
		request->api->followers = follower->next;
	if (follower->next)
		follower->next->previous = follower->previous;
	buffer_fini(&follower->text);
	free(follower);
	request->follower = NULL;
}

static size_t count_followers(const struct api *api)
{
	size_t count = 0;

	for (const struct follower *follower = api->followers; follower; follower = follower->next)
		count++;
	return count;
}

/* Takes the text. */
static void begin_to_follow(struct request *request, const struct broker_logged *logged, struct buffer *text, bool json)
{
	struct api *api = request->api;
	struct follower *follower = count_followers(api) < FOLLOWERS_MAX ? calloc(1, sizeof *follower) : NULL;

	if (!follower) {
		problem(request, 429, "%d clients follow a log already", FOLLOWERS_MAX);
		answer_header_format(request, "Retry-After", "%d", RETRY_AFTER_S);
		buffer_fini(text);
		return;
	}
	*follower = (struct follower){
		.request = request,
		.next = api->followers,
		.json = json,
		.from = logged->from,
		.over = logged->ended,
		.ask_at_mono_ns = clock_mono_after(ASK_MS),
		.text = *text,
	};
	if (api->followers)
		api->followers->previous = follower;
	api->followers = follower;
	request->follower = follower;
	answer_stream(request, 200, json ? json_lines : "text/plain; charset=utf-8", read_follower);
}

void follow_get(struct request *request)
{
	const char *follow = request_query(request, "follow"), *accept = request_header(request, "Accept");
	const bool json = accept && strstr(accept, json_lines);
	struct broker_logged logged = {0};
	struct buffer text;
	struct error error;

	if (!tasks_read_id(request))
		return;
	int status = ask(request->api, request->id, &logged, &error);
	if (status < 0) {
		problem_broker(request, status, &error);
		return;
	}
	if (!logged.known) {
		broker_logged_fini(&logged);
		problem(request, 404, "there is no task %s", request->id);
		return;
	}
	text_init(request->api, &text);
	append_lines(&text, logged.lines, json);
	if (follow && strcmp(follow, "0") != 0)
		begin_to_follow(request, &logged, &text, json);
	else if (text.length == 0)
		answer_static(request, 200, json ? json_lines : "text/plain; charset=utf-8", "", 0);
	else
		answer_buffer(request, 200, json ? json_lines : "text/plain; charset=utf-8", &text);
	broker_logged_fini(&logged);
}

/* ---- the loop's ---- */

int64_t follow_turn(struct api *api, int64_t now_mono_ns)
{
	int64_t next = INT64_MAX;

	for (struct follower *follower = api->followers; follower; follower = follower->next) {
		if (!follower->over && now_mono_ns >= follower->ask_at_mono_ns) {
			follow_on(follower);
			follower->over = follower->over || http_client_has_left(follower->request);
			follower->ask_at_mono_ns = now_mono_ns + ASK_MS * CLOCK_NS_PER_MS;
		}
		if ((follower->over || follower->sent < follower->text.length) && follower->request->suspended)
			http_resume(follower->request);
		if (!follower->over && follower->ask_at_mono_ns < next)
			next = follower->ask_at_mono_ns;
	}
	return next;
}

void follow_stop(struct api *api)
{
	for (struct follower *follower = api->followers; follower; follower = follower->next) {
		follower->over = true;
		if (follower->request->suspended)
			http_resume(follower->request);
	}
}
