#include "cli/sse.h"

#include <stdio.h>
#include <string.h>

enum { EVENT_MAX = 1024 * 1024 };

void sse_init(struct sse *sse, void (*tell)(void *context, const char *type, json_t *data), void *context)
{
	*sse = (struct sse){.tell = tell, .context = context};
	buffer_init(&sse->line, EVENT_MAX);
	buffer_init(&sse->data, EVENT_MAX);
}

void sse_fini(struct sse *sse)
{
	buffer_fini(&sse->line);
	buffer_fini(&sse->data);
}

void sse_begin_again(struct sse *sse)
{
	buffer_clear(&sse->line);
	buffer_clear(&sse->data);
	sse->type[0] = '\0';
}

/* The empty line: what was gathered is one event. */
static void take_event(struct sse *sse)
{
	json_t *data = sse->data.data ? json_loadb(sse->data.data, sse->data.length, JSON_DECODE_ANY, NULL) : NULL;

	if (data)
		sse->tell(sse->context, sse->type, data);
	json_decref(data);
	buffer_clear(&sse->data);
	sse->type[0] = '\0';
}

static void take_line(struct sse *sse, const char *line)
{
	if (line[0] == '\0')
		take_event(sse);
	else if (strncmp(line, "event: ", 7) == 0)
		(void)snprintf(sse->type, sizeof sse->type, "%s", line + 7);
	else if (strncmp(line, "id: ", 4) == 0)
		(void)snprintf(sse->last_id, sizeof sse->last_id, "%s", line + 4);
	else if (strncmp(line, "data: ", 6) == 0)
		buffer_append_text(&sse->data, line + 6);
}

void sse_take(struct sse *sse, const char *bytes, size_t length)
{
	while (length > 0) {
		const char *end = memchr(bytes, '\n', length);
		size_t part = end ? (size_t)(end - bytes) : length;
		buffer_append(&sse->line, bytes, part);
		if (!end)
			return;
		take_line(sse, sse->line.data ? sse->line.data : "");
		buffer_clear(&sse->line);
		bytes += part + 1;
		length -= part + 1;
	}
}
