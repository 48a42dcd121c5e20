/* foreground: one task, run here and now by the configured handler, without a daemon and without a broker: for `--run`, by
 * which handlers are debugged and tested. What it logs, reports and pushes goes to stderr, its result to stdout. No deadline
 * holds; nothing is supervised. */
#ifndef MUSTER_SERVER_FOREGROUND_H
#define MUSTER_SERVER_FOREGROUND_H

#include "core/config.h"

enum {
	FOREGROUND_OK = 0,
	FOREGROUND_FAILED = 1,
	FOREGROUND_USAGE = 64, /* what was given is no task */
};

/* `params`: JSON texts, `count` of them: the task's positional parameters. Returns one of the above: the exit status. */
int foreground_run(
	const struct config *config, const char *class, const char *method, char *const *params, size_t count);

#endif
