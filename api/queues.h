/* queues: the lines of tasks, their depths and settings (/v1/queues). */
#ifndef MUSTER_API_QUEUES_H
#define MUSTER_API_QUEUES_H

#include "api/request.h"

void queues_list(struct request *request);
void queues_get(struct request *request);

/* Its settings, for all nodes: those that the body names become others (PATCH); all are as the files say again (DELETE). */
void queues_change(struct request *request);
void queues_reset(struct request *request);

#endif
