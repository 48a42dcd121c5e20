/* http_options: what a task of the class Http says: its params, and the options among them (http.c has their list). Values stay
 * the task's. Pure. */
#ifndef MUSTER_MODULES_HTTP_OPTIONS_H
#define MUSTER_MODULES_HTTP_OPTIONS_H

#include <muster.h>

enum { HTTP_TIMEOUT_MAX_MS = 24 * 3600 * 1000 };

struct http_options {
	const char *method;
	const char *secret, *secret_file; /* the name of one, or where it is; both NULL: unsigned */
	const json_t *headers;
	json_int_t timeout_ms, redirects, max_bytes;
};

/* Params by place or by name into values[count]; NULL: not given, or null. False: there are others. */
bool http_read_params(const struct muster_task *task, const char *const *names, size_t count, const json_t **values);

/* Puts what is given (NULL: nothing) over what `options` holds. Returns the name of the option that is wrong, or NULL. */
const char *http_options_read(const json_t *given, struct http_options *options);

#endif
