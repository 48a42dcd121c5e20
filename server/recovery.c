#include "server/recovery.h"

#include "core/buffer.h"
#include "core/clock.h"
#include "core/id.h"
#include "core/log.h"
#include "core/redact.h"
#include "server/fault.h"
#include "server/task_log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	CALL_MS = 1000,
	RECORD_MAX = 4 * 1024 * 1024,
	LOG_DOCUMENT_MAX = 4096,
};

/* How the execution that was running ended, judged from outside. */
struct judgement {
	bool counts; /* false: it goes back as if it had not been started */
	enum task_verdict verdict;
	const char *kind;
	char message[128];
	struct scoreboard_evidence evidence; /* state "": none */
	int64_t started_ms, ended_ms;
};

/* One lease, about to be recovered. */
struct inheritance {
	const char *slot;
	uint64_t generation;
	struct broker_outcome outcomes[SCOREBOARD_BATCH];
	size_t count;
	char running[TASK_ELEMENT_MAX]; /* "": none was */
	struct bytes log;               /* of the running one's, what is not stored yet */
	struct judgement judgement;
};

/* ---- judging ---- */

static struct judgement judge(const struct scoreboard_exit *exit, int64_t started_ms)
{
	struct judgement judgement = {
		.counts = true, .started_ms = started_ms, .ended_ms = exit->at_ms, .evidence = exit->evidence};

	switch ((enum scoreboard_order)exit->order) {
	case ORDER_ABORT:
		judgement.verdict = TASK_VERDICT_TIMEOUT;
		judgement.kind = "timeout";
		(void)snprintf(
			judgement.message, sizeof judgement.message, "gave no sign of life in time and was ended");
		break;
	case ORDER_CANCEL: judgement.verdict = TASK_VERDICT_CANCELLED; break;
	case ORDER_STOP: judgement.counts = false; break;
	case ORDER_MEMORY:
		judgement.verdict = TASK_VERDICT_CRASH;
		judgement.kind = "memory";
		(void)snprintf(judgement.message, sizeof judgement.message, "its worker grew above max_memory");
		break;
	case ORDER_DRAIN:
		if (exit->code == 0) { /* it left in good order, but could not report any more: the broker was away */
			judgement.counts = false;
			break;
		}
		/* fall through */
	case ORDER_NONE:
	case ORDER_KILL:
		judgement.verdict = TASK_VERDICT_CRASH;
		judgement.kind = "crash";
		if (exit->signal != 0)
			(void)snprintf(judgement.message, sizeof judgement.message,
				"its worker ended by signal %d (%s)", exit->signal, strsignal(exit->signal));
		else
			(void)snprintf(judgement.message, sizeof judgement.message,
				"its worker ended with exit status %d", exit->code);
		break;
	}
	return judgement;
}

static struct judgement judge_lost(void)
{
	struct judgement judgement = {.counts = true, .verdict = TASK_VERDICT_CRASH, .kind = "crash"};

	judgement.started_ms = judgement.ended_ms = clock_wall_ms();
	(void)snprintf(judgement.message, sizeof judgement.message,
		"it was lost with its node, or with what its worker knew, while that held it");
	return judgement;
}

/* ---- the running one's record ---- */

static void count_verdict(struct recovery *recovery, const struct task_head *head, const struct task_record *record)
{
	int queue = config_find_queue(recovery->node->config, head->queue, strlen(head->queue));

	if (queue < 0)
		return;
	struct scoreboard_totals *totals = scoreboard_count(recovery->area, queue);
	totals->recovered += record->state == TASK_PENDING;
	totals->retried += record->state == TASK_RETRYING;
	totals->dead += record->state == TASK_DEAD;
	totals->cancelled += record->state == TASK_CANCELLED;
}

static void log_verdict(const struct config *config, const struct inheritance *inheritance,
	const struct broker_look *look, const struct task_head *head, const struct task_record *record)
{
	_cleanup_(buffer_fini) struct buffer line = {0};

	buffer_init(&line, LOG_DOCUMENT_MAX + 64);
	if (inheritance->judgement.verdict == TASK_VERDICT_TIMEOUT) {
		buffer_append_text(&line, "killed timeout:");
		redact_append(&line, config, head->document, LOG_DOCUMENT_MAX);
	} else {
		buffer_append_text(&line, "task lost its worker");
	}
	log_warn(line.data ? line.data : "task lost its worker", LOG_TEXT("task", look->id),
		LOG_TEXT("worker", inheritance->slot), LOG_TEXT("state", task_state_name(record->state)),
		LOG_INT("crashes", record->crashes), LOG_TEXT("why", inheritance->judgement.message));
}

