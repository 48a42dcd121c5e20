/* queue_settings: what may be changed of a queue while it is in use, for all nodes (PATCH /v1/queues/{queue}).
 *
 * What was changed is kept in the broker: a JSON object a queue, of the members that are not as the file says. Each node's
 * scheduler reads them once a second and writes onto the scoreboard what holds then. Who acts on it takes it over from
 * there, before his next piece of work, into this process's own copy of the configuration: all that reads a queue's numbers
 * there reads what holds now. The api that was asked for a change does so at once. Where nothing was ever changed, this
 * costs the comparison of one word, and no memory.
 *
 * config_queue_settings_schema has the members, a row each; all are numbers. For the one thread that changes its process's
 * configuration. */
#ifndef MUSTER_CORE_QUEUE_SETTINGS_H
#define MUSTER_CORE_QUEUE_SETTINGS_H

#include "core/config.h"
#include "core/scoreboard.h"

#include <jansson.h>
#include <stdint.h>

struct queue_settings { /* what one process has taken over; {0} at first */
	const struct config *config;
	uint32_t serial;                       /* of the scoreboard, when it did */
	uint64_t (*file)[SCOREBOARD_SETTINGS]; /* owned: what the file says, by queue; NULL: nothing was ever changed */
	int64_t own_mono_ns;                   /* what the scheduler read before is older than what we know */
	json_t *published;                     /* owned; the scheduler's */
};

/* Takes over what the scoreboard has that is new, or what it has for another configuration than the last time. */
void queue_settings_follow(
	struct queue_settings *settings, const struct config *config, const struct scoreboard *scoreboard);
void queue_settings_fini(struct queue_settings *settings);

/* Works out what holds of a queue when `changes` (an object) are made to what the file says. Returns 0; -EINVAL with the
 * faults; -ENOMEM. */
int queue_settings_work_out(struct queue_settings *settings, const struct config *config, int queue,
	const json_t *changes, struct config_queue *ret_queue, struct schema_faults *faults);

/* In this process, from now on: what was worked out. */
void queue_settings_take(
	struct queue_settings *settings, const struct config *config, int queue, const struct config_queue *holds);

/* The scheduler's: writes onto the scoreboard what `changes` ({"queue": {…}}, as the broker had them at read_at) make of the
 * queues, if that is news. What cannot be understood, another version's, changes nothing. Returns 0 or -ENOMEM. */
int queue_settings_publish(struct queue_settings *settings, const struct config *config,
	const struct scoreboard *scoreboard, json_t *changes, int64_t read_at_mono_ns);

#endif
