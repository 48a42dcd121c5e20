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
#include "server/several.h"
#include "server/turn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum {
	BATCH_NS = 5000000, /* so much work is taken at a time */
	BATCH_MAX = 256,    /* tasks, one after the other */
	BATCH_GROWTH = 4,   /* a batch is at most so many times the one before */
	OOM_SCORE = 500,    /* workers go before everybody else when memory runs out */
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

void worker_promise_idle(struct worker *worker)
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
		_exit(WORKER_EXIT_MAIMED);
	}
	io_close(&spare);
}

/* ---- the life of a worker ---- */

/* How many tasks to hold: about BATCH_NS of work as far as is known, never many times what went well before. */
static unsigned want(const struct worker *worker)
{
	int64_t fits = worker->average_ns > 0 ? BATCH_NS / worker->average_ns : 1;
	int64_t grown = (int64_t)worker->wanted * BATCH_GROWTH;
	int64_t wanted = fits < grown ? fits : grown;
	const int64_t limit = worker->pool->max_tasks;

	if (limit != SCHEMA_NONE && wanted > limit - worker->area->serial)
		wanted = limit - worker->area->serial;
	if (wanted > BATCH_MAX)
		wanted = BATCH_MAX;
	return wanted < 1 ? 1 : (unsigned)wanted;
}

/* Runs it and keeps its outcome. False: leave. */
static bool run_one(struct run *run, struct buffer *record)
{
	struct worker *worker = run->worker;

	if (!run_begin(run))
		return true; /* it was given back */
	run_execute(run);
	buffer_clear(record);
	run_settle(run, record);
	run_hide(run);
	fault_point("task-settled");
	if (batch_keep(&worker->batch, run->position, record->data, record->length) < 0 &&
		!turn_report(worker, run->position, record))
		return false;
	fault_point("task-kept");
	return true;
}

static bool is_one_of_several(const struct run *run)
{
	return run->well_formed && handlers_concurrency(run->worker->handlers, run->order.class) > 1;
}

static void run_batch(struct worker *worker)
{
	_cleanup_(buffer_fini) struct buffer record;

	buffer_init(&record, (size_t)worker->node->config->limits.result * 2 + 256 * 1024);
	worker->area->state = SCOREBOARD_BUSY;
	if (worker->batch.n > 1)
		orders_watch_batch(worker);
	for (unsigned i = 0; i < worker->batch.n && !worker->draining; i++) {
		struct run *run = &worker->run;
		run_open(run, worker, i, &worker->batch.lease.tasks[i]);
		const bool is_several = is_one_of_several(run);
		const bool goes_on = is_several ? several_run(worker, i) : run_one(run, &record);
		run_close(run);
		if (!goes_on)
			return;
		if (is_several) /* all that was taken is over or was given back */
			break;
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

bool worker_is_used_up(const struct worker *worker)
{
	const struct config_pool *pool = worker->pool;
	int64_t age_ms = (clock_mono_ns() - worker->born_mono_ns) / CLOCK_NS_PER_MS;

	return (pool->max_tasks != SCHEMA_NONE && worker->area->serial >= pool->max_tasks) ||
	       (pool->max_age_ms != SCHEMA_NONE && age_ms >= pool->max_age_ms) || exceeds_memory(worker);
}

void worker_count_admitted(struct worker *worker, const struct broker_lease *lease)
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
		const bool last = worker_is_used_up(worker);
		struct broker_lease lease = {0};
		worker->wanted = want(worker);
		fault_point("worker-takes");
		if (!turn_take(worker, last ? 0 : worker->wanted, wait && !last, &lease))
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
		worker_count_admitted(worker, &lease);
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
	int status = run_prepare(worker);

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
	worker_promise_idle(&worker);
	if (!worker.draining)
		worker.area->state = SCOREBOARD_IDLE;
	if (worker.service)
		return service_run(&worker);
	work(&worker);
	fault_point("worker-leaves");
	worker.run.timeout_ns = INT64_MAX; /* no task bounds what its handlers take to leave */
	handlers_close(worker.handlers);
	return 0;
}
