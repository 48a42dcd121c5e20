/* context: which server is meant, and with which token.
 *
 * The address: --url; else that of --context; else MUSTER_URL; else the context named "default"; else http://127.0.0.1:7077.
 * The token: --token-file; else the context's own, where a context is used; else MUSTER_TOKEN. A context never gets the token
 * of the environment: that one belongs to another server.
 *
 * Contexts are lines of $XDG_CONFIG_HOME/muster/contexts (~/.config/muster/contexts), `#` begins a comment:
 *
 *     NAME URL [token=WORD | token-file=PATH] [ca=PATH]
 *
 * The file is refused when others could write it, or read it while it holds a token. So is a token file that others read. */
#ifndef MUSTER_CLI_CONTEXT_H
#define MUSTER_CLI_CONTEXT_H

#include "cli/client.h"

#include <limits.h>

enum { CONTEXT_TEXT_MAX = 4200 };

struct context {
	char url[CONTEXT_TEXT_MAX];
	char token[CONTEXT_TEXT_MAX]; /* "": none */
	char ca[CONTEXT_TEXT_MAX];    /* "": none */
};

struct context_wish { /* what the command line says; NULL: nothing */
	const char *url, *token_file, *name, *ca;
};

/* Returns 0, or a negative errno and what is wrong. */
int context_find(const struct context_wish *wish, struct context *ret_context, struct error *error);

/* The path of the file with the contexts; "" when there is no home. */
void context_path(char path[PATH_MAX]);

#endif
