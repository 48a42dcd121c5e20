/* run: one task in a worker, from its document to its record. First thread only.
 *
 *     run_open     what is to be run, read
 *     run_begin    it is started: on record, on display
 *                  its handler runs: run_execute, or the caller's doing (several.h)
 *     run_end      its end is claimed
 *     run_settle   its record
 *     run_close */
#ifndef MUSTER_SERVER_RUN_H
#define MUSTER_SERVER_RUN_H

#include "core/buffer.h"
#include "core/handler.h"
#include "core/scoreboard.h"

struct worker;
struct broker_task;

struct run { /* one task on its way */
	struct worker *worker;
	struct scoreboard_current *text; /* on display */
	bool among_several;              /* it is one of several that run at a time */

	unsigned position; /* in the batch */
	struct task_head head;
	struct task_order order;
	struct task_record record; /* as it stood, then as it stands */
	const struct config_queue *queue;
	int queue_index;
	char id[ID_MAX + 1];
	bool well_formed;
	struct error malformed; /* why it is not */
	struct handler_result result;
	bool has_saved;  /* it has kept something for its next execution, or an earlier one had */
	uint32_t serial; /* area.serial of it */
	int64_t started_mono_ns, ended_mono_ns;
	int64_t timeout_ns;    /* INT64_MAX: none */
	int64_t until_mono_ns; /* its deadline, as it stands */
};

/* Opens the worker's handlers. Returns 0 or a negative errno. */
int run_prepare(struct worker *worker);

/* Loads a class. While it does, the worker's area says that the slot is to be parked if this ends the process. */
int run_load(struct worker *worker, const char *class, struct error *error);

/* Reads the task of that position; it is borrowed until run_close. */
void run_open(struct run *run, struct worker *worker, unsigned position, const struct broker_task *task);
void run_close(struct run *run);

/* False when it was given back. */
bool run_begin(struct run *run);

/* Whether its handler is not to be called, since the task is malformed or expired: that is its result then. */
bool run_is_refused(struct run *run);

/* Its class's handler, loaded; what cannot be loaded ends the process. */
void run_load_class(struct run *run);

/* What a task's handler gets to see of it. */
struct handler_task run_task(const struct run *run);

/* Calls the handler and claims its end. Does not return when the task was aborted meanwhile (the second thread ends the process). */
void run_execute(struct run *run);

/* Claims its end. As above. */
void run_end(struct run *run);

/* Counts it, and formats its record. */
void run_settle(struct run *run, struct buffer *record);

/* It is on display no more. */
void run_hide(const struct run *run);

#endif
