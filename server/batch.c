#include "server/batch.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

void batch_open(struct batch *batch, uint64_t generation, struct broker_lease *lease)
{
	struct scoreboard_outbox *outbox = batch->outbox;

	assert(lease->count <= SCOREBOARD_BATCH);
	outbox->owner = 0;
	outbox->n = outbox->started = outbox->finished = 0;
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
	if (!move(batch, i, CLAIM_WAITING, CLAIM_RUNNING))
		return false;
	batch->outbox->started_ms = wall_ms;
	batch->outbox->started = i + 1;
	return true;
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
	atomic_store_explicit(&outbox->finished, i + 1, memory_order_release);
	return 0;
}

void batch_skip(struct batch *batch, unsigned i)
{
	batch->outbox->outcome[i].length = 0;
	batch->reported[i] = true;
	batch->used = 0; /* all before it was reported with it: their bytes are free again */
	batch->outbox->finished = i + 1;
}

size_t batch_outcomes(const struct batch *batch, struct broker_outcome *outcomes, unsigned *positions)
{
	const struct scoreboard_outbox *outbox = batch->outbox;
	const unsigned finished = outbox->finished;
	size_t count = 0;

	for (unsigned i = 0; i < batch->n; i++) {
		bool returned = outbox->claim[i] == CLAIM_RETURNED;
		if (batch->reported[i] || (i >= finished && !returned))
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
	const unsigned started = batch->outbox->started;

	return started > 0 && move(batch, started - 1, CLAIM_RUNNING, CLAIM_ABORTED);
}

unsigned batch_return(struct batch *batch)
{
	unsigned returned = 0;

	for (unsigned i = batch->outbox->started; i < batch->n; i++)
		returned += move(batch, i, CLAIM_WAITING, CLAIM_RETURNED);
	return returned;
}

bool batch_owes(const struct batch *batch)
{
	for (unsigned i = 0; i < batch->n; i++)
		if (batch->outbox->claim[i] == CLAIM_RETURNED && !batch->reported[i])
			return true;
	return false;
}
