#include "server/supervisor.h"

#include "core/clock.h"
#include "core/control.h"
#include "core/io.h"
#include "core/log.h"
#include "server/child.h"
#include "server/evidence.h"
#include "server/fault.h"
#include "server/notify.h"
#include "server/obituary.h"
#include "server/policy.h"
#include "server/process.h"
#include "server/rollout.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	PROMISE_MS = 5000,     /* its own, renewed each turn */
	NAP_MS = 1000,         /* the longest turn */
	LATE_MS = 200,         /* a turn that comes so much too late: everybody was paused, not only us */
	MEMORY_LOOK_MS = 50,   /* how often workers with max_memory are measured while they run a task */
	STOP_RESERVE_MS = 400, /* of an ordered stop's time, kept for recovery and the other processes */
	CLONE_RETRY_MS = 100,
	READY_LOOK_MS = 20, /* how often we look whether all are up, as long as a manager waits for it */
	ROLL_LOOK_MS = 5,   /* how often a roll looks whether the last one replaced is well */
};

struct slot {            /* what only this supervisor needs, and the next one finds out */
	int pidfd;       /* of the row's incarnation; -1: none */
	int64_t pardon;  /* mono ns: a promise counts as kept until then */
	uint64_t cancel; /* {incarnation, serial} that cancel_at is about */
	int64_t cancel_at;
};

struct supervisor {
	const struct node *node;
	const struct scoreboard *scoreboard;
	struct slot *slots; /* [SCOREBOARD_ROWS] */
	bool measures_memory;
	bool workers_gone, scheduler_gone, api_gone; /* in this turn */
	int64_t watchdog_at;                         /* mono ns: when the manager last heard of us */
	bool rolling[SCOREBOARD_ROWS];               /* in this turn: rows whose turn it is to be replaced */
};

static const struct config_pool *pool_of(const struct supervisor *supervisor, unsigned row)
{
	uint32_t place = supervisor->scoreboard->rows[row].place;

	return place ? &supervisor->node->config->pools[scoreboard_place_pool(place)] : NULL;
}

/* ---- making a child ---- */

static void open_slot(struct supervisor *supervisor, unsigned row)
{
	supervisor->slots[row] =
		(struct slot){.pidfd = child_open(supervisor->scoreboard, row), .cancel_at = POLICY_NEVER};
}

static void start(struct supervisor *supervisor, unsigned row, int64_t now)
{
	int status = child_start(supervisor->node, row, now);

	if (status == 0) {
		open_slot(supervisor, row);
		fault_point("start-opened");
		return;
	}
	supervisor->scoreboard->rows[row].start_at = now + CLONE_RETRY_MS * CLOCK_NS_PER_MS;
	log_error("cannot make a process, trying again", LOG_INT("row", row), LOG_TEXT("error", strerror(-status)));
}

/* ---- ending one ---- */

static enum scoreboard_order order_of(const struct scoreboard_row_words *words)
{
	const uint64_t word = words->order;

	return scoreboard_high(word) == scoreboard_high(words->who) ? scoreboard_low(word) & 0xff : ORDER_NONE;
}

/* Until when the process in the row vouches for itself. A wild store may have put it off for ever. */
static int64_t vouched_until(const struct supervisor *supervisor, unsigned row)
{
	return scoreboard_is_damaged(supervisor->scoreboard, row)
		       ? 0
		       : scoreboard_area(supervisor->scoreboard, row)->alive_until;
}

/* An order to end a task is void once that task is over and its worker beats on: it says nothing about a later death. */
static void forget_void_order(struct supervisor *supervisor, unsigned row, int64_t now)
{
	struct scoreboard_row_words *words = &supervisor->scoreboard->rows[row];
	const struct scoreboard_area *area = scoreboard_area(supervisor->scoreboard, row);
	const enum scoreboard_order order = order_of(words);

	if ((order == ORDER_ABORT || order == ORDER_CANCEL) && now <= vouched_until(supervisor, row) &&
		!scoreboard_order_stands(words->order, area))
		words->order = 0;
}

/* Notes the order, then sends the signal: a death is never without its reason. */
static void give_order(struct supervisor *supervisor, unsigned row, enum scoreboard_order order,
	enum scoreboard_order ordered, int signal_number, uint32_t serial, int64_t now)
{
	struct scoreboard_row_words *words = &supervisor->scoreboard->rows[row];