/* As a task shows it; NULL when there is none, or no memory. */
static json_t *evidence_value(const struct scoreboard_evidence *evidence)
{
	if (!evidence->state[0])
		return NULL;
	return json_pack("{s:s, s:s*, s:s*, s:I, s:I}", "state", evidence->state, "syscall",
		evidence->syscall[0] ? evidence->syscall : NULL, "waits_on",
		evidence->waits_on[0] ? evidence->waits_on : NULL, "cpu_ms", (json_int_t)evidence->cpu_ms, "silent_ms",
		(json_int_t)evidence->silent_ms);
}

/* Folds the judgement into the task's record. Returns 0 with the record, or a negative errno. */
static int apply(struct recovery *recovery, const struct inheritance *inheritance, const struct task_head *head,
	struct bytes stored, struct task_record *ret_record)
{
	const struct config *config = recovery->node->config;
	const struct judgement *judgement = &inheritance->judgement;
	int queue = config_find_queue(config, head->queue, strlen(head->queue));
	const struct config_queue *settings = &config->queues[queue >= 0 ? queue : 0];
	struct task_order order;
	struct task_execution execution = {
		.verdict = judgement->verdict,
		.kind = judgement->kind,
		.message = judgement->message[0] ? judgement->message : NULL,
		.evidence = evidence_value(&judgement->evidence),
		.worker = inheritance->slot,
		.started_ms = judgement->started_ms,
		.ended_ms = judgement->ended_ms,
		.delay_ms = -1,
		.random = id_chance(),
	};

	int status = task_record_read(stored, ret_record);
	if (status < 0) {
		json_decref(execution.evidence);
		return status;
	}
	status = task_order_read(head, settings, &order, NULL);
	if (status == 0)
		execution.max_attempts = order.max_attempts;
	task_order_fini(&order);
	if (status != -ENOMEM) /* a document that is malformed has no say in how often it is run */
		status = task_record_apply(ret_record, settings, &execution);
	json_decref(execution.evidence);
	if (status < 0)
		task_record_fini(ret_record);
	return status;
}

/* ---- one lease ---- */

static int hand_over(struct recovery *recovery, const struct inheritance *inheritance,
	struct broker_recovered *ret_recovered, struct error *error)
{
	return broker_recover(recovery->broker, inheritance->slot, inheritance->generation, inheritance->outcomes,
		inheritance->count, clock_mono_after(CALL_MS), ret_recovered, error);
}

/* 0: no task of ours has such an id. */
static size_t running_id_length(const struct inheritance *inheritance)
{
	const size_t length =
		task_element_id_length((struct bytes){inheritance->running, strlen(inheritance->running)});

	return length <= ID_MAX ? length : 0;
}

/* With the outcome of what was running, for which its document and record are looked up first. */
static int hand_over_running(struct recovery *recovery, struct inheritance *inheritance,
	struct broker_recovered *ret_recovered, struct error *error)
{
	struct broker_look look = {0};
	struct broker_batch batch = {.looks = &look, .look_count = 1};
	struct task_head head = {0};
	struct task_record record = {0};
	_cleanup_(buffer_fini) struct buffer text = {0};

	const size_t length = running_id_length(inheritance);
	if (length == 0)
		return hand_over(recovery, inheritance, ret_recovered, error);
	memcpy(look.id, inheritance->running, length);
	int status = broker_batch(recovery->broker, &batch, clock_mono_after(CALL_MS), error);
	if (status < 0)
		return status;
	buffer_init(&text, RECORD_MAX);
	const bool readable = look.known && task_head_read(look.stored, &head) == 0;
	if (readable)
		status = apply(recovery, inheritance, &head, look.record, &record);
	if (readable && status == 0)
		status = task_record_format(&text, &record);
	if (status != -ENOMEM) { /* without memory it would go back uncounted: said again in the next round */
		if (readable && status == 0)
			inheritance->outcomes[inheritance->count++] =
				(struct broker_outcome){inheritance->running, {text.data, text.length}};
		else
			buffer_clear(&text);
		status = hand_over(recovery, inheritance, ret_recovered, error);
	}
	if (status == 0 && text.length > 0 && ret_recovered->settled > 0) {
		count_verdict(recovery, &head, &record);
		log_verdict(recovery->node->config, inheritance, &look, &head, &record);
	}
	task_record_fini(&record);
	broker_batch_fini(&batch);
	return status;
}

