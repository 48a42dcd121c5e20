#include "api/split.h"

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

struct bytes split_trim(struct bytes text)
{
	while (text.length > 0 && is_space(text.data[0])) {
		text.data++;
		text.length--;
	}
	while (text.length > 0 && is_space(text.data[text.length - 1]))
		text.length--;
	return text;
}

static const char *behind_string(const char *at, const char *end)
{
	for (at++; at < end && *at != '"'; at++)
		if (*at == '\\')
			at++;
	return at + 1;
}

/* Behind the value that begins at `at`. */
static const char *behind_value(const char *at, const char *end)
{
	int depth = 0;

	while (at < end) {
		if (*at == '"') {
			at = behind_string(at, end);
			continue;
		}
		if (depth == 0 && (*at == ',' || *at == ']'))
			break;
		if (*at == '{' || *at == '[')
			depth++;
		if (*at == '}' || *at == ']')
			depth--;
		at++;
	}
	return at < end ? at : end;
}

bool split_next(struct bytes *rest, struct bytes *ret_element)
{
	const char *at = rest->data, *end = rest->data + rest->length;

	/* In front of an element stand white space and the array's bracket or a comma. */
	while (at < end && is_space(*at))
		at++;
	if (at == end || *at == ']')
		return false;
	at++;
	while (at < end && is_space(*at))
		at++;
	if (at == end || *at == ']')
		return false;
	const char *behind = behind_value(at, end);
	*ret_element = split_trim((struct bytes){at, (size_t)(behind - at)});
	*rest = (struct bytes){behind, (size_t)(end - behind)};
	return true;
}