	words->order =
		scoreboard_pair(scoreboard_high(words->who), (uint32_t)order | (uint32_t)ordered << 8 | serial << 16);
	words->order_at = now;
	fault_point("order-noted");
	if (supervisor->slots[row].pidfd < 0) /* there was no descriptor to be had when it was made */
		supervisor->slots[row].pidfd = child_open(supervisor->scoreboard, row);
	if (supervisor->slots[row].pidfd >= 0)
		(void)syscall(SYS_pidfd_send_signal, supervisor->slots[row].pidfd, signal_number, NULL, 0);
}

/* ---- looking at one row ---- */

static int64_t grace_ns(const struct supervisor *supervisor)
{
	return supervisor->node->config->shutdown_grace_ms * CLOCK_NS_PER_MS;
}

static int64_t stop_reserve_ns(const struct supervisor *supervisor)
{
	int64_t quarter_ns = grace_ns(supervisor) / 4, most = STOP_RESERVE_MS * CLOCK_NS_PER_MS;

	return quarter_ns < most ? quarter_ns : most;
}

/* Stop goes from the edge inwards: workers, then the scheduler that recovers what they held, then api, then the broker. */
static void view_wanted(const struct supervisor *supervisor, unsigned row, struct policy_view *view)
{
	const struct scoreboard_header *header = supervisor->scoreboard->header;
	const bool running = header->stage == STAGE_RUN;

	switch (row) {
	case ROW_BROKER:
		view->drain = !running && supervisor->api_gone;
		view->wanted = supervisor->node->config->address.kind == CONFIG_BROKER_EMBEDDED && !view->drain;
		break;
	case ROW_API:
		view->wanted = running || !supervisor->scheduler_gone;
		view->drain = !view->wanted || supervisor->rolling[row];
		break;
	case ROW_SCHEDULER: /* wanted until it has left by itself: only then is everything recovered */
		view->wanted = running || !supervisor->scheduler_gone;
		view->drain = (!running && supervisor->workers_gone) || supervisor->rolling[row];
		break;
	default:
		view->wanted = running && !supervisor->scoreboard->rows[row].retired;
		view->drain = !view->wanted || supervisor->rolling[row];
		view->at_once = header->stage == STAGE_NOW;
	}
	if (running)
		return;
	view->stop_at = header->stop_at - (row >= ROW_WORKERS ? stop_reserve_ns(supervisor) : 0);
	/* A kill_grace longer than the whole stop must not leave its tasks no time at all. */
	const int64_t half = (view->stop_at - (header->stop_at - grace_ns(supervisor))) / 2;
	view->abort_at = view->stop_at - (view->kill_grace_ns < half ? view->kill_grace_ns : half);
}

static int64_t promise_of(const struct supervisor *supervisor, unsigned row)
{
	int64_t promise = vouched_until(supervisor, row);
	int64_t pardon = supervisor->slots[row].pardon;

	if (row == ROW_BROKER)
		return POLICY_NEVER;
	return promise > pardon ? promise : pardon;
}

/* When its task in hand was told to stop, if it still is that task. */
static int64_t cancel_of(struct supervisor *supervisor, unsigned row, int64_t now)
{
	const struct scoreboard_row_words *words = &supervisor->scoreboard->rows[row];
	const struct scoreboard_area *area = scoreboard_area(supervisor->scoreboard, row);
	struct slot *slot = &supervisor->slots[row];
	uint64_t cancel = words->cancel;

	if (cancel == 0 || cancel != scoreboard_pair(scoreboard_high(words->who), area->serial) || !area->in_task ||
		area->runs_several)
		return POLICY_NEVER;
	if (slot->cancel != cancel) {
		slot->cancel = cancel;
		slot->cancel_at = now;
	}
	return slot->cancel_at;
}

/* Until it is ordered, or there is something new that may have mended it. */
static bool is_parked(const struct supervisor *supervisor, unsigned row)
{
	return scoreboard_is_parked(supervisor->scoreboard, row) &&
	       supervisor->scoreboard->exits[row].started_with == supervisor->scoreboard->header->config_generation;
}

