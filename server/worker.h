/* worker: the process that runs tasks. take → run → report, with a broker connection of its own.
 *
 * Two threads. The first one (worker.c) takes, runs and reports; all handler code runs in it. The second one (orders.c)
 * owns the signals: it drains, aborts a task that is stuck, and gives back what waits behind a slow one. A worker leaves
 * the way it dies: what it holds is recovered by the scheduler, from its outbox. */
#ifndef MUSTER_SERVER_WORKER_H
#define MUSTER_SERVER_WORKER_H

#include "core/broker.h"
#include "core/handler.h"
#include "core/node.h"
#include "core/queue_settings.h"
#include "server/batch.h"
#include "server/elsewhere.h"
#include "server/run.h"
#include "server/usage.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

/* Runs in the freshly made worker of that row. Returns its exit status. */
struct worker;

int worker_main(const struct node *node, unsigned row);

/* Says until when this process vouches to be heard of again; wakes a supervisor that would sleep past it. First thread. */
void worker_promise(struct worker *worker, int64_t now_mono_ns, int64_t until_mono_ns);

/* The promise of a worker that is at its own business: a heartbeat_timeout from now. First thread. */
void worker_promise_idle(struct worker *worker);

/* It is to leave after what it has in hand: max_tasks, max_age, max_memory. */
bool worker_is_used_up(const struct worker *worker);

/* Counts what the turn has taken from plain lists. */
void worker_count_admitted(struct worker *worker, const struct broker_lease *lease);

/* Ends the process if a handler has closed what is ours, or has left no descriptor to be had: what comes next would fail for
 * no fault of its own. What is kept is reported by the scheduler, the others go back. First thread. */
void worker_leave_if_maimed(const struct worker *worker);

/* At most a third of the heartbeat_timeout: with a short one waits are shorter too, and end before the promise does. */
int64_t worker_bounded_ms(const struct worker *worker, int64_t ms);

enum {
	WORKER_SLOW_MS = 20, /* what waits behind a task that has run so long is given back */
	WORKER_EXIT_MAIMED = 71,
};

struct worker {
	const struct node *node;
	unsigned row;
	uint32_t incarnation;
	struct scoreboard_area *area;
	const struct config_pool *pool;
	char name[TASK_WORKER_MAX]; /* "node/pool/slot" */
	uint64_t generation;
	int stop_fd;          /* eventfd: rung when `draining` is set */
	atomic_bool draining; /* writer: second thread */
	timer_t slow_timer;   /* signals the second thread while a batch of several is run */

	/* Never two calls of one slot in flight: a later one could overtake, and what was given back would be run. Guards
	 * sequence and batch.reported. */
	pthread_mutex_t call;
	uint64_t sequence;
	struct batch batch;

	/* first thread only: */
	struct broker *broker;
	struct handlers *handlers;
	struct handler_host host;
	char loaded[TASK_NAME_MAX + 1]; /* class that was loaded last */
	pid_t last_child;               /* the program that ran a task last; 0: none did */
	struct run run;                 /* the task in hand, where it is one at a time */
	int64_t average_ns;             /* moving average of a task's duration; 0: none yet */
	unsigned wanted;                /* of the last take */
	bool rests;                     /* as the last turn said: its pool or node is paused */
	int64_t wall_offset_ns;         /* wall − mono, renewed at each take */
	int64_t born_mono_ns;
	struct usage usage;

	/* Of the task in hand's log (task_log.h). */
	pthread_t first;         /* this thread */
	pthread_mutex_t logging; /* guards area.log */
	int64_t log_at_mono_ns;  /* not stored before */
	bool log_away;           /* the last time the broker did not take it */

	struct elsewhere elsewhere;
	struct queue_settings settings;

	struct service *service; /* of a pool of kind service: what runs instead of tasks; else NULL */
};

#endif
