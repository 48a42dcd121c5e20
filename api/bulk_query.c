#include "api/body.h"
#include "api/bulk_internal.h"
#include "api/problem.h"
#include "api/route.h"
#include "api/state.h"
#include "core/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIST_LIMIT = 100, LIST_LIMIT_MAX = 1000, CURSOR_TEXT_MAX = 256 };

/* Where tasks of each state stand, in the order of task_filter_states. */
static const char *const state_stations[] = {"APH", "W", "A", "R", "S", "D", "C"};

/* ---- cursors: where a call ended, as hexadecimal text that is nobody's business ---- */

json_t *bulk_cursor(const struct bulk *bulk)
{
	const struct config *config = bulk->request->api->node->config;
	char text[CURSOR_TEXT_MAX], hex[2 * CURSOR_TEXT_MAX];

	int length = snprintf(text, sizeof text, "%s %c %s %s", config->queues[bulk->queue].name,
		bulk->stations[bulk->station], bulk->position.at, bulk->position.last);
	for (int i = 0; i < length; i++)
		(void)snprintf(hex + 2 * (size_t)i, 3, "%02x", (unsigned)text[i]);
	return json_stringn(hex, 2 * (size_t)length);
}

static bool decode_cursor(const char *hex, char text[CURSOR_TEXT_MAX])
{
	size_t length = strlen(hex);

	if (length % 2 != 0 || length / 2 >= CURSOR_TEXT_MAX)
		return false;
	for (size_t i = 0; i < length / 2; i++) {
		unsigned byte;
		if (strspn(hex + 2 * i, "0123456789abcdef") < 2 || sscanf(hex + 2 * i, "%2x", &byte) != 1 ||
			byte < ' ' || byte > '~')
			return false;
		text[i] = (char)byte;
	}
	text[length / 2] = '\0';
	return true;
}

/* Returns false for one that this call cannot have answered. */
static bool go_to_cursor(struct bulk *bulk, const struct config *config)
{
	char text[CURSOR_TEXT_MAX], name[CONFIG_NAME_MAX + 1], station;
	struct broker_position position = {"", ""};

	if (!decode_cursor(bulk->filter.cursor, text))
		return false;
	int fields = sscanf(text, "%64s %c %23s %103s", name, &station, position.at, position.last);
	int queue = fields >= 2 ? config_find_queue(config, name, strlen(name)) : -1;
	const char *found = fields >= 2 && station ? strchr(bulk->stations, station) : NULL;
	if (queue < bulk->queue || queue > bulk->last_queue || !found || fields == 3 ||
		strspn(position.at, "0123456789") != strlen(position.at))
		return false;
	bulk->queue = queue;
	bulk->station = (size_t)(found - bulk->stations);
	bulk->position = position;
	return true;
}

/* ---- the filter ---- */

/* The query's parameters as the object that a body would have been; one without a value counts as absent. */
static json_t *query_object(const struct request *request)
{
	json_t *object = json_object();

	for (const struct schema_member *member = task_filter_schema.members; member->name; member++) {
		const char *text = request_query(request, member->name);
		if (!text || text[0] == '\0')
			continue;
		bool truth = strcmp(text, "true") == 0;
		bool is_truth = member->type == SCHEMA_BOOLEAN && (truth || strcmp(text, "false") == 0);
		(void)json_object_set_new(object, member->name,
			is_truth ? json_boolean(truth) : answer_text(text, TASK_FILTER_CURSOR_MAX));
	}
	return object;
}

/* ---- what holds across members ---- */

static bool is_in_query(const struct request *request)
{
	return strcmp(request->route->method, "POST") != 0;
}

static void choose_stations(struct bulk *bulk, struct schema_faults *faults)
{
	const struct bulk_kind *kind = &bulk_kinds[bulk->action];
	const char *wanted = bulk->filter.state >= 0 ? state_stations[bulk->filter.state] : kind->fallback;
	size_t count = 0;

	if (!wanted) {
		schema_fault(faults, "/state",
			"\"state\": say which: state=pending, scheduled, retrying, dead, "
			"cancelled or succeeded; nothing was done");
		return;
	}
	for (; *wanted; wanted++)
		if (strchr(kind->stations, *wanted))
			bulk->stations[count++] = *wanted;
	if (count == 0)
		schema_fault(faults, "/state", "\"state\": %s", kind->refusal);
}

static void choose_queues(
	struct bulk *bulk, const struct config *config, const char *path_queue, struct schema_faults *faults)
{
	const char *name = path_queue ? path_queue : bulk->filter.queue;