static struct policy_view view_row(struct supervisor *supervisor, unsigned row, int64_t now)
{
	const struct scoreboard_row_words *words = &supervisor->scoreboard->rows[row];
	const struct config_pool *pool = pool_of(supervisor, row);
	struct policy_view view = {
		.life = scoreboard_life(supervisor->scoreboard, row, NULL, NULL),
		.obeys = row >= ROW_WORKERS,
		.promise = promise_of(supervisor, row),
		.order = order_of(words),
		.order_at = words->order_at,
		.kill_grace_ns = pool ? pool->kill_grace_ms * CLOCK_NS_PER_MS : 0,
		.cancel_at = row >= ROW_WORKERS ? cancel_of(supervisor, row, now) : POLICY_NEVER,
		.abort_at = POLICY_NEVER,
		.stop_at = POLICY_NEVER,
		.parked = is_parked(supervisor, row),
		.start_at = words->start_at,
	};

	view_wanted(supervisor, row, &view);
	return view;
}

static bool exceeds_memory(const struct supervisor *supervisor, unsigned row)
{
	const struct config_pool *pool = pool_of(supervisor, row);
	const struct scoreboard_area *area = scoreboard_area(supervisor->scoreboard, row);

	if (!pool || pool->max_memory == SCHEMA_NONE || !area->in_task)
		return false;
	return process_resident((pid_t)scoreboard_low(supervisor->scoreboard->rows[row].who)) +
		       (area->child > 0 ? process_resident(area->child) : 0) >
	       pool->max_memory;
}

/* Who it is that hangs: a program that does the task in the worker's place is waited for by a worker that is well. */
static pid_t who_hangs(const struct supervisor *supervisor, unsigned row)
{
	const pid_t child = scoreboard_area(supervisor->scoreboard, row)->child;

	return child > 0 ? child : (pid_t)scoreboard_low(supervisor->scoreboard->rows[row].who);
}

/* What it was doing is kept with its exit and its task, and told. */
static void take_evidence(struct supervisor *supervisor, unsigned row, enum scoreboard_order order, int64_t now)
{
	const struct scoreboard_area *area = scoreboard_area(supervisor->scoreboard, row);
	struct scoreboard_exits *exits = &supervisor->scoreboard->exits[row];
	uint64_t who = supervisor->scoreboard->rows[row].who;
	struct scoreboard_current current;
	char title[256];

	exits->evidence = evidence_take(who_hangs(supervisor, row), (now - area->beat_at) / CLOCK_NS_PER_MS);
	exits->evidence_about = scoreboard_high(who);
	process_title(supervisor->node, row, title, sizeof title);
	if (!scoreboard_read_current(area, &current))
		current.id[0] = '\0';
	log_warn(order == ORDER_ABORT ? "worker is silent past its promise, ending it" : "ending worker",
		LOG_TEXT("worker", title), LOG_INT("pid", scoreboard_low(who)),
		LOG_TEXT("task", current.id[0] ? current.id : NULL), LOG_TEXT("state", exits->evidence.state),
		LOG_TEXT("syscall", exits->evidence.syscall), LOG_TEXT("waits_on", exits->evidence.waits_on),
		LOG_INT("cpu_ms", exits->evidence.cpu_ms), LOG_INT("silent_ms", exits->evidence.silent_ms));
}

/* Before anything is decided about a dead row: why it died is bookkept, and the scheduler may recover what it held. */
static void understand(struct supervisor *supervisor, unsigned row)
{
	if (!obituary_understand(supervisor->node, row))
		return;
	fault_point("death-understood");
	io_close(&supervisor->slots[row].pidfd);
	io_bell_ring(supervisor->node->bell_scheduler);
}

