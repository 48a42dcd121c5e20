#include "core/buffer.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 64 };

void buffer_init(struct buffer *buffer, size_t maximum)
{
	assert(maximum < SIZE_MAX / 2); /* so that doubling never overflows */
	*buffer = (struct buffer){.maximum = maximum};
}

void buffer_fini(struct buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct buffer){.maximum = buffer->maximum};
}

void buffer_clear(struct buffer *buffer)
{
	buffer->length = 0;
	buffer->status = 0;
	if (buffer->data)
		buffer->data[0] = '\0';
}

/* Makes room for so many bytes more and the NUL behind them. */
static bool reserve(struct buffer *buffer, size_t more)
{
	if (buffer->status < 0)
		return false;
	if (more > buffer->maximum - buffer->length) {
		buffer->status = -E2BIG;
		return false;
	}
	size_t needed = buffer->length + more + 1;
	if (needed <= buffer->capacity)
		return true;
	size_t capacity = buffer->capacity > 0 ? buffer->capacity : FIRST_CAPACITY;
	while (capacity < needed)
		capacity *= 2;
	if (capacity > buffer->maximum + 1)
		capacity = buffer->maximum + 1;
	char *data = realloc(buffer->data, capacity);
	if (!data) {
		buffer->status = -ENOMEM;
		return false;
	}
	buffer->data = data;
	buffer->capacity = capacity;
	return true;
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t length)
{
	if (!reserve(buffer, length))
		return;
	if (length > 0) /* bytes may be NULL then */
		memcpy(buffer->data + buffer->length, bytes, length);
	buffer->length += length;
	buffer->data[buffer->length] = '\0';
}

void buffer_append_text(struct buffer *buffer, const char *text)
{
	buffer_append(buffer, text, strlen(text));
}

/* Into the room that is there, which most often suffices; returns the whole length, or a negative number. */
static int __attribute__((format(printf, 2, 0)))
try_format(struct buffer *buffer, const char *format, va_list arguments)
{
	size_t room = buffer->capacity - buffer->length;
	return vsnprintf(room > 0 ? buffer->data + buffer->length : NULL, room, format, arguments);
}

void buffer_append_format(struct buffer *buffer, const char *format, ...)
{
	if (buffer->status < 0)
		return;
	va_list arguments, again;
	va_start(arguments, format);
	va_copy(again, arguments);
	int length = try_format(buffer, format, arguments);
	assert(length >= 0); /* a format that is wrong, or longer than an int can say */
	if ((size_t)length >= buffer->capacity - buffer->length && reserve(buffer, (size_t)length))
		length = try_format(buffer, format, again);
	if (buffer->status == 0)
		buffer->length += (size_t)length;
	else if (buffer->data)
		buffer->data[buffer->length] = '\0'; /* over what was written in part */
	va_end(again);
	va_end(arguments);
}

char *buffer_take(struct buffer *buffer)
{
	char *data = buffer->data;
	*buffer = (struct buffer){.maximum = buffer->maximum};
	return data;
}
