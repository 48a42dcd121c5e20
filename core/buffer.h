/* buffer: bytes that grow, up to a maximum that is fixed where the buffer is made.
 *
 * `data` always has a NUL behind its `length` bytes (or is NULL while nothing was appended). The first failure (-ENOMEM,
 * or -E2BIG past the maximum) sticks in `status`: appends after it do nothing, so that a writer checks once, at the end.
 *
 *     _cleanup_(buffer_fini) struct buffer text;
 *     buffer_init(&text, 64 * 1024);
 *     buffer_append_format(&text, "%s=%d", name, value);
 *     if (text.status < 0) return text.status; */
#ifndef MUSTER_CORE_BUFFER_H
#define MUSTER_CORE_BUFFER_H

#include <stddef.h>

#define _cleanup_(function) __attribute__((cleanup(function)))

struct buffer {
	char *data;      /* owned */
	size_t length;   /* bytes in use */
	size_t capacity; /* bytes allocated, 0 or more than length */
	size_t maximum;  /* length never exceeds this */
	int status;      /* 0, -ENOMEM or -E2BIG */
};

void buffer_init(struct buffer *buffer, size_t maximum);
void buffer_fini(struct buffer *buffer);  /* frees; a second call does nothing */
void buffer_clear(struct buffer *buffer); /* length and status to 0, memory kept */

void buffer_append(struct buffer *buffer, const void *bytes, size_t length);
void buffer_append_text(struct buffer *buffer, const char *text);
void buffer_append_format(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Returns the bytes, owned by the caller (free()), and empties the buffer. NULL when nothing was appended ("" was, when
 * no bytes were appended). Look at status first: it becomes 0. */
char *buffer_take(struct buffer *buffer);

#endif
