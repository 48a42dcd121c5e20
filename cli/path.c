#include "cli/path.h"

#include <stdio.h>
#include <string.h>

void path_add(struct path *path, const char *text)
{
	int length = snprintf(path->text + path->length, sizeof path->text - path->length, "%s", text);

	path->length += (size_t)length;
	if (path->length >= sizeof path->text)
		path->length = sizeof path->text - 1;
}

static void add_escaped(struct path *path, const char *text)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";
	char piece[4];

	for (; *text != '\0'; text++) {
		(void)snprintf(piece, sizeof piece, strchr(plain, *text) ? "%c" : "%%%02X", (unsigned char)*text);
		path_add(path, piece);
	}
}

void path_init(struct path *path, const char *start)
{
	*path = (struct path){.length = 0};
	path_add(path, start);
}

void path_segment(struct path *path, const char *segment)
{
	path_add(path, "/");
	add_escaped(path, segment);
}

void path_query(struct path *path, const char *name, const char *value)
{
	path_add(path, path->has_query ? "&" : "?");
	path->has_query = true;
	path_add(path, name);
	path_add(path, "=");
	add_escaped(path, value);
}