/* Returns when to look again. */
static int64_t tend(struct supervisor *supervisor, unsigned row, int64_t now)
{
	understand(supervisor, row); /* it may have died since the turn began */
	forget_void_order(supervisor, row, now);
	/* Before its promise is looked at: an order names the task that broke it, not the one that runs by then. */
	uint32_t serial = scoreboard_area(supervisor->scoreboard, row)->serial;
	struct policy_view view = view_row(supervisor, row, now);
	if (view.life == LIFE_DEAD && !scoreboard_is_understood(supervisor->scoreboard, row))
		return now; /* just now: first why, then what */
	if (view.life == LIFE_ALIVE && view.order < ORDER_MEMORY && exceeds_memory(supervisor, row)) {
		log_warn("worker is above max_memory, ending it", LOG_INT("row", row));
		give_order(supervisor, row, ORDER_MEMORY, ORDER_MEMORY, SIGKILL, serial, now);
		return POLICY_NEVER;
	}
	struct policy_decision decision = policy_decide(&view, now);
	switch (decision.action) {
	case POLICY_WAIT: return decision.until;
	case POLICY_START: start(supervisor, row, now); return now;
	case POLICY_DRAIN:
		give_order(supervisor, row, decision.order, decision.order, SIGTERM, serial, now);
		return now;
	case POLICY_ABORT:
		take_evidence(supervisor, row, decision.order, now);
		give_order(supervisor, row, decision.order, decision.order, SIGUSR1, serial, now);
		return now;
	case POLICY_KILL: /* what an abort was about, its kill is about */
		if (view.order >= ORDER_CANCEL)
			serial = scoreboard_low(supervisor->scoreboard->rows[row].order) >> 16;
		give_order(supervisor, row, ORDER_KILL, decision.order, SIGKILL, serial, now);
		return now;
	}
	__builtin_unreachable();
}

/* ---- requests ---- */

static bool is_current(const struct supervisor *supervisor, const struct control_request *request)
{
	uint32_t incarnation;

	return request->row >= ROW_WORKERS && request->row < supervisor->scoreboard->header->row_count &&
	       scoreboard_life(supervisor->scoreboard, request->row, &incarnation, NULL) != LIFE_NEVER &&
	       incarnation == request->incarnation;
}

static void restart(struct supervisor *supervisor, unsigned row, int64_t now)
{
	struct scoreboard_row_words *words = &supervisor->scoreboard->rows[row];

	switch (scoreboard_life(supervisor->scoreboard, row, NULL, NULL)) {
	case LIFE_ALIVE:
		if (order_of(words) == ORDER_NONE)
			give_order(supervisor, row, ORDER_DRAIN, ORDER_DRAIN, SIGTERM, 0, now);
		break;
	case LIFE_DEAD: /* parked, or waiting out its back-off: now, then */
		understand(supervisor, row);
		if (supervisor->scoreboard->header->stage == STAGE_RUN && !words->retired)
			start(supervisor, row, now);
		break;
	case LIFE_NEVER:
	case LIFE_STARTING: break; /* a fresh one is on its way */
	}
}

/* One word for a worker with one task in hand, whose patience is measured here; of several the worker sees to it. */
static void tell_to_stop(struct supervisor *supervisor, const struct control_request *request, uint32_t flag)
{
	if (scoreboard_area(supervisor->scoreboard, request->row)->runs_several)
		supervisor->scoreboard->exits[request->row].cancels[request->serial % SCOREBOARD_BATCH] =
			scoreboard_pair(request->incarnation | flag, request->serial);
	else
		supervisor->scoreboard->rows[request->row].cancel =
			scoreboard_pair(request->incarnation, request->serial);
}

static void read_requests(struct supervisor *supervisor, int fd, unsigned asker, int64_t now)
{
	struct control_request request;
	int status;

	while ((status = control_receive(fd, &request)) > 0) {
		if (request.verb != CONTROL_RELOAD && request.verb != CONTROL_SCALE &&
			!is_current(supervisor, &request))
			continue; /* it was about a process that is gone */
		switch ((enum control_verb)request.verb) {
		case CONTROL_RESTART: restart(supervisor, request.row, now); break;
		case CONTROL_CANCEL: tell_to_stop(supervisor, &request, 0); break;
		case CONTROL_FORCE: /* as if it had been told long ago */
			tell_to_stop(supervisor, &request, SCOREBOARD_FORCED);
			supervisor->slots[request.row].cancel = scoreboard_pair(request.incarnation, request.serial);
			supervisor->slots[request.row].cancel_at = 0;
			break;
		case CONTROL_SCALE: rollout_scale(supervisor->node, request.row, request.serial); break;
		case CONTROL_RELOAD: io_bell_ring(supervisor->node->bell_guardian); break;
		case CONTROL_VERBS: break;
		}
	}
	if (status < 0) {
		log_error("rubbish on the control channel, ending its sender",
			LOG_TEXT("process", scoreboard_row_name(asker)));
		if (supervisor->slots[asker].pidfd >= 0)
			(void)syscall(SYS_pidfd_send_signal, supervisor->slots[asker].pidfd, SIGKILL, NULL, 0);
	}
}

