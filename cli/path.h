/* path: a path of the API with what people typed in it, made safe for a URL. */
#ifndef MUSTER_CLI_PATH_H
#define MUSTER_CLI_PATH_H

#include <stdbool.h>
#include <stddef.h>

enum { PATH_TEXT_MAX = 8192 };

struct path {
	char text[PATH_TEXT_MAX]; /* what does not fit is cut: the server knows nothing so long */
	size_t length;
	bool has_query;
};

/* Starts with "/v1/tasks", say. */
void path_init(struct path *path, const char *start);

/* Appends text as it is: a part of the path that nobody typed. */
void path_add(struct path *path, const char *text);

/* Appends "/" and one segment. */
void path_segment(struct path *path, const char *segment);

/* Appends name=value to the query. */
void path_query(struct path *path, const char *name, const char *value);

#endif
