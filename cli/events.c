#include "cli/events.h"

#include "cli/call.h"
#include "cli/path.h"
#include "cli/view.h"
#include "core/buffer.h"
#include "core/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { EVENT_MAX = 1024 * 1024, RETRY_MS = 500 };

/* Server-sent events as they come: lines `event: …`, `id: …`, `data: …`, and an empty one at the end of each. */
struct stream {
	struct call *call;
	struct buffer line, data;
	char type[32], last_id[128];
	int64_t left; /* events that are still wanted */
	int64_t until_mono_ns;
	bool heard; /* anything at all: it is a server that tells events */
};

static void print_event(struct stream *stream, json_t *data)
{
	const struct terminal *terminal = &stream->call->terminal;
	const char *state = view_string(data, "state"), *at = view_string(data, "at");
	const json_t *error = json_object_get(data, "error");
	char text[1024];

	if (strcmp(stream->type, "task") == 0)
		(void)snprintf(text, sizeof text, "task %s %s.%s queue %s", view_string(data, "id"),
			view_string(data, "class"), view_string(data, "method"), view_string(data, "queue"));
	else if (strcmp(stream->type, "worker") == 0)
		(void)snprintf(text, sizeof text, "worker %s/%lld pid %lld", view_string(data, "pool"),
			(long long)view_integer(data, "slot"), (long long)view_integer(data, "pid"));
	else
		(void)snprintf(text, sizeof text, "%s", stream->type);
	(void)printf("%s%.24s%s ", terminal_begin(terminal, PAINT_FAINT), at, terminal_end(terminal, PAINT_FAINT));
	(void)printf("%s%-10.16s%s ", terminal_begin(terminal, terminal_paint_state(state)), state,
		terminal_end(terminal, terminal_paint_state(state)));
	(void)terminal_text(stdout, text, -1);
	if (json_is_object(error)) {
		(void)snprintf(text, sizeof text, " %s: %s", view_string(error, "kind"), view_string(error, "message"));
		(void)terminal_text(stdout, text, -1);
	}
	(void)putchar('\n');
}

/* The empty line: what was gathered is one event. */
static void take_event(struct stream *stream)
{
	json_t *data =
		stream->data.data ? json_loadb(stream->data.data, stream->data.length, JSON_DECODE_ANY, NULL) : NULL;

	if (data && call_has(stream->call, OPTION_JSON))
		(void)call_print_json(stream->call, json_pack("{s:s, s:O}", "event", stream->type, "data", data));
	else if (data)
		print_event(stream, data);
	if (data)
		stream->left--;
	(void)fflush(stdout);
	json_decref(data);
	buffer_clear(&stream->data);
	stream->type[0] = '\0';
}

static void take_line(struct stream *stream, const char *line)
{
	if (line[0] == '\0')
		take_event(stream);
	else if (strncmp(line, "event: ", 7) == 0)
		(void)snprintf(stream->type, sizeof stream->type, "%s", line + 7);
	else if (strncmp(line, "id: ", 4) == 0)
		(void)snprintf(stream->last_id, sizeof stream->last_id, "%s", line + 4);
	else if (strncmp(line, "data: ", 6) == 0)
		buffer_append_text(&stream->data, line + 6);
}

static bool take(void *context, const char *bytes, size_t length)
{
	struct stream *stream = context;

	stream->heard = stream->heard || length > 0;
	while (length > 0 && stream->left > 0) {
		const char *end = memchr(bytes, '\n', length);
		size_t part = end ? (size_t)(end - bytes) : length;
		buffer_append(&stream->line, bytes, part);
		if (!end)
			break;
		take_line(stream, stream->line.data ? stream->line.data : "");
		buffer_clear(&stream->line);
		bytes += part + 1;
		length -= part + 1;
	}
	return stream->left > 0 && clock_mono_ns() < stream->until_mono_ns;
}

static void make_path(const struct stream *stream, struct path *path)
{
	static const struct {
		enum option_id option;
		const char *name;
	} filters[] = {
		{OPTION_TYPE, "type"}, {OPTION_QUEUE, "queue"}, {OPTION_CLASS, "class"}, {OPTION_STATE, "state"}};

	path_init(path, "/v1/events");
	for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++)
		if (call_has(stream->call, filters[i].option))
			path_query(path, filters[i].name, stream->call->options[filters[i].option]);
}

/* Follows until enough has come; a server that ends the stream or goes away for a while is asked again. */
static int follow(struct stream *stream)
{
	const struct timespec pause = {0, RETRY_MS * CLOCK_NS_PER_MS};
	struct answer answer;
	struct error error;
	struct path path;

	make_path(stream, &path);
	for (;;) {
		int status =
			client_follow(stream->call->client, path.text, stream->last_id, take, stream, &answer, &error);
		if (status == -EACCES)
			answer_sentence(&answer, &error);
		answer_fini(&answer);
		if (status == -EACCES)
			return call_refused(stream->call, "%s", error.text);
		if (status < 0 && !stream->heard)
			return call_unreachable(stream->call, &error);
		if (stream->left <= 0 || clock_mono_ns() >= stream->until_mono_ns)
			return EXIT_DONE;
		(void)nanosleep(&pause, NULL);
		buffer_clear(&stream->line);
		buffer_clear(&stream->data);
	}
}

int events_run(struct call *call)
{
	const int64_t for_ms = call_duration_ms(call, OPTION_FOR, INT64_MAX);
	struct stream stream = {.call = call,
		.left = call_integer(call, OPTION_LIMIT, INT64_MAX),
		.until_mono_ns = for_ms == INT64_MAX ? INT64_MAX : clock_mono_after(for_ms)};

	buffer_init(&stream.line, EVENT_MAX);
	buffer_init(&stream.data, EVENT_MAX);
	int status = follow(&stream);
	buffer_fini(&stream.line);
	buffer_fini(&stream.data);
	return status;
}
