/* queues: the lines of tasks and their depths (/v1/queues). */
#ifndef MUSTER_API_QUEUES_H
#define MUSTER_API_QUEUES_H

#include "api/request.h"

void queues_list(struct request *request);
void queues_get(struct request *request);

#endif
