#include "cli/pools.h"

#include "cli/call.h"
#include "cli/path.h"
#include "cli/table.h"
#include "cli/view.h"
#include "core/units.h"

#include <stdio.h>

enum { WORKERS_MAX = 100000 }; /* the server has the last word */

static const struct column columns[] = {{"POOL", 0, false}, {"KIND", 3, false}, {"WORKERS", 0, true}, {"BUSY", 0, true},
	{"IDLE", 1, true}, {"QUEUES", 0, false}, {NULL, 0, false}};

static void write_queues(const json_t *pool, char *text, size_t size)
{
	const char *name;
	json_t *weight;
	size_t used = 0;

	text[0] = '\0';
	json_object_foreach(json_object_get(pool, "queues"), name, weight)
	{
		if (used < size)
			used += (size_t)snprintf(text + used, size - used, "%s%s:%lld", used > 0 ? " " : "", name,
				(long long)json_integer_value(weight));
	}
}

static void add_row(struct table *table, const json_t *pool)
{
	char queues[1024];

	write_queues(pool, queues, sizeof queues);
	table_cell(table, PAINT_STRONG, "%s", view_string(pool, "name"));
	table_cell(table, PAINT_PLAIN, "%s", view_string(pool, "kind"));
	table_cell(table, PAINT_PLAIN, "%lld", (long long)view_integer(pool, "workers"));
	table_cell(table, PAINT_BUSY, "%lld", (long long)view_integer(pool, "busy"));
	table_cell(table, PAINT_GOOD, "%lld", (long long)view_integer(pool, "idle"));
	table_cell(table, PAINT_PLAIN, "%s", queues);
}

/* Takes the reference: one pool, or {"pools": […]}. */
static int print_pools(struct call *call, json_t *answer)
{
	const json_t *pools = json_object_get(answer, "pools");
	struct table *table;
	json_t *pool;
	size_t i;

	if (call_has(call, OPTION_JSON))
		return call_print_json(call, answer);
	table = table_new(columns);
	json_array_foreach(pools, i, pool) add_row(table, pool);
	if (!pools)
		add_row(table, answer);
	table_print(table, &call->terminal);
	table_free(table);
	json_decref(answer);
	return EXIT_DONE;
}

int pools_list(struct call *call)
{
	struct path path;
	json_t *answer;

	path_init(&path, "/v1/pools");
	if (call->argument_count > 0)
		path_segment(&path, call->arguments[0]);
	int status = call_get(call, path.text, &answer);
	return status == EXIT_DONE ? print_pools(call, answer) : status;
}

int pools_scale(struct call *call)
{
	json_auto_t *body = NULL;
	struct path path;
	json_t *answer;
	int64_t workers;

	if (units_parse_integer(call->arguments[1], 0, WORKERS_MAX, &workers) < 0)
		return call_misused(call, "'%s' is no number of workers", call->arguments[1]);
	body = json_pack("{s:I}", "workers", (json_int_t)workers);
	path_init(&path, "/v1/pools");
	path_segment(&path, call->arguments[0]);
	int status = call_ask(call, "PATCH", path.text, body, &answer);
	return status == EXIT_DONE ? print_pools(call, answer) : status;
}
