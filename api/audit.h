/* audit: who has changed what, from where, and how it ended.
 *
 * Each call that would change something is one record, and, submissions aside, one line of the log. The records are the last
 * 10,000 of each of two kinds: what known callers have ordered; and what comes in such numbers that it would push these
 * out, submissions and calls with no known token. They lie in a memfd of the guardian's: they survive the api's death and
 * every reload, and end with musterd; the log has what was before. One writer: the api. */
#ifndef MUSTER_API_AUDIT_H
#define MUSTER_API_AUDIT_H

#include "api/request.h"

#include <stdbool.h>
#include <stdint.h>

struct audit_book; /* what lies in the memfd */

struct audit {
	struct audit_book *book; /* mapped; NULL: nothing is kept */
	int64_t warned_mono_ns;  /* when callers without a known token were last told of */
	uint64_t unknown;        /* and how many there were since */
};

/* memfd: empty, or as an earlier api left it. Returns 0 or a negative errno. */
int audit_open(struct audit *audit, int memfd);
void audit_close(struct audit *audit);

/* From exchange.c, once an answer is complete. */
void audit_note(struct audit *audit, const struct request *request);

/* GET /v1/audit: the newest first; ?limit= (100; at most 1000), ?cursor=. */
void audit_list(struct request *request);

#endif
