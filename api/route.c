#include "api/route.h"

#include "api/audit.h"
#include "api/bulk.h"
#include "api/events.h"
#include "api/follow.h"
#include "api/health.h"
#include "api/history.h"
#include "api/metrics.h"
#include "api/one_task.h"
#include "api/openapi.h"
#include "api/page.h"
#include "api/pause.h"
#include "api/problem.h"
#include "api/queues.h"
#include "api/reload.h"
#include "api/settings.h"
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
	{"POST", "/v1/tasks", ROUTE_SUBMIT, tasks_submit, ROUTE_BODY_TASKS, "dry_run", "NewTask | NewTask[]",
		"201 Submitted | SubmittedMany | Task, 200 Submitted | StreamReport | Trial | TrialMany, 409",
		"Submit a task; an array of them, all or nothing; or a stream of them, one a line"},
	{"GET", "/v1/tasks/{id}", ROUTE_READ, tasks_get, ROUTE_BODY_NONE, "wait", NULL, "200 Task",
		"Look a task up, or wait for its end"},
	{"DELETE", "/v1/tasks/{id}", ROUTE_SUBMIT, tasks_cancel, ROUTE_BODY_NONE, "force", NULL, "200 Task, 409",
		"Cancel a task; a running one is told to stop"},
	{"PATCH", "/v1/tasks/{id}", ROUTE_ADMIN, one_task_change, ROUTE_BODY_JSON, NULL, "Change", "200 Task, 409",
		"Change when, where and before which others a task runs that waits"},
	{"POST", "/v1/tasks/{id}/clone", ROUTE_SUBMIT, one_task_clone, ROUTE_BODY_NONE, NULL, NULL,
		"201 Submitted, 409", "Submit a task once more, under a new id"},
	{"GET", "/v1/tasks", ROUTE_READ, bulk_list, ROUTE_BODY_NONE, FILTER, NULL, "200 Tasks, 422",
		"List the tasks that a filter names"},
	{"DELETE", "/v1/tasks", ROUTE_ADMIN, bulk_delete, ROUTE_BODY_NONE, FILTER " rate dry_run", NULL,
		"200 Deleted, 422", "Delete the tasks that a filter names"},
	{"POST", "/v1/tasks/retry", ROUTE_ADMIN, bulk_retry, ROUTE_BODY_JSON, NULL, "Filter", "200 Retried",
		"Let the dead tasks that a filter names run again"},
	{"POST", "/v1/tasks/cancel", ROUTE_ADMIN, bulk_cancel, ROUTE_BODY_JSON, NULL, "Filter", "200 Cancelled",
		"Cancel the tasks that a filter names"},
	{"POST", "/v1/tasks/move", ROUTE_ADMIN, bulk_move, ROUTE_BODY_JSON, NULL, "Filter", "200 Moved",
		"Move the waiting tasks that a filter names to another queue"},
	{"POST", "/v1/tasks/{id}/retry", ROUTE_SUBMIT, one_task_retry, ROUTE_BODY_NONE, NULL, NULL, "200 Task, 409",
		"Let a dead task run again, its executions counted anew"},
	{"GET", "/v1/tasks/{id}/log", ROUTE_READ, follow_get, ROUTE_BODY_NONE, "follow", NULL,
		"200 text/plain | application/x-ndjson", "Read a task's log, or follow it"},
	{"GET", "/v1/tasks/{id}/why", ROUTE_READ, one_task_why, ROUTE_BODY_NONE, NULL, NULL, "200 Why",
		"Say why a task does not run, or why it ended as it did"},
	{"GET", "/v1/queues", ROUTE_READ, queues_list, ROUTE_BODY_NONE, NULL, NULL, "200 Queues, 304",
		"Look at all queues"},
	{"GET", "/v1/queues/{queue}", ROUTE_READ, queues_get, ROUTE_BODY_NONE, NULL, NULL, "200 Queue",
		"Look at a queue"},
	{"PATCH", "/v1/queues/{queue}", ROUTE_ADMIN, queues_change, ROUTE_BODY_JSON, NULL, "QueueSettings",
		"200 Queue, 409", "Change settings of a queue, for all nodes, until they are changed again"},
	{"DELETE", "/v1/queues/{queue}/settings", ROUTE_ADMIN, queues_reset, ROUTE_BODY_NONE, NULL, NULL,
		"200 Queue, 409", "Let a queue's settings be what the configuration says"},
	{"POST", "/v1/queues/{queue}/pause", ROUTE_ADMIN, pause_queue, ROUTE_BODY_NONE, NULL, NULL, "200 Queue",
		"Let nothing be taken from a queue"},
	{"POST", "/v1/queues/{queue}/resume", ROUTE_ADMIN, pause_resume_queue, ROUTE_BODY_NONE, NULL, NULL, "200 Queue",
		"Go on with a queue"},
	{"GET", "/v1/queues/{queue}/tasks", ROUTE_READ, bulk_list_queue, ROUTE_BODY_NONE, FILTER, NULL,
		"200 Tasks, 422", "List the tasks of a queue"},
	{"DELETE", "/v1/queues/{queue}/tasks", ROUTE_ADMIN, bulk_delete_queue, ROUTE_BODY_NONE, FILTER " rate dry_run",
		NULL, "200 Deleted, 422", "Delete tasks of a queue"},
	{"POST", "/v1/queues/{queue}/tasks/retry", ROUTE_ADMIN, bulk_retry_queue, ROUTE_BODY_JSON, NULL, "Filter",
		"200 Retried", "Let the dead tasks of a queue run again"},
	{"GET", "/v1/workers", ROUTE_READ, workers_list, ROUTE_BODY_NONE, NULL, NULL, "200 Workers, 304",
		"Look at all workers of this node"},
	{"GET", "/v1/workers/{pool}/{slot}", ROUTE_READ, workers_get, ROUTE_BODY_NONE, NULL, NULL, "200 Worker",
		"Look at a worker"},
	{"POST", "/v1/workers/{pool}/{slot}/restart", ROUTE_ADMIN, workers_restart, ROUTE_BODY_NONE, NULL, NULL,
		"202 Worker", "Let a worker finish its task, and replace it"},
	{"GET", "/v1/pools", ROUTE_READ, pools_list, ROUTE_BODY_NONE, NULL, NULL, "200 Pools, 304",
		"Look at all pools of this node"},
	{"GET", "/v1/pools/{pool}", ROUTE_READ, pools_get, ROUTE_BODY_NONE, NULL, NULL, "200 Pool", "Look at a pool"},
	{"PATCH", "/v1/pools/{pool}", ROUTE_ADMIN, pools_scale, ROUTE_BODY_JSON, NULL, "Scale", "200 Pool",
		"Give a pool more workers or fewer"},
	{"POST", "/v1/pools/{pool}/pause", ROUTE_ADMIN, pause_pool, ROUTE_BODY_NONE, NULL, NULL, "200 Pool",
		"Let a pool's workers take nothing"},
	{"POST", "/v1/pools/{pool}/resume", ROUTE_ADMIN, pause_resume_pool, ROUTE_BODY_NONE, NULL, NULL, "200 Pool",
		"Go on with a pool"},
	{"POST", "/v1/classes/{class}/pause", ROUTE_ADMIN, pause_class, ROUTE_BODY_NONE, NULL, NULL, "200 PausedClass",
		"Let no task of a class be started"},
	{"POST", "/v1/classes/{class}/resume", ROUTE_ADMIN, pause_resume_class, ROUTE_BODY_NONE, NULL, NULL,
		"200 PausedClass", "Go on with a class"},
	{"GET", "/v1/handlers", ROUTE_READ, handlers_list, ROUTE_BODY_NONE, NULL, NULL, "200 Handlers",
		"Look at all classes, and the nodes that have them"},
	{"POST", "/v1/nodes/{node}/drain", ROUTE_ADMIN, pause_drain_node, ROUTE_BODY_NONE, NULL, NULL, "200 Node",
		"Let a node take nothing more"},
	{"POST", "/v1/nodes/{node}/resume", ROUTE_ADMIN, pause_resume_node, ROUTE_BODY_NONE, NULL, NULL, "200 Node",
		"Let a node take tasks again"},
	{"GET", "/v1/nodes", ROUTE_READ, nodes_list, ROUTE_BODY_NONE, NULL, NULL, "200 Nodes, 304",
		"Look at every musterd of the namespace"},
	{"GET", "/v1/schedules", ROUTE_READ, later, ROUTE_BODY_ANY, ROUTE_ANY, NULL, NULL, "Look at all schedules"},
	{"GET", "/v1/schedules/{name}", ROUTE_READ, later, ROUTE_BODY_ANY, ROUTE_ANY, NULL, NULL, "Look at a schedule"},
	{"PUT", "/v1/schedules/{name}", ROUTE_ADMIN, later, ROUTE_BODY_ANY, ROUTE_ANY, NULL, NULL, "Set a schedule"},
	{"DELETE", "/v1/schedules/{name}", ROUTE_ADMIN, later, ROUTE_BODY_ANY, ROUTE_ANY, NULL, NULL,
		"Remove a schedule"},
	{"POST", "/v1/reload", ROUTE_ADMIN, reload_post, ROUTE_BODY_NONE, NULL, NULL, "202 Reload",
		"Read the configuration again and roll the workers, as SIGHUP does"},
	{"GET", "/v1/config", ROUTE_ADMIN, settings_get, ROUTE_BODY_NONE, NULL, NULL, "200 Settings, 304",
		"Look at the settings of this node as they hold"},
	{"GET", "/v1/history", ROUTE_READ, history_get, ROUTE_BODY_NONE, "after", NULL, "200 History, 400",
		"Look at the counters of the last hour"},
	{"GET", "/v1/events", ROUTE_READ, events_get, ROUTE_BODY_NONE, "type queue class state", NULL,
		"200 text/event-stream", "Follow what happens to tasks and workers"},
	{"GET", "/v1/whoami", ROUTE_READ, whoami_get, ROUTE_BODY_NONE, NULL, NULL, "200 Whoami",
		"Say who calls, and what he may do"},
	{"GET", "/v1/audit", ROUTE_ADMIN, audit_list, ROUTE_BODY_NONE, "limit cursor", NULL, "200 Audit",
		"Look at the last calls that were to change something"},
	{"GET", "/healthz", ROUTE_OPEN, health_alive, ROUTE_BODY_NONE, ROUTE_ANY, NULL, "200 Alive, 503",
		"Say whether the API is up and the supervisor keeps its promise"},
	{"GET", "/readyz", ROUTE_OPEN, health_ready, ROUTE_BODY_NONE, ROUTE_ANY, NULL, "200 Ready, 503",
		"Say whether the node does its work; asks the broker"},
	{"GET", "/metrics", ROUTE_READ, metrics_get, ROUTE_BODY_NONE, ROUTE_ANY, NULL,
		"200 text/plain | application/openmetrics-text", "Metrics for Prometheus"},
	{"GET", "/openapi.json", ROUTE_READ, openapi_get, ROUTE_BODY_NONE, NULL, NULL, "200 object, 304",
		"This description"},
	{"GET", "/", ROUTE_OPEN, page_get, ROUTE_BODY_NONE, ROUTE_ANY, NULL, "200 text/html | text/plain, 304",
		"The dashboard"},
	{"GET", "/assets/{file}", ROUTE_OPEN, page_get, ROUTE_BODY_NONE, ROUTE_ANY, NULL,
		"200 text/css | text/javascript, 304", "The dashboard's parts"},
	{"other", "other", ROUTE_READ, unknown, ROUTE_BODY_NONE, ROUTE_ANY, NULL, NULL, "What no other row counts"},
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
