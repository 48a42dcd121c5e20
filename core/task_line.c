#include "core/task.h"

#include "core/buffer.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

enum { LINE_MAX_LENGTH = 9 * 24 + TASK_WORKER_MAX };

_Static_assert(
	TASK_HEAD_MAX > 5 * 24 + CONFIG_NAME_MAX + 3 * TASK_UNIQUE_MAX + TASK_TRACE_MAX + 24, "a head's line fits");

/* ---- writing: by hand, since each task costs two such lines and printf would be most of their price ---- */

static char *put_number(char *at, int64_t value)
{
	char digits[20], *first = digits + sizeof digits;
	size_t length;

	assert(value >= 0);
	do
		*--first = (char)('0' + value % 10);
	while ((value /= 10) > 0);
	length = (size_t)(digits + sizeof digits - first);
	memcpy(at, first, length);
	at += length;
	*at++ = ' ';
	return at;
}

static char *put_text(char *at, const char *text, char end)
{
	size_t length = strlen(text);

	assert(strpbrk(text, " \n") == NULL);
	memcpy(at, text, length);
	at[length] = end;
	return at + length + 1;
}

/* ---- reading ---- */

/* Takes the field up to `end`; false when there is none. */
static bool take_field(struct bytes *rest, char end, struct bytes *ret_field)
{
	const char *stop = rest->length > 0 ? memchr(rest->data, end, rest->length) : NULL;
	size_t length;

	if (stop == NULL)
		return false;
	length = (size_t)(stop - rest->data);
	*ret_field = (struct bytes){rest->data, length};
	*rest = (struct bytes){stop + 1, rest->length - length - 1};
	return true;
}

static bool read_number(struct bytes field, int64_t maximum, int64_t *ret_value)
{
	int64_t value = 0;

	if (field.length == 0)
		return false;
	for (size_t i = 0; i < field.length; i++) {
		if (field.data[i] < '0' || field.data[i] > '9')
			return false;
		if (__builtin_mul_overflow(value, 10, &value) ||
			__builtin_add_overflow(value, field.data[i] - '0', &value) || value > maximum)
			return false;
	}
	*ret_value = value;
	return true;
}

static bool take_number(struct bytes *rest, int64_t maximum, int64_t *ret_value)
{
	struct bytes field;

	return take_field(rest, ' ', &field) && read_number(field, maximum, ret_value);
}

static bool take_int(struct bytes *rest, int *ret_value)
{
	int64_t value;

	if (!take_number(rest, INT_MAX, &value))
		return false;
	*ret_value = (int)value;
	return true;
}

/* Takes one letter out of `letters`. */
static bool take_letter(struct bytes *rest, const char *letters, char *ret_letter)
{
	struct bytes field;

	if (!take_field(rest, ' ', &field) || field.length != 1 ||
		memchr(letters, field.data[0], strlen(letters)) == NULL)
		return false;
	*ret_letter = field.data[0];
	return true;
}

static bool copy_text(struct bytes field, char *text, size_t size)
{
	if (field.length == 0 || field.length >= size || memchr(field.data, ' ', field.length) != NULL ||
		memchr(field.data, '\0', field.length) != NULL)
		return false;
	memcpy(text, field.data, field.length);
	text[field.length] = '\0';
	return true;
}

static bool take_line(struct bytes *rest, char *text, size_t size)
{
	struct bytes field;

	return take_field(rest, '\n', &field) && copy_text(field, text, size);
}

/* ---- head ---- */

static char *put_option(char *at, char name)
{
	*at++ = name;
	*at++ = '=';
	return at;
}

/* With everything that could end the field as %XX. */
static char *put_escaped(char *at, const char *text)
{
	static const char digits[] = "0123456789ABCDEF";

	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c > ' ' && c != '%' && c < 0x7f) {
			*at++ = *text;
			continue;
		}
		*at++ = '%';
		*at++ = digits[c >> 4];
		*at++ = digits[c & 15];
	}
	*at++ = ' ';
	return at;
}

