#include "cli/bulk.h"

#include "cli/call.h"
#include "cli/filter.h"
#include "cli/path.h"
#include "cli/view.h"

#include <stdio.h>
#include <string.h>

struct action {
	const char *verb; /* as asked */
	const char *done; /* as counted, and as the API calls it */
	const char *method, *path;
};

static const struct action cancelling = {"Cancel", "cancelled", "POST", "/v1/tasks/cancel"};
static const struct action retrying = {"Retry", "retried", "POST", "/v1/tasks/retry"};
static const struct action purging = {"Delete", "deleted", "DELETE", "/v1/tasks"};

struct count {
	int64_t done, matched;
};

/* ---- one call, and on where it ended ---- */

static int ask_once(struct call *call, const struct action *action, const char *queue, bool dry_run, const char *cursor,
	int64_t limit, json_t **ret_answer)
{
	const bool deletes = strcmp(action->method, "DELETE") == 0;
	json_t *body = filter_json(call, queue);
	struct path path;
	char number[32];

	(void)snprintf(number, sizeof number, "%lld", (long long)limit);
	path_init(&path, action->path);
	if (deletes) {
		filter_query(call, queue, &path);
		path_query(&path, "dry_run", dry_run ? "true" : "false");
		if (limit >= 0)
			path_query(&path, "limit", number);
		if (cursor)
			path_query(&path, "cursor", cursor);
	} else {
		(void)json_object_set_new(body, "dry_run", json_boolean(dry_run));
		if (limit >= 0)
			(void)json_object_set_new(body, "limit", json_integer(limit));
		if (cursor)
			(void)json_object_set_new(body, "cursor", json_string(cursor));
	}
	int status = call_ask(call, action->method, path.text, deletes ? NULL : body, ret_answer);
	json_decref(body);
	return status;
}

static int ask_all(struct call *call, const struct action *action, const char *queue, bool dry_run, struct count *count)
{
	int64_t limit = call_integer(call, OPTION_LIMIT, -1);
	char cursor[1024] = "";

	*count = (struct count){0, 0};
	do {
		json_t *answer = NULL;
		int status = ask_once(call, action, queue, dry_run, cursor[0] != '\0' ? cursor : NULL, limit, &answer);
		if (status != EXIT_DONE)
			return status;
		count->done += view_integer(answer, action->done);
		count->matched += view_integer(answer, "matched");
		if (limit >= 0)
			limit -= view_integer(answer, "matched");
		(void)snprintf(cursor, sizeof cursor, "%s", view_string(answer, "next_cursor"));
		json_decref(answer);
	} while (cursor[0] != '\0' && limit != 0);
	return EXIT_DONE;
}

/* ---- by filter ---- */

static int print_count(const struct call *call, const struct action *action, const struct count *count)
{
	const bool dry_run = call_has(call, OPTION_DRY_RUN);

	if (call_has(call, OPTION_JSON))
		return call_print_json(call, json_pack("{s:I, s:I, s:b}", action->done, (json_int_t)count->done,
						     "matched", (json_int_t)count->matched, "dry_run", dry_run));
	(void)printf("%s %s\n", view_count(dry_run ? count->matched : count->done).text,
		dry_run ? "tasks match" : action->done);
	return EXIT_DONE;
}

static int act_on_all(struct call *call, const struct action *action, const char *queue)
{
	char words[1024], question[1200];
	struct count count = {0, 0};
	int status = EXIT_DONE;

	if (!call_has(call, OPTION_YES) || call_has(call, OPTION_DRY_RUN))
		status = ask_all(call, action, queue, true, &count);
	if (status != EXIT_DONE)
		return status;
	if (call_has(call, OPTION_DRY_RUN))
		return print_count(call, action, &count);
	if (!call_has(call, OPTION_YES) && count.matched == 0)
		return print_count(call, action, &count);
	filter_words(call, queue, words, sizeof words);
	(void)snprintf(
		question, sizeof question, "%s %s tasks (%s)?", action->verb, view_count(count.matched).text, words);
	status = call_confirm(call, question);
	if (status == EXIT_DONE)
		status = ask_all(call, action, queue, false, &count);
	return status == EXIT_DONE ? print_count(call, action, &count) : status;
}