/* ---- the loop ---- */

/* Everybody was paused, not only whom we look at: each gets that much more. */
static void pardon(struct supervisor *supervisor, int64_t late_ns, int64_t now)
{
	for (unsigned row = ROW_API; row < supervisor->scoreboard->header->row_count; row++)
		supervisor->slots[row].pardon = now + late_ns;
	log_warn("supervisor was late, everybody gets that much more", LOG_INT("ms", late_ns / CLOCK_NS_PER_MS));
}

static bool is_gone(const struct supervisor *supervisor, unsigned row)
{
	/* A death that is not understood is not over: the scheduler would not know how to recover what was held. */
	return scoreboard_is_understood(supervisor->scoreboard, row) ||
	       scoreboard_life(supervisor->scoreboard, row, NULL, NULL) == LIFE_NEVER;
}

/* Gone, as it was told to, and with nothing left undone. */
static bool has_left(const struct supervisor *supervisor, unsigned row)
{
	struct scoreboard_exit exit;

	return is_gone(supervisor, row) && scoreboard_read_exit(supervisor->scoreboard, row, 0, &exit) &&
	       exit.code == 0 && exit.order == ORDER_DRAIN;
}

static void see_who_is_gone(struct supervisor *supervisor)
{
	supervisor->workers_gone = true;
	for (unsigned row = ROW_WORKERS; row < supervisor->scoreboard->header->row_count; row++)
		supervisor->workers_gone &= is_gone(supervisor, row);
	supervisor->scheduler_gone = supervisor->workers_gone && has_left(supervisor, ROW_SCHEDULER);
	supervisor->api_gone = supervisor->scheduler_gone && is_gone(supervisor, ROW_API);
}

static bool is_over(const struct supervisor *supervisor)
{
	return supervisor->scoreboard->header->stage != STAGE_RUN && supervisor->api_gone &&
	       is_gone(supervisor, ROW_BROKER);
}

/* Up is who has an api that serves and all workers that are wanted. */
static bool is_up(const struct supervisor *supervisor)
{
	if (scoreboard_area(supervisor->scoreboard, ROW_API)->ready_at == 0)
		return false;
	for (unsigned row = ROW_WORKERS; row < supervisor->scoreboard->header->row_count; row++)
		if (!supervisor->scoreboard->rows[row].retired && !scoreboard_is_parked(supervisor->scoreboard, row) &&
			scoreboard_area(supervisor->scoreboard, row)->ready_at == 0)
			return false;
	return true;
}

/* Returns when the manager wants to hear of us again. */
static int64_t tell_manager(struct supervisor *supervisor, int64_t now)
{
	struct scoreboard_header *header = supervisor->scoreboard->header;
	const int64_t every = notify_watchdog_ns() / 3;

	if (!notify_is_wanted())
		return INT64_MAX;
	if (!header->told_ready && is_up(supervisor)) {
		notify_send("READY=1\nSTATUS=all workers are up");
		header->told_ready = 1;
	}
	if (notify_watchdog_ns() == INT64_MAX)
		return header->told_ready ? INT64_MAX : now + READY_LOOK_MS * CLOCK_NS_PER_MS;
	if (now - supervisor->watchdog_at >= every) {
		notify_send("WATCHDOG=1");
		supervisor->watchdog_at = now;
	}
	const int64_t again = supervisor->watchdog_at + every, look = now + READY_LOOK_MS * CLOCK_NS_PER_MS;
	return header->told_ready || again < look ? again : look;
}

static int64_t tend_all(struct supervisor *supervisor, int64_t now)
{
	int64_t next = now + NAP_MS * CLOCK_NS_PER_MS;

	for (unsigned row = ROW_BROKER; row < supervisor->scoreboard->header->row_count; row++)
		understand(supervisor, row);
	see_who_is_gone(supervisor);
	if (rollout_mark(supervisor->node, supervisor->rolling, now))
		next = now + ROLL_LOOK_MS * CLOCK_NS_PER_MS;
	for (unsigned row = ROW_BROKER; row < supervisor->scoreboard->header->row_count; row++) {
		int64_t again = tend(supervisor, row, now);
		if (again < next)
			next = again;
	}
	int64_t heard = tell_manager(supervisor, now);
	if (heard < next)
		next = heard;
	if (supervisor->measures_memory && now + MEMORY_LOOK_MS * CLOCK_NS_PER_MS < next)
		next = now + MEMORY_LOOK_MS * CLOCK_NS_PER_MS;
	return next;
}

