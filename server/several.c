#include "server/several.h"

#include "core/clock.h"
#include "core/log.h"
#include "server/bell.h"
#include "server/fault.h"
#include "server/host.h"
#include "server/run.h"
#include "server/task_log.h"
#include "server/turn.h"
#include "server/worker.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	LOOK_MS = 50, /* how often it is looked whether tasks were told to stop, and where no bell is heard, for more */
	LISTEN_MS = 5,   /* so long after a turn the bell is listened to: with tasks that are shorter it never is */
	GATHER_MS = 2,   /* an end waits so long for others, to be reported with them */
	PARDON_MS = 200, /* a look that comes later than that is not the tasks' fault */
	RECORD_EXTRA = 256 * 1024,
};

/* The task at one position of the batch. */
struct place {
	struct broker_task task; /* as it was taken */
	char *bytes;             /* owned: where that lies; NULL: in the batch's lease */
	enum {
		PLACE_EMPTY,
		PLACE_WAITS,
		PLACE_RUNS,
		PLACE_UNKEPT /* over; the outbox has no room for its record */
	} state;
	struct run run;
	struct handler_errand errand;
	struct buffer record; /* of one that is unkept */
	bool late, told, forced;
};

struct several {
	struct worker *worker;
	unsigned limit;                                          /* the handler's concurrency */
	unsigned in_hand;                                        /* places that run, or are unkept */
	unsigned line[SCOREBOARD_BATCH], line_first, line_count; /* positions that wait, a ring */
	bool closing;                                            /* it takes no more */
	bool gives_back;                                         /* something is to go back at once */
	int64_t ended_mono_ns;                                   /* since then something is unreported; 0: nothing is */
	int64_t asked_mono_ns;                                   /* the last turn */
	int64_t looked_mono_ns;
	struct bell bell; /* kept from run to run */
	bool rung;        /* a turn has to follow */
	int extra;        /* position whose record goes along with the turn that is open; -1: none */
	struct place places[SCOREBOARD_BATCH];
};

static __attribute__((noreturn)) void wait_for_the_end(void)
{
	for (;;)
		(void)pause();
}

/* ---- taking ---- */

static void put_in_line(struct several *several, unsigned position)
{
	assert(several->line_count < SCOREBOARD_BATCH);
	several->line[(several->line_first + several->line_count++) % SCOREBOARD_BATCH] = position;
}

static void expect(struct several *several, unsigned position, const struct broker_task *task, char *bytes)
{
	struct place *place = &several->places[position];

	memset((void *)&several->worker->area->several[position], 0, sizeof(struct scoreboard_current));
	place->task = *task;
	place->bytes = bytes;
	place->state = PLACE_WAITS;
	put_in_line(several, position);
}

static struct bytes copy(char **at, struct bytes bytes)
{
	char *start = *at;

	if (!bytes.data)
		return bytes;
	memcpy(start, bytes.data, bytes.length);
	*at += bytes.length;
	return (struct bytes){start, bytes.length};
}

/* What was taken goes to free positions: there are as many as could be taken. */
static void add_lease(struct several *several, const struct broker_lease *lease)
{
	for (size_t i = 0; i < lease->count; i++) {
		const struct broker_task *task = &lease->tasks[i];
		char *bytes = malloc(task->element.length + task->stored.length + task->record.length + 1);
		char *at = bytes;
		if (!bytes)
			abort(); /* the lease is recovered */
		const struct broker_task own = {.element = copy(&at, task->element),
			.stored = copy(&at, task->stored),
			.record = copy(&at, task->record)};
		const int position = batch_add(&several->worker->batch, own.element);
		assert(position >= 0);
		expect(several, (unsigned)position, &own, bytes);
	}
}

/* ---- one place ---- */

static void empty(struct several *several, struct place *place)
{
	struct scoreboard_area *area = several->worker->area;

	run_hide(&place->run);
	run_close(&place->run);
	buffer_fini(&place->record);
	free(place->bytes);
	place->bytes = NULL;
	place->state = PLACE_EMPTY;
	several->in_hand--;
	area->in_task--;
}

