#include "api/trip.h"

#include "api/link.h"
#include "core/clock.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One call stays far below its deadline of a second. */
enum { TRIP_SUBMISSIONS = 10000, TRIP_REQUESTS = 1024, TRIP_BYTES = 8 * 1024 * 1024 };

void trip_fini(struct trip *trip)
{
	free(trip->requests);
	free(trip->submissions);
	free(trip->looks);
	*trip = (struct trip){0};
}

bool trip_has_room(const struct trip *trip)
{
	return trip->submission_count < TRIP_SUBMISSIONS && trip->request_count < TRIP_REQUESTS &&
	       trip->bytes < TRIP_BYTES;
}

static bool make_room(void **array, size_t *room, size_t wanted, size_t size)
{
	if (wanted <= *room)
		return true;
	size_t more = wanted < 64 ? 64 : wanted * 2;
	void *grown = reallocarray(*array, more, size);
	if (!grown)
		return false;
	*array = grown;
	*room = more;
	return true;
}

static bool make_rooms(struct trip *trip, size_t tasks)
{
	return make_room((void **)&trip->requests, &trip->request_room, trip->request_count + 1,
		       sizeof *trip->requests) &&
	       /* room for one even if there are none: an array that is NULL could not be counted along */
	       make_room((void **)&trip->submissions, &trip->submission_room, trip->submission_count + tasks + 1,
		       sizeof *trip->submissions) &&
	       make_room((void **)&trip->looks, &trip->look_room, trip->look_count + 1, sizeof *trip->looks);
}

void trip_add(struct trip *trip, struct request *request,
	void (*then)(struct request *request, const struct trip_result *result))
{
	if (!make_rooms(trip, request->task_count)) {
		then(request, &(struct trip_result){.status = -ENOMEM});
		return;
	}
	for (size_t i = 0; i < request->task_count; i++) {
		trip->submissions[trip->submission_count++] = (struct broker_submission){.task = &request->tasks[i]};
		trip->bytes += request->tasks[i].document.length;
	}
	if (request->looks) {
		struct broker_look *look = &trip->looks[trip->look_count++];
		memset(look, 0, sizeof *look);
		memcpy(look->id, request->id, sizeof look->id);
		look->watch = request->watch;
	}
	trip->requests[trip->request_count++] = request;
	request->then = then;
	request->stage = REQUEST_ASKING;
}

/* What the broker said to the submissions, and to the look-ups. */
struct said {
	int stored, looked;
};

static struct said call(struct trip *trip, struct broker_batch *words, struct link *link, struct error *error)
{
	int64_t until;

	int status = link_begin(link, &until, error);
	if (status < 0)
		return (struct said){status, status};
	words->submissions = trip->submissions;
	words->submission_count = trip->submission_count;
	words->looks = trip->looks;
	words->look_count = trip->look_count;
	words->created_ms = clock_wall_ms();
	words->source = TASK_SOURCE_HTTP;
	status = broker_batch(link->broker, words, until, error);
	/* A broker that was started anew has cut the connection, and is there: once more. Saying it twice does no harm. */
	if (status == BROKER_AWAY && clock_mono_ns() < until - CLOCK_NS_PER_S / 2)
		status = broker_batch(link->broker, words, until, error);
	struct said said = {status, status};
	/* What is to be stored is refused, but look-ups can be answered. */
	if ((status == BROKER_FULL || status == BROKER_UNCOPIED) && words->look_count > 0) {
		words->submission_count = 0;
		said.looked = broker_batch(link->broker, words, until, error);
	}
	(void)link_end(link, said.looked, error);
	return said;
}

static void hand_out(struct trip *trip, struct said said, const struct error *error)
{
	const struct broker_submission *submissions = trip->submissions;
	const struct broker_look *looks = trip->looks;
	size_t count = trip->request_count;

	/* A continuation may not add to the trip that brought it. */
	for (size_t i = 0; i < count; i++) {
		struct request *request = trip->requests[i];
		struct trip_result result = {.status = request->task_count > 0 ? said.stored : said.looked,
			.error = error,
			.submissions = submissions,
			.look = request->looks ? looks : NULL};
		submissions += request->task_count;
		looks += request->looks;
		request->then(request, &result);
	}
	assert(trip->request_count == count);
}

bool trip_run(struct trip *trip, struct link *link)
{
	struct broker_batch words = {0};
	struct error error = {""};

	if (trip->request_count == 0)
		return false;
	struct said said = call(trip, &words, link, &error);
	hand_out(trip, said, &error);
	broker_batch_fini(&words);
	trip->request_count = trip->submission_count = trip->look_count = trip->bytes = 0;
	return true;
}
