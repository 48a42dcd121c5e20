/* strays: children of the guardian that stand in no row.
 *
 * What a handler daemonises becomes its worker's child (a worker is a subreaper) and, when the worker is gone, the
 * guardian's. The guardian ends such children; not those that were there before it was musterd. */
#ifndef MUSTER_SERVER_STRAYS_H
#define MUSTER_SERVER_STRAYS_H

#include "core/scoreboard.h"

#include <stdbool.h>
#include <sys/types.h>

enum { STRAYS_OLD_MAX = 256 };

struct strays {
	pid_t old[STRAYS_OLD_MAX]; /* children that were there when musterd was exec'd */
	int old_count;
};

void strays_init(struct strays *strays);

/* Ends all children that stand in no row, but for those that the guardian has made itself: `own`, `own_count` pids (0:
 * none). Returns false when it could not tell, since a row is just being started: look again soon. Guardian only. */
bool strays_end(const struct strays *strays, const struct scoreboard *scoreboard, const pid_t own[], size_t own_count);

/* When no row lives any more: ends and reaps all that is left but the old ones. */
void strays_end_all(const struct strays *strays);

#endif
