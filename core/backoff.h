/* backoff: how long the restart of a process that dies young waits (SUPERVISION: workers and exec children alike). */
#ifndef MUSTER_CORE_BACKOFF_H
#define MUSTER_CORE_BACKOFF_H

#include <stdint.h>

enum {
	BACKOFF_YOUNG_MS = 1000, /* who lived shorter and started no task died young */
	BACKOFF_BASE_MS = 100,
	BACKOFF_MAX_MS = 5000,
};

/* `streak`: young deaths in a row, this one included. After the first the restart is at once, then 100 ms · 2ⁿ, at most
 * 5 s; `random` in [0, 1) takes away up to a quarter. Pure. */
int64_t backoff_restart_ns(uint32_t streak, double random);

#endif
