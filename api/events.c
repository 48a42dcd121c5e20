#include "api/events.h"

#include "api/access.h"
#include "api/http.h"
#include "api/problem.h"
#include "api/roll.h"
#include "api/state.h"
#include "api/tasks.h"
#include "core/clock.h"
#include "core/id.h"
#include "core/log.h"
#include "core/units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	LOOK_MS = 100,       /* workers are looked at so often */
	PING_MS = 15 * 1000, /* a comment, so that nobody on the way takes the stream for dead */
	LISTEN_MS = BROKER_LISTEN_MS / 3,
	RETRY_MS = 500,
	PER_SECOND_MAX = 2000, /* tasks' events that are told; of more, how many there were */
	LOOKS_MAX = 256,       /* in one call of the broker */
};

static const int64_t subscribe_ns = 200 * CLOCK_NS_PER_MS;
static const char deleted[] = "deleted"; /* no state of a task, but what becomes of some */
static const char *const kinds[] = {
	[EVENT_TASK] = "task", [EVENT_WORKER] = "worker", [EVENT_DELETED] = "deleted", [EVENT_MISSED] = "missed"};

void events_open(struct events *events)
{
	char id[ID_LENGTH + 1];

	id_generate(id);
	(void)snprintf(events->origin, sizeof events->origin, "%.16s", id);
	events->next = 1;
}

void events_close(struct events *events)
{
	broker_close(events->broker);
	for (size_t i = 0; i < EVENTS_KEPT; i++)
		free(events->ring[i].text);
	events->broker = NULL;
}

/* ---- the ring ---- */

static uint64_t oldest(const struct events *events)
{
	return events->next > EVENTS_KEPT ? events->next - EVENTS_KEPT : 1;
}

/* Takes the reference. The next event; what it says of itself is filled in by the caller. */
static struct event *append(struct events *events, enum event_kind kind, json_t *data)
{
	char *text = NULL, *dumped = data ? json_dumps(data, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
	int length = dumped ? asprintf(&text, "id: %s-%llu\nevent: %s\ndata: %s\n\n", events->origin,
				      (unsigned long long)events->next, kinds[kind], dumped)
			    : -1;

	free(dumped);
	json_decref(data);
	if (length < 0)
		return NULL; /* no memory: this one is not told */
	struct event *event = &events->ring[events->next++ % EVENTS_KEPT];
	free(event->text);
	*event = (struct event){.text = text, .length = (size_t)length, .kind = kind};
	return event;
}

static void append_task(
	struct events *events, const json_t *view, const char *queue, const char *class, const char *state)
{
	struct event *event = append(events, EVENT_TASK, json_incref((json_t *)view));

