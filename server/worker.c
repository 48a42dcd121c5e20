#include "server/worker.h"

#include "core/buffer.h"
#include "core/clock.h"
#include "core/id.h"
#include "core/io.h"
#include "core/log.h"
#include "server/fault.h"
#include "server/orders.h"
#include "server/policy.h"
#include "server/process.h"
#include "server/run.h"
#include "server/service.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum {
	WAIT_MS = 1000,     /* for a bell, before the promise is renewed */
	ANSWER_MS = 1000,   /* for the broker's answer after that */
	BATCH_NS = 5000000, /* so much work is taken at a time */
	BATCH_GROWTH = 4,   /* a batch is at most so many times the one before */
	AWAY_FAILURES = 8,  /* in a row: not just a broker that starts beside us */
	HELD_MS = 2,        /* until the slot's older lease is looked for again */
	EXIT_MAIMED = 71,
	OOM_SCORE = 500, /* workers go before everybody else when memory runs out */
};

/* ---- promises ---- */

/* Both words are sequentially consistent: the supervisor sees the promise before it sleeps, or we see until when it does. */
void worker_promise(struct worker *worker, int64_t now_mono_ns, int64_t until_mono_ns)
{
	worker->area->alive_until = until_mono_ns;
	worker->area->beat_at = now_mono_ns;
	if (until_mono_ns < worker->node->scoreboard->header->wake_at)
		io_bell_ring(worker->node->bell_supervisor);
}

static void promise_idle(struct worker *worker)
{
	int64_t now = clock_mono_ns();

	worker_promise(worker, now, now + worker->pool->heartbeat_timeout_ms * CLOCK_NS_PER_MS);
}

int64_t worker_bounded_ms(const struct worker *worker, int64_t ms)
{
	int64_t third = worker->pool->heartbeat_timeout_ms / 3;

	return third < ms ? third : ms;
}

void worker_leave_if_maimed(const struct worker *worker)
{
	int spare = fcntl(worker->stop_fd, F_DUPFD_CLOEXEC, 0);

	if (spare < 0) {
		log_error("a handler has closed or used up its worker's descriptors, leaving",
			LOG_TEXT("error", strerror(errno)));
		_exit(EXIT_MAIMED);
	}
	io_close(&spare);
}

static void nap(struct worker *worker, int64_t ms)
{
	struct pollfd entry = {.fd = worker->stop_fd, .events = POLLIN};

	promise_idle(worker);
	(void)io_poll(&entry, 1, clock_mono_after(worker_bounded_ms(worker, ms)));
}

/* ---- turns ---- */

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

/* How many tasks to hold: about BATCH_NS of work as far as is known, never many times what went well before. */
static unsigned want(const struct worker *worker)
{
	int64_t fits = worker->average_ns > 0 ? BATCH_NS / worker->average_ns : 1;
	int64_t grown = (int64_t)worker->wanted * BATCH_GROWTH;
	int64_t wanted = fits < grown ? fits : grown;
	const int64_t limit = worker->pool->max_tasks;

	if (limit != SCHEMA_NONE && wanted > limit - worker->area->serial)
		wanted = limit - worker->area->serial;
	if (wanted > SCOREBOARD_BATCH)
		wanted = SCOREBOARD_BATCH;
	return wanted < 1 ? 1 : (unsigned)wanted;
}

/* What a failed turn means. Returns false when the worker should leave. */
static bool cope(struct worker *worker, int status, const struct error *error, unsigned *failures)
{
	switch (status) {
	case BROKER_STOPPED: return false;
	case BROKER_GONE:
		worker->area->refused++;
		log_warn("lease was taken over, leaving", LOG_TEXT("slot", worker->name));
		return false;
	case BROKER_HELD: nap(worker, HELD_MS); break;
	case -ENOMEM: /* used up by a handler, and given back by nobody; what it has finished is in its outbox */
		log_error("no memory is left in this worker, leaving");
		_exit(EXIT_MAIMED);
	default:
		if (++*failures == AWAY_FAILURES)
			log_warn("broker does not answer, waiting for it", LOG_TEXT("error", error->text));
		nap(worker, broker_backoff_ms(*failures, id_chance()));
	}
	return !worker->draining;
}

/* One turn, said until it is answered. `extra` (or NULL) is one more outcome, behind those in the outbox. */
static bool turn(struct worker *worker, unsigned wanted, bool wait, const struct broker_outcome *extra,
	struct broker_lease *ret_lease)
{
	static struct broker_outcome outcomes[SCOREBOARD_BATCH + 1];
	static unsigned positions[SCOREBOARD_BATCH];
	int queues[CONFIG_QUEUES_MAX];
	unsigned shares[CONFIG_QUEUES_MAX];
	unsigned failures = 0;
	bool answered = false;

