/* roll: the herd as the scoreboard shows it at one moment. Reads only; never asks the broker. */
#ifndef MUSTER_API_ROLL_H
#define MUSTER_API_ROLL_H

#include "core/node.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum roll_state { /* CONTRACT's worker states */
	ROLL_STARTING,
	ROLL_IDLE,
	ROLL_BUSY,
	ROLL_DRAINING,
	ROLL_DEAD,
	ROLL_BACKOFF,
	ROLL_PARKED,
	ROLL_STATES,
};

struct roll_worker {
	unsigned row;
	int pool, slot;
	uint32_t incarnation;
	pid_t pid; /* 0: none */
	enum roll_state state;
	double beat_age_s; /* of its last beat; -1: it has not beaten yet, or is dead */
	double promise_s;  /* until it must beat again, negative when overdue; 0 where beat_age_s is -1 */
	double uptime_s;   /* -1: it is not running */
};

/* Where a task runs that is in a worker's hands, or was until a moment ago and is not reported yet. */
struct roll_task {
	unsigned row;
	uint32_t incarnation, serial; /* names this execution to control_send; serial 0: it is not running any more */
	int64_t started_ms;           /* wall; 0: it is not running any more */
	int32_t progress;
	char note[128];
};

const char *roll_state_name(enum roll_state state);

/* Returns false if the row is no worker's, one that has left a pool that shrank, or one of a pool that a reload has just
 * made and that this process's configuration does not have yet. */
bool roll_look(const struct node *node, unsigned row, int64_t now_mono_ns, struct roll_worker *ret_worker);

/* Resident bytes of the worker; -1: it is not the same process any more. */
int64_t roll_resident_bytes(const struct scoreboard *scoreboard, const struct roll_worker *worker);

/* Finds the task among those that workers have started. Returns false when no worker of this node has. */
bool roll_find_task(const struct scoreboard *scoreboard, const char *id, struct roll_task *ret_task);

#endif