/* Says until when it sleeps, then looks once more: a worker that promises less rings, or was seen (both orders are
 * sequentially consistent). Returns the time that stands. */
static int64_t announce_sleep(struct supervisor *supervisor, int64_t next)
{
	struct scoreboard_header *header = supervisor->scoreboard->header;

	header->wake_at = next;
	for (unsigned row = ROW_API; row < header->row_count; row++) {
		if (scoreboard_life(supervisor->scoreboard, row, NULL, NULL) != LIFE_ALIVE)
			continue;
		int64_t promise = promise_of(supervisor, row) + 1;
		if (promise < next && order_of(&supervisor->scoreboard->rows[row]) < ORDER_CANCEL)
			next = promise;
	}
	return next;
}

static void sleep_until(struct supervisor *supervisor, int64_t next)
{
	const struct node *node = supervisor->node;
	struct pollfd entries[] = {
		{.fd = node->bell_supervisor, .events = POLLIN},
		{.fd = node->control_api[0], .events = POLLIN},
		{.fd = node->control_scheduler[0], .events = POLLIN},
	};
	int64_t left = next - clock_mono_ns();
	const struct timespec timeout = {
		.tv_sec = left > 0 ? left / CLOCK_NS_PER_S : 0,
		.tv_nsec = left > 0 ? left % CLOCK_NS_PER_S : 0,
	};

	if (ppoll(entries, sizeof entries / sizeof *entries, &timeout, NULL) <= 0)
		return;
	io_bell_clear(node->bell_supervisor);
	int64_t now = clock_mono_ns();
	read_requests(supervisor, node->control_api[0], ROW_API, now);
	read_requests(supervisor, node->control_scheduler[0], ROW_SCHEDULER, now);
}

/* A new supervisor finds the descriptors of those who live. */
static int take_over(struct supervisor *supervisor)
{
	supervisor->slots = calloc(SCOREBOARD_ROWS, sizeof *supervisor->slots);
	if (!supervisor->slots)
		return -ENOMEM;
	for (unsigned row = 0; row < SCOREBOARD_ROWS; row++)
		supervisor->slots[row] = (struct slot){.pidfd = -1, .cancel_at = POLICY_NEVER};
	for (unsigned row = ROW_BROKER; row < supervisor->scoreboard->header->row_count; row++)
		if (scoreboard_life(supervisor->scoreboard, row, NULL, NULL) == LIFE_ALIVE)
			open_slot(supervisor, row);
	for (size_t i = 0; i < supervisor->node->config->pool_count; i++)
		supervisor->measures_memory |= supervisor->node->config->pools[i].max_memory != SCHEMA_NONE;
	return 0;
}

int supervisor_main(const struct node *node, const struct privilege *privilege)
{
	static struct supervisor supervisor; /* large, and the process has just one */
	struct scoreboard_area *area = scoreboard_area(node->scoreboard, ROW_SUPERVISOR);
	struct error error;

	supervisor.node = node;
	supervisor.scoreboard = node->scoreboard;
	if (privilege_drop(privilege, &error) < 0) {
		log_error(error.text);
		return 71;
	}
	process_die_with_guardian(node->scoreboard, SIGKILL);
	if (take_over(&supervisor) < 0)
		return 71;
	rollout_lay_out(node);
	int64_t expected = INT64_MAX;
	for (;;) {
		int64_t now = clock_mono_ns();
		if (now - expected > LATE_MS * CLOCK_NS_PER_MS)
			pardon(&supervisor, now - expected, now);
		area->alive_until = now + PROMISE_MS * CLOCK_NS_PER_MS;
		area->beat_at = now;
		area->state = SCOREBOARD_IDLE;
		int64_t next = tend_all(&supervisor, now);
		if (is_over(&supervisor))
			return 0;
		expected = announce_sleep(&supervisor, next);
		sleep_until(&supervisor, expected);
		/* Woken early or on time: what counts as late is how long after `expected` the next turn begins. */
	}
}