	queue_settings_follow(&worker->settings, worker->node->config, worker->node->scoreboard);
	promise_idle(worker); /* the second thread may be in a call of its own */
	(void)pthread_mutex_lock(&worker->call);
	size_t count = batch_outcomes(&worker->batch, outcomes, positions);
	if (extra)
		outcomes[count] = *extra;
	order_queues(worker->pool, wanted, queues, shares);
	const int wait_ms = wait ? (int)worker_bounded_ms(worker, WAIT_MS) : 0;
	const struct broker_turn call = {
		.slot = worker->name,
		.generation = worker->generation,
		.sequence = ++worker->sequence,
		.want = wanted,
		.queues = queues,
		.shares = shares,
		.queue_count = worker->pool->queue_count,
		.outcomes = outcomes,
		.outcome_count = count + (extra != NULL),
		.wait_ms = wait_ms,
		.rests = worker->rests,
		.stop_fd = wait ? worker->stop_fd : -1,
	};
	for (;;) {
		struct error error = {""};
		promise_idle(worker);
		int64_t until = clock_mono_after(wait_ms + worker_bounded_ms(worker, ANSWER_MS));
		int status = broker_turn(worker->broker, &call, until, ret_lease, &error);
		answered = status == 0;
		if (answered || !cope(worker, status, &error, &failures))
			break;
	}
	if (answered) {
		batch_reported(&worker->batch, positions, count);
		worker->area->broker_at = clock_mono_ns();
		worker->rests = ret_lease->rests;
	}
	if (answered && failures >= AWAY_FAILURES)
		log_info("broker answers again");
	(void)pthread_mutex_unlock(&worker->call);
	return answered;
}

/* Reports what was kept and, behind it, an outcome that the outbox has no room for. False: leave. */
static bool report_now(struct worker *worker, unsigned i, const struct buffer *record)
{
	struct broker_lease none = {0};
	const struct broker_outcome outcome = {
		.element = worker->batch.outbox->element[i],
		.record = {record->data, record->length},
	};

	if (!turn(worker, 0, false, &outcome, &none))
		return false;
	broker_lease_fini(&none);
	(void)pthread_mutex_lock(&worker->call);
	batch_skip(&worker->batch, i);
	(void)pthread_mutex_unlock(&worker->call);
	orders_watch_batch(worker); /* its timer may have gone off meanwhile */
	return true;
}

/* ---- the life of a worker ---- */

static void run_batch(struct worker *worker)
{
	_cleanup_(buffer_fini) struct buffer record;

	buffer_init(&record, (size_t)worker->node->config->limits.result * 2 + 256 * 1024);
	worker->area->state = SCOREBOARD_BUSY;
	if (worker->batch.n > 1)
		orders_watch_batch(worker);
	for (unsigned i = 0; i < worker->batch.n && !worker->draining; i++) {
		buffer_clear(&record);
		if (!run_task(worker, i, &record))
			continue;
		fault_point("task-settled");
		if (batch_keep(&worker->batch, i, record.data, record.length) < 0 && !report_now(worker, i, &record))
			return;
		fault_point("task-kept");
	}
	worker_leave_if_maimed(worker);
	if (!worker->draining)
		worker->area->state = SCOREBOARD_IDLE;
}

static bool exceeds_memory(const struct worker *worker)
{
	const int64_t most = worker->pool->max_memory;

	return most != SCHEMA_NONE &&
	       process_resident(getpid()) + (worker->last_child > 0 ? process_resident(worker->last_child) : 0) > most;
}

static bool is_used_up(const struct worker *worker)
{
	const struct config_pool *pool = worker->pool;
	int64_t age_ms = (clock_mono_ns() - worker->born_mono_ns) / CLOCK_NS_PER_MS;

	return (pool->max_tasks != SCHEMA_NONE && worker->area->serial >= pool->max_tasks) ||
	       (pool->max_age_ms != SCHEMA_NONE && age_ms >= pool->max_age_ms) || exceeds_memory(worker);
}

static void count_admitted(struct worker *worker, const struct broker_lease *lease)
{
	/* A turn serves its queues in order, so which list an element came from shows in its head. */
	for (size_t i = 0; lease->admitted > 0 && i < lease->count; i++) {
		struct task_head head;
		if (task_head_read(lease->tasks[i].stored, &head) < 0 || head.source != TASK_SOURCE_LIST ||
			lease->tasks[i].record.data)
			continue;
		int queue = config_find_queue(worker->node->config, head.queue, strlen(head.queue));
		if (queue >= 0)
			scoreboard_count(worker->area, queue)->submitted_list++;
	}
}

