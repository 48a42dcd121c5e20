#include "api/waits.h"

#include "api/link.h"
#include "api/tasks.h"
#include "core/clock.h"
#include "core/log.h"

#include <string.h>

static const int64_t subscribe_ns = 200 * CLOCK_NS_PER_MS;

int waits_open(struct waits *waits, const struct config *config)
{
	*waits = (struct waits){.next_mono_ns = INT64_MAX};
	return broker_open(&waits->broker, config);
}

void waits_close(struct waits *waits)
{
	broker_close(waits->broker);
	*waits = (struct waits){0};
}

int waits_prepare(struct waits *waits, struct link *link, struct error *error)
{
	int64_t until;

	if (waits->subscribed)
		return 0;
	/* Whether the broker is there is the link's business: what is away for it is not asked here. */
	int status = link_begin(link, &until, error);
	if (status < 0)
		return status;
	status = broker_subscribe(waits->broker, clock_mono_ns() + subscribe_ns, error);
	waits->subscribed = status == 0;
	return status;
}

void waits_add(struct waits *waits, struct request *request)
{
	request->stage = REQUEST_WAITING;
	request->previous = NULL;
	request->next = waits->first;
	if (waits->first)
		waits->first->previous = request;
	waits->first = request;
	if (request->wait_until_mono_ns < waits->next_mono_ns)
		waits->next_mono_ns = request->wait_until_mono_ns;
}

static void take_out(struct waits *waits, struct request *request)
{
	if (request->previous)
		request->previous->next = request->next;
	else
		waits->first = request->next;
	if (request->next)
		request->next->previous = request->previous;
	request->next = request->previous = NULL;
}

int waits_fd(const struct waits *waits)
{
	return waits->subscribed ? broker_fd(waits->broker) : -1;
}

static void deliver(struct waits *waits, const char *id, struct bytes record)
{
	struct request *next;

	for (struct request *request = waits->first; request; request = next) {
		next = request->next;
		if (strcmp(request->id, id) != 0)
			continue;
		take_out(waits, request);
		tasks_ended(request, record);
	}
}

static void lose(struct waits *waits)
{
	waits->subscribed = false;
	waits->retry_at_mono_ns = 0;
	broker_disconnect(waits->broker);
	if (waits->first)
		log_warn("subscription to ends of tasks is lost, subscribing again");
}

void waits_hear(struct waits *waits)
{
	char id[ID_MAX + 1];
	struct bytes record;
	int status;

	while ((status = broker_next(waits->broker, id, &record)) > 0)
		deliver(waits, id, record);
	if (status != 0)
		lose(waits);
}

/* All that wait are looked up again: their tasks' ends may have been announced to nobody. */
static void look_again(struct waits *waits)
{
	while (waits->first) {
		struct request *request = waits->first;
		take_out(waits, request);
		tasks_look(request);
	}
	waits->next_mono_ns = INT64_MAX;
}

static void subscribe_again(struct waits *waits, struct link *link, int64_t now_mono_ns)
{
	struct error error;

	if (now_mono_ns < waits->retry_at_mono_ns)
		return;
	if (waits_prepare(waits, link, &error) == 0) {
		waits->failures = 0;
		look_again(waits);
		return;
	}
	waits->retry_at_mono_ns = now_mono_ns + broker_backoff_ms(++waits->failures, 0.5) * CLOCK_NS_PER_MS;
}

static void end_overdue(struct waits *waits, int64_t now_mono_ns)
{
	struct request *next;

	waits->next_mono_ns = INT64_MAX;
	for (struct request *request = waits->first; request; request = next) {
		next = request->next;
		if (request->wait_until_mono_ns <= now_mono_ns) {
			take_out(waits, request);
			request->wait_until_mono_ns = 0;
			tasks_look(request);
		} else if (request->wait_until_mono_ns < waits->next_mono_ns) {
			waits->next_mono_ns = request->wait_until_mono_ns;
		}
	}
}

int64_t waits_turn(struct waits *waits, struct link *link, int64_t now_mono_ns)
{
	/* A broker that hangs closes nothing, and the one that answers next may be another, after a fail-over. */
	if (waits->subscribed && !link->up)
		lose(waits);
	if (now_mono_ns >= waits->next_mono_ns)
		end_overdue(waits, now_mono_ns);
	if (!waits->first || waits->subscribed)
		return waits->next_mono_ns;
	subscribe_again(waits, link, now_mono_ns);
	return waits->retry_at_mono_ns < waits->next_mono_ns ? waits->retry_at_mono_ns : waits->next_mono_ns;
}

void waits_stop(struct waits *waits)
{
	waits->stopping = true;
	for (struct request *request = waits->first; request; request = request->next)
		request->wait_until_mono_ns = 0;
	look_again(waits);
}
