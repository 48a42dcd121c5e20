/* bulk: calls on many tasks, all with one filter: list, retry, cancel, delete, move.
 *
 * However many tasks a filter is about, no call to the broker looks at more than a thousand: a call that is not done after
 * its first step is suspended, and the loop does one step of each such call a turn, between everything else. What one call
 * may look at, and for how long, is bounded as well: then its answer has a next_cursor to go on with. One thread. */
#ifndef MUSTER_API_BULK_H
#define MUSTER_API_BULK_H

#include "api/request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bulk;

struct bulks {
	struct bulk *first; /* owned: those that go on */
	size_t count;
	bool stopping; /* each ends with its next step */
};

/* Routes: over all queues, … */
void bulk_list(struct request *request);
void bulk_retry(struct request *request);
void bulk_cancel(struct request *request);
void bulk_delete(struct request *request);
void bulk_move(struct request *request);
/* … and over the queue that the path names. */
void bulk_list_queue(struct request *request);
void bulk_retry_queue(struct request *request);
void bulk_delete_queue(struct request *request);

/* From the loop: one step of each. Returns when to be called next (mono ns): 0: at once. */
int64_t bulks_turn(struct bulks *bulks, int64_t now_mono_ns);

#endif
