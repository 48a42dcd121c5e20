#include "server/batch.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

void batch_open(struct batch *batch, uint64_t generation, struct broker_lease *lease)
{
	struct scoreboard_outbox *outbox = batch->outbox;

	assert(lease->count <= SCOREBOARD_BATCH);
	outbox->owner = 0;
	outbox->n = 0;
	for (unsigned i = 0; i < lease->count; i++) {
		const struct bytes element = lease->tasks[i].element;
		assert(element.length < TASK_ELEMENT_MAX);
		memcpy(outbox->element[i], element.data, element.length);
		outbox->element[i][element.length] = '\0';
		outbox->outcome[i].length = 0;
		atomic_store_explicit(&outbox->claim[i], CLAIM_WAITING, memory_order_relaxed);
	}
	batch->lease = *lease;
	*lease = (struct broker_lease){0};
	batch->n = (unsigned)batch->lease.count;
	batch->used = 0;
	memset(batch->reported, 0, batch->n * sizeof *batch->reported);
	outbox->n = batch->n;
	outbox->owner = generation;
}

void batch_close(struct batch *batch)
{
	batch->outbox->owner = 0;
	batch->n = 0;
	broker_lease_fini(&batch->lease);
}

static bool move(struct batch *batch, unsigned i, uint32_t from, uint32_t to)
{
	return atomic_compare_exchange_strong(&batch->outbox->claim[i], &from, to);
}

bool batch_begin(struct batch *batch, unsigned i, int64_t wall_ms)
{
	if (batch->outbox->claim[i] != CLAIM_WAITING)
		return false;
	batch->outbox->started_ms[i] = wall_ms; /* before it is seen to run */
	return move(batch, i, CLAIM_WAITING, CLAIM_RUNNING);
}

bool batch_end(struct batch *batch, unsigned i)
{
	return move(batch, i, CLAIM_RUNNING, CLAIM_DONE);
}

int batch_keep(struct batch *batch, unsigned i, const char *record, size_t length)
{
	struct scoreboard_outbox *outbox = batch->outbox;

	if (length > SCOREBOARD_OUTBOX - batch->used)
		return -ENOSPC;
	memcpy(outbox->bytes + batch->used, record, length);
	outbox->outcome[i].offset = batch->used;
	outbox->outcome[i].length = (uint32_t)length;
	batch->used += (uint32_t)length;
	atomic_store_explicit(&outbox->claim[i], CLAIM_KEPT, memory_order_release);
	return 0;
}

void batch_skip(struct batch *batch, unsigned i)
{
	batch->outbox->outcome[i].length = 0;
	batch->reported[i] = true;
	batch->used = 0; /* all before it was reported with it: their bytes are free again */
	atomic_store_explicit(&batch->outbox->claim[i], CLAIM_KEPT, memory_order_release);
}

size_t batch_outcomes(const struct batch *batch, struct broker_outcome *outcomes, unsigned *positions)
{
	const struct scoreboard_outbox *outbox = batch->outbox;
	size_t count = 0;

	for (unsigned i = 0; i < batch->n; i++) {
		const uint32_t claim = outbox->claim[i];
		const bool returned = claim == CLAIM_RETURNED;
		if (batch->reported[i] || (claim != CLAIM_KEPT && !returned))
			continue;
		positions[count] = i;
		outcomes[count++] = (struct broker_outcome){
			.element = outbox->element[i],
			.record = returned ? (struct bytes){"B", 1}
					   : (struct bytes){outbox->bytes + outbox->outcome[i].offset,
						     outbox->outcome[i].length},
		};
	}
	return count;
}

void batch_reported(struct batch *batch, const unsigned *positions, size_t count)
{
	for (size_t i = 0; i < count; i++)
		batch->reported[positions[i]] = true;
}

bool batch_abort(struct batch *batch)
{
	bool aborted = false;

	for (unsigned i = 0; i < batch->outbox->n; i++)
		aborted |= move(batch, i, CLAIM_RUNNING, CLAIM_ABORTED);
	return aborted;
}

unsigned batch_return(struct batch *batch)
{
	unsigned returned = 0;

	for (unsigned i = 0; i < batch->outbox->n; i++)
		returned += move(batch, i, CLAIM_WAITING, CLAIM_RETURNED);
	return returned;
}

bool batch_give_back(struct batch *batch, unsigned i)
{
	return move(batch, i, CLAIM_RUNNING, CLAIM_RETURNED);
}

unsigned batch_count(const struct batch *batch, enum scoreboard_claim claim)
{
	unsigned count = 0;

	for (unsigned i = 0; i < batch->outbox->n; i++)
		count += batch->outbox->claim[i] == claim;
	return count;
}

void batch_clear_reported(struct batch *batch)
{
	struct scoreboard_outbox *outbox = batch->outbox;
	bool keeps = false;

	for (unsigned i = 0; i < batch->n; i++) {
		if (batch->reported[i]) {
			outbox->claim[i] = CLAIM_FREE;
			batch->reported[i] = false;
		}
		keeps |= outbox->claim[i] == CLAIM_KEPT;
	}
	if (!keeps)
		batch->used = 0;
}

int batch_add(struct batch *batch, struct bytes element)
{
	struct scoreboard_outbox *outbox = batch->outbox;
	unsigned i = 0;

	assert(element.length < TASK_ELEMENT_MAX);
	while (i < batch->n && outbox->claim[i] != CLAIM_FREE)
		i++;
	if (i == SCOREBOARD_BATCH)
		return -ENOSPC;
	memcpy(outbox->element[i], element.data, element.length);
	outbox->element[i][element.length] = '\0';
	outbox->outcome[i].length = 0;
	batch->reported[i] = false;
	outbox->claim[i] = CLAIM_WAITING;
	if (i == batch->n)
		outbox->n = ++batch->n;
	return (int)i;
}

bool batch_owes(const struct batch *batch)
{
	for (unsigned i = 0; i < batch->n; i++)
		if (batch->outbox->claim[i] == CLAIM_RETURNED && !batch->reported[i])
			return true;
	return false;
}
