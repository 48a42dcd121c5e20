/* one_task: what can be done to one task that is there already. */
#ifndef MUSTER_API_ONE_TASK_H
#define MUSTER_API_ONE_TASK_H

#include "api/request.h"

/* Routes. */
void one_task_retry(struct request *request);

#endif
