/* events: GET /v1/events, server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html) of what
 * becomes of tasks and workers.
 *
 * One ring of the last events serves all clients: a client is a place in the ring, so one that does not read costs nothing;
 * when the ring has overtaken it, its stream ends. Nothing is collected while nobody listens. What becomes of tasks is told
 * by the broker's scripts, for all nodes; what workers do is seen on the scoreboard, ten times a second, for this node: a
 * task that runs for less than that is not seen to be active, and of what a task tells of its progress in that time the last
 * is told. One thread. */
#ifndef MUSTER_API_EVENTS_H
#define MUSTER_API_EVENTS_H

#include "api/request.h"
#include "core/broker.h"
#include "core/scoreboard.h"

#include <stdbool.h>
#include <stdint.h>

struct link;

enum { EVENTS_KEPT = 4096 };

enum event_kind {
	EVENT_TASK,
	EVENT_WORKER,
	EVENT_PROGRESS, /* what a task that runs on this node tells of itself */
	EVENT_DELETED,  /* tasks: how many of a queue */
	EVENT_MISSED,
};

struct event {
	char *text; /* owned: as it is sent */
	size_t length;
	enum event_kind kind;
	char queue[CONFIG_NAME_MAX + 1]; /* a task's; a worker's pool */
	char class[TASK_NAME_MAX + 1];
	char state[16];
};

struct events_seen { /* of a worker, at the last look */
	uint32_t incarnation, serial, state, told;
};

struct events {
	struct broker *broker; /* owned; NULL until somebody listens */
	bool subscribed;
	bool stopping;
	struct event ring[EVENTS_KEPT]; /* of event n: [n % EVENTS_KEPT] */
	uint64_t next;                  /* number of the next event; the first one has 1 */
	uint64_t woken_for;             /* `next` when those were last woken who want what there is */
	uint64_t missed;                /* tasks whose events were not told, since there were too many */
	uint64_t allowance;             /* how many more are told in this second */
	char origin[24];                /* tells the numbers of this process from another's */
	struct listener *first;         /* borrowed from their requests */
	size_t task_listeners; /* of these, such as want to hear of tasks: only for them the broker is listened to */
	size_t progress_listeners; /* such as want to hear of progress */
	struct events_seen seen[SCOREBOARD_ROWS];
	int64_t look_at_mono_ns, listen_at_mono_ns, subscribe_at_mono_ns, second_at_mono_ns, wake_at_mono_ns;
};

struct listener { /* one client */
	struct request *request;
	struct listener *next, *previous;
	uint64_t at;   /* number of the event that is sent next */
	size_t offset; /* bytes of it that have been sent */
	int64_t spoken_at_mono_ns;
	bool lost; /* tell it first that it has missed some */
	int kind;  /* of the only events it wants; -1: all */
	char queue[CONFIG_NAME_MAX + 1], class[TASK_NAME_MAX + 1], state[16]; /* "": all */
};

void events_open(struct events *events);
void events_close(struct events *events);

void events_get(struct request *request); /* GET /v1/events */

/* The next bytes for a client: their count; 0: none now, it will be resumed; -1: the stream is over. */
ssize_t events_read(struct request *request, char *bytes, size_t room);
/* The client has gone. */
void events_leave(struct request *request);

/* From the loop. Its descriptor becomes readable when the broker has news; -1: nobody listens. */
int events_fd(const struct events *events);
/* Returns when it is to be called next, INT64_MAX: not before somebody listens. */
int64_t events_turn(struct api *api, int64_t now_mono_ns);
void events_stop(struct events *events);

#endif
