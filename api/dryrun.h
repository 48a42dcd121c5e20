/* dryrun: what would become of a submission: ?dry_run=true. Nothing is stored, and the broker is not asked. */
#ifndef MUSTER_API_DRYRUN_H
#define MUSTER_API_DRYRUN_H

#include "api/request.h"

#include <stdbool.h>

/* Reads ?dry_run. Returns false, and answers 400, when it is neither true nor false. */
bool dryrun_is_meant(struct request *request, bool *ret_meant);

/* Answers with request->tasks, each with all defaults filled in. `value`: the body, one document or an array of them. */
void dryrun_answer(struct request *request, const json_t *value);

#endif
