#include "api/trip.h"

#include "api/link.h"
#include "core/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One call stays far below its deadline of a second. */
enum { TRIP_SUBMISSIONS = 10000, TRIP_REQUESTS = 1024, TRIP_BYTES = 8 * 1024 * 1024 };

static void free_load(struct trip_load *load)
{
	free(load->requests);
	free(load->submissions);
	free(load->looks);
	free(load->groups);
}

void trip_fini(struct trip *trip)
{
	free_load(&trip->next);
	free_load(&trip->sent);
	broker_batch_fini(&trip->words);
	*trip = (struct trip){0};
}

bool trip_has_room(const struct trip *trip)
{
	const struct trip_load *load = &trip->next;

	return load->submission_count < TRIP_SUBMISSIONS && load->request_count < TRIP_REQUESTS &&
	       load->bytes < TRIP_BYTES;
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

static bool make_rooms(struct trip_load *load, size_t tasks)
{
	return make_room((void **)&load->requests, &load->request_room, load->request_count + 1,
		       sizeof *load->requests) &&
	       /* room for one even if there are none: an array that is NULL could not be counted along */
	       make_room((void **)&load->submissions, &load->submission_room, load->submission_count + tasks + 1,
		       sizeof *load->submissions) &&
	       make_room((void **)&load->looks, &load->look_room, load->look_count + 1, sizeof *load->looks) &&
	       make_room((void **)&load->groups, &load->group_room, load->group_count + 1, sizeof *load->groups);
}

void trip_add(struct trip *trip, struct request *request,
	void (*then)(struct request *request, const struct trip_result *result))
{
	struct trip_load *load = &trip->next;

	if (!make_rooms(load, request->task_count)) {
		then(request, &(struct trip_result){.status = -ENOMEM});
		return;
	}
	if (request->key[0] != '\0' || request->task_count > 1)
		load->groups[load->group_count++] = (struct broker_group){.first = load->submission_count,
			.count = request->task_count,
			.array = request->tasks != &request->single,
			.key = request->key[0] != '\0' ? request->key : NULL};
	for (size_t i = 0; i < request->task_count; i++) {
		load->submissions[load->submission_count++] = (struct broker_submission){.task = &request->tasks[i]};
		load->bytes += request->tasks[i].document.length;
	}
	if (request->looks) {
		struct broker_look *look = &load->looks[load->look_count++];
		memset(look, 0, sizeof *look);
		memcpy(look->id, request->id, sizeof look->id);
		look->watch = request->watch;
	}
	load->requests[load->request_count++] = request;
	request->then = then;
	request->stage = REQUEST_ASKING;
}

/* What the broker said to the submissions, and to the look-ups. */
struct said {
	int stored, looked;
};

static void hand_out(struct trip *trip, struct said said, const struct error *error)
{
	struct trip_load *load = &trip->sent;
	const struct broker_submission *submissions = load->submissions;
	const struct broker_look *looks = load->looks;

	for (size_t i = 0; i < load->request_count; i++) {
		struct request *request = load->requests[i];
		struct trip_result result = {.status = request->task_count > 0 ? said.stored : said.looked,
			.error = error,
			.submissions = submissions,
			.look = request->looks ? looks : NULL};
		submissions += request->task_count;
		looks += request->looks;
		request->then(request, &result);
	}
	broker_batch_fini(&trip->words);
	load->request_count = load->submission_count = load->look_count = load->group_count = load->bytes = 0;
}

bool trip_leave(struct trip *trip, struct link *link)
{
	if (trip->under_way || trip->next.request_count == 0)
		return false;
	struct trip_load load = trip->next;
	trip->next = trip->sent; /* empty, but for its arrays */
	trip->sent = load;
	trip->words = (struct broker_batch){
		.submissions = load.submissions,
		.submission_count = load.submission_count,
		.groups = load.groups,
		.group_count = load.group_count,
		.looks = load.looks,
		.look_count = load.look_count,
		.created_ms = clock_wall_ms(),
		.source = TASK_SOURCE_HTTP,
	};
	int status = link_begin(link, &trip->until_mono_ns, &trip->error);
	if (status < 0) {
		hand_out(trip, (struct said){status, status}, &trip->error);
		return true;
	}
	trip->status = broker_batch_send(link->broker, &trip->words, trip->until_mono_ns, &trip->error);
	trip->under_way = true;
	return true;
}

static struct said receive(struct trip *trip, struct link *link)
{
	struct broker_batch *words = &trip->words;
	struct error *error = &trip->error;
	const int64_t until = trip->until_mono_ns;
	int status = trip->status;

	if (status == 0)
		status = broker_batch_receive(link->broker, words, until, error);
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

void trip_arrive(struct trip *trip, struct link *link)
{
	if (!trip->under_way)
		return;
	trip->under_way = false;
	hand_out(trip, receive(trip, link), &trip->error);
}
