/* route: which function answers which call. One table; 404, 405 with Allow, HEAD and OPTIONS come from it.
 *
 * To add a route is to add a row, with its description: a row without one does not compile. A row's index is its index in the scoreboard's counters. */
#ifndef MUSTER_API_ROUTE_H
#define MUSTER_API_ROUTE_H

#include "api/request.h"

#include <stddef.h>

#define ROUTE_ANY "*"

enum route_body {
	ROUTE_BODY_NONE, /* a body is refused, unless it is {} */
	ROUTE_BODY_JSON,
	ROUTE_BODY_TASKS, /* JSON, or NDJSON as it comes (stream.h) */
	ROUTE_BODY_ANY,
};

/* What a caller must be allowed; each includes those before it. */
enum route_role {
	ROUTE_OPEN,   /* anybody: what a load balancer asks, and the page that asks for a token */
	ROUTE_READ,   /* to look */
	ROUTE_SUBMIT, /* to post, cancel and retry single tasks */
	ROUTE_ADMIN,  /* everything else that changes something */
};

struct route {
	const char *method;
	const char *pattern;  /* a {segment} takes any one segment */
	enum route_role role; /* no row goes without: a function in its place does not compile */
	void (*function)(struct request *request);
	enum route_body body;
	const char *query; /* the parameters that it knows, separated by spaces; NULL: none; ROUTE_ANY: any */
	/* For /openapi.json (openapi.h): types as in shape.h. What every call may end in (400, 401 …) is not repeated. */
	const char *takes;   /* the body's type; NULL: no body, or none that means anything */
	const char *answers; /* "200 Task, 304, 409"; NULL: not available yet, and not described */
	const char *summary; /* what it does, in a few words */
};

enum { ROUTE_ALLOW_MAX = 96 }; /* bytes of an Allow header's value */

extern const struct route routes[];
extern const size_t route_count;
extern const struct route *const route_other; /* the last row: what no other row counts */

/* The row for method and path (HEAD finds GET's), with the path's {segments} in `arguments`. NULL: there is none; then
 * `allow` has the methods that the path does know, "" if the path itself is unknown. */
const struct route *route_find(const char *method, const char *path,
	char arguments[REQUEST_ARGUMENTS][REQUEST_ARGUMENT_MAX], char allow[ROUTE_ALLOW_MAX]);

#endif
