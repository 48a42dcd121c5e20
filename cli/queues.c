#include "cli/queues.h"

#include "cli/call.h"
#include "cli/path.h"
#include "cli/table.h"
#include "cli/view.h"

#include <stdio.h>
#include <string.h>

static const struct column columns[] = {{"QUEUE", 0, false}, {"PENDING", 0, true}, {"ACTIVE", 2, true},
	{"SCHEDULED", 6, true}, {"RETRYING", 5, true}, {"DEAD", 1, true}, {"SUCCEEDED", 7, true}, {"FAILED", 8, true},
	{"OLDEST", 3, true}, {"", 4, false}, {NULL, 0, false}};

static void add_count(struct table *table, const json_t *queue, const char *member, enum paint paint)
{
	int64_t count = view_integer(queue, member);

	table_cell(table, count > 0 ? paint : PAINT_FAINT, "%s", view_count(count).text);
}

static void add_row(struct table *table, const json_t *queue)
{
	const double oldest = view_seconds(queue, "oldest_age_seconds");

	table_cell(table, PAINT_STRONG, "%s", view_string(queue, "name"));
	add_count(table, queue, "pending", PAINT_PLAIN);
	add_count(table, queue, "active", PAINT_BUSY);
	add_count(table, queue, "scheduled", PAINT_PLAIN);
	add_count(table, queue, "retrying", PAINT_WARN);
	add_count(table, queue, "dead", PAINT_BAD);
	add_count(table, queue, "succeeded_total", PAINT_GOOD);
	add_count(table, queue, "dead_total", PAINT_BAD);
	table_cell(table, PAINT_PLAIN, "%s", view_age(oldest > 0 ? oldest : -1).text);
	table_cell(table, PAINT_WARN, "%s", view_flag(queue, "paused") ? "paused" : "");
}

/* Takes the reference: one queue, or {"queues": […]}. */
static int print_queues(struct call *call, json_t *answer)
{
	const json_t *queues = json_object_get(answer, "queues");
	struct table *table;
	json_t *queue;
	size_t i;

	if (call_has(call, OPTION_JSON))
		return call_print_json(call, answer);
	table = table_new(columns);
	json_array_foreach(queues, i, queue) add_row(table, queue);
	if (!queues)
		add_row(table, answer);
	table_print(table, &call->terminal);
	table_free(table);
	json_decref(answer);
	return EXIT_DONE;
}

int queues_list(struct call *call)
{
	struct path path;
	json_t *answer;

	path_init(&path, "/v1/queues");
	if (call->argument_count > 0)
		path_segment(&path, call->arguments[0]);
	int status = call_get(call, path.text, &answer);
	return status == EXIT_DONE ? print_queues(call, answer) : status;
}

/* ---- pause and resume ---- */

static int change(struct call *call, const char *kind, const char *name, const char *action, json_t *results)
{
	json_t *answer;
	struct path path;

	path_init(&path, "/v1/");
	path_add(&path, kind);
	path_segment(&path, name);
	path_add(&path, "/");
	path_add(&path, action);
	int status = call_ask(call, "POST", path.text, NULL, &answer);
	if (status != EXIT_DONE)
		return status;
	if (!call_has(call, OPTION_JSON)) {
		(void)terminal_text(stdout, name, -1);
		(void)printf(" is %s\n", strcmp(action, "pause") == 0 ? "paused" : "resumed");
	}
	(void)json_array_append_new(results, answer);
	return EXIT_DONE;
}

static int change_all(struct call *call, const char *action, json_t *results)
{
	int worst = EXIT_DONE;

	for (size_t i = 0; i < call->argument_count && worst != EXIT_UNREACHABLE; i++) {
		int status = change(call, "queues", call->arguments[i], action, results);
		worst = status > worst ? status : worst;
	}
	if (worst == EXIT_DONE && call_has(call, OPTION_POOL))
		worst = change(call, "pools", call->options[OPTION_POOL], action, results);
	if (worst == EXIT_DONE && call_has(call, OPTION_CLASS))
		worst = change(call, "classes", call->options[OPTION_CLASS], action, results);
	return worst;
}

static int act(struct call *call, const char *action)
{
	json_t *results;

	if (call->argument_count == 0 && !call_has(call, OPTION_POOL) && !call_has(call, OPTION_CLASS))
		return call_misused(call, "say which: queues, --pool or --class");
	results = json_array();
	int status = change_all(call, action, results);
	if (call_has(call, OPTION_JSON))
		(void)call_print_json(
			call, json_pack("{s:O}", strcmp(action, "pause") == 0 ? "paused" : "resumed", results));
	json_decref(results);
	return status;
}

int queues_pause(struct call *call)
{
	return act(call, "pause");
}

int queues_resume(struct call *call)
{
	return act(call, "resume");
}
