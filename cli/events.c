#include "cli/events.h"

#include "cli/call.h"
#include "cli/path.h"
#include "cli/sse.h"
#include "cli/view.h"
#include "core/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { RETRY_MS = 500 };

struct stream {
	struct call *call;
	struct sse sse;
	int64_t left; /* events that are still wanted */
	int64_t until_mono_ns;
	bool heard; /* anything at all: it is a server that tells events */
};

static void print_event(const struct call *call, const char *type, json_t *data)
{
	const struct terminal *terminal = &call->terminal;
	const char *state = view_string(data, "state"), *at = view_string(data, "at");
	const json_t *error = json_object_get(data, "error"), *progress = json_object_get(data, "progress");
	char text[1024];

	if (strcmp(type, "task") == 0)
		(void)snprintf(text, sizeof text, "task %s %s.%s queue %s", view_string(data, "id"),
			view_string(data, "class"), view_string(data, "method"), view_string(data, "queue"));
	else if (strcmp(type, "progress") == 0)
		(void)snprintf(text, sizeof text, "task %s %s.%s queue %s %lld %% %s", view_string(data, "id"),
			view_string(data, "class"), view_string(data, "method"), view_string(data, "queue"),
			(long long)view_integer(progress, "percent"), view_string(progress, "note"));
	else if (strcmp(type, "worker") == 0)
		(void)snprintf(text, sizeof text, "worker %s/%lld pid %lld", view_string(data, "pool"),
			(long long)view_integer(data, "slot"), (long long)view_integer(data, "pid"));
	else
		(void)snprintf(text, sizeof text, "%s", type);
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

static void tell(void *context, const char *type, json_t *data)
{
	struct stream *stream = context;

	if (stream->left <= 0)
		return;
	stream->left--;
	if (call_has(stream->call, OPTION_JSON))
		(void)call_print_json(stream->call, json_pack("{s:s, s:O}", "event", type, "data", data));
	else
		print_event(stream->call, type, data);
	(void)fflush(stdout);
}

static bool take(void *context, const char *bytes, size_t length)
{
	struct stream *stream = context;

	stream->heard = stream->heard || length > 0;
	sse_take(&stream->sse, bytes, length);
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
		int status = client_follow(
			stream->call->client, path.text, stream->sse.last_id, take, stream, &answer, &error);
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
		sse_begin_again(&stream->sse);
	}
}

int events_run(struct call *call)
{
	const int64_t for_ms = call_duration_ms(call, OPTION_FOR, INT64_MAX);
	struct stream stream = {.call = call,
		.left = call_integer(call, OPTION_LIMIT, INT64_MAX),
		.until_mono_ns = for_ms == INT64_MAX ? INT64_MAX : clock_mono_after(for_ms)};

	sse_init(&stream.sse, tell, &stream);
	int status = follow(&stream);
	sse_fini(&stream.sse);
	return status;
}
