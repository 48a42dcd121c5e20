/* call: one verb on its way: what was asked for, and how to answer. */
#ifndef MUSTER_CLI_CALL_H
#define MUSTER_CLI_CALL_H

#include "cli/client.h"
#include "cli/terminal.h"
#include "cli/verb.h"

struct call {
	const struct verb *verb;
	const char *options[OPTIONS]; /* as given and checked; flags: ""; NULL: not given */
	char **arguments;
	size_t argument_count;
	struct client *client;
	struct terminal terminal;
};

/* Whether it was given. */
bool call_has(const struct call *call, enum option_id option);

/* Its value; `absent` when it was not given. The parser has checked that it is one. */
int64_t call_integer(const struct call *call, enum option_id option, int64_t absent);
int64_t call_duration_ms(const struct call *call, enum option_id option, int64_t absent);

/* Asks the server and says on stderr what went wrong. Returns EXIT_DONE with *ret_body owned by the caller (NULL: there was
 * none; ret_body may be NULL), EXIT_REFUSED or EXIT_UNREACHABLE. body: borrowed, NULL: none. */
int call_ask(struct call *call, const char *method, const char *path, const json_t *body, json_t **ret_body);
int call_get(struct call *call, const char *path, json_t **ret_body);

/* Says it on stderr and returns EXIT_USAGE. */
int call_misused(const struct call *call, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same for EXIT_REFUSED. */
int call_refused(const struct call *call, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Says that the server cannot be reached, and returns EXIT_UNREACHABLE. */
int call_unreachable(const struct call *call, const struct error *error);

/* One document on one line, for scripts. Takes the reference. Returns EXIT_DONE. */
int call_print_json(const struct call *call, json_t *value);

/* Yes or no, on the terminal; yes with --yes; a usage error without either: returns EXIT_DONE for yes. */
int call_confirm(const struct call *call, const char *question);

#endif
