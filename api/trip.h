/* trip: all submissions and look-ups of one turn of the loop, said to the broker in one round trip.
 *
 * A route's function adds its request (tasks, and one look-up at most) to the load that is being collected. trip_leave sends
 * it; while the broker does its part, the answers of the trip before go out and the next load comes in; trip_arrive receives
 * the reply and gives each request its part by request->then. One load is under way at most. One thread. */
#ifndef MUSTER_API_TRIP_H
#define MUSTER_API_TRIP_H

#include "api/request.h"
#include "core/broker.h"

#include <stdbool.h>
#include <stddef.h>

struct link;

struct trip_load {
	struct request **requests;             /* owned array of borrowed requests */
	struct broker_submission *submissions; /* owned */
	struct broker_look *looks;             /* owned */
	struct broker_group *groups;           /* owned: requests whose tasks belong together */
	size_t request_count, request_room;
	size_t submission_count, submission_room;
	size_t look_count, look_room;
	size_t group_count, group_room;
	size_t bytes; /* of documents */
};

struct trip {
	struct trip_load next, sent;
	struct broker_batch words; /* of what was sent */
	int64_t until_mono_ns;     /* its deadline */
	bool under_way;
	int status; /* of sending it; with `error` where it failed */
	struct error error;
};

void trip_fini(struct trip *trip);

/* Whether another request may be added now; if not, it is asked again after the turn. */
bool trip_has_room(const struct trip *trip);

/* Adds request->tasks and, if request->looks, the look-up of request->id. `then` will be called once, whatever happens. */
void trip_add(struct trip *trip, struct request *request,
	void (*then)(struct request *request, const struct trip_result *result));

/* Sends what was collected, unless there is nothing, or a load is under way. Returns whether there was anything; what could
 * not be sent has been handed out as a failure. */
bool trip_leave(struct trip *trip, struct link *link);

/* Waits for the reply to what is under way, if anything is, and hands out its results. */
void trip_arrive(struct trip *trip, struct link *link);

#endif
