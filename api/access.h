/* access: who calls, and what that allows.
 *
 * With tokens configured every call but those to ROUTE_OPEN rows shows one (Authorization: Bearer); what it may do is its
 * role's matter, and its queues'. Without tokens whoever can open a connection may do everything, and only loopback
 * addresses and unix sockets are served at all. Tokens are compared as digests, each with all, in constant time. */
#ifndef MUSTER_API_ACCESS_H
#define MUSTER_API_ACCESS_H

#include "api/request.h"
#include "core/config.h"

#include <stdbool.h>

/* Finds request->token by the Authorization header (NULL: absent) and holds it against request->route and the queue that
 * its path names. Returns whether the call may go on; if not, it is answered: 401 or 403. */
bool access_check(struct request *request, const char *authorization);

/* The caller's role, by name; who needs no token has admin's, who shows no known one has "none". */
const char *access_role(const struct request *request);

/* Whether the caller may see and change what is in the queue of that name; if not, it is answered: 403. To be asked by
 * every route that learns of a queue elsewhere than from {queue} in its path. */
bool access_queue(struct request *request, const char *queue);
/* Whether the caller may see and change the task of request->arguments[0], for routes with {id} in their path; if not, it is
 * answered. One that is not known is the route's own matter. Asks the broker only for tokens that are tied to queues. */
bool access_task(struct request *request);
/* The same as access_queue, without an answer: for lists, which leave out what their caller may not see. */
bool access_sees_queue(const struct request *request, const char *queue);

#endif