/* ---- by id ---- */

static int act_on_one(struct call *call, const struct action *action, const char *id, json_t *tasks)
{
	const bool cancels = action == &cancelling;
	struct path path;
	json_t *task = NULL;

	path_init(&path, "/v1/tasks");
	path_segment(&path, id);
	if (!cancels)
		path_add(&path, "/retry");
	else if (call_has(call, OPTION_FORCE))
		path_query(&path, "force", "true");
	int status = call_ask(call, cancels ? "DELETE" : "POST", path.text, NULL, &task);
	if (status != EXIT_DONE)
		return status;
	if (!call_has(call, OPTION_JSON)) {
		(void)terminal_text(stdout, view_string(task, "id"), -1);
		(void)printf(" is %s%s\n", view_string(task, "state"),
			view_flag(task, "cancel_requested") && strcmp(view_string(task, "state"), "cancelled") != 0
				? ", and told to stop"
				: "");
	}
	(void)json_array_append_new(tasks, task);
	return EXIT_DONE;
}

static int act_on_named(struct call *call, const struct action *action)
{
	json_t *tasks = json_array();
	int worst = EXIT_DONE;

	for (size_t i = 0; i < call->argument_count && worst != EXIT_UNREACHABLE; i++) {
		int status = act_on_one(call, action, call->arguments[i], tasks);
		worst = status > worst ? status : worst;
	}
	if (call_has(call, OPTION_JSON))
		(void)call_print_json(call, json_pack("{s:O}", "tasks", tasks));
	json_decref(tasks);
	return worst;
}

static int act(struct call *call, const struct action *action)
{
	const bool filtered = filter_given(call) || call_has(call, OPTION_ALL);

	if (call->argument_count > 0)
		return filtered ? call_misused(call, "ids and a filter exclude each other")
				: act_on_named(call, action);
	if (!filtered)
		return call_misused(call, "say which: ids, a filter such as --state or --queue, or --all");
	return act_on_all(call, action, NULL);
}

/* ---- verbs ---- */

int bulk_cancel(struct call *call)
{
	return act(call, &cancelling);
}

int bulk_retry(struct call *call)
{
	return act(call, &retrying);
}

/* The server deletes from one state at a time. */
static int purge_all(struct call *call, const char *queue)
{
	static const char *const states[] = {"pending", "scheduled", "retrying", "dead", "cancelled", "succeeded"};
	struct count total = {0, 0};
	int status = EXIT_DONE;

	for (size_t i = 0; status == EXIT_DONE && i < sizeof states / sizeof states[0]; i++) {
		struct count count = {0, 0};
		call->options[OPTION_STATE] = states[i];
		status = ask_all(call, &purging, queue, call_has(call, OPTION_DRY_RUN), &count);
		total.done += count.done;
		total.matched += count.matched;
	}
	return status == EXIT_DONE ? print_count(call, &purging, &total) : status;
}

int bulk_purge(struct call *call)
{
	const char *queue = call->argument_count > 0 ? call->arguments[0] : call->options[OPTION_QUEUE];
	char question[256];

	if (call_has(call, OPTION_STATE))
		return act_on_all(call, &purging, queue);
	if (!call_has(call, OPTION_ALL))
		return call_misused(call,
			"say which: --state pending, scheduled, retrying, dead, cancelled or succeeded, or --all");
	(void)snprintf(question, sizeof question,
		"Delete all tasks of %s that are not in a worker's hands, and all records?",
		queue ? queue : "all queues");
	int status = call_has(call, OPTION_DRY_RUN) ? EXIT_DONE : call_confirm(call, question);
	return status == EXIT_DONE ? purge_all(call, queue) : status;
}
