/* reload: SIGHUP. A short-lived child reads the configuration and checks it, with all modules it names: a file that crashes
 * whoever looks at it costs that child. Only what passed is taken over: the guardian loads the very bytes that were
 * checked, raises config_generation, and has a new supervisor made, which inherits it and rolls the workers. A file that
 * is refused changes nothing. Guardian only. */
#ifndef MUSTER_SERVER_RELOAD_H
#define MUSTER_SERVER_RELOAD_H

#include "core/node.h"

#include <stdbool.h>
#include <sys/types.h>

struct reload {
	struct node *node; /* whose `config` is replaced */
	pid_t checker;     /* 0: none */
	int candidate;     /* memfd: the bytes that it checks */
	int64_t until;     /* mono ns: it is killed then */
	bool again;        /* asked for once more while one was on its way */
};

/* Keeps the text of the configuration that holds, for those who take up later ones. Returns 0 or a negative errno. */
int reload_init(struct reload *reload, struct node *node);

/* SIGHUP, or a request of the API. Returns true when there is no file to check: workers are rolled all the same, which
 * takes up new modules. */
bool reload_begin(struct reload *reload);

/* The checker has ended with that exit status (a signal: −1). Returns whether there is something new to take over. */
bool reload_finish(struct reload *reload, int exit_status);

/* Ends a checker that has taken too long. */
void reload_watch(struct reload *reload, int64_t now_mono_ns);

#endif
