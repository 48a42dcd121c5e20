/* node: what every process of one running musterd knows. Filled by the guardian, inherited, never changed afterwards. */
#ifndef MUSTER_CORE_NODE_H
#define MUSTER_CORE_NODE_H

#include "core/config.h"
#include "core/scoreboard.h"

#include <stdint.h>

enum { NODE_ID_MAX = 32, NODE_LISTENERS_MAX = 16 };

struct node {
	const struct config *config;
	const struct scoreboard *scoreboard;
	char id[NODE_ID_MAX + 1]; /* random, kept in <state_dir>/node, but see <state_dir>/place (startup.c) */
	char host[256];
	uint32_t epoch; /* counts starts on this state directory: generation = epoch << 32 | incarnation */
	int listeners[NODE_LISTENERS_MAX]; /* bound and listening */
	int listener_count;
	int control_api[2], control_scheduler[2]; /* [0]: the supervisor's end, [1]: the asker's */
	int bell_supervisor; /* eventfd: a death, a stop, or a promise earlier than header.wake_at */
	int bell_scheduler;  /* eventfd: a death was understood (exits), or the stage changed */
	int bell_guardian;   /* eventfd: somebody asks for a reload */
	/* Descriptors here live through an upgrade if handover.c's table names them. */
	int config_text;      /* memfd: the text of the configuration file that holds */
	int secrets;          /* memfd: what the files hold that it names */
	int audit;            /* memfd: api's record of who has changed what */
	char module_dir[512]; /* where modules without a slash in their name are looked for */
	int lock;             /* flock on <state_dir>/lock */
	int demo_dir;         /* descriptor of <state_dir>/demo, or -1 */
};

/* An incarnation's name in leases: below 2^53, so that a script can compare it as a number. */
static inline uint64_t node_generation(const struct node *node, uint32_t incarnation)
{
	return (uint64_t)node->epoch << 32 | incarnation;
}

/* "node/pool/slot" of a worker's row. */
void node_worker_name(const struct node *node, unsigned row, char name[TASK_WORKER_MAX]);

#endif