/* Before its end is told. What comes twice after a failure further on is told twice. */
static void store_log(struct recovery *recovery, const struct inheritance *inheritance)
{
	char id[ID_MAX + 1] = "";

	memcpy(id, inheritance->running, running_id_length(inheritance));
	(void)broker_log(recovery->broker, id, inheritance->log, clock_mono_after(CALL_MS), NULL);
}

static int recover(struct recovery *recovery, struct inheritance *inheritance, struct error *error)
{
	struct broker_recovered recovered = {0};

	if (inheritance->log.length > 0)
		store_log(recovery, inheritance);
	fault_point("recovery-begins");
	int status = inheritance->running[0] && inheritance->judgement.counts
			     ? hand_over_running(recovery, inheritance, &recovered, error)
			     : hand_over(recovery, inheritance, &recovered, error);

	fault_point("recovery-answered");
	if (status == BROKER_GONE)
		return 0; /* done before */
	if (status == 0 && recovered.settled + recovered.returned > 0)
		log_info("lease recovered", LOG_TEXT("slot", inheritance->slot), LOG_INT("settled", recovered.settled),
			LOG_INT("returned", recovered.returned));
	return status;
}

/* What the dead one's outbox says. False: it is not about that generation, which then has started nothing. */
static bool read_outbox(const struct scoreboard_area *area, struct inheritance *inheritance)
{
	const struct scoreboard_outbox *outbox = &area->outbox;

	if (outbox->owner != inheritance->generation)
		return false;
	const unsigned n = outbox->n, finished = outbox->finished, started = outbox->started;
	if (n > SCOREBOARD_BATCH || finished > n || started > n)
		return false; /* a wild store in its worker: what it says cannot be believed */
	for (unsigned i = 0; i < finished; i++) {
		const uint32_t offset = outbox->outcome[i].offset, length = outbox->outcome[i].length;
		if (outbox->claim[i] == CLAIM_RETURNED || length == 0 || offset > SCOREBOARD_OUTBOX ||
			length > SCOREBOARD_OUTBOX - offset || !memchr(outbox->element[i], '\0', TASK_ELEMENT_MAX))
			continue;
		inheritance->outcomes[inheritance->count++] =
			(struct broker_outcome){outbox->element[i], {outbox->bytes + offset, length}};
	}
	if (started > finished) {
		char id[ID_MAX + 1] = "";
		(void)snprintf(inheritance->running, sizeof inheritance->running, "%.*s", TASK_ELEMENT_MAX - 1,
			outbox->element[started - 1]);
		memcpy(id, inheritance->running, running_id_length(inheritance));
		inheritance->log = task_log_left(&area->log, id);
	}
	return true;
}

/* -EAGAIN: its death is not understood yet. BROKER_HELD: leases are to be looked at first. */
static int recover_row(struct recovery *recovery, unsigned row, uint32_t incarnation, struct error *error)
{
	const struct scoreboard *scoreboard = recovery->node->scoreboard;
	const struct scoreboard_area *area = scoreboard_area(scoreboard, row);
	static struct inheritance inheritance;
	struct scoreboard_exit exit;
	char slot[TASK_WORKER_MAX];
	uint32_t current;

	node_worker_name(recovery->node, row, slot);
	inheritance = (struct inheritance){.slot = slot, .generation = node_generation(recovery->node, incarnation)};
	(void)read_outbox(area, &inheritance);
	const bool understood = scoreboard_read_exit(scoreboard, row, incarnation, &exit);
	if (understood && exit.damaged) { /* nobody knows what it ran: its lease is recovered as a lost one */
		log_warn("worker wrote over its own memory, its outbox is lost", LOG_TEXT("slot", slot));
		recovery->done[row] = incarnation;
		return BROKER_HELD;
	}
	if (understood)
		inheritance.judgement = judge(&exit, area->outbox.started_ms);
	else if (scoreboard_life(scoreboard, row, &current, NULL) == LIFE_DEAD && current == incarnation)
		return -EAGAIN;
	else
		inheritance.judgement = judge_lost();
	return recover(recovery, &inheritance, error);
}