static int digit_of(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool read_escaped(struct bytes field, char text[TASK_UNIQUE_MAX + 1])
{
	size_t used = 0;

	for (size_t i = 0; i < field.length; i++) {
		int c = (unsigned char)field.data[i];

		if (c == '%') {
			if (i + 2 >= field.length)
				return false;
			int high = digit_of(field.data[i + 1]), low = digit_of(field.data[i + 2]);
			c = high < 0 || low < 0 ? 0 : high * 16 + low;
			i += 2;
		}
		if (c == 0 || used == TASK_UNIQUE_MAX)
			return false;
		text[used++] = (char)c;
	}
	text[used] = '\0';
	return true;
}

size_t task_head_format(char text[TASK_HEAD_MAX], const struct task_head *head)
{
	char *at = text;

	at = put_number(at, head->created_ms);
	at = put_number(at, head->run_at_ms);
	*at++ = head->source;
	*at++ = ' ';
	at = put_number(at, head->max_attempts);
	at = put_text(at, head->queue, ' ');
	if (head->priority != TASK_PRIORITY)
		at = put_number(put_option(at, 'p'), head->priority);
	if (head->expires_ms > 0)
		at = put_number(put_option(at, 'e'), head->expires_ms);
	if (head->retention_ms > 0)
		at = put_number(put_option(at, 'r'), head->retention_ms);
	if (head->unique[0] != '\0')
		at = put_escaped(put_option(at, 'u'), head->unique);
	if (head->traceparent[0] != '\0')
		at = put_text(put_option(at, 't'), head->traceparent, ' ');
	if (head->calls_back)
		at = put_text(put_option(at, 'c'), "1", ' ');
	at[-1] = '\n';
	return (size_t)(at - text);
}

/* Unknown ones are another version's, and say nothing to this one. */
static bool read_option(struct bytes field, struct task_head *head)
{
	struct bytes value = {field.data + 2, field.length - 2};
	int64_t priority;

	switch (field.data[0]) {
	case 'p':
		if (!read_number(value, TASK_PRIORITY_MAX, &priority))
			return false;
		head->priority = (int)priority;
		return true;
	case 'e': return read_number(value, INT64_MAX, &head->expires_ms);
	case 'r': return read_number(value, INT64_MAX, &head->retention_ms);
	case 'u': return read_escaped(value, head->unique);
	case 'c': return head->calls_back = true;
	case 't': return copy_text(value, head->traceparent, sizeof head->traceparent);
	default: return true;
	}
}

/* The queue and what stands behind it. */
static bool take_queue(struct bytes *rest, struct task_head *head)
{
	struct bytes line, field;

	if (!take_field(rest, '\n', &line))
		return false;
	if (!take_field(&line, ' ', &field))
		return copy_text(line, head->queue, sizeof head->queue);
	if (!copy_text(field, head->queue, sizeof head->queue))
		return false;
	while (line.length > 0) {
		if (!take_field(&line, ' ', &field)) {
			field = line;
			line.length = 0;
		}
		if (field.length < 3 || field.data[1] != '=' || !read_option(field, head))
			return false;
	}
	return true;
}

int task_head_read(struct bytes stored, struct task_head *ret_head)
{
	static const char sources[] = {TASK_SOURCE_HTTP, TASK_SOURCE_LIST, TASK_SOURCE_HANDLER, '\0'};
	struct task_head head = {.priority = TASK_PRIORITY};

	if (!take_number(&stored, INT64_MAX, &head.created_ms) || !take_number(&stored, INT64_MAX, &head.run_at_ms) ||
		!take_letter(&stored, sources, &head.source) || !take_int(&stored, &head.max_attempts) ||
		!take_queue(&stored, &head))
		return -EINVAL;
	head.document = stored;
	*ret_head = head;
	return 0;
}

/* ---- record ---- */

static int append_json(const char *bytes, size_t length, void *context)
{
	struct buffer *text = context;

	buffer_append(text, bytes, length);
	return text->status;
}

int task_record_format(struct buffer *text, const struct task_record *record)
{
	char line[LINE_MAX_LENGTH], *at = line;

	*at++ = (char)record->state;
	*at++ = ' ';
	at = put_number(at, record->executions);
	at = put_number(at, record->attempts);
	at = put_number(at, record->crashes);
	at = put_number(at, record->max_attempts);
	at = put_number(at, record->started_ms);
	at = put_number(at, record->finished_ms);
	at = put_number(at, record->due_ms);
	at = put_text(at, record->worker[0] != '\0' ? record->worker : "-", '\n');
	buffer_append(text, line, (size_t)(at - line));
	if (record->body == NULL || text->status < 0)
		return text->status;
	errno = 0;
	if (json_dump_callback(record->body, append_json, text, JSON_COMPACT) == 0)
		return 0;
	if (text->status < 0)
		return text->status;
	return errno == ENOMEM ? -ENOMEM : -EINVAL; /* EINVAL: text that is no UTF-8, made by a handler */
}

static bool read_record_line(struct bytes *rest, struct task_record *record)
{
	static const char states[] = {TASK_PENDING, TASK_RETRYING, TASK_SUCCEEDED, TASK_DEAD, TASK_CANCELLED, '\0'};
	char letter;

	if (!take_letter(rest, states, &letter) || !take_int(rest, &record->executions) ||
		!take_int(rest, &record->attempts) || !take_int(rest, &record->crashes) ||
		!take_int(rest, &record->max_attempts) || !take_number(rest, INT64_MAX, &record->started_ms) ||
		!take_number(rest, INT64_MAX, &record->finished_ms) || !take_number(rest, INT64_MAX, &record->due_ms) ||
		!take_line(rest, record->worker, sizeof record->worker))
		return false;
	record->state = (enum task_state)letter;
	return true;
}

int task_record_read(struct bytes stored, struct task_record *ret_record)
{
	struct task_record record = {.state = TASK_PENDING, .worker = "-"};

	if (stored.data != NULL && !read_record_line(&stored, &record))
		return -EINVAL;
	if (stored.data != NULL && stored.length > 0) {
		/* our own writing: results may hold NUL in strings, as documents may */
		errno = 0;
		record.body = json_loadb(stored.data, stored.length, JSON_ALLOW_NUL, NULL);
		if (!json_is_object(record.body)) {
			json_decref(record.body);
			return errno == ENOMEM ? -ENOMEM : -EINVAL;
		}
	}
	*ret_record = record;
	return 0;
}

void task_record_fini(struct task_record *record)
{
	json_decref(record->body);
	record->body = NULL;
}
