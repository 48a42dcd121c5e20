#include "api/route.h"

#include "api/audit.h"
#include "api/bulk.h"
#include "api/events.h"
#include "api/follow.h"
#include "api/health.h"
#include "api/metrics.h"
#include "api/one_task.h"
#include "api/page.h"
#include "api/pause.h"
#include "api/problem.h"
#include "api/queues.h"
#include "api/reload.h"
#include "api/tasks.h"
#include "api/whoami.h"
#include "api/workers.h"
#include "core/scoreboard.h"

#include <stdio.h>
#include <string.h>

/* Calls of the contract that are not built yet: refused with words. */
static void later(struct request *request)
{
	problem(request, 404, "%s %s is not available yet", request->route->method, request->route->pattern);
}

static void unknown(struct request *request)
{
	problem(request, 404, "there is nothing at this path");
}

/* What calls on many tasks know (core/task_filter). */
#define FILTER                                                                                                         \
	"queue state class method error_kind error created_after created_before finished_after finished_before limit " \
	"cursor"

/* The first row is the hot one. */
const struct route routes[] = {
	{"POST", "/v1/tasks", ROUTE_SUBMIT, tasks_submit, ROUTE_BODY_TASKS, "dry_run"},
	{"GET", "/v1/tasks/{id}", ROUTE_READ, tasks_get, ROUTE_BODY_NONE, "wait"},
	{"DELETE", "/v1/tasks/{id}", ROUTE_SUBMIT, tasks_cancel, ROUTE_BODY_NONE, "force"},
	{"PATCH", "/v1/tasks/{id}", ROUTE_ADMIN, one_task_change, ROUTE_BODY_JSON, NULL},
	{"POST", "/v1/tasks/{id}/clone", ROUTE_SUBMIT, one_task_clone, ROUTE_BODY_NONE, NULL},
	{"GET", "/v1/tasks", ROUTE_READ, bulk_list, ROUTE_BODY_NONE, FILTER},
	{"DELETE", "/v1/tasks", ROUTE_ADMIN, bulk_delete, ROUTE_BODY_NONE, FILTER " rate dry_run"},
	{"POST", "/v1/tasks/retry", ROUTE_ADMIN, bulk_retry, ROUTE_BODY_JSON, NULL},
	{"POST", "/v1/tasks/cancel", ROUTE_ADMIN, bulk_cancel, ROUTE_BODY_JSON, NULL},
	{"POST", "/v1/tasks/move", ROUTE_ADMIN, bulk_move, ROUTE_BODY_JSON, NULL},
	{"POST", "/v1/tasks/{id}/retry", ROUTE_SUBMIT, one_task_retry, ROUTE_BODY_NONE, NULL},
	{"GET", "/v1/tasks/{id}/log", ROUTE_READ, follow_get, ROUTE_BODY_NONE, "follow"},
	{"GET", "/v1/tasks/{id}/why", ROUTE_READ, one_task_why, ROUTE_BODY_NONE, NULL},
	{"GET", "/v1/queues", ROUTE_READ, queues_list, ROUTE_BODY_NONE, NULL},
	{"GET", "/v1/queues/{queue}", ROUTE_READ, queues_get, ROUTE_BODY_NONE, NULL},
	{"POST", "/v1/queues/{queue}/pause", ROUTE_ADMIN, pause_queue, ROUTE_BODY_NONE, NULL},
	{"POST", "/v1/queues/{queue}/resume", ROUTE_ADMIN, pause_resume_queue, ROUTE_BODY_NONE, NULL},
	{"GET", "/v1/queues/{queue}/tasks", ROUTE_READ, bulk_list_queue, ROUTE_BODY_NONE, FILTER},
	{"DELETE", "/v1/queues/{queue}/tasks", ROUTE_ADMIN, bulk_delete_queue, ROUTE_BODY_NONE, FILTER " rate dry_run"},
	{"POST", "/v1/queues/{queue}/tasks/retry", ROUTE_ADMIN, bulk_retry_queue, ROUTE_BODY_JSON, NULL},
	{"GET", "/v1/workers", ROUTE_READ, workers_list, ROUTE_BODY_NONE, NULL},
	{"GET", "/v1/workers/{pool}/{slot}", ROUTE_READ, workers_get, ROUTE_BODY_NONE, NULL},
	{"POST", "/v1/workers/{pool}/{slot}/restart", ROUTE_ADMIN, workers_restart, ROUTE_BODY_NONE, NULL},
	{"GET", "/v1/pools", ROUTE_READ, pools_list, ROUTE_BODY_NONE, NULL},
	{"GET", "/v1/pools/{pool}", ROUTE_READ, pools_get, ROUTE_BODY_NONE, NULL},
	{"PATCH", "/v1/pools/{pool}", ROUTE_ADMIN, pools_scale, ROUTE_BODY_JSON, NULL},
	{"POST", "/v1/pools/{pool}/pause", ROUTE_ADMIN, pause_pool, ROUTE_BODY_NONE, NULL},
	{"POST", "/v1/pools/{pool}/resume", ROUTE_ADMIN, pause_resume_pool, ROUTE_BODY_NONE, NULL},
	{"POST", "/v1/classes/{class}/pause", ROUTE_ADMIN, pause_class, ROUTE_BODY_NONE, NULL},
	{"POST", "/v1/classes/{class}/resume", ROUTE_ADMIN, pause_resume_class, ROUTE_BODY_NONE, NULL},
	{"GET", "/v1/handlers", ROUTE_READ, handlers_list, ROUTE_BODY_NONE, NULL},
	{"POST", "/v1/nodes/{node}/drain", ROUTE_ADMIN, pause_drain_node, ROUTE_BODY_NONE, NULL},
	{"POST", "/v1/nodes/{node}/resume", ROUTE_ADMIN, pause_resume_node, ROUTE_BODY_NONE, NULL},
	{"GET", "/v1/nodes", ROUTE_READ, nodes_list, ROUTE_BODY_NONE, NULL},
	{"GET", "/v1/schedules", ROUTE_READ, later, ROUTE_BODY_ANY, ROUTE_ANY},
	{"GET", "/v1/schedules/{name}", ROUTE_READ, later, ROUTE_BODY_ANY, ROUTE_ANY},
	{"PUT", "/v1/schedules/{name}", ROUTE_ADMIN, later, ROUTE_BODY_ANY, ROUTE_ANY},
	{"DELETE", "/v1/schedules/{name}", ROUTE_ADMIN, later, ROUTE_BODY_ANY, ROUTE_ANY},
	{"POST", "/v1/reload", ROUTE_ADMIN, reload_post, ROUTE_BODY_NONE, NULL},
	{"GET", "/v1/events", ROUTE_READ, events_get, ROUTE_BODY_NONE, "type queue class state"},
	{"GET", "/v1/whoami", ROUTE_READ, whoami_get, ROUTE_BODY_NONE, NULL},
	{"GET", "/v1/audit", ROUTE_ADMIN, audit_list, ROUTE_BODY_NONE, ROUTE_ANY},
	{"GET", "/healthz", ROUTE_OPEN, health_alive, ROUTE_BODY_NONE, ROUTE_ANY},
	{"GET", "/readyz", ROUTE_OPEN, health_ready, ROUTE_BODY_NONE, ROUTE_ANY},
	{"GET", "/metrics", ROUTE_READ, metrics_get, ROUTE_BODY_NONE, ROUTE_ANY},
	{"GET", "/openapi.json", ROUTE_READ, later, ROUTE_BODY_ANY, ROUTE_ANY},
	{"GET", "/", ROUTE_OPEN, page_get, ROUTE_BODY_NONE, ROUTE_ANY},
	{"GET", "/assets/{file}", ROUTE_OPEN, page_get, ROUTE_BODY_NONE, ROUTE_ANY},
	{"other", "other", ROUTE_READ, unknown, ROUTE_BODY_NONE, ROUTE_ANY},
};

