/* workers: who runs the tasks, as the scoreboard shows it (/v1/workers, /v1/pools), and the namespace's nodes (/v1/nodes).
 * Only /v1/nodes asks the broker. */
#ifndef MUSTER_API_WORKERS_H
#define MUSTER_API_WORKERS_H

#include "api/request.h"

void workers_list(struct request *request);
void workers_get(struct request *request);
void workers_restart(struct request *request);
void pools_list(struct request *request);
void pools_get(struct request *request);
void pools_scale(struct request *request);
void nodes_list(struct request *request);
void handlers_list(struct request *request);

/* The living node of that id as the API shows it, but for `draining`. Owned; NULL when it has answered. */
json_t *nodes_find(struct request *request, const char *id);
/* What all living nodes have said of themselves (broker_nodes). Owned; NULL when it has answered. */
json_t *nodes_ask(struct request *request);

extern const struct schema pools_scale_schema; /* of a PATCH's body */

#endif
