/* trip: all submissions and look-ups of one turn of the loop, said to the broker in one round trip.
 *
 * A route's function adds its request (tasks, and one look-up at most); after the turn trip_run makes the call and gives
 * each request its part by request->then. One thread. */
#ifndef MUSTER_API_TRIP_H
#define MUSTER_API_TRIP_H

#include "api/request.h"
#include "core/broker.h"

#include <stdbool.h>
#include <stddef.h>

struct link;

struct trip {
	struct request **requests;             /* owned array of borrowed requests */
	struct broker_submission *submissions; /* owned */
	struct broker_look *looks;             /* owned */
	size_t request_count, request_room;
	size_t submission_count, submission_room;
	size_t look_count, look_room;
	size_t bytes; /* of documents */
};

void trip_fini(struct trip *trip);

/* Whether another request may be added now; if not, it is asked again after the turn. */
bool trip_has_room(const struct trip *trip);

/* Adds request->tasks and, if request->looks, the look-up of request->id. `then` will be called once, whatever happens. */
void trip_add(struct trip *trip, struct request *request,
	void (*then)(struct request *request, const struct trip_result *result));

/* Makes the call, if there is anything to say, and hands out its results. Returns whether there was. */
bool trip_run(struct trip *trip, struct link *link);

#endif
