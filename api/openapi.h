/* openapi: the API's description (OpenAPI 3.1), made of what it runs by: the rows of routes (route.h), the validator's tables
 * (core/schema.h) for what is sent, and the tables of shapes (shape.h) for what is answered.
 *
 * What is the same for all calls stands here: who may make them, the errors that any call may end in, headers. */
#ifndef MUSTER_API_OPENAPI_H
#define MUSTER_API_OPENAPI_H

#include "api/request.h"
#include "api/route.h"

enum { OPENAPI_ID_MAX = 64 }; /* bytes of an operation's id, with its NUL */

/* Owned by the caller; NULL: no memory. */
json_t *openapi_describe(void);

/* "getTasksId" for GET /v1/tasks/{id}. */
void openapi_operation_id(const struct route *route, char id[OPENAPI_ID_MAX]);

/* Whether the row can be described: its answers are well written, and all their types and its parameters known. */
bool openapi_knows(const struct route *route);

void openapi_get(struct request *request);

#endif