	if (!event)
		return;
	(void)snprintf(event->queue, sizeof event->queue, "%s", queue ? queue : "");
	(void)snprintf(event->class, sizeof event->class, "%s", class ? class : "");
	(void)snprintf(event->state, sizeof event->state, "%s", state ? state : "");
}

/* ---- what the broker tells ---- */

/* What is shown of a task in an event: not its params and result, which may be large, or nobody's business. */
static void tell_task(struct api *api, const struct broker_look *look, enum task_state state)
{
	static const char *const shown[] = {"id", "queue", "class", "method", "state", "attempts", "max_attempts",
		"crashes", "worker", "started_at", "finished_at", "error"};
	json_auto_t *view = look->known ? tasks_view(api, look) : NULL;
	json_auto_t *data = json_object();

	for (size_t i = 0; view && i < sizeof shown / sizeof shown[0]; i++)
		(void)json_object_set(data, shown[i], json_object_get(view, shown[i]));
	(void)json_object_set_new(data, "id", json_string(look->id));
	(void)json_object_set_new(data, "state", json_string(task_state_name(state)));
	(void)json_object_set_new(data, "at", answer_time(clock_wall_ms()));
	append_task(&api->events, data, json_string_value(json_object_get(data, "queue")),
		json_string_value(json_object_get(data, "class")), task_state_name(state));
}

/* Looks the tasks up in one call, for what their ids do not tell. */
static void tell_tasks(struct api *api, struct broker_look *looks, const enum task_state *states, size_t count)
{
	struct broker_batch batch = {.looks = looks, .look_count = count};
	struct error error;
	int64_t until;

	int status = link_begin(&api->link, &until, &error);
	if (status == 0)
		status = link_end(&api->link, broker_batch(api->link.broker, &batch, until, &error), &error);
	for (size_t i = 0; i < count; i++) {
		looks[i].known = looks[i].known && status == 0;
		tell_task(api, &looks[i], states[i]);
	}
	broker_batch_fini(&batch);
}

static size_t line_length(struct bytes text)
{
	const char *end = memchr(text.data, '\n', text.length);

	return end ? (size_t)(end - text.data) : text.length;
}

/* The rest of a line `- count queue`. */
static void tell_deleted(struct events *events, const char *text, size_t length)
{
	char line[CONFIG_NAME_MAX + 32], queue[CONFIG_NAME_MAX + 1];
	long long count;

	(void)snprintf(line, sizeof line, "%.*s", (int)(length < sizeof line ? length : sizeof line - 1), text);
	if (sscanf(line, "%lld %64s", &count, queue) != 2)
		return;
	struct event *event = append(events, EVENT_DELETED,
		json_pack("{s:s, s:s, s:I, s:o}", "queue", queue, "state", deleted, "tasks", (json_int_t)count, "at",
			answer_time(clock_wall_ms())));
	if (!event)
		return;
	memcpy(event->queue, queue, sizeof event->queue);
	memcpy(event->state, deleted, sizeof deleted);
}

/* Lines `letter id`, `- count queue` and `+ n`. */
static void read_news(struct api *api, struct bytes text)
{
	static struct broker_look looks[LOOKS_MAX];
	enum task_state states[LOOKS_MAX];
	struct events *events = &api->events;
	size_t count = 0;

	while (text.length > 0) {
		char rest[ID_MAX + 1];
		int64_t more = 0;
		size_t length = line_length(text);
		const bool fits = length > 2 && length - 2 <= ID_MAX;
		if (fits) {
			memcpy(rest, text.data + 2, length - 2);
			rest[length - 2] = '\0';
		}
		if (length > 2 && text.data[0] == '-') {
			tell_deleted(events, text.data + 2, length - 2);
		} else if (fits && text.data[0] == '+') {
			events->missed += units_parse_integer(rest, 0, INT64_MAX, &more) == 0 ? (uint64_t)more : 0;
		} else if (fits && (events->allowance == 0 || count == LOOKS_MAX)) {
			events->missed++;
		} else if (fits) {
			events->allowance--;
			looks[count] = (struct broker_look){0};
			memcpy(looks[count].id, rest, sizeof rest);
			states[count++] = (enum task_state)text.data[0];
		}
		text.data += length;
		text.length -= length;
		if (text.length > 0)
			text.data++, text.length--;
	}
	if (count > 0)
		tell_tasks(api, looks, states, count);
}

static void tell_missed(struct events *events, int64_t now)
{
	if (now < events->second_at_mono_ns)
		return;
	if (events->missed > 0)
		(void)append(events, EVENT_MISSED, json_pack("{s:I}", "tasks", (json_int_t)events->missed));
	events->missed = 0;
	events->allowance = PER_SECOND_MAX;
	events->second_at_mono_ns = now + CLOCK_NS_PER_S;
}

static void lose(struct events *events, int64_t now)
{
	broker_disconnect(events->broker);
	events->subscribed = false;
	events->subscribe_at_mono_ns = now + RETRY_MS * CLOCK_NS_PER_MS;
	/* What becomes of tasks meanwhile is not known: told when it is again. */
	for (struct listener *listener = events->first; listener; listener = listener->next)
		listener->lost = listener->lost || listener->kind != EVENT_WORKER;
}

static void subscribe(struct api *api, int64_t now)
{
	struct events *events = &api->events;
	struct error error;
	int64_t until;

	if (events->task_listeners == 0 || !api->link.up || (events->subscribed && now < events->listen_at_mono_ns))
		return;
	if (!events->subscribed && now < events->subscribe_at_mono_ns)
		return;
	int status = link_begin(&api->link, &until, &error);
	if (status == 0)
		status = link_end(&api->link, broker_listen(api->link.broker, until, &error), &error);
	events->listen_at_mono_ns = now + LISTEN_MS * CLOCK_NS_PER_MS;
	if (status < 0 || events->subscribed)
		return;
	if (!events->broker)
		status = broker_open(&events->broker, api->node->config);
	if (status == 0)
		status = broker_subscribe_news(events->broker, clock_mono_ns() + subscribe_ns, &error);
	events->subscribed = status == 0;
	events->wake_at_mono_ns = 0;
	events->subscribe_at_mono_ns = now + RETRY_MS * CLOCK_NS_PER_MS;
}

static void hear(struct api *api, int64_t now)
{
	struct events *events = &api->events;
	struct bytes text;
	int status = 0;

	if (!events->subscribed)
		return;
	while ((status = broker_next_news(events->broker, &text)) > 0)
		read_news(api, text);
	if (status < 0)
		lose(events, now);
}

/* ---- what the scoreboard shows ---- */

static void tell_worker(struct api *api, const struct roll_worker *worker)
{
	const char *pool = api->node->config->pools[worker->pool].name, *state = roll_state_name(worker->state);
	struct scoreboard_exit last;
	const bool died =
		worker->state >= ROLL_DEAD && scoreboard_read_exit(api->node->scoreboard, worker->row, 0, &last);
	struct event *event = append(&api->events, EVENT_WORKER,
		json_pack("{s:s, s:s, s:i, s:s, s:o, s:I, s:o, s:o}", "node", api->node->id, "pool", pool, "slot",
			worker->slot, "state", state, "pid", worker->pid > 0 ? json_integer(worker->pid) : json_null(),
			"incarnation", (json_int_t)worker->incarnation, "reason",
			died ? json_string(scoreboard_reason_name((enum scoreboard_reason)last.reason)) : json_null(),
			"at", answer_time(clock_wall_ms())));

	if (!event)
		return;
	(void)snprintf(event->queue, sizeof event->queue, "%s", pool);
	(void)snprintf(event->state, sizeof event->state, "%s", state);
}

static void tell_active(struct api *api, const struct roll_worker *worker, const struct scoreboard_current *current)
{
	const struct config *config = api->node->config;
	struct events *events = &api->events;
	char name[TASK_WORKER_MAX];

	if (current->queue < 0 || (size_t)current->queue >= config->queue_count)
		return; /* what a worker wrote is not believed */
	const char *queue = config->queues[current->queue].name;
	node_worker_name(api->node, worker->row, name);
	json_auto_t *data = json_pack("{s:o, s:s, s:o, s:o, s:s, s:s, s:o, s:o}", "id",
		answer_text(current->id, sizeof current->id), "queue", queue, "class",
		answer_text(current->class, sizeof current->class), "method",
		answer_text(current->method, sizeof current->method), "state", "active", "worker", name, "started_at",
		answer_time(current->started_ms), "at", answer_time(clock_wall_ms()));
	append_task(events, data, queue, current->class, "active");
}

/* All that have begun after the one with that serial. */
static void tell_begun(struct api *api, const struct roll_worker *worker, uint32_t seen)
{
	const struct scoreboard_area *area = scoreboard_area(api->node->scoreboard, worker->row);
	struct scoreboard_current current;

	for (unsigned i = 0; i < SCOREBOARD_BATCH; i++)
		if (scoreboard_read_position(area, i, &current) && (int32_t)(current.serial - seen) > 0)
			tell_active(api, worker, &current);
}

static void look_at_worker(struct api *api, unsigned row, int64_t now, bool tells)
{
	struct events *events = &api->events;
	const struct scoreboard_area *area = scoreboard_area(api->node->scoreboard, row);
	struct roll_worker worker;

	if (!roll_look(api->node, row, now, &worker))
		return;
	const uint32_t serial = worker.state == ROLL_BUSY ? (uint32_t)area->serial : 0;
	const bool changed = worker.incarnation != events->seen[row].incarnation ||
			     (uint32_t)worker.state != events->seen[row].state;
	if (tells && changed)
		tell_worker(api, &worker);
	if (tells && serial != 0 && (changed || serial != events->seen[row].serial))
		tell_begun(api, &worker,
			worker.incarnation == events->seen[row].incarnation ? events->seen[row].serial : 0);
	events->seen[row].incarnation = worker.incarnation;
	events->seen[row].state = (uint32_t)worker.state;
	events->seen[row].serial = serial;
}

static void look_at_workers(struct api *api, int64_t now, bool tells)
{
	for (unsigned row = ROW_WORKERS; row < api->node->scoreboard->header->row_count; row++)
		look_at_worker(api, row, now, tells);
	api->events.look_at_mono_ns = now + LOOK_MS * CLOCK_NS_PER_MS;
}

/* ---- clients ---- */

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
	while (listener->offset == 0 && listener->at < events->next && listener->at >= oldest(events)) {
		if (wants(listener, &events->ring[listener->at % EVENTS_KEPT]))
			return true;
		listener->at++;
	}
	return listener->at < events->next;
}