static void note_unreported(struct several *several)
{
	if (several->ended_mono_ns == 0)
		several->ended_mono_ns = clock_mono_ns();
}

/* Its outcome is kept, if there is room for it. */
static void keep(struct several *several, struct place *place)
{
	if (batch_keep(&several->worker->batch, place->run.position, place->record.data, place->record.length) < 0) {
		place->state = PLACE_UNKEPT;
		return;
	}
	fault_point("task-kept");
	empty(several, place);
}

static void end_place(struct several *several, struct place *place)
{
	struct worker *worker = several->worker;
	struct run *run = &place->run;

	run->ended_mono_ns = clock_mono_ns();
	run_end(run);
	if (strcmp(worker->area->log.id, run->id) == 0)
		task_log_end(worker);
	buffer_init(&place->record, (size_t)worker->node->config->limits.result * 2 + RECORD_EXTRA);
	run_settle(run, &place->record);
	fault_point("task-settled");
	note_unreported(several);
	keep(several, place);
}

static void return_place(struct several *several, struct place *place)
{
	if (!batch_give_back(&several->worker->batch, place->run.position))
		wait_for_the_end(); /* the second thread ends the process */
	log_info("task goes back: its program was ended for another task", LOG_TEXT("task", place->run.id));
	several->gives_back = true;
	handler_result_fini(&place->errand.result);
	empty(several, place);
}

/* What its handler has made of it; true: it still runs. */
static bool look_at_errand(struct several *several, struct place *place)
{
	switch (handlers_look(several->worker->handlers, &place->errand)) {
	case ERRAND_RUNS: return true;
	case ERRAND_ENDED:
		place->run.result = place->errand.result;
		end_place(several, place);
		return false;
	case ERRAND_RETURNED: return_place(several, place); return false;
	}
	__builtin_unreachable();
}

static void look_at_orders(const struct several *several, struct place *place, int64_t now)
{
	struct handlers *handlers = several->worker->handlers;

	if (!place->late && now > place->run.until_mono_ns) {
		place->late = true;
		log_warn("task is silent past its deadline, ending its program", LOG_TEXT("task", place->run.id));
		handlers_end(handlers, &place->errand, HANDLER_LATE);
	}
	if (place->late || place->errand.state != ERRAND_RUNS)
		return;
	if (!place->told && host_was_told_to_stop(&place->run)) {
		place->told = true;
		handlers_end(handlers, &place->errand, HANDLER_STOP);
	}
	if (!place->forced && host_is_forced_to_stop(&place->run) && place->errand.state == ERRAND_RUNS) {
		place->forced = true;
		handlers_end(handlers, &place->errand, HANDLER_NOW);
	}
}

/* ---- starting ---- */

/* A task of another class has its turn when all in hand are over: it goes back until then, with what waits behind it. */
static void make_way(struct several *several)
{
	(void)batch_return(&several->worker->batch);
	for (; several->line_count > 0; several->line_count--) {
		struct place *place = &several->places[several->line[several->line_first]];
		several->line_first = (several->line_first + 1) % SCOREBOARD_BATCH;
		free(place->bytes);
		place->bytes = NULL;
		place->state = PLACE_EMPTY;
	}
	several->closing = several->gives_back = true;
}

static void start_place(struct several *several, struct place *place)
{
	struct worker *worker = several->worker;
	struct run *run = &place->run;

	place->late = place->told = place->forced = false;
	place->state = PLACE_RUNS;
	several->in_hand++;
	worker->area->in_task++;
	if (!run_begin(run))
		wait_for_the_end(); /* nobody else gives anything back here */
	if (run_is_refused(run)) {
		end_place(several, place);
		return;
	}
	place->errand.task = run_task(run);
	host_init(&place->errand.host, run);
	handlers_begin(worker->handlers, &place->errand);
	(void)look_at_errand(several, place);
}