/* take → run → report, where a report and the next take are one call. */
static void work(struct worker *worker)
{
	bool wait = false;

	while (!worker->draining) {
		const bool last = is_used_up(worker);
		struct broker_lease lease = {0};
		worker->wanted = want(worker);
		fault_point("worker-takes");
		if (!turn(worker, last ? 0 : worker->wanted, wait && !last, NULL, &lease))
			return;
		fault_point(lease.count > 0 ? "worker-took" : "worker-took-nothing");
		batch_close(&worker->batch);
		if (last) {
			worker->area->leaving = LEAVING_RECYCLED;
			return;
		}
		wait = lease.count == 0;
		if (wait) {
			broker_lease_fini(&lease);
			continue;
		}
		worker->wall_offset_ns = clock_wall_ms() * CLOCK_NS_PER_MS - clock_mono_ns();
		count_admitted(worker, &lease);
		batch_open(&worker->batch, worker->generation, &lease);
		fault_point("worker-opened");
		run_batch(worker);
	}
}

static int give_up(struct worker *worker, const char *reason)
{
	(void)snprintf(worker->area->reason, sizeof worker->area->reason, "%s", reason);
	worker->area->leaving = LEAVING_UNFIT;
	return POLICY_EXIT_CONFIG;
}

static int prepare(struct worker *worker, struct error *error)
{
	int status = run_open(worker);

	if (status < 0)
		return error_set(error, status, "cannot prepare handlers: %s", strerror(-status));
	status = broker_open(&worker->broker, worker->node->config);
	if (status < 0)
		return error_set(error, status, "cannot prepare the broker: %s", strerror(-status));
	broker_observe(worker->broker, &worker->area->roundtrip);
	if (worker->pool->kind == CONFIG_KIND_SERVICE)
		status = service_prepare(worker, error);
	if (status < 0)
		return status;
	status = orders_start(worker);
	if (status < 0)
		return error_set(error, status, "cannot start the second thread: %s", strerror(-status));
	for (size_t i = 0; i < worker->pool->preload.count; i++) {
		status = run_load(worker, worker->pool->preload.items[i], error);
		if (status < 0)
			return status;
	}
	return 0;
}

/* Who runs other people's code is the first to go when memory runs out. */
static void volunteer_for_oom(void)
{
	char score[16];
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)io_write(fd, score, (size_t)snprintf(score, sizeof score, "%d", OOM_SCORE)); /* refused: as before */
	io_close(&fd);
}

int worker_main(const struct node *node, unsigned row)
{
	static struct worker worker; /* large, and the process has just one */
	struct error error = {""};

	fault_point("worker-starts");
	worker.node = node;
	worker.row = row;
	worker.area = scoreboard_area(node->scoreboard, row);
	worker.incarnation = worker.area->incarnation;
	worker.pool = &node->config->pools[scoreboard_place_pool(node->scoreboard->rows[row].place)];
	worker.generation = node_generation(node, worker.incarnation);
	worker.born_mono_ns = clock_mono_ns();
	worker.wanted = 1;
	worker.batch.outbox = &worker.area->outbox;
	node_worker_name(node, row, worker.name);
	if (scoreboard_protect(node->scoreboard, row) < 0)
		log_warn("cannot protect the scoreboard from this worker");
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	volunteer_for_oom();
	usage_open(&worker.usage);
	(void)pthread_mutex_init(&worker.call, NULL);
	(void)pthread_mutex_init(&worker.logging, NULL);
	worker.first = pthread_self();
	worker.stop_fd = io_bell_new();
	if (worker.stop_fd < 0)
		return give_up(&worker, "cannot make an eventfd");
	int status = prepare(&worker, &error);
	if (status < 0) {
		log_error("worker cannot start", LOG_TEXT("error", error.text));
		return give_up(&worker, error.text);
	}
	log_info("worker started", LOG_INT("pid", getpid()));
	worker.area->ready_at = clock_mono_ns();
	promise_idle(&worker);
	if (!worker.draining)
		worker.area->state = SCOREBOARD_IDLE;
	if (worker.service)
		return service_run(&worker);
	work(&worker);
	fault_point("worker-leaves");
	worker.timeout_ns = INT64_MAX; /* no task bounds what its handlers take to leave */
	handlers_close(worker.handlers);
	return 0;
}
