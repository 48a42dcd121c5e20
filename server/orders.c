#include "server/orders.h"

#include "core/clock.h"
#include "core/io.h"
#include "server/fault.h"
#include "server/service.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

enum {
	STACK_SIZE = 256 * 1024,
	CALL_MS = 1000, /* for the broker's answer to a give-back */
	AGAIN_MS = 100, /* until a give-back that failed is tried again */
};

static void arm(struct worker *worker, int64_t after_ns)
{
	struct itimerspec spec = {.it_value = {after_ns / CLOCK_NS_PER_S, after_ns % CLOCK_NS_PER_S}};

	(void)timer_settime(worker->slow_timer, 0, &spec, NULL);
}

void orders_watch_batch(struct worker *worker)
{
	arm(worker, WORKER_SLOW_MS * CLOCK_NS_PER_MS);
}

void orders_call_again(struct worker *worker, int64_t ms)
{
	arm(worker, ms * CLOCK_NS_PER_MS + 1); /* 0 would mean never */
}

static void drain(struct worker *worker)
{
	fault_point("worker-drains");
	worker->draining = true;
	worker->area->state = SCOREBOARD_DRAINING;
	io_bell_ring(worker->stop_fd);
	if (worker->service)
		service_drain(worker);
}

/* Whoever moves a claim alone may go on: if the first thread has ended its task in this very moment, the order is void. */
static void abort_task(struct worker *worker)
{
	const uint64_t order = worker->node->scoreboard->rows[worker->row].order;
	const bool stops = (scoreboard_low(order) & 0xff) == ORDER_STOP;

	if (!stops && !scoreboard_order_names(order, worker->area->serial))
		return;
	if (!batch_abort(&worker->batch)) {
		if (stops)
			drain(worker);
		return;
	}
	fault_point("worker-exiting");
	handlers_exiting(worker->handlers);
	fault_point("worker-exited");
	_exit(0); /* the order on the row says why, and the scheduler takes it from there */
}

/* Says what is finished and gives back what waits. A failure changes nothing: it is said again. */
static void report_and_return(struct worker *worker)
{
	static struct broker_outcome outcomes[SCOREBOARD_BATCH];
	static unsigned positions[SCOREBOARD_BATCH];
	struct broker *broker = NULL;
	struct broker_lease lease = {0};

	(void)batch_return(&worker->batch);
	if (!batch_owes(&worker->batch))
		return;
	size_t count = batch_outcomes(&worker->batch, outcomes, positions);
	const struct broker_turn turn = {
		.slot = worker->name,
		.generation = worker->generation,
		.sequence = ++worker->sequence,
		.queues = NULL,
		.outcomes = outcomes,
		.outcome_count = count,
		.stop_fd = -1,
	};
	fault_point("worker-gives-back");
	if (broker_open(&broker, worker->node->config) < 0)
		return;
	if (broker_turn(broker, &turn, clock_mono_after(worker_bounded_ms(worker, CALL_MS)), &lease, NULL) == 0) {
		fault_point("worker-gave-back");
		batch_reported(&worker->batch, positions, count);
		broker_lease_fini(&lease);
	} else {
		arm(worker, AGAIN_MS * CLOCK_NS_PER_MS);
	}
	broker_close(broker);
}

static void give_back(struct worker *worker)
{
	if (worker->area->runs_several)
		return; /* the first thread sees to it */
	if (pthread_mutex_trylock(&worker->call) != 0)
		return; /* the first thread reports; it sets the timer anew when it goes on */
	const bool waits = batch_count(&worker->batch, CLAIM_WAITING) > 0 || batch_owes(&worker->batch);
	if (waits && batch_count(&worker->batch, CLAIM_RUNNING) > 0) {
		int64_t ran = clock_mono_ns() - worker->area->current.started_mono_ns;
		if (ran >= WORKER_SLOW_MS * CLOCK_NS_PER_MS)
			report_and_return(worker);
		else
			arm(worker, WORKER_SLOW_MS * CLOCK_NS_PER_MS - ran);
	} else if (waits) {
		arm(worker, WORKER_SLOW_MS * CLOCK_NS_PER_MS); /* just between two tasks */
	}
	(void)pthread_mutex_unlock(&worker->call);
}

static void fill_set(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGUSR1);
	sigaddset(set, SIGRTMIN);
}

static void *read_orders(void *argument)
{
	struct worker *worker = argument;
	sigset_t set;
	siginfo_t info;

	fill_set(&set);
	for (;;) {
		int number = sigwaitinfo(&set, &info);
		if (number == SIGTERM)
			drain(worker);
		else if (number == SIGUSR1 && worker->service)
			service_abort(worker);
		else if (number == SIGUSR1)
			abort_task(worker);
		else if (number == SIGRTMIN && worker->service)
			service_is_overdue(worker);
		else if (number == SIGRTMIN)
			give_back(worker);
	}
	return NULL;
}

int orders_start(struct worker *worker)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
	pthread_attr_t attributes;
	pthread_t thread;
	sigset_t set;

	fill_set(&set);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (timer_create(CLOCK_MONOTONIC, &event, &worker->slow_timer) != 0)
		return -errno;
	(void)pthread_attr_init(&attributes);
	(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	(void)pthread_attr_setstacksize(&attributes, STACK_SIZE);
	int status = pthread_create(&thread, &attributes, read_orders, worker);
	(void)pthread_attr_destroy(&attributes);
	return -status;
}