const size_t route_count = sizeof routes / sizeof routes[0];
const struct route *const route_other = &routes[sizeof routes / sizeof routes[0] - 1];

_Static_assert(sizeof routes / sizeof routes[0] <= SCOREBOARD_ROUTES, "every route has a row of counters");

/* Whether the path is of that pattern; its {segments} go to `arguments`. One that is too long is cut: no name of ours is
 * so long, so the cut one is unknown just the same. */
static bool matches(const char *pattern, const char *path, char arguments[REQUEST_ARGUMENTS][REQUEST_ARGUMENT_MAX])
{
	size_t found = 0;

	while (*pattern != '\0') {
		if (*pattern != '{') {
			if (*pattern++ != *path++)
				return false;
			continue;
		}
		size_t length = strcspn(path, "/");
		if (length == 0)
			return false;
		(void)snprintf(
			arguments[found++], REQUEST_ARGUMENT_MAX, "%.*s", (int)(length < 256 ? length : 256), path);
		path += length;
		pattern += strcspn(pattern, "}") + 1;
	}
	return *path == '\0';
}

static void allow_method(char allow[ROUTE_ALLOW_MAX], const char *method)
{
	size_t length = strlen(allow);

	(void)snprintf(allow + length, ROUTE_ALLOW_MAX - length, "%s%s", length > 0 ? ", " : "", method);
}

const struct route *route_find(const char *method, const char *path,
	char arguments[REQUEST_ARGUMENTS][REQUEST_ARGUMENT_MAX], char allow[ROUTE_ALLOW_MAX])
{
	const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;

	allow[0] = '\0';
	for (const struct route *route = routes; route < route_other; route++) {
		if (!matches(route->pattern, path, arguments))
			continue;
		if (strcmp(route->method, wanted) == 0)
			return route;
		allow_method(allow, route->method);
		if (strcmp(route->method, "GET") == 0)
			allow_method(allow, "HEAD");
	}
	if (allow[0] != '\0')
		allow_method(allow, "OPTIONS");
	return NULL;
}
