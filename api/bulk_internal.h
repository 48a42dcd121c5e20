/* bulk_internal: one call on many tasks, between the bulk*.c files alone. */
#ifndef MUSTER_API_BULK_INTERNAL_H
#define MUSTER_API_BULK_INTERNAL_H

#include "api/bulk.h"
#include "core/broker.h"
#include "core/task_filter.h"

enum bulk_action { BULK_LIST, BULK_RETRY, BULK_CANCEL, BULK_DELETE, BULK_MOVE, BULK_ACTIONS };

struct bulk_kind {
	const char *done;     /* the answer's member that counts what was done */
	const char *stations; /* enum broker_station: where it may act */
	const char *fallback; /* where it acts when no state is named; NULL: one must be */
	const char *refusal;  /* why not in other states */
	enum broker_act act;
};
extern const struct bulk_kind bulk_kinds[BULK_ACTIONS];

struct bulk {
	struct bulk *next;
	struct request *request;
	enum bulk_action action;
	struct task_filter filter;
	bool purges; /* all that is there is deleted, without a look at each */
	/* where it is: */
	char stations[16]; /* of each queue, to go through in this order */
	int queue, last_queue;
	size_t station;
	struct broker_position position;
	/* so far: */
	int64_t began_mono_ns;
	int64_t scanned, matched, done;
	size_t bytes;            /* of listed tasks */
	json_t *tasks;           /* listed; owned */
	int64_t next_at_mono_ns; /* as `rate` has it; 0: at once */
	char ids[BROKER_MANY][ID_MAX + 1], said[BROKER_MANY];
};

/* Reads what the call is about, from its query or its body. queue: of the path; NULL: none. Returns NULL when it has
 * answered. */
struct bulk *bulk_read(struct request *request, enum bulk_action action, const char *queue);
void bulk_free(struct bulk *bulk);

/* Where it is, for next_cursor. */
json_t *bulk_cursor(const struct bulk *bulk);

#endif
