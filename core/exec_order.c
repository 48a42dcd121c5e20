#include "core/exec_order.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The members behind the document's own, as an object of their own. */
static char *make_tail(const struct handler_host *host, const struct handler_task *task)
{
	json_t *saved = task->again && host->saved != NULL ? host->saved(host->context) : NULL;
	const char *trace = task->head->traceparent[0] != '\0' ? task->head->traceparent : NULL;
	json_t *tail = json_pack("{s:s, s:s, s:i, s:I, s:s?, s:o?}", "id", task->id, "queue", task->head->queue,
		"attempt", task->attempt, "deadline_ms", (json_int_t)host->deadline_ms(host->context), "traceparent",
		trace, "saved", saved);
	char *text = json_dumps(tail, JSON_COMPACT);

	json_decref(tail);
	return text;
}

static void blank_breaks(char *text, size_t length)
{
	for (char *at = text; (at = memchr(at, '\n', length - (size_t)(at - text))) != NULL;)
		*at = ' ';
	for (char *at = text; (at = memchr(at, '\r', length - (size_t)(at - text))) != NULL;)
		*at = ' ';
}

/* The document is an object with members: its last byte but blanks closes it. */
int exec_order_write(struct buffer *line, const struct handler_host *host, const struct handler_task *task)
{
	const struct bytes document = task->head->document;
	size_t length = document.length;
	char *tail = make_tail(host, task);

	if (tail == NULL)
		return -ENOMEM;
	while (document.data[length - 1] != '}')
		length--;
	buffer_clear(line);
	line->maximum = document.length + EXEC_ORDER_EXTRA;
	buffer_append(line, document.data, length - 1);
	if (line->status == 0)
		blank_breaks(line->data, line->length);
	buffer_append_text(line, ",");
	buffer_append_text(line, tail + 1);
	buffer_append_text(line, "\n");
	free(tail);
	return line->status;
}
