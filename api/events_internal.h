/* events_internal: what the three files of events share: what is told (events.c), what workers do (events_workers.c), and the
 * clients who listen (events_clients.c). */
#ifndef MUSTER_API_EVENTS_INTERNAL_H
#define MUSTER_API_EVENTS_INTERNAL_H

#include "api/events.h"

#include <jansson.h>

extern const char *const events_kinds[]; /* [enum event_kind]: what stands in the stream */

/* The next event of the ring; takes the reference. What it says of itself is filled in by the caller. NULL: there is no
 * memory, and it is not told. */
struct event *events_append(struct events *events, enum event_kind kind, json_t *data);
/* The same of a task, with what filters ask for; borrows. NULL: "". */
void events_append_task(struct events *events, enum event_kind kind, const json_t *data, const char *queue,
	const char *class, const char *state);
/* Number of the oldest event that is kept. */
uint64_t events_oldest(const struct events *events);

/* Whether the client wants what only the broker tells. */
static inline bool events_hears_of_tasks(const struct listener *listener)
{
	return listener->kind != EVENT_WORKER && listener->kind != EVENT_PROGRESS;
}

/* Listens to the broker if somebody wants to hear of tasks and it is not listened to. */
void events_subscribe(struct api *api, int64_t now_mono_ns);

/* Looks at what this node's workers do. tells: what has changed since the last look becomes events. */
void events_look_at_workers(struct api *api, int64_t now_mono_ns, bool tells);

/* Resumes the clients for whom there is something. */
void events_wake(struct events *events, int64_t now_mono_ns);

#endif
