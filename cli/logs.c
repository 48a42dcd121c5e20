#include "cli/logs.h"

#include "cli/call.h"
#include "cli/path.h"
#include "core/buffer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { LINE_MAX_BYTES = 1024 * 1024, TIME_LENGTH = 24 };

/* Lines `time text` as they come; with --json they are gathered, or, where it goes on with what comes, one document each. */
struct reader {
	struct call *call;
	struct buffer line;
	json_t *lines; /* NULL: they are printed one by one */
};

static json_t *line_json(const char *line)
{
	const char *text = strlen(line) > TIME_LENGTH ? line + TIME_LENGTH + 1 : "";

	return json_pack("{s:s#, s:s}", "at", line, strnlen(line, TIME_LENGTH), "text", text);
}

static void take_line(const struct reader *reader, const char *line)
{
	if (reader->lines) {
		(void)json_array_append_new(reader->lines, line_json(line));
	} else if (call_has(reader->call, OPTION_JSON)) {
		(void)call_print_json(reader->call, line_json(line));
	} else {
		(void)terminal_text(stdout, line, -1);
		(void)putchar('\n');
	}
}

static bool take(void *context, const char *bytes, size_t length)
{
	struct reader *reader = context;

	while (length > 0) {
		const char *end = memchr(bytes, '\n', length);
		size_t part = end ? (size_t)(end - bytes) : length;
		buffer_append(&reader->line, bytes, part);
		if (!end)
			break;
		take_line(reader, reader->line.data ? reader->line.data : "");
		buffer_clear(&reader->line);
		bytes += part + 1;
		length -= part + 1;
	}
	(void)fflush(stdout);
	return true;
}

static int read_log(struct reader *reader)
{
	struct call *call = reader->call;
	struct answer answer;
	struct error error;
	struct path path;

	path_init(&path, "/v1/tasks");
	path_segment(&path, call->arguments[0]);
	path_add(&path, "/log");
	if (call_has(call, OPTION_FOLLOW))
		path_query(&path, "follow", "1");
	int status = client_follow(call->client, path.text, "", take, reader, &answer, &error);
	if (status == -EACCES)
		answer_sentence(&answer, &error);
	answer_fini(&answer);
	if (status == -EACCES)
		return call_refused(call, "%s", error.text);
	return status < 0 ? call_unreachable(call, &error) : EXIT_DONE;
}

int logs_run(struct call *call)
{
	struct reader reader = {.call = call};

	if (call_has(call, OPTION_JSON) && !call_has(call, OPTION_FOLLOW))
		reader.lines = json_array();
	buffer_init(&reader.line, LINE_MAX_BYTES);
	int status = read_log(&reader);
	buffer_fini(&reader.line);
	if (status == EXIT_DONE && reader.lines)
		return call_print_json(call, json_pack("{s:s, s:o}", "id", call->arguments[0], "lines", reader.lines));
	json_decref(reader.lines);
	return status;
}
