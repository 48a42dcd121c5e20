/* body: a request's body as JSON, for routes whose bodies are small objects. */
#ifndef MUSTER_API_BODY_H
#define MUSTER_API_BODY_H

#include "api/request.h"
#include "core/schema.h"

#include <stdbool.h>

/* The body, {} if there is none. Owned; NULL when it has answered 400 or 422. */
json_t *body_json(struct request *request);

/* Reads the body by the table into *target (zeroed). Returns false when it has answered; schema_fini is the caller's in any
 * case. */
bool body_read(struct request *request, const struct schema *schema, void *target);

#endif
