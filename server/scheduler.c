#include "server/scheduler.h"

#include "core/broker.h"
#include "core/clock.h"
#include "core/control.h"
#include "core/id.h"
#include "core/io.h"
#include "core/log.h"
#include "core/queue_settings.h"
#include "server/callbacks.h"
#include "server/embedded.h"
#include "server/fault.h"
#include "server/ledger.h"
#include "server/recovery.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	PROMISE_MS = 10000,
	CALL_MS = 1000,
	AWAY_FAILURES = 8, /* in a row: not just a broker that starts beside us */
	TICK_MS = 1000,
	SWEEP_MS = 5000,
	DUE_MS = 5000,         /* due times are of the wall clock, which may be set: looked at again so often */
	RETAIN_MS = 200,       /* the longest that retention may keep us in one tick */
	WAIT_ANSWER_MS = 5000, /* a wait that got no answer for so long is on a dead connection */
	STOP_MARGIN_MS = 150,  /* of an ordered stop's time, left to the api and the broker */
};

struct waiter { /* one connection that is blocked on a key */
	struct broker *broker;
	int queue; /* whose plain list; -1: due times */
	bool waiting;
	int64_t until; /* mono ns: then the wait is given up, or tried again */
	unsigned failures;
};

struct scheduler {
	const struct node *node;
	struct scoreboard_area *area;
	struct broker *broker;
	struct recovery recovery;
	struct ledger ledger;
	struct queue_settings settings;
	struct waiter waiters[CONFIG_QUEUES_MAX + 1];
	size_t waiter_count;
	int64_t due_at, tick_at, sweep_at; /* mono ns */
	int64_t retry_at;                  /* mono ns: the broker is not asked before */
	unsigned failures;
	char *description; /* owned: of the node, for others */
};

static void promise(struct scheduler *scheduler)
{
	int64_t now = clock_mono_ns();

	scheduler->area->alive_until = now + PROMISE_MS * CLOCK_NS_PER_MS;
	scheduler->area->beat_at = now;
}

/* ---- duties ---- */

static int move_due(struct scheduler *scheduler, struct error *error)
{
	struct scoreboard_header *header = scheduler->node->scoreboard->header;
	size_t expired[CONFIG_QUEUES_MAX] = {0};
	int64_t next_ms = 0;
	int moved;

	if (scheduler->due_at > 0)
		header->scheduler_lag_us = (clock_mono_ns() - scheduler->due_at) / 1000;
	do {
		moved = broker_due(scheduler->broker, clock_mono_after(CALL_MS), &next_ms, expired, error);
		fault_point(moved > 0 ? "scheduler-moved" : "scheduler-looked");
		if (moved < 0)
			return moved;
		promise(scheduler);
	} while (next_ms == 0);
	for (size_t i = 0; i < scheduler->node->config->queue_count; i++)
		if (expired[i] > 0)
			scoreboard_count(scheduler->area, (int)i)->dead += expired[i];
	if (next_ms < 0 || next_ms > DUE_MS)
		next_ms = DUE_MS;
	scheduler->due_at = clock_mono_ns() + next_ms * CLOCK_NS_PER_MS;
	return callbacks_submit(scheduler->broker, scheduler->node, scheduler->area, error);
}

/* What is not delivered is said again next second. */
static void deliver_cancel(const struct scheduler *scheduler, unsigned row, const char *id, bool forced)
{
	const struct scoreboard_area *area = scoreboard_area(scheduler->node->scoreboard, row);
	struct scoreboard_current current;
	struct control_request request = {
		.verb = forced ? CONTROL_FORCE : CONTROL_CANCEL, .row = row, .incarnation = area->incarnation};

	if (!scoreboard_find_current(area, id, &current))
		return;
	request.serial = current.serial;
	(void)control_send(scheduler->node->control_scheduler[1], &request);
}

/* Whoever runs a task that somebody wants to stop, here, is told. */
static int deliver_cancels(struct scheduler *scheduler, bool forced, struct error *error)
{
	const struct scoreboard *scoreboard = scheduler->node->scoreboard;
	char(*ids)[ID_MAX + 1] = NULL;
	size_t count = 0;

	int status = broker_cancels(scheduler->broker, forced, clock_mono_after(CALL_MS), &ids, &count, error);
	if (status < 0)
		return status;
	for (unsigned row = ROW_WORKERS; count > 0 && row < scoreboard->header->row_count; row++) {
		for (size_t i = 0; i < count; i++)
			deliver_cancel(scheduler, row, ids[i], forced);
	}
	free(ids);
	return 0;
}