static void start_what_waits(struct several *several)
{
	struct worker *worker = several->worker;

	while (several->line_count > 0 && several->in_hand < several->limit && !worker->draining &&
		handlers_are_ready(worker->handlers)) {
		const unsigned position = several->line[several->line_first];
		struct place *place = &several->places[position];
		place->run.text = &worker->area->several[position];
		place->run.among_several = true;
		run_open(&place->run, worker, position, &place->task);
		if (place->run.well_formed && !handlers_serve(worker->handlers, place->run.order.class)) {
			run_close(&place->run);
			make_way(several);
			return;
		}
		several->line_first = (several->line_first + 1) % SCOREBOARD_BATCH;
		several->line_count--;
		start_place(several, place);
	}
}

/* ---- looking after them ---- */

static void pardon(struct several *several, int64_t by_ns)
{
	for (unsigned i = 0; i < several->worker->batch.n; i++)
		if (several->places[i].state == PLACE_RUNS && several->places[i].run.until_mono_ns < INT64_MAX - by_ns)
			several->places[i].run.until_mono_ns += by_ns;
}

/* Until when there is nothing to do but to hear of them. */
static int64_t next_deadline(const struct several *several, int64_t now)
{
	int64_t until = now + LOOK_MS * CLOCK_NS_PER_MS;

	for (unsigned i = 0; i < several->worker->batch.n; i++) {
		const struct place *place = &several->places[i];
		if (place->state == PLACE_RUNS && !place->late && place->run.until_mono_ns < until)
			until = place->run.until_mono_ns + 1;
	}
	if (several->in_hand == 0 && several->line_count == 0 && !turn_is_open())
		return now;
	if (!several->bell.listens && several->asked_mono_ns + LISTEN_MS * CLOCK_NS_PER_MS > now &&
		several->asked_mono_ns + LISTEN_MS * CLOCK_NS_PER_MS < until)
		until = several->asked_mono_ns + LISTEN_MS * CLOCK_NS_PER_MS;
	if (several->ended_mono_ns > 0 && several->ended_mono_ns + GATHER_MS * CLOCK_NS_PER_MS < until)
		until = several->ended_mono_ns + GATHER_MS * CLOCK_NS_PER_MS;
	return until;
}

static void look_after(struct several *several)
{
	struct worker *worker = several->worker;
	int64_t now = clock_mono_ns();

	if (now - several->looked_mono_ns > (LOOK_MS + PARDON_MS) * CLOCK_NS_PER_MS)
		pardon(several, now - several->looked_mono_ns);
	worker_promise(worker, now, now + worker->pool->heartbeat_timeout_ms * CLOCK_NS_PER_MS);
	handlers_attend(worker->handlers, bell_fd(&several->bell), next_deadline(several, now));
	several->looked_mono_ns = now = clock_mono_ns();
	several->rung = bell_rang(&several->bell) || several->rung;
	for (unsigned i = 0; i < worker->batch.n; i++) {
		struct place *place = &several->places[i];
		if (place->state == PLACE_RUNS && look_at_errand(several, place))
			look_at_orders(several, place, now);
	}
	task_log_turn(worker);
}

/* ---- turns ---- */

static unsigned room(const struct several *several)
{
	const struct worker *worker = several->worker;
	const int64_t most = worker->pool->max_tasks;
	unsigned free = several->limit - several->in_hand;

	if (several->closing || worker->draining || several->line_count > 0 || worker_is_used_up(worker))
		return 0;
	if (most != SCHEMA_NONE && free > most - worker->area->serial)
		free = (unsigned)(most - worker->area->serial);
	return free;
}

/* A turn is due when what has ended has waited long enough or leaves much room, when something goes back, when the
 * bell has rung, and where it is not heard from time to time while there is room. */
static bool is_due(const struct several *several, unsigned free, int64_t now)
{
	if (turn_is_open() || several->gives_back || several->rung)
		return true;
	if (several->ended_mono_ns > 0)
		return several->in_hand == 0 || free >= (several->limit + 3) / 4 ||
		       now - several->ended_mono_ns >= GATHER_MS * CLOCK_NS_PER_MS;
	return free > 0 && !several->bell.listens && now - several->asked_mono_ns >= LOOK_MS * CLOCK_NS_PER_MS;
}

