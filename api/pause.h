/* pause: queues, pools, classes and nodes that rest. What rests is kept in the broker, for all nodes and over restarts;
 * whoever takes tasks sees it at its next take. Tasks that run are not touched. */
#ifndef MUSTER_API_PAUSE_H
#define MUSTER_API_PAUSE_H

#include "api/request.h"

#include <stdbool.h>

/* Routes. */
void pause_queue(struct request *request);
void pause_resume_queue(struct request *request);
void pause_pool(struct request *request);
void pause_resume_pool(struct request *request);
void pause_class(struct request *request);
void pause_resume_class(struct request *request);
void pause_drain_node(struct request *request);
void pause_resume_node(struct request *request);

/* All that rests: {"pool default": null, …}. Owned by the caller; NULL: the broker does not say. */
json_t *pause_all(struct api *api);
bool pause_has(const json_t *all, const char *what, const char *name);

#endif