static int retain(struct scheduler *scheduler, struct error *error)
{
	const int64_t end = clock_mono_ns() + RETAIN_MS * CLOCK_NS_PER_MS;
	int dropped;

	do
		dropped = broker_retain(scheduler->broker, clock_mono_after(CALL_MS), error);
	while (dropped > 0 && clock_mono_ns() < end);
	if (dropped > 0)
		scheduler->tick_at = clock_mono_ns(); /* there is more */
	return dropped < 0 ? dropped : 0;
}

/* Tasks of classes that were resumed come back to their queues. */
static int restore(struct scheduler *scheduler, struct error *error)
{
	const int64_t end = clock_mono_ns() + RETAIN_MS * CLOCK_NS_PER_MS;
	int more;

	do
		more = broker_restore(scheduler->broker, clock_mono_after(CALL_MS), error);
	while (more > 0 && clock_mono_ns() < end);
	return more < 0 ? more : 0;
}

/* What was changed of queues holds for this node from now on. */
static int follow_settings(struct scheduler *scheduler, struct error *error)
{
	const struct node *node = scheduler->node;
	const int64_t now = clock_mono_ns();
	json_auto_t *changes = NULL;

	int status = broker_settings(scheduler->broker, clock_mono_after(CALL_MS), &changes, error);
	if (status == 0)
		status = queue_settings_publish(&scheduler->settings, node->config, node->scoreboard, changes, now);
	if (status == 0)
		queue_settings_follow(&scheduler->settings, node->config, node->scoreboard);
	return status;
}

/* ---- what others should know of this node ---- */

static json_t *class_names(const struct config *config)
{
	json_t *names = json_array();

	for (size_t i = 0; i < config->handler_count; i++)
		(void)json_array_append_new(names, json_string(config->handlers[i].class));
	return names;
}

/* The queues that its workers take from. */
static json_t *queue_names(const struct node *node)
{
	const struct config *config = node->config;
	json_t *names = json_array();

	for (size_t i = 0; i < config->pool_count; i++)
		for (size_t k = 0; node->scoreboard->header->wanted[i] > 0 && k < config->pools[i].queue_count; k++)
			(void)json_array_append_new(
				names, json_string(config->queues[config->pools[i].queues[k].queue].name));
	return names;
}

static int describe(struct scheduler *scheduler)
{
	const struct node *node = scheduler->node;
	const struct scoreboard_header *header = node->scoreboard->header;
	char started[CLOCK_TEXT_SIZE];
	uint32_t workers = 0;

	for (size_t i = 0; i < node->config->pool_count; i++)
		workers += header->wanted[i];
	clock_format(started, header->started_ms);
	json_t *description = json_pack("{s:s, s:s, s:s, s:I, s:o, s:o}", "host", node->host, "version", MUSTER_VERSION,
		"started_at", started, "workers", (json_int_t)workers, "classes", class_names(node->config), "queues",
		queue_names(node));
	char *text = json_dumps(description, JSON_COMPACT);
	json_decref(description);
	if (!text)
		return -ENOMEM;
	free(scheduler->description);
	scheduler->description = text;
	return 0;
}

static int tick(struct scheduler *scheduler, struct error *error)
{
	char(*lost)[NODE_ID_MAX + 1] = NULL;
	size_t lost_count = 0;

	scheduler->tick_at = clock_mono_ns() + TICK_MS * CLOCK_NS_PER_MS;
	if (describe(scheduler) < 0)
		return error_set(error, -ENOMEM, "no memory");
	int status = broker_node(scheduler->broker, scheduler->node->id, scheduler->node->config->node_timeout_ms,
		scheduler->description, clock_mono_after(CALL_MS), &lost, &lost_count, error);
	for (size_t i = 0; status == 0 && i < lost_count; i++) {
		if (strcmp(lost[i], scheduler->node->id) == 0)
			continue;
		log_warn("node was not heard of in time, taking over its tasks", LOG_TEXT("node", lost[i]));
		status = recovery_of_leases(&scheduler->recovery, lost[i], error);
	}
	free(lost);
	if (status == 0)
		status = follow_settings(scheduler, error);
	if (status == 0)
		status = deliver_cancels(scheduler, false, error);
	if (status == 0)
		status = deliver_cancels(scheduler, true, error);
	if (status == 0)
		status = restore(scheduler, error);
	if (status == 0)
		status = ledger_look(&scheduler->ledger, clock_mono_after(CALL_MS), error);
	return status == 0 ? retain(scheduler, error) : status;
}

