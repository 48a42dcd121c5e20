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

/* How the executions that were running ended, judged from outside. */
struct judgement {
	bool counts; /* false: they go back as if they had not been started */
	enum task_verdict verdict;
	const char *kind;
	char message[128];
	struct scoreboard_evidence evidence; /* state "": none */
	int64_t ended_ms;
};

struct runner { /* what was running */
	char element[TASK_ELEMENT_MAX];
	int64_t started_ms;
};

/* One lease, about to be recovered. */
struct inheritance {
	const char *slot;
	uint64_t generation;
	struct broker_outcome outcomes[SCOREBOARD_BATCH];
	size_t count;
	struct runner running[SCOREBOARD_BATCH];
	size_t running_count;
	char log_id[ID_MAX + 1]; /* of the running one whose log is not all stored yet */
	struct bytes log;        /* the rest of it */
	struct judgement judgement;
};

/* ---- judging ---- */

static struct judgement judge(const struct scoreboard_exit *exit, bool several)
{
	struct judgement judgement = {.counts = true, .ended_ms = exit->at_ms, .evidence = exit->evidence};

	switch ((enum scoreboard_order)exit->order) {
	case ORDER_ABORT:
		/* A worker that looks after several has itself hung: nobody knows by whose fault. */
		judgement.verdict = several ? TASK_VERDICT_CRASH : TASK_VERDICT_TIMEOUT;
		judgement.kind = several ? "crash" : "timeout";
		(void)snprintf(judgement.message, sizeof judgement.message,
			"%sgave no sign of life in time and was ended", several ? "its worker " : "");
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

	judgement.ended_ms = clock_wall_ms();
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
static int apply(struct recovery *recovery, const struct inheritance *inheritance, const struct runner *runner,
	const struct task_head *head, struct bytes stored, struct task_record *ret_record)
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
		.started_ms = runner->started_ms > 0 ? runner->started_ms : judgement->ended_ms,
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

/* "": no task of ours has such an id. */
static void read_id(const char *element, char id[ID_MAX + 1])
{
	size_t length = task_element_id_length((struct bytes){element, strlen(element)});

	if (length > ID_MAX)
		length = 0;
	memcpy(id, element, length);
	id[length] = '\0';
}

/* One that was running, with its document and record: its outcome, and what is counted and said once that is accepted. */
struct ruling {
	struct task_head head;
	struct task_record record;
	struct buffer text;
};

/* Adds the outcome of one that was running. What cannot be read goes back as it is. Without memory it would go back
 * uncounted: said again in the next round. */
static int rule(struct recovery *recovery, struct inheritance *inheritance, const struct runner *runner,
	const struct broker_look *look, struct ruling *ruling)
{
	int status = look->known ? task_head_read(look->stored, &ruling->head) : -EINVAL;

	buffer_init(&ruling->text, RECORD_MAX);
	if (status == 0)
		status = apply(recovery, inheritance, runner, &ruling->head, look->record, &ruling->record);
	if (status == 0)
		status = task_record_format(&ruling->text, &ruling->record);
	if (status == -ENOMEM)
		return status;
	if (status == 0)
		inheritance->outcomes[inheritance->count++] =
			(struct broker_outcome){runner->element, {ruling->text.data, ruling->text.length}};
	else
		buffer_clear(&ruling->text);
	return 0;
}

static int rule_and_hand_over(struct recovery *recovery, struct inheritance *inheritance, struct broker_look *looks,
	struct ruling *rulings, struct broker_recovered *ret_recovered, struct error *error)
{
	struct broker_batch batch = {.looks = looks, .look_count = inheritance->running_count};
	const size_t count = inheritance->running_count;

	for (size_t i = 0; i < count; i++)
		read_id(inheritance->running[i].element, looks[i].id);
	int status = broker_batch(recovery->broker, &batch, clock_mono_after(CALL_MS), error);
	for (size_t i = 0; status == 0 && i < count; i++)
		status = rule(recovery, inheritance, &inheritance->running[i], &looks[i], &rulings[i]);
	if (status == 0)
		status = hand_over(recovery, inheritance, ret_recovered, error);
	for (size_t i = 0; status == 0 && ret_recovered->settled > 0 && i < count; i++)
		if (rulings[i].text.length > 0) {
			count_verdict(recovery, &rulings[i].head, &rulings[i].record);
			log_verdict(
				recovery->node->config, inheritance, &looks[i], &rulings[i].head, &rulings[i].record);
		}
	broker_batch_fini(&batch);
	return status;
}

/* With the outcomes of what was running, for which documents and records are looked up first. */
static int hand_over_running(struct recovery *recovery, struct inheritance *inheritance,
	struct broker_recovered *ret_recovered, struct error *error)
{
	const size_t count = inheritance->running_count;
	struct broker_look *looks = calloc(count, sizeof *looks);
	struct ruling *rulings = calloc(count, sizeof *rulings);
	int status = -ENOMEM;

	if (looks && rulings)
		status = rule_and_hand_over(recovery, inheritance, looks, rulings, ret_recovered, error);
	for (size_t i = 0; rulings && i < count; i++) {
		task_record_fini(&rulings[i].record);
		buffer_fini(&rulings[i].text);
	}
	free(looks);
	free(rulings);
	return status;
}

static int recover(struct recovery *recovery, struct inheritance *inheritance, struct error *error)
{
	struct broker_recovered recovered = {0};

	if (inheritance->log.length >
		0) /* before its end is told; what comes twice after a failure further on is told twice */
		(void)broker_log(
			recovery->broker, inheritance->log_id, inheritance->log, clock_mono_after(CALL_MS), NULL);
	fault_point("recovery-begins");
	int status = inheritance->running_count > 0 && inheritance->judgement.counts
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

static void inherit_outcome(struct inheritance *inheritance, const struct scoreboard_outbox *outbox, unsigned i)
{
	const uint32_t offset = outbox->outcome[i].offset, length = outbox->outcome[i].length;

	if (length > 0 && offset <= SCOREBOARD_OUTBOX && length <= SCOREBOARD_OUTBOX - offset)
		inheritance->outcomes[inheritance->count++] =
			(struct broker_outcome){outbox->element[i], {outbox->bytes + offset, length}};
}

static void inherit_running(struct inheritance *inheritance, const struct scoreboard_area *area, unsigned i)
{
	struct runner *runner = &inheritance->running[inheritance->running_count++];
	char id[ID_MAX + 1];

	memcpy(runner->element, area->outbox.element[i], sizeof runner->element);
	runner->started_ms = area->outbox.started_ms[i];
	read_id(runner->element, id);
	const struct bytes log = task_log_left(&area->log, id);
	if (log.length == 0)
		return;
	inheritance->log = log;
	memcpy(inheritance->log_id, id, sizeof id);
}

/* What the dead one's outbox says. False: it is not about that generation, which then has started nothing. */
static bool read_outbox(const struct scoreboard_area *area, struct inheritance *inheritance)
{
	const struct scoreboard_outbox *outbox = &area->outbox;

	if (outbox->owner != inheritance->generation)
		return false;
	const unsigned n = outbox->n;
	if (n > SCOREBOARD_BATCH)
		return false; /* a wild store in its worker: what it says cannot be believed */
	for (unsigned i = 0; i < n; i++) {
		if (!memchr(outbox->element[i], '\0', TASK_ELEMENT_MAX))
			continue;
		switch ((enum scoreboard_claim)outbox->claim[i]) {
		case CLAIM_KEPT: inherit_outcome(inheritance, outbox, i); break;
		case CLAIM_RUNNING:
		case CLAIM_DONE:
		case CLAIM_ABORTED: inherit_running(inheritance, area, i); break;
		case CLAIM_FREE:
		case CLAIM_WAITING:
		case CLAIM_RETURNED: break;
		}
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
		inheritance.judgement = judge(&exit, inheritance.running_count > 1);
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
		length > 0 && length < TASK_ELEMENT_MAX) {
		inheritance.running_count = 1;
		memcpy(inheritance.running[0].element, held->elements.data, length);
	}
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
