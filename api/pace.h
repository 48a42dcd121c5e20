/* pace: how fast queues drain, so that submitters can be told how long theirs will wait.
 *
 * While tasks are submitted the broker is asked once a second how many wait and how many have ended; nobody else pays for
 * it. One thread. */
#ifndef MUSTER_API_PACE_H
#define MUSTER_API_PACE_H

#include "core/broker.h"
#include "core/config.h"

#include <stdbool.h>
#include <stdint.h>

struct link;

struct pace_queue {
	int64_t pending, ended; /* at the last look */
	double rate;            /* tasks that end in a second, smoothed */
};

struct pace {
	int64_t looked_mono_ns, before_mono_ns; /* the last two looks; 0: none */
	int64_t wanted_mono_ns;                 /* somebody submitted */
	struct pace_queue queues[CONFIG_QUEUES_MAX];
};

/* Somebody submits. */
static inline void pace_want(struct pace *pace, int64_t now_mono_ns)
{
	pace->wanted_mono_ns = now_mono_ns;
}

/* From the loop: looks when it is time. Returns when to be called next, INT64_MAX: not before somebody submits. */
int64_t pace_turn(struct pace *pace, const struct config *config, struct link *link, int64_t now_mono_ns);

/* Seconds that a task which is submitted now will wait behind those that do; 0: nobody knows, or less than one. */
double pace_wait_s(const struct pace *pace, int queue, int64_t now_mono_ns);
/* Seconds after which a full queue may have room for `count` more: 1 … 600. */
int pace_retry_s(const struct pace *pace, const struct config *config, int queue, int64_t count, int64_t now_mono_ns);

/* For pace_turn, and tests: notes a look. Pure. */
void pace_note(struct pace *pace, const struct broker_depth *depths, size_t queue_count, int64_t now_mono_ns);

#endif