static int sweep(struct scheduler *scheduler, struct error *error)
{
	int status = recovery_of_leases(&scheduler->recovery, scheduler->node->id, error);

	if (status == 0)
		scheduler->sweep_at = clock_mono_ns() + SWEEP_MS * CLOCK_NS_PER_MS;
	return status;
}

/* What the dead held; first, if that is in the way, what they held in former lives of this node. */
static int recover(struct scheduler *scheduler, struct error *error)
{
	int status = recovery_of_the_dead(&scheduler->recovery, error);

	if (status == BROKER_HELD)
		status = sweep(scheduler, error);
	return status;
}

static int do_duties(struct scheduler *scheduler, struct error *error)
{
	int64_t now = clock_mono_ns();
	int status = recover(scheduler, error);

	if (status == 0 && now >= scheduler->due_at)
		status = move_due(scheduler, error);
	if (status == 0 && now >= scheduler->sweep_at)
		status = sweep(scheduler, error);
	if (status == 0 && now >= scheduler->tick_at)
		status = tick(scheduler, error);
	return status;
}

/* Does what is due; a broker that is away is tried again later. */
static void serve(struct scheduler *scheduler)
{
	struct error error = {""};

	if (clock_mono_ns() < scheduler->retry_at)
		return;
	int status = do_duties(scheduler, &error);
	if (status >= 0) {
		if (scheduler->failures >= AWAY_FAILURES)
			log_info("broker answers again");
		scheduler->failures = 0;
		scheduler->area->broker_at = clock_mono_ns();
		return;
	}
	if (++scheduler->failures == AWAY_FAILURES)
		log_warn("broker does not answer, waiting for it", LOG_TEXT("error", error.text));
	scheduler->retry_at = clock_mono_ns() + broker_backoff_ms(scheduler->failures, id_chance()) * CLOCK_NS_PER_MS;
}

/* ---- waiters ---- */

static void fail_waiter(const struct scheduler *scheduler, struct waiter *waiter, const char *why)
{
	if (waiter->failures + 1 == AWAY_FAILURES && waiter->queue >= 0)
		log_warn("cannot watch a plain list, trying on",
			LOG_TEXT("queue", scheduler->node->config->queues[waiter->queue].name), LOG_TEXT("error", why));
	broker_disconnect(waiter->broker);
	waiter->waiting = false;
	waiter->until = clock_mono_ns() + broker_backoff_ms(++waiter->failures, id_chance()) * CLOCK_NS_PER_MS;
}

static void send_waiter(const struct scheduler *scheduler, struct waiter *waiter)
{
	struct error error;
	int status = waiter->queue < 0
			     ? broker_wait_due(waiter->broker, clock_mono_after(CALL_MS), &error)
			     : broker_wait_list(waiter->broker, waiter->queue, clock_mono_after(CALL_MS), &error);

	if (status < 0) {
		fail_waiter(scheduler, waiter, error.text);
		return;
	}
	waiter->waiting = true;
	waiter->until = clock_mono_ns() + WAIT_ANSWER_MS * CLOCK_NS_PER_MS;
}

static void finish_waiter(struct scheduler *scheduler, struct waiter *waiter)
{
	struct error error;
	int status = broker_wait_finish(waiter->broker, &error);

	if (status < 0)
		fail_waiter(scheduler, waiter, error.text);
	if (status <= 0)
		return;
	waiter->waiting = false;
	waiter->failures = 0;
	waiter->until = 0;
	if (waiter->queue < 0)
		scheduler->due_at = 0; /* something earlier may have been armed: look */
}

static void tend_waiters(struct scheduler *scheduler)
{
	for (size_t i = 0; i < scheduler->waiter_count; i++) {
		struct waiter *waiter = &scheduler->waiters[i];
		if (clock_mono_ns() < waiter->until)
			continue;
		if (waiter->waiting)
			fail_waiter(scheduler, waiter, "no answer");
		else
			send_waiter(scheduler, waiter);
	}
}

