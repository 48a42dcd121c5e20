/* lines: the lines that come out of a pipe, however they are cut into pieces.
 *
 * Holds what was read and is not yet taken, up to `maximum` bytes: a line that is longer is told apart, not kept. */
#ifndef MUSTER_CORE_LINES_H
#define MUSTER_CORE_LINES_H

#include <stdbool.h>
#include <stddef.h>

struct lines {
	char *data;      /* owned */
	size_t start;    /* of what is not yet taken */
	size_t searched; /* up to there is no line break, from start on */
	size_t end;      /* of what was read */
	size_t capacity;
	size_t maximum;
};

void lines_init(struct lines *lines, size_t maximum);
void lines_fini(struct lines *lines);  /* frees; a second call does nothing */
void lines_clear(struct lines *lines); /* forgets what was read */

/* Reads once from a descriptor that does not block. Returns the bytes that came; 0 at its end; -EAGAIN: nothing there;
 * -EMSGSIZE: `maximum` bytes are held and none of them is a line break; another negative errno. */
int lines_fill(struct lines *lines, int fd);

/* The next whole line, without its break, and valid until the next lines_fill. False: none is whole yet. */
bool lines_next(struct lines *lines, const char **ret_line, size_t *ret_length);

/* What is there of a line that is not whole: for the end of the pipe, or one that is too long. Takes it. False: nothing. */
bool lines_rest(struct lines *lines, const char **ret_line, size_t *ret_length);

#endif
