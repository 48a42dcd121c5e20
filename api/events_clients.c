#include "api/events_internal.h"

#include "api/access.h"
#include "api/http.h"
#include "api/problem.h"
#include "api/state.h"
#include "core/clock.h"
#include "core/units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PING_MS = 15 * 1000 }; /* a comment, so that nobody on the way takes the stream for dead */

static bool hears_of_progress(const struct listener *listener)
{
	return listener->kind < 0 || listener->kind == EVENT_PROGRESS;
}

static bool wants(const struct listener *listener, const struct event *event)
{
	if (event->kind == EVENT_MISSED)
		return true;
	if (event->kind != EVENT_WORKER && !access_sees_queue(listener->request, event->queue))
		return false;
	const enum event_kind kind = event->kind == EVENT_DELETED ? EVENT_TASK : event->kind;
	return (listener->kind < 0 || listener->kind == (int)kind) &&
	       (listener->queue[0] == '\0' || strcmp(listener->queue, event->queue) == 0) &&
	       (listener->class[0] == '\0' || strcmp(listener->class, event->class) == 0) &&
	       (listener->state[0] == '\0' || strcmp(listener->state, event->state) == 0);
}

/* Whether there is an event that the client has not been sent and wants. It is led past those that it does not want, so that
 * the ring does not overtake it. */
static bool has_news(const struct events *events, struct listener *listener)
{
	while (listener->offset == 0 && listener->at < events->next && listener->at >= events_oldest(events)) {
		if (wants(listener, &events->ring[listener->at % EVENTS_KEPT]))
			return true;
		listener->at++;
	}
	return listener->at < events->next;
}

/* Whether it is to be told that it has missed some. */
static bool is_to_be_reset(const struct events *events, const struct listener *listener)
{
	return listener->lost && listener->offset == 0 && (events->subscribed || !events_hears_of_tasks(listener));
}

static bool is_due_for_ping(const struct listener *listener, int64_t now)
{
	return now - listener->spoken_at_mono_ns >= PING_MS * CLOCK_NS_PER_MS;
}

void events_wake(struct events *events, int64_t now)
{
	for (struct listener *listener = events->first; listener; listener = listener->next)
		if (listener->request->suspended &&
			(events->stopping || is_due_for_ping(listener, now) || is_to_be_reset(events, listener) ||
				has_news(events, listener)))
			http_resume(listener->request);
}

static ssize_t say(char *bytes, size_t room, const char *text)
{
	size_t length = strlen(text);

	if (length > room)
		return 0;
	memcpy(bytes, text, length);
	return (ssize_t)length;
}

static size_t read_ring(const struct events *events, struct listener *listener, char *bytes, size_t room)
{
	size_t done = 0;

	while (listener->at < events->next && done < room) {
		const struct event *event = &events->ring[listener->at % EVENTS_KEPT];
		if (listener->offset == 0 && !wants(listener, event)) {
			listener->at++;
			continue;
		}
		size_t left = event->length - listener->offset, part = left < room - done ? left : room - done;
		memcpy(bytes + done, event->text + listener->offset, part);
		done += part;
		listener->offset += part;
		if (listener->offset == event->length) {
			listener->offset = 0;
			listener->at++;
		}
	}
	return done;
}

ssize_t events_read(struct request *request, char *bytes, size_t room)
{
	struct events *events = &request->api->events;
	struct listener *listener = request->listener;
	const int64_t now = clock_mono_ns();

	if (events->stopping || listener->at < events_oldest(events))
		return -1; /* it comes back with the last id that it has seen */
	if (is_to_be_reset(events, listener)) {
		listener->lost = false;
		return say(bytes, room, "event: reset\ndata: {}\n\n");
	}
	size_t done = read_ring(events, listener, bytes, room);
	if (done == 0 && is_due_for_ping(listener, now)) {
		if (http_client_has_left(request))
			return -1;
		done = (size_t)say(bytes, room, ": still here\n\n");
	}
	if (done > 0)
		listener->spoken_at_mono_ns = now;
	return (ssize_t)done;
}

void events_leave(struct request *request)
{
	struct events *events = &request->api->events;
	struct listener *listener = request->listener;

	if (!listener)
		return;
	if (listener->previous)
		listener->previous->next = listener->next;
	else
		events->first = listener->next;
	if (listener->next)
		listener->next->previous = listener->previous;
	events->task_listeners -= events_hears_of_tasks(listener);
	events->progress_listeners -= hears_of_progress(listener);
	free(listener);
	request->listener = NULL;
	if (events->task_listeners == 0 && events->subscribed) {
		broker_disconnect(events->broker);
		events->subscribed = false;
	}
}

/* One who comes back goes on behind the last event that it has seen, if that was one of ours and is still kept. */
static void take_up(const struct events *events, struct listener *listener, const char *last)
{
	const size_t length = strlen(events->origin);
	int64_t number;

	listener->at = events->next;
	if (!last || last[0] == '\0')
		return;
	listener->lost = strncmp(last, events->origin, length) != 0 || last[length] != '-' ||
			 units_parse_integer(last + length + 1, 0, INT64_MAX, &number) < 0 ||
			 (uint64_t)number + 1 < events_oldest(events) || (uint64_t)number >= events->next;
	if (!listener->lost)
		listener->at = (uint64_t)number + 1;
}

static bool read_filter(struct request *request, const char *name, char *value, size_t size)
{
	const char *given = request_query(request, name);

	if (given && strlen(given) >= size) {
		problem(request, 400, "the parameter %s is too long", name);
		return false;
	}
	if (given)
		(void)snprintf(value, size, "%s", given);
	return true;
}

static bool read_kind(struct request *request, struct listener *listener)
{
	static const enum event_kind asked_for[] = {EVENT_TASK, EVENT_WORKER, EVENT_PROGRESS};
	const char *kind = request_query(request, "type");

	listener->kind = -1;
	for (size_t i = 0; kind && i < sizeof asked_for / sizeof asked_for[0]; i++)
		if (strcmp(kind, events_kinds[asked_for[i]]) == 0)
			listener->kind = (int)asked_for[i];
	if (kind && listener->kind < 0)
		problem(request, 400, "type must be task, worker or progress");
	return !kind || listener->kind >= 0;
}

static bool read_filters(struct request *request, struct listener *listener)
{
	return read_kind(request, listener) && read_filter(request, "queue", listener->queue, sizeof listener->queue) &&
	       read_filter(request, "class", listener->class, sizeof listener->class) &&
	       read_filter(request, "state", listener->state, sizeof listener->state);
}

void events_get(struct request *request)
{
	struct api *api = request->api;
	struct events *events = &api->events;
	struct listener *listener = calloc(1, sizeof *listener);

	if (!listener) {
		problem_broker(request, -ENOMEM, NULL);
		return;
	}
	if (!read_filters(request, listener)) {
		free(listener);
		return;
	}
	listener->request = request;
	take_up(events, listener, request_header(request, "Last-Event-ID"));
	listener->next = events->first;
	if (events->first)
		events->first->previous = listener;
	else
		events_look_at_workers(api, clock_mono_ns(), false); /* from here on, changes are told */
	events->first = listener;
	events->task_listeners += events_hears_of_tasks(listener);
	events->progress_listeners += hears_of_progress(listener);
	request->listener = listener;
	events_subscribe(api, clock_mono_ns()); /* at once: what is submitted after our answer is told */
	answer_stream(request, 200, "text/event-stream", events_read);
}
