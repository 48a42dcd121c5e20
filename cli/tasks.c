#include "cli/tasks.h"

#include "cli/call.h"
#include "cli/filter.h"
#include "cli/path.h"
#include "cli/table.h"
#include "cli/view.h"
#include "core/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LIST_LIMIT = 50, PAGE_MAX = 1000, WAIT_S = 20, SPARE_MS = 15 * 1000 };

/* ---- one task for people ---- */

static void print_field(const struct call *call, const char *name, enum paint paint, const char *text)
{
	(void)printf("%s%-10s%s ", terminal_begin(&call->terminal, PAINT_FAINT), name,
		terminal_end(&call->terminal, PAINT_FAINT));
	(void)fputs(terminal_begin(&call->terminal, paint), stdout);
	(void)terminal_text(stdout, text, -1);
	(void)printf("%s\n", terminal_end(&call->terminal, paint));
}

static void print_value(const struct call *call, const char *name, const json_t *value)
{
	char *text = value && !json_is_null(value) ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	if (text)
		print_field(call, name, PAINT_PLAIN, text);
	free(text);
}

static void print_member(const struct call *call, const json_t *task, const char *member)
{
	const char *text = view_string(task, member);

	if (text[0] != '\0')
		print_field(call, member, PAINT_PLAIN, text);
}

static void print_failure(const struct call *call, const char *name, const json_t *failure, const char *when)
{
	char text[1024];

	(void)snprintf(text, sizeof text, "%s%s%s: %s", when, when[0] != '\0' ? " " : "", view_string(failure, "kind"),
		view_string(failure, "message"));
	print_field(call, name, PAINT_BAD, text);
}

static void print_history(const struct call *call, const json_t *task)
{
	json_t *entry;
	size_t i;

	json_array_foreach(json_object_get(task, "history"), i, entry)
		print_failure(call, "failed", entry, view_string(entry, "ended_at"));
}

static void print_attempts(const struct call *call, const json_t *task)
{
	char text[128];

	(void)snprintf(text, sizeof text, "%lld of %lld, crashes %lld, priority %lld",
		(long long)view_integer(task, "attempts"), (long long)view_integer(task, "max_attempts"),
		(long long)view_integer(task, "crashes"), (long long)view_integer(task, "priority"));
	print_field(call, "executions", PAINT_PLAIN, text);
}

static void print_progress(const struct call *call, const json_t *progress)
{
	char text[512];

	if (!json_is_object(progress))
		return;
	(void)snprintf(text, sizeof text, "%lld %% %s", (long long)view_integer(progress, "percent"),
		view_string(progress, "note"));
	print_field(call, "progress", PAINT_BUSY, text);
}

void tasks_print(const struct call *call, const json_t *task)
{
	static const char *const members[] = {"created_at", "run_at", "started_at", "finished_at", "worker"};
	const char *state = view_string(task, "state");
	char text[512];

	print_field(call, "task", PAINT_STRONG, view_string(task, "id"));
	print_field(call, "state", terminal_paint_state(state), state);
	(void)snprintf(text, sizeof text, "%s.%s in queue %s", view_string(task, "class"), view_string(task, "method"),
		view_string(task, "queue"));
	print_field(call, "what", PAINT_PLAIN, text);
	print_value(call, "param", json_object_get(task, "param"));
	print_attempts(call, task);
	for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
		print_member(call, task, members[i]);
	if (view_flag(task, "cancel_requested"))
		print_field(call, "cancel", PAINT_WARN, "requested");
	print_progress(call, json_object_get(task, "progress"));
	print_history(call, task);
	if (json_is_object(json_object_get(task, "error")))
		print_failure(call, "error", json_object_get(task, "error"), "");
	print_value(call, "result", json_object_get(task, "result"));
	print_value(call, "meta", json_object_get(task, "meta"));
}

int tasks_get(struct call *call)
{
	json_t *task;
	struct path path;

	path_init(&path, "/v1/tasks");
	path_segment(&path, call->arguments[0]);
	int status = call_get(call, path.text, &task);
	if (status != EXIT_DONE)
		return status;
	if (call_has(call, OPTION_JSON))
		return call_print_json(call, task);
	tasks_print(call, task);
	json_decref(task);
	return EXIT_DONE;
}

/* ---- waiting ---- */

static bool is_over(const json_t *task)
{
	const char *state = view_string(task, "state");

	return strcmp(state, "succeeded") == 0 || strcmp(state, "dead") == 0 || strcmp(state, "cancelled") == 0;
}

/* Says what became of it; takes the reference. */
static int print_end(struct call *call, json_t *task)
{
	const char *state = view_string(task, "state"), *id = view_string(task, "id");
	const json_t *error = json_object_get(task, "error");
	const bool succeeded = strcmp(state, "succeeded") == 0;

	if (call_has(call, OPTION_JSON)) {
		(void)call_print_json(call, json_incref(task));
	} else if (succeeded) {
		(void)call_print_json(call, json_incref(json_object_get(task, "result")));
	} else if (!is_over(task)) {
		(void)call_refused(call, "task %s is not over yet: it is %s", id, state);
	} else if (json_is_object(error)) {
		(void)call_refused(call, "task %s is %s: %s: %s", id, state, view_string(error, "kind"),
			view_string(error, "message"));
	} else {
		(void)call_refused(call, "task %s is %s", id, state);
	}
	json_decref(task);
	return succeeded ? EXIT_DONE : EXIT_REFUSED;
}

