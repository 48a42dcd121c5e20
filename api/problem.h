/* problem: every error of the API, as RFC 9457 has it, built in one place.
 *
 * Each completes the request's answer with application/problem+json: type, title, status, detail, and `errors` where a
 * document is wrong. Details are sentences for people; they may hold what the client sent. */
#ifndef MUSTER_API_PROBLEM_H
#define MUSTER_API_PROBLEM_H

#include "api/request.h"
#include "core/error.h"
#include "core/schema.h"

void problem(struct request *request, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* With one more member; takes the reference to its value. */
void problem_with(struct request *request, int status, const char *detail, const char *member, json_t *value);

/* 422 with `errors[]` of {pointer, detail}. */
void problem_faults(struct request *request, const struct schema_faults *faults);

/* 404 for a queue that the path names, with those that exist. */
void problem_no_queue(struct request *request, const char *name);

/* What a failed call to the broker means to a client: 503 with Retry-After. */
void problem_broker(struct request *request, int status, const struct error *error);

#endif
