/* health: whether the node lives (/healthz) and whether it can do its work (/readyz). */
#ifndef MUSTER_API_HEALTH_H
#define MUSTER_API_HEALTH_H

#include "api/request.h"

void health_alive(struct request *request);
void health_ready(struct request *request);

#endif
