#include "api/events.h"

#include "api/events_internal.h"
#include "api/http.h"
#include "api/state.h"
#include "api/tasks.h"
#include "core/clock.h"
#include "core/id.h"
#include "core/units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	LISTEN_MS = BROKER_LISTEN_MS / 3,
	RETRY_MS = 500,
	PER_SECOND_MAX = 2000, /* tasks' events that are told; of more, how many there were */
	LOOKS_MAX = 256,       /* in one call of the broker */
};

static const int64_t subscribe_ns = 200 * CLOCK_NS_PER_MS;
static const char deleted[] = "deleted"; /* no state of a task, but what becomes of some */
const char *const events_kinds[] = {[EVENT_TASK] = "task",
	[EVENT_WORKER] = "worker",
	[EVENT_PROGRESS] = "progress",
	[EVENT_DELETED] = "deleted",
	[EVENT_MISSED] = "missed"};

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

uint64_t events_oldest(const struct events *events)
{
	return events->next > EVENTS_KEPT ? events->next - EVENTS_KEPT : 1;
}

struct event *events_append(struct events *events, enum event_kind kind, json_t *data)
{
	char *text = NULL, *dumped = data ? json_dumps(data, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
	int length = dumped ? asprintf(&text, "id: %s-%llu\nevent: %s\ndata: %s\n\n", events->origin,
				      (unsigned long long)events->next, events_kinds[kind], dumped)
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

void events_append_task(struct events *events, enum event_kind kind, const json_t *data, const char *queue,
	const char *class, const char *state)
{
	struct event *event = events_append(events, kind, json_incref((json_t *)data));

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
	events_append_task(&api->events, EVENT_TASK, data, json_string_value(json_object_get(data, "queue")),
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
	struct event *event = events_append(events, EVENT_DELETED,
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
		(void)events_append(events, EVENT_MISSED, json_pack("{s:I}", "tasks", (json_int_t)events->missed));
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
		listener->lost = listener->lost || events_hears_of_tasks(listener);
}

void events_subscribe(struct api *api, int64_t now)
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
	events_subscribe(api, now_mono_ns);
	if (now_mono_ns >= events->look_at_mono_ns)
		events_look_at_workers(api, now_mono_ns, true);
	if (events->next != events->woken_for || now_mono_ns >= events->wake_at_mono_ns) {
		events_wake(events, now_mono_ns);
		events->woken_for = events->next;
		events->wake_at_mono_ns = now_mono_ns + CLOCK_NS_PER_S; /* for pings */
	}
	return events->look_at_mono_ns;
}

void events_stop(struct events *events)
{
	events->stopping = true;
	events_wake(events, clock_mono_ns());
}
