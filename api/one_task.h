/* one_task: what can be done to one task that is there already. */
#ifndef MUSTER_API_ONE_TASK_H
#define MUSTER_API_ONE_TASK_H

#include "api/request.h"
#include "core/broker.h"

#include <stdbool.h>

/* Routes. */
void one_task_retry(struct request *request);
void one_task_change(struct request *request);
void one_task_clone(struct request *request);
void one_task_why(struct request *request);

/* Looks the task of the path up at once. What look has borrows from *words, which the caller ends by broker_batch_fini in any
 * case. Returns false when it has answered. */
bool one_task_find(struct request *request, struct broker_look *look, struct broker_batch *words);

extern const struct schema one_task_change_schema; /* of a PATCH's body */

#endif
