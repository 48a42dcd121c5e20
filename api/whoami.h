/* whoami: GET /v1/whoami: as whom the caller is known, and what that allows: {name, role, queues, address, process}. */
#ifndef MUSTER_API_WHOAMI_H
#define MUSTER_API_WHOAMI_H

#include "api/request.h"

void whoami_get(struct request *request);

#endif