int tasks_await(struct call *call, const char *id, int64_t most_ms)
{
	const int64_t until = most_ms == INT64_MAX ? INT64_MAX : clock_mono_after(most_ms);
	json_t *task = NULL;

	client_set_timeout(call->client, WAIT_S * 1000 + SPARE_MS);
	for (;;) {
		int64_t left = until == INT64_MAX ? WAIT_S * 1000 : clock_ms_until(until);
		struct path path;
		char wait[32];
		(void)snprintf(wait, sizeof wait, "%lldms", (long long)(left < WAIT_S * 1000 ? left : WAIT_S * 1000));
		path_init(&path, "/v1/tasks");
		path_segment(&path, id);
		if (left > 0)
			path_query(&path, "wait", wait);
		int status = call_get(call, path.text, &task);
		if (status != EXIT_DONE)
			return status;
		if (is_over(task) || clock_ms_until(until) == 0)
			return print_end(call, task);
		json_decref(task);
	}
}

int tasks_wait(struct call *call)
{
	return tasks_await(call, call->arguments[0], call_duration_ms(call, OPTION_FOR, INT64_MAX));
}

/* ---- lists ---- */

static const struct column list_columns[] = {{"ID", 0, false}, {"STATE", 0, false}, {"QUEUE", 3, false},
	{"TASK", 0, false}, {"RUNS", 4, true}, {"AGE", 2, true}, {"ERROR", 1, false}, {NULL, 0, false}};

static void add_row(struct table *table, const json_t *task, int64_t now_ms)
{
	const char *state = view_string(task, "state");
	const json_t *error = json_object_get(task, "error"), *history = json_object_get(task, "history");

	if (!json_is_object(error))
		error = json_array_get(history, json_array_size(history) - 1);
	table_cell(table, PAINT_STRONG, "%s", view_string(task, "id"));
	table_cell(table, terminal_paint_state(state), "%s", state);
	table_cell(table, PAINT_PLAIN, "%s", view_string(task, "queue"));
	table_cell(table, PAINT_PLAIN, "%s.%s", view_string(task, "class"), view_string(task, "method"));
	table_cell(table, PAINT_PLAIN, "%lld/%lld", (long long)view_integer(task, "attempts"),
		(long long)view_integer(task, "max_attempts"));
	table_cell(table, PAINT_FAINT, "%s", view_since(view_string(task, "created_at"), now_ms).text);
	table_cell(table, PAINT_BAD, "%s%s%.60s", view_string(error, "kind"), error ? ": " : "",
		view_string(error, "message"));
}

static void print_list(const struct call *call, const json_t *tasks, bool more)
{
	struct table *table = table_new(list_columns);
	const int64_t now_ms = clock_wall_ms();
	json_t *task;
	size_t i;

	json_array_foreach(tasks, i, task) add_row(table, task, now_ms);
	if (json_array_size(tasks) > 0)
		table_print(table, &call->terminal);
	else if (call->terminal.is_terminal)
		(void)puts("no such tasks");
	if (more && call->terminal.is_terminal)
		(void)printf("there are more: --limit N\n");
	table_free(table);
}

/* One page; what it has is moved to `tasks`. *cursor: where to go on, then where the next one goes on; owned; NULL: no more. */
static int get_page(struct call *call, int64_t limit, char **cursor, json_t *tasks)
{
	json_t *page = NULL;
	struct path path;
	char number[32];

	path_init(&path, "/v1/tasks");
	filter_query(call, call->argument_count > 0 ? call->arguments[0] : NULL, &path);
	(void)snprintf(number, sizeof number, "%lld", (long long)(limit < PAGE_MAX ? limit : PAGE_MAX));
	path_query(&path, "limit", number);
	if (*cursor)
		path_query(&path, "cursor", *cursor);
	free(*cursor);
	*cursor = NULL;
	int status = call_get(call, path.text, &page);
	if (status != EXIT_DONE)
		return status;
	const char *next = json_string_value(json_object_get(page, "next_cursor"));
	*cursor = next ? strdup(next) : NULL;
	(void)json_array_extend(tasks, json_object_get(page, "tasks"));
	json_decref(page);
	return EXIT_DONE;
}

int tasks_list(struct call *call)
{
	const int64_t limit = call_integer(call, OPTION_LIMIT, LIST_LIMIT);
	json_t *tasks = json_array();
	char *cursor = NULL;
	int status;

	do
		status = get_page(call, limit - (int64_t)json_array_size(tasks), &cursor, tasks);
	while (status == EXIT_DONE && cursor && (int64_t)json_array_size(tasks) < limit);
	if (status == EXIT_DONE && call_has(call, OPTION_JSON))
		status = call_print_json(call, json_pack("{s:O, s:s?}", "tasks", tasks, "next_cursor", cursor));
	else if (status == EXIT_DONE)
		print_list(call, tasks, cursor != NULL);
	free(cursor);
	json_decref(tasks);
	return status;
}

/* ---- why ---- */

int tasks_why(struct call *call)
{
	json_t *why;
	struct path path;

	path_init(&path, "/v1/tasks");
	path_segment(&path, call->arguments[0]);
	path_add(&path, "/why");
	int status = call_get(call, path.text, &why);
	if (status != EXIT_DONE)
		return status;
	if (call_has(call, OPTION_JSON))
		return call_print_json(call, why);
	(void)printf("%s", terminal_begin(&call->terminal, PAINT_STRONG));
	(void)terminal_text(stdout, view_string(why, "reason"), -1);
	(void)printf("%s: ", terminal_end(&call->terminal, PAINT_STRONG));
	(void)terminal_text(stdout, view_string(why, "detail"), -1);
	(void)putchar('\n');
	json_decref(why);
	return EXIT_DONE;
}