/* A record that the outbox has no room for goes along by itself. */
static void choose_extra(struct several *several, struct broker_outcome *ret_outcome)
{
	several->extra = -1;
	for (unsigned i = 0; i < several->worker->batch.n && several->extra < 0; i++) {
		const struct place *place = &several->places[i];
		if (place->state != PLACE_UNKEPT)
			continue;
		several->extra = (int)i;
		*ret_outcome = (struct broker_outcome){.element = several->worker->batch.outbox->element[i],
			.record = {place->record.data, place->record.length}};
	}
}

static void note_answer(struct several *several, struct broker_lease *lease)
{
	struct worker *worker = several->worker;

	several->gives_back = false;
	several->ended_mono_ns = 0;
	if (several->extra >= 0) {
		batch_skip(&worker->batch, (unsigned)several->extra);
		empty(several, &several->places[several->extra]);
	}
	several->extra = -1;
	batch_clear_reported(&worker->batch);
	for (unsigned i = 0; i < worker->batch.n; i++)
		if (several->places[i].state == PLACE_UNKEPT) {
			note_unreported(several);
			keep(several, &several->places[i]);
		}
	worker->wall_offset_ns = clock_wall_ms() * CLOCK_NS_PER_MS - clock_mono_ns();
	worker_count_admitted(worker, lease);
	add_lease(several, lease);
	broker_lease_fini(lease);
}

/* Returns false when the worker should leave. */
static bool take_turn(struct several *several)
{
	struct worker *worker = several->worker;
	const int64_t now = clock_mono_ns();
	const unsigned free = room(several);
	struct broker_outcome extra;
	struct broker_lease lease = {0};

	if (!is_due(several, free, now)) {
		if (free > 0 && !worker->rests && now - several->asked_mono_ns >= LISTEN_MS * CLOCK_NS_PER_MS)
			bell_listen(&several->bell, worker, now);
		return true;
	}
	if (!turn_is_open())
		choose_extra(several, &extra);
	const unsigned held = several->in_hand + several->line_count - (several->extra >= 0);
	several->asked_mono_ns = now;
	several->rung = false;
	switch (turn_try(worker, held, free, several->extra >= 0 ? &extra : NULL, &lease)) {
	case TURN_LATER: return true;
	case TURN_LEAVE: return false;
	case TURN_ANSWERED: note_answer(several, &lease); return true;
	}
	__builtin_unreachable();
}

/* ---- */

static void open_several(struct several *several, struct worker *worker, unsigned from)
{
	const struct run *first = &worker->run;
	const int64_t now = clock_mono_ns();

	several->worker = worker;
	several->limit = handlers_concurrency(worker->handlers, first->order.class);
	several->in_hand = several->line_first = several->line_count = 0;
	several->closing = several->gives_back = several->rung = false;
	several->ended_mono_ns = from > 0 ? now : 0;
	several->asked_mono_ns = several->looked_mono_ns = now;
	several->extra = -1;
	for (unsigned i = 0; i < SCOREBOARD_BATCH; i++)
		several->places[i].state = PLACE_EMPTY;
	for (unsigned i = 0; i < worker->batch.n; i++) {
		worker->area->several[i].started_ms = 0;
		if (worker->batch.outbox->claim[i] == CLAIM_WAITING)
			expect(several, i, &worker->batch.lease.tasks[i], NULL);
	}
	worker->area->current.started_mono_ns = now;
	worker->area->runs_several = 1;
	run_load_class(&worker->run);
	handlers_open_several(worker->handlers, first->order.class);
}

static bool has_more(const struct several *several)
{
	return several->in_hand > 0 ||
	       ((several->line_count > 0 || turn_is_open() || several->gives_back) && !several->worker->draining);
}

bool several_run(struct worker *worker, unsigned from)
{
	static struct several several; /* large, and the process has just one */
	bool stays = true;

	open_several(&several, worker, from);
	worker->run.id[0] = '\0'; /* what its program says by itself is no task's */
	while (stays && has_more(&several)) {
		start_what_waits(&several);
		look_after(&several);
		stays = take_turn(&several);
	}
	bell_hush(&several.bell);
	handlers_close_several(worker->handlers);
	worker->area->runs_several = 0;
	return stays;
}
