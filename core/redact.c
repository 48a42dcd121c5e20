#include "core/redact.h"

#include "core/document.h"
#include "core/units.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { TOKEN_MAX = 256 };

static const struct schema_strings none = {0};

/* The paths of the handler that has the class, else of the one that has all others. */
static const struct schema_strings *find_paths(const struct config *config, const char *class)
{
	const struct schema_strings *of_others = &none;

	for (size_t i = 0; i < config->handler_count; i++) {
		if (strcmp(config->handlers[i].class, class) == 0)
			return &config->handlers[i].redact;
		if (strcmp(config->handlers[i].class, "*") == 0)
			of_others = &config->handlers[i].redact;
	}
	return of_others;
}

/* One token of a pointer, with RFC 6901's two escapes undone. Returns what follows; NULL: it is longer than any name here. */
static const char *read_token(const char *at, char token[TOKEN_MAX])
{
	size_t length = 0;

	for (; *at != '\0' && *at != '/'; at++) {
		if (length == TOKEN_MAX - 1)
			return NULL;
		token[length] = *at;
		if (at[0] == '~' && (at[1] == '0' || at[1] == '1'))
			token[length] = *++at == '0' ? '~' : '/';
		length++;
	}
	token[length] = '\0';
	return at;
}

static json_t *step(json_t *value, const char *token)
{
	int64_t index;

	if (json_is_object(value))
		return json_object_get(value, token);
	if (json_is_array(value) && units_parse_integer(token, 0, INT32_MAX, &index) == 0)
		return json_array_get(value, (size_t)index);
	return NULL;
}

static int hide(json_t *whole, const char *token)
{
	json_t *mark = json_string("[redacted]");
	int64_t index = 0;

	if (mark == NULL)
		return -ENOMEM;
	if (json_is_object(whole))
		return json_object_set_new(whole, token, mark) < 0 ? -ENOMEM : 0;
	(void)units_parse_integer(token, 0, INT32_MAX, &index); /* `step` has found it by that number */
	return json_array_set_new(whole, (size_t)index, mark) < 0 ? -ENOMEM : 0;
}

static int hide_path(json_t *document, const char *path)
{
	json_t *whole = document;
	char token[TOKEN_MAX];

	while (path != NULL && *path == '/') {
		path = read_token(path + 1, token);
		json_t *part = path != NULL ? step(whole, token) : NULL;
		if (part == NULL)
			return 0;
		if (*path == '\0')
			return hide(whole, token);
		whole = part;
	}
	return 0;
}

int redact_value(const struct config *config, json_t *document)
{
	const char *class = json_string_value(json_object_get(document, "class"));
	const struct schema_strings *paths = class != NULL ? find_paths(config, class) : &none;
	int status = 0;

	for (size_t i = 0; i < paths->count && status == 0; i++)
		status = hide_path(document, paths->items[i]);
	return status;
}

static bool hides_anything(const struct config *config)
{
	for (size_t i = 0; i < config->handler_count; i++)
		if (config->handlers[i].redact.count > 0)
			return true;
	return false;
}

static void append(struct buffer *text, const char *bytes, size_t length, size_t most)
{
	buffer_append(text, bytes, length < most ? length : most);
}

void redact_append(struct buffer *text, const struct config *config, struct bytes document, size_t most)
{
	json_t *value = NULL;

	int status = hides_anything(config)
			     ? document_parse(document.data, document.length, DOCUMENT_LENIENT, &value, NULL)
			     : -EINVAL;
	if (status == -ENOMEM)
		return;
	if (status < 0) {
		append(text, document.data, document.length, most);
		return;
	}
	char *seen = redact_value(config, value) == 0 ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	json_decref(value);
	if (seen != NULL)
		append(text, seen, strlen(seen), most);
	free(seen);
}
