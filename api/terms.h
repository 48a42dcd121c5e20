/* terms: what a client asks for by headers beside the documents that it hands over.
 *
 *   Idempotency-Key   the same documents under the same key are stored once in 24 h; a repeat gets the first answer
 *   Prefer: wait=N    the answer may take N seconds, so that it can tell the task's end (RFC 7240)
 *   traceparent       W3C: kept with the tasks, for their handlers; one that is malformed counts as absent, as W3C says */
#ifndef MUSTER_API_TERMS_H
#define MUSTER_API_TERMS_H

#include "api/request.h"

#include <stdbool.h>
#include <stdint.h>

/* Reads Idempotency-Key and traceparent into the request. Returns false when it is answered: 400 for a key that is none, 409
 * while another request under the same key is in hand. */
bool terms_read(struct request *request);
/* The request is over. */
void terms_end(struct request *request);

/* What Prefer: wait says, in ms; 0: nothing. */
int64_t terms_wait_ms(const struct request *request);

#endif
