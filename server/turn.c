#include "server/turn.h"

#include "core/clock.h"
#include "core/id.h"
#include "core/io.h"
#include "core/log.h"
#include "server/orders.h"
#include "server/worker.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
	WAIT_MS = 1000, /* for a bell, before the promise is renewed */
	WAIT_MAX_MS = 5000,
	APART_MS = 50,     /* all idle workers of a pool together ask no more often than that */
	ANSWER_MS = 1000,  /* for the broker's answer after that */
	TRY_MS = 250,      /* the same while tasks are in hand */
	AWAY_FAILURES = 8, /* in a row: not just a broker that starts beside us */
	HELD_MS = 2,       /* until the slot's older lease is looked for again */
};

static void nap(struct worker *worker, int64_t ms)
{
	struct pollfd entry = {.fd = worker->stop_fd, .events = POLLIN};

	worker_promise_idle(worker);
	(void)io_poll(&entry, 1, clock_mono_after(worker_bounded_ms(worker, ms)));
}

/* The pool's queues in the order to try them, and how many to take of each at first: as configured and all that there is
 * when strict; else in an order that is drawn by weight, with shares of the batch by weight. */
static void order_queues(const struct config_pool *pool, unsigned wanted, int *queues, unsigned *shares)
{
	struct config_weight left[CONFIG_QUEUES_MAX];
	size_t count = pool->queue_count;
	long sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += pool->queues[i].weight;
	memcpy(left, pool->queues, count * sizeof *left);
	for (size_t i = 0; i < pool->queue_count; i++) {
		size_t chosen = 0;
		long total = 0;
		for (size_t j = 0; !pool->strict && j < count; j++) {
			total += left[j].weight;
			if (id_chance() * (double)total < left[j].weight)
				chosen = j;
		}
		queues[i] = left[chosen].queue;
		shares[i] = pool->strict ? wanted : (unsigned)((wanted * (long)left[chosen].weight + sum - 1) / sum);
		memmove(left + chosen, left + chosen + 1, (--count - chosen) * sizeof *left);
	}
}

/* What a failed turn means: false: the worker should leave; else it is to be said again. */
static bool means_later(struct worker *worker, int status, const struct error *error, unsigned *failures)
{
	switch (status) {
	case BROKER_STOPPED: return false;
	case BROKER_GONE:
		worker->area->refused++;
		log_warn("lease was taken over, leaving", LOG_TEXT("slot", worker->name));
		return false;
	case BROKER_HELD: return true;
	case -ENOMEM: /* used up by a handler, and given back by nobody; what it has finished is in its outbox */
		log_error("no memory is left in this worker, leaving");
		_exit(WORKER_EXIT_MAIMED);
	default:
		if (++*failures == AWAY_FAILURES)
			log_warn("broker does not answer, waiting for it", LOG_TEXT("error", error->text));
		return true;
	}
}

/* Until it is said again. */
static int64_t pause_ms(int status, unsigned failures)
{
	return status == BROKER_HELD ? HELD_MS : broker_backoff_ms(failures, id_chance());
}

/* Waits as long as that. Returns false when the worker should leave. */
static bool cope(struct worker *worker, int status, const struct error *error, unsigned *failures)
{
	if (!means_later(worker, status, error, failures))
		return false;
	nap(worker, pause_ms(status, *failures));
	return !worker->draining;
}

/* The call that is being said: until it is answered it is said as it is. */
static struct {
	bool open;
	unsigned failures; /* in a row */
	int64_t again_mono_ns;
	struct broker_outcome outcomes[SCOREBOARD_BATCH + 1];
	unsigned positions[SCOREBOARD_BATCH];
	size_t count; /* of those in the outbox, before an extra one */
	int queues[CONFIG_QUEUES_MAX];
	unsigned shares[CONFIG_QUEUES_MAX];
	struct broker_turn call;
} said;

/* How long an idle worker waits for a bell before it looks by itself, in case that one was missed. To begin and to end a wait
 * costs Redis something for each queue and each worker that waits there, so that a thousand workers who look once a second
 * keep it busy; of many each looks less often, and not all in the same moment. */
static int64_t idle_wait_ms(const struct worker *worker)
{
	const struct node *node = worker->node;
	const int64_t alike = node->scoreboard->header->wanted[worker->pool - node->config->pools];
	int64_t ms = alike * APART_MS;

	if (ms <= WAIT_MS || worker->rests)
		return worker_bounded_ms(worker, WAIT_MS);
	ms = worker_bounded_ms(worker, ms < WAIT_MAX_MS ? ms : WAIT_MAX_MS);
	return ms - (int64_t)((double)ms * id_chance() / 4);
}

