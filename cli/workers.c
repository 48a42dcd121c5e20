#include "cli/workers.h"

#include "cli/call.h"
#include "cli/path.h"
#include "cli/table.h"
#include "cli/view.h"

#include <stdio.h>
#include <string.h>

static const struct column columns[] = {{"WORKER", 0, false}, {"PID", 5, true}, {"STATE", 0, false}, {"BEAT", 1, true},
	{"UP", 6, true}, {"RESTARTS", 3, true}, {"LAST EXIT", 4, false}, {"MEMORY", 7, true}, {"DONE", 8, true},
	{"FOR", 2, true}, {"TASK", 0, false}, {NULL, 0, false}};

static void add_last_exit(struct table *table, const json_t *last)
{
	if (!json_is_object(last))
		table_cell(table, PAINT_FAINT, "-");
	else if (json_is_integer(json_object_get(last, "signal")))
		table_cell(table, PAINT_WARN, "%s %lld", view_string(last, "reason"),
			(long long)view_integer(last, "signal"));
	else
		table_cell(table, strcmp(view_string(last, "reason"), "order") == 0 ? PAINT_FAINT : PAINT_WARN, "%s",
			view_string(last, "reason"));
}

static void add_task(struct table *table, const json_t *task)
{
	if (!json_is_object(task)) {
		table_cell(table, PAINT_FAINT, "-");
		table_cell(table, PAINT_FAINT, "-");
		return;
	}
	table_cell(table, PAINT_BUSY, "%s", view_age(view_seconds(task, "running_seconds")).text);
	table_cell(table, PAINT_PLAIN, "%s.%s %s", view_string(task, "class"), view_string(task, "method"),
		view_string(task, "id"));
}

/* How near it is to its limit. */
static enum paint paint_beat(const json_t *worker)
{
	const double promise = view_seconds(worker, "promise_seconds");

	return promise >= 0 && promise < 1 ? PAINT_BAD : PAINT_PLAIN;
}

static void add_row(struct table *table, const json_t *worker)
{
	const char *state = view_string(worker, "state");
	const json_t *pid = json_object_get(worker, "pid");
	const json_t *memory = json_object_get(worker, "rss_bytes");

	table_cell(
		table, PAINT_STRONG, "%s/%lld", view_string(worker, "pool"), (long long)view_integer(worker, "slot"));
	if (json_is_integer(pid))
		table_cell(table, PAINT_PLAIN, "%lld", (long long)json_integer_value(pid));
	else
		table_cell(table, PAINT_FAINT, "-");
	table_cell(table, terminal_paint_state(state), "%s", state);
	table_cell(table, paint_beat(worker), "%s", view_age(view_seconds(worker, "heartbeat_age_seconds")).text);
	table_cell(table, PAINT_PLAIN, "%s", view_age(view_seconds(worker, "uptime_seconds")).text);
	table_cell(table, view_integer(worker, "restarts") > 0 ? PAINT_WARN : PAINT_FAINT, "%lld",
		(long long)view_integer(worker, "restarts"));
	add_last_exit(table, json_object_get(worker, "last_exit"));
	table_cell(
		table, PAINT_PLAIN, "%s", json_is_integer(memory) ? view_bytes(json_integer_value(memory)).text : "-");
	table_cell(
		table, PAINT_PLAIN, "%s", view_count(view_integer(json_object_get(worker, "tasks"), "succeeded")).text);
	add_task(table, json_object_get(worker, "task"));
}

static bool is_named(const json_t *worker, const char *name)
{
	const char *pool = view_string(worker, "pool");
	const size_t length = strcspn(name, "/");
	char full[512];

	if (name[length] == '\0')
		return strcmp(pool, name) == 0;
	(void)snprintf(full, sizeof full, "%s/%lld", pool, (long long)view_integer(worker, "slot"));
	return strcmp(full, name) == 0;
}

/* The workers of that name (NULL: all), which the caller owns. EXIT_REFUSED when there is none. */
static int find_workers(struct call *call, const char *name, json_t **ret_workers)
{
	json_t *answer, *worker, *found;
	size_t i;

	int status = call_get(call, "/v1/workers", &answer);
	if (status != EXIT_DONE)
		return status;
	found = json_array();
	json_array_foreach(json_object_get(answer, "workers"), i, worker)
	{
		if (!name || is_named(worker, name))
			(void)json_array_append(found, worker);
	}
	json_decref(answer);
	*ret_workers = found;
	if (json_array_size(found) > 0 || !name)
		return EXIT_DONE;
	json_decref(found);
	return call_refused(call, "there is no worker %s: `muster workers' shows them", name);
}

int workers_list(struct call *call)
{
	json_t *workers, *worker;
	struct table *table;
	size_t i;

	int status = find_workers(call, call->argument_count > 0 ? call->arguments[0] : NULL, &workers);
	if (status != EXIT_DONE)
		return status;
	if (call_has(call, OPTION_JSON))
		return call_print_json(call, json_pack("{s:o}", "workers", workers));
	table = table_new(columns);
	json_array_foreach(workers, i, worker) add_row(table, worker);
	table_print(table, &call->terminal);
	table_free(table);
	json_decref(workers);
	return EXIT_DONE;
}

/* ---- restart ---- */

static int restart_one(struct call *call, const json_t *worker, json_t *results)
{
	struct path path;
	char slot[32];
	json_t *answer;

	(void)snprintf(slot, sizeof slot, "%lld", (long long)view_integer(worker, "slot"));
	path_init(&path, "/v1/workers");
	path_segment(&path, view_string(worker, "pool"));
	path_segment(&path, slot);
	path_add(&path, "/restart");
	int status = call_ask(call, "POST", path.text, NULL, &answer);
	if (status != EXIT_DONE)
		return status;
	if (!call_has(call, OPTION_JSON)) {
		(void)terminal_text(stdout, view_string(worker, "pool"), -1);
		(void)printf("/%s is replaced\n", slot);
	}
	(void)json_array_append_new(results, answer);
	return EXIT_DONE;
}

static int restart_named(struct call *call, const char *name, json_t *results)
{
	json_t *workers, *worker;
	size_t i;

	int status = find_workers(call, name, &workers);
	if (status != EXIT_DONE)
		return status;
	json_array_foreach(workers, i, worker)
	{
		status = restart_one(call, worker, results);
		if (status != EXIT_DONE)
			break;
	}
	json_decref(workers);
	return status;
}

int workers_restart(struct call *call)
{
	json_t *results;
	int worst = EXIT_DONE;

	if ((call->argument_count == 0) != call_has(call, OPTION_ALL))
		return call_misused(call, "say which: POOL/SLOT, POOL, or --all");
	results = json_array();
	if (call_has(call, OPTION_ALL))
		worst = restart_named(call, NULL, results);
	for (size_t i = 0; i < call->argument_count && worst != EXIT_UNREACHABLE; i++) {
		int status = restart_named(call, call->arguments[i], results);
		worst = status > worst ? status : worst;
	}
	if (call_has(call, OPTION_JSON))
		(void)call_print_json(call, json_pack("{s:O}", "workers", results));
	json_decref(results);
	return worst;
}