void recovery_init(
	struct recovery *recovery, const struct node *node, struct broker *broker, struct scoreboard_area *area)
{
	*recovery = (struct recovery){.node = node, .broker = broker, .area = area};
	for (unsigned row = ROW_WORKERS; row < node->scoreboard->header->row_count; row++) {
		uint32_t incarnation;
		scoreboard_life(node->scoreboard, row, &incarnation, NULL);
		if (incarnation > SCOREBOARD_EXITS)
			recovery->done[row] = incarnation - SCOREBOARD_EXITS;
	}
}

int recovery_of_the_dead(struct recovery *recovery, struct error *error)
{
	const struct scoreboard *scoreboard = recovery->node->scoreboard;
	int result = 0;

	for (unsigned row = ROW_WORKERS; row < scoreboard->header->row_count; row++) {
		uint32_t incarnation;
		enum scoreboard_life life = scoreboard_life(scoreboard, row, &incarnation, NULL);
		uint32_t last = life == LIFE_DEAD ? incarnation : incarnation - (incarnation > 0);
		for (uint32_t dead = recovery->done[row] + 1; dead <= last; dead++) {
			int status = recover_row(recovery, row, dead, error);
			if (status == BROKER_HELD)
				result = status; /* an older life's lease is in the way of this slot, and of no other */
			if (status == -EAGAIN || status == BROKER_HELD)
				break; /* -EAGAIN: the supervisor rings when it has understood */
			if (status < 0)
				return status;
			recovery->done[row] = dead;
		}
	}
	return result;
}

/* ---- leases without an owner ---- */

/* The row of "node/pool/slot" on this node, or -1. */
static int find_row(const struct node *node, const char *slot)
{
	char name[TASK_WORKER_MAX];

	for (unsigned row = ROW_WORKERS; row < node->scoreboard->header->row_count; row++) {
		node_worker_name(node, row, name);
		if (strcmp(name, slot) == 0)
			return (int)row;
	}
	return -1;
}

/* The lease's owner lives, or its death is about to be recovered by its row. */
static bool is_tended(const struct recovery *recovery, const struct broker_held *held)
{
	const uint32_t incarnation = (uint32_t)held->generation;
	int row = find_row(recovery->node, held->slot);

	return held->generation >> 32 == recovery->node->epoch && row >= 0 && incarnation > recovery->done[row];
}

static int recover_lost(struct recovery *recovery, const struct broker_held *held, struct error *error)
{
	static struct inheritance inheritance;
	const char *end = memchr(held->elements.data, ' ', held->elements.length);
	size_t length = end ? (size_t)(end - held->elements.data) : held->elements.length;
	int row = find_row(recovery->node, held->slot);

	inheritance =
		(struct inheritance){.slot = held->slot, .generation = held->generation, .judgement = judge_lost()};
	/* Of a death of ours that is long past the outbox may still tell; else the first one is taken for the running one. */
	if ((row < 0 || !read_outbox(scoreboard_area(recovery->node->scoreboard, (unsigned)row), &inheritance)) &&
		length < TASK_ELEMENT_MAX)
		memcpy(inheritance.running, held->elements.data, length);
	return recover(recovery, &inheritance, error);
}

int recovery_of_leases(struct recovery *recovery, const char *node_id, struct error *error)
{
	struct broker_holdings holdings;

	int status = broker_holdings(recovery->broker, node_id, clock_mono_after(CALL_MS), &holdings, error);
	if (status < 0)
		return status;
	for (size_t i = 0; i < holdings.count && status == 0; i++)
		if (!is_tended(recovery, &holdings.items[i]))
			status = recover_lost(recovery, &holdings.items[i], error);
	broker_holdings_fini(&holdings);
	return status;
}