/* `extra` (or NULL) is one more outcome, behind those in the outbox. Under worker.call. */
static void prepare(
	struct worker *worker, unsigned held, unsigned wanted, bool wait, const struct broker_outcome *extra)
{
	queue_settings_follow(&worker->settings, worker->node->config, worker->node->scoreboard);
	said.count = batch_outcomes(&worker->batch, said.outcomes, said.positions);
	if (extra)
		said.outcomes[said.count] = *extra;
	order_queues(worker->pool, wanted, said.queues, said.shares);
	said.call = (struct broker_turn){
		.slot = worker->name,
		.generation = worker->generation,
		.sequence = ++worker->sequence,
		.want = wanted > 0 ? held + wanted : 0,
		.queues = said.queues,
		.shares = said.shares,
		.queue_count = worker->pool->queue_count,
		.outcomes = said.outcomes,
		.outcome_count = said.count + (extra != NULL),
		.wait_ms = wait ? (int)idle_wait_ms(worker) : 0,
		.rests = worker->rests,
		.stop_fd = wait ? worker->stop_fd : -1,
	};
	said.failures = 0;
	said.open = true;
}

/* Says it once. Under worker.call. */
static int say(struct worker *worker, int64_t answer_ms, struct broker_lease *ret_lease, struct error *error)
{
	int64_t until = clock_mono_after(said.call.wait_ms + worker_bounded_ms(worker, answer_ms));
	int status = broker_turn(worker->broker, &said.call, until, ret_lease, error);

	if (status < 0)
		return status;
	said.open = false;
	batch_reported(&worker->batch, said.positions, said.count);
	worker->area->broker_at = clock_mono_ns();
	worker->rests = ret_lease->rests;
	if (said.failures >= AWAY_FAILURES)
		log_info("broker answers again");
	return 0;
}

static bool say_until_answered(struct worker *worker, unsigned wanted, bool wait, const struct broker_outcome *extra,
	struct broker_lease *ret_lease)
{
	int status;

	assert(!said.open);
	worker_promise_idle(worker); /* the second thread may be in a call of its own */
	(void)pthread_mutex_lock(&worker->call);
	prepare(worker, 0, wanted, wait, extra);
	for (;;) {
		struct error error = {""};
		worker_promise_idle(worker);
		status = say(worker, ANSWER_MS, ret_lease, &error);
		if (status >= 0 || !cope(worker, status, &error, &said.failures))
			break;
	}
	said.open = false; /* who leaves says no more */
	(void)pthread_mutex_unlock(&worker->call);
	return status >= 0;
}

bool turn_take(struct worker *worker, unsigned wanted, bool wait, struct broker_lease *ret_lease)
{
	return say_until_answered(worker, wanted, wait, NULL, ret_lease);
}

bool turn_report(struct worker *worker, unsigned i, const struct buffer *record)
{
	struct broker_lease none = {0};
	const struct broker_outcome outcome = {
		.element = worker->batch.outbox->element[i],
		.record = {record->data, record->length},
	};

	if (!say_until_answered(worker, 0, false, &outcome, &none))
		return false;
	broker_lease_fini(&none);
	(void)pthread_mutex_lock(&worker->call);
	batch_skip(&worker->batch, i);
	(void)pthread_mutex_unlock(&worker->call);
	orders_watch_batch(worker); /* its timer may have gone off meanwhile */
	return true;
}

bool turn_is_open(void)
{
	return said.open;
}

enum turn_answer turn_try(struct worker *worker, unsigned held, unsigned wanted, const struct broker_outcome *extra,
	struct broker_lease *ret_lease)
{
	struct error error = {""};

	if (said.open && clock_mono_ns() < said.again_mono_ns)
		return TURN_LATER;
	(void)pthread_mutex_lock(&worker->call);
	if (!said.open)
		prepare(worker, held, wanted, false, extra);
	int status = say(worker, TRY_MS, ret_lease, &error);
	(void)pthread_mutex_unlock(&worker->call);
	if (status >= 0)
		return TURN_ANSWERED;
	if (!means_later(worker, status, &error, &said.failures)) {
		said.open = false;
		return TURN_LEAVE;
	}
	said.again_mono_ns = clock_mono_after(pause_ms(status, said.failures));
	return TURN_LATER;
}