	bulk->queue = 0;
	bulk->last_queue = (int)config->queue_count - 1;
	if (!name)
		return;
	if (path_queue && bulk->filter.queue && strcmp(path_queue, bulk->filter.queue) != 0)
		schema_fault(faults, "/queue", "\"queue\": the path names another one");
	bulk->queue = bulk->last_queue = config_find_queue(config, name, strlen(name));
	if (bulk->queue < 0)
		schema_fault(faults, "/queue", "\"queue\": there is no queue \"%.64s\", see /v1/queues", name);
}

static void check_members(struct bulk *bulk, const struct config *config, struct schema_faults *faults)
{
	struct task_filter *filter = &bulk->filter;

	if (bulk->action == BULK_LIST && filter->limit == SCHEMA_NONE)
		filter->limit = LIST_LIMIT;
	if (bulk->action == BULK_LIST && filter->limit > LIST_LIMIT_MAX)
		schema_fault(faults, "/limit",
			"\"limit\": at most %d tasks are listed in one call, next_cursor leads on", LIST_LIMIT_MAX);
	if (bulk->action == BULK_CANCEL && filter->state < 0 && !filter->queue && task_filter_is_plain(filter))
		schema_fault(faults, "", "say which tasks: with no filter at all, everything would be cancelled");
	if (bulk->action == BULK_LIST && (filter->dry_run || filter->rate != SCHEMA_NONE))
		schema_fault(faults, "", "\"rate\" and \"dry_run\" mean nothing to a list");
	if (filter->to && bulk->action != BULK_MOVE)
		schema_fault(faults, "/to", "\"to\" is for moving tasks to another queue");
	if (bulk->action == BULK_MOVE && !filter->to)
		schema_fault(faults, "/to", "\"to\" is missing: the queue to move to");
	if (filter->to && config_find_queue(config, filter->to, strlen(filter->to)) < 0)
		schema_fault(faults, "/to", "\"to\": there is no queue \"%.64s\", see /v1/queues", filter->to);
	if (bulk->action == BULK_MOVE && filter->queue && strcmp(filter->queue, filter->to ? filter->to : "") == 0)
		schema_fault(faults, "/to", "\"to\" is where they are");
	bulk->purges = bulk->action == BULK_DELETE && task_filter_is_plain(filter) && !filter->dry_run &&
		       filter->limit == SCHEMA_NONE && filter->rate == SCHEMA_NONE;
	if (bulk->purges && strcmp(bulk->stations, "PH") == 0)
		bulk->stations[1] = '\0'; /* those set aside go along */
}

/* Returns false when it has answered. */
static bool fill(struct bulk *bulk, const json_t *object, const char *path_queue)
{
	struct request *request = bulk->request;
	const struct config *config = request->api->node->config;
	struct schema_faults faults = {0};

	int status = schema_read(&task_filter_schema, object, "", &bulk->filter, &faults);
	if (status == 0) {
		choose_stations(bulk, &faults);
		choose_queues(bulk, config, path_queue, &faults);
		check_members(bulk, config, &faults);
	}
	bool good = status == 0 && faults.count == 0;
	if (status == -ENOMEM)
		problem_broker(request, status, NULL);
	else if (!good)
		problem_faults(request, &faults);
	else if (bulk->filter.cursor && !go_to_cursor(bulk, config)) {
		problem(request, 400, "this cursor is none that this call with this filter has answered");
		good = false;
	}
	schema_faults_fini(&faults);
	return good;
}

struct bulk *bulk_read(struct request *request, enum bulk_action action, const char *path_queue)
{
	const struct config *config = request->api->node->config;

	if (path_queue && config_find_queue(config, path_queue, strlen(path_queue)) < 0) {
		problem_no_queue(request, path_queue);
		return NULL;
	}
	json_auto_t *object = is_in_query(request) ? query_object(request) : body_json(request);
	if (!object)
		return NULL;
	struct bulk *bulk = calloc(1, sizeof *bulk);
	if (!bulk) {
		problem_broker(request, -ENOMEM, NULL);
		return NULL;
	}
	bulk->request = request;
	bulk->action = action;
	bulk->began_mono_ns = clock_mono_ns();
	if (fill(bulk, object, path_queue))
		return bulk;
	bulk_free(bulk);
	return NULL;
}

void bulk_free(struct bulk *bulk)
{
	json_decref(bulk->tasks);
	schema_fini(&task_filter_schema, &bulk->filter);
	free(bulk);
}