/* Whether it is to be told that it has missed some. */
static bool is_to_be_reset(const struct events *events, const struct listener *listener)
{
	return listener->lost && listener->offset == 0 && (events->subscribed || listener->kind == EVENT_WORKER);
}

static bool is_due_for_ping(const struct listener *listener, int64_t now)
{
	return now - listener->spoken_at_mono_ns >= PING_MS * CLOCK_NS_PER_MS;
}

static void wake_listeners(struct events *events, int64_t now)
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

	if (events->stopping || listener->at < oldest(events))
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
	events->task_listeners -= listener->kind != EVENT_WORKER;
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
			 (uint64_t)number + 1 < oldest(events) || (uint64_t)number >= events->next;
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

static bool read_filters(struct request *request, struct listener *listener)
{
	const char *kind = request_query(request, "type");

	listener->kind = -1;
	if (kind && strcmp(kind, kinds[EVENT_TASK]) == 0)
		listener->kind = EVENT_TASK;
	else if (kind && strcmp(kind, kinds[EVENT_WORKER]) == 0)
		listener->kind = EVENT_WORKER;
	else if (kind) {
		problem(request, 400, "type must be task or worker");
		return false;
	}
	return read_filter(request, "queue", listener->queue, sizeof listener->queue) &&
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
		look_at_workers(api, clock_mono_ns(), false); /* from here on, changes are told */
	events->first = listener;
	events->task_listeners += listener->kind != EVENT_WORKER;
	request->listener = listener;
	subscribe(api, clock_mono_ns()); /* at once: what is submitted after our answer is told */
	answer_stream(request, 200, "text/event-stream", events_read);
}

/* ---- the loop's ---- */

int events_fd(const struct events *events)
{
	return events->subscribed ? broker_fd(events->broker) : -1;
}

int64_t events_turn(struct api *api, int64_t now_mono_ns)
{
	struct events *events = &api->events;

	if (!events->first)
		return INT64_MAX;
	tell_missed(events, now_mono_ns);
	hear(api, now_mono_ns);
	subscribe(api, now_mono_ns);
	if (now_mono_ns >= events->look_at_mono_ns)
		look_at_workers(api, now_mono_ns, true);
	if (events->next != events->woken_for || now_mono_ns >= events->wake_at_mono_ns) {
		wake_listeners(events, now_mono_ns);
		events->woken_for = events->next;
		events->wake_at_mono_ns = now_mono_ns + CLOCK_NS_PER_S; /* for pings */
	}
	return events->look_at_mono_ns;
}

void events_stop(struct events *events)
{
	events->stopping = true;
	wake_listeners(events, clock_mono_ns());
}