static int open_waiters(struct scheduler *scheduler)
{
	const struct config *config = scheduler->node->config;

	for (int queue = -1; queue < (int)config->queue_count; queue++) {
		if (queue >= 0 && (!config->queues[queue].list || config->queues[queue].removed))
			continue;
		struct waiter *waiter = &scheduler->waiters[scheduler->waiter_count++];
		waiter->queue = queue;
		if (broker_open(&waiter->broker, config) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* ---- the loop ---- */

static int64_t next_time(const struct scheduler *scheduler)
{
	int64_t next = scheduler->tick_at < scheduler->due_at ? scheduler->tick_at : scheduler->due_at;

	if (scheduler->sweep_at < next)
		next = scheduler->sweep_at;
	if (scheduler->retry_at > next)
		next = scheduler->retry_at;
	for (size_t i = 0; i < scheduler->waiter_count; i++)
		if (scheduler->waiters[i].until < next)
			next = scheduler->waiters[i].until;
	return next;
}

/* Sleeps until something happens or is due. Returns false when told to stop. */
static bool sleep_for_more(struct scheduler *scheduler, int stop_fd)
{
	struct pollfd entries[CONFIG_QUEUES_MAX + 3] = {
		{.fd = stop_fd, .events = POLLIN},
		{.fd = scheduler->node->bell_scheduler, .events = POLLIN},
	};
	const size_t fixed = 2;

	for (size_t i = 0; i < scheduler->waiter_count; i++) {
		const struct waiter *waiter = &scheduler->waiters[i];
		entries[fixed + i] =
			(struct pollfd){.fd = waiter->waiting ? broker_fd(waiter->broker) : -1, .events = POLLIN};
	}
	(void)io_poll(entries, fixed + scheduler->waiter_count, next_time(scheduler));
	io_bell_clear(scheduler->node->bell_scheduler);
	for (size_t i = 0; i < scheduler->waiter_count; i++)
		if (entries[fixed + i].revents)
			finish_waiter(scheduler, &scheduler->waiters[i]);
	return entries[0].revents == 0;
}

/* The last look: nothing that a worker of this node held may stay behind. */
static void leave(struct scheduler *scheduler)
{
	const int64_t end = scheduler->node->scoreboard->header->stop_at - STOP_MARGIN_MS * CLOCK_NS_PER_MS;
	struct error error = {""};
	unsigned failures = 0;
	int status;

	fault_point("scheduler-leaves");
	for (;;) {
		promise(scheduler);
		status = recovery_of_the_dead(&scheduler->recovery, &error);
		if (status == 0 || status == BROKER_HELD)
			status = recovery_of_leases(&scheduler->recovery, scheduler->node->id, &error);
		int64_t again = clock_mono_ns() + broker_backoff_ms(++failures, id_chance()) * CLOCK_NS_PER_MS;
		if (status == 0 || again > end)
			break;
		(void)io_poll(NULL, 0, again);
	}
	if (status == 0)
		status = broker_node_leave(scheduler->broker, scheduler->node->id, clock_mono_after(CALL_MS), &error);
	if (status < 0)
		log_warn("stopping without the broker: tasks in hand are taken up again at the next start",
			LOG_TEXT("error", error.text));
}

/* Syncs the embedded broker's file each second: a power cut loses at most that. In a thread, since a slow disk may keep
 * it for longer than this process may be silent. */
static void *sync_each_second(void *argument)
{
	const struct config *config = argument;
	const struct timespec second = {.tv_sec = 1};

	for (;;) {
		(void)nanosleep(&second, NULL);
		int status = embedded_sync(config);
		if (status < 0)
			log_warn("cannot sync the broker's file", LOG_TEXT("error", strerror(-status)));
	}
	return NULL;
}

static void start_syncing(const struct config *config)
{
	pthread_t thread;

	if (config->address.kind != CONFIG_BROKER_EMBEDDED || config->durability == CONFIG_DURABILITY_POWER)
		return;
	if (pthread_create(&thread, NULL, sync_each_second, (void *)config) == 0)
		(void)pthread_detach(thread);
	else
		log_error("cannot start the syncing thread: a power cut may lose more than the last second");
}

int scheduler_main(const struct node *node, int stop_fd)
{
	static struct scheduler scheduler; /* large, and the process has just one */

	fault_point("scheduler-starts");
	scheduler.node = node;
	scheduler.area = scoreboard_area(node->scoreboard, ROW_SCHEDULER);
	promise(&scheduler);
	if (broker_open(&scheduler.broker, node->config) < 0 || open_waiters(&scheduler) < 0) {
		log_error("scheduler cannot start: no memory");
		return 71;
	}
	broker_observe(scheduler.broker, &scheduler.area->roundtrip);
	recovery_init(&scheduler.recovery, node, scheduler.broker, scheduler.area);
	ledger_init(&scheduler.ledger, node->config, scheduler.broker);
	start_syncing(node->config);
	scheduler.area->ready_at = clock_mono_ns();
	scheduler.area->state = SCOREBOARD_IDLE;
	do {
		promise(&scheduler);
		serve(&scheduler);
		tend_waiters(&scheduler);
	} while (sleep_for_more(&scheduler, stop_fd));
	if (node->scoreboard->header->stage != STAGE_RUN) /* else it is only rolled */
		leave(&scheduler);
	return 0;
}
