#include "modules/http_options.h"

#include <stdlib.h>
#include <string.h>

enum {
	REDIRECTS_MAX = 20,
	BYTES_MAX = 16 * 1024 * 1024,
};

bool http_read_params(const struct muster_task *task, const char *const *names, size_t count, const json_t **values)
{
	const json_t *param = muster_param(task);
	size_t found = 0, given = json_is_array(param) ? json_array_size(param) : json_object_size(param);

	for (size_t i = 0; i < count; i++) {
		json_t *value = json_is_array(param) ? json_array_get(param, i) : json_object_get(param, names[i]);
		found += value != NULL;
		values[i] = json_is_null(value) ? NULL : value;
	}
	return found == given;
}

/* "500ms", "10s", "5m", "1h" or a number of milliseconds. */
static bool read_duration(const json_t *value, json_int_t *ret_ms)
{
	static const struct {
		const char *unit;
		json_int_t ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}};
	const char *text = json_string_value(value);
	char *end;

	if (json_is_integer(value)) {
		*ret_ms = json_integer_value(value);
		return *ret_ms > 0 && *ret_ms <= HTTP_TIMEOUT_MAX_MS;
	}
	if (!text || text[0] < '0' || text[0] > '9')
		return false;
	long number = strtol(text, &end, 10);
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
		if (strcmp(end, units[i].unit) == 0) {
			*ret_ms = number > HTTP_TIMEOUT_MAX_MS ? HTTP_TIMEOUT_MAX_MS + 1 : number * units[i].ms;
			return *ret_ms > 0 && *ret_ms <= HTTP_TIMEOUT_MAX_MS;
		}
	return false;
}

static bool read_bounded(const json_t *value, json_int_t most, json_int_t *ret_number)
{
	*ret_number = json_integer_value(value);
	return json_is_integer(value) && *ret_number >= 0 && *ret_number <= most;
}

/* Method and header are put into the request as they are: no line breaks, nothing that is not theirs. */
static bool is_token(const char *text)
{
	return text && text[0] != '\0' &&
	       text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~")] ==
		       '\0';
}

static bool is_header_value(const json_t *value)
{
	const char *text = json_string_value(value);

	return text && strlen(text) == json_string_length(value) && text[strcspn(text, "\r\n")] == '\0';
}

static bool are_headers(const json_t *headers)
{
	const char *name;
	json_t *value;

	if (!json_is_object(headers))
		return false;
	json_object_foreach(
		(json_t *)headers, name, value) if (!is_token(name) || !is_header_value(value)) return false;
	return true;
}

const char *http_options_read(const json_t *given, struct http_options *options)
{
	const char *name;
	json_t *value;

	if (given && !json_is_object(given))
		return "options";
	json_object_foreach((json_t *)given, name, value)
	{
		bool right = false;
		if (strcmp(name, "method") == 0)
			right = is_token(options->method = json_string_value(value));
		else if (strcmp(name, "headers") == 0)
			right = are_headers(options->headers = value);
		else if (strcmp(name, "timeout") == 0)
			right = read_duration(value, &options->timeout_ms);
		else if (strcmp(name, "redirects") == 0)
			right = read_bounded(value, REDIRECTS_MAX, &options->redirects);
		else if (strcmp(name, "max_bytes") == 0)
			right = read_bounded(value, BYTES_MAX, &options->max_bytes);
		else if (strcmp(name, "secret") == 0)
			right = (options->secret = json_string_value(value)) != NULL;
		if (!right)
			return name;
	}
	return NULL;
}
