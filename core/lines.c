#include "core/lines.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CAPACITY_FIRST = 4096 };

void lines_init(struct lines *lines, size_t maximum)
{
	assert(maximum > 0);
	*lines = (struct lines){.maximum = maximum};
}

void lines_fini(struct lines *lines)
{
	free(lines->data);
	lines->data = NULL;
	lines->start = lines->searched = lines->end = lines->capacity = 0;
}

void lines_clear(struct lines *lines)
{
	lines->start = lines->searched = lines->end = 0;
}

static void move_to_front(struct lines *lines)
{
	if (lines->start == 0)
		return;
	memmove(lines->data, lines->data + lines->start, lines->end - lines->start);
	lines->end -= lines->start;
	lines->searched -= lines->start;
	lines->start = 0;
}

static int make_room(struct lines *lines)
{
	if (lines->end < lines->capacity)
		return 0;
	move_to_front(lines);
	if (lines->end < lines->capacity)
		return 0;
	if (lines->capacity >= lines->maximum)
		return -EMSGSIZE;
	size_t capacity = lines->capacity == 0 ? CAPACITY_FIRST : lines->capacity * 2;
	if (capacity > lines->maximum)
		capacity = lines->maximum;
	char *data = realloc(lines->data, capacity);
	if (data == NULL)
		return -ENOMEM;
	lines->data = data;
	lines->capacity = capacity;
	return 0;
}

int lines_fill(struct lines *lines, int fd)
{
	int status = make_room(lines);

	if (status < 0)
		return status;
	for (;;) {
		ssize_t count = read(fd, lines->data + lines->end, lines->capacity - lines->end);
		if (count >= 0) {
			lines->end += (size_t)count;
			return (int)count;
		}
		if (errno != EINTR)
			return -errno;
	}
}

bool lines_next(struct lines *lines, const char **ret_line, size_t *ret_length)
{
	const char *from = lines->data + lines->start;
	const char *line_break = lines->searched < lines->end
					 ? memchr(lines->data + lines->searched, '\n', lines->end - lines->searched)
					 : NULL;

	lines->searched = lines->end;
	if (line_break == NULL) {
		if (lines->start == lines->end)
			lines_clear(lines);
		return false;
	}
	*ret_line = from;
	*ret_length = (size_t)(line_break - from);
	lines->start += *ret_length + 1;
	lines->searched = lines->start;
	return true;
}

bool lines_rest(struct lines *lines, const char **ret_line, size_t *ret_length)
{
	if (lines->start == lines->end)
		return false;
	*ret_line = lines->data + lines->start;
	*ret_length = lines->end - lines->start;
	lines->start = lines->searched = lines->end;
	return true;
}
