#include "cli/push.h"

#include "cli/call.h"
#include "cli/push_lines.h"
#include "cli/tasks.h"
#include "cli/view.h"

#include <stdio.h>
#include <string.h>

/* Options that are members of the document, as text and as numbers. */
static const struct {
	enum option_id option;
	const char *member;
} members[] = {{OPTION_QUEUE, "queue"}, {OPTION_ID, "id"}, {OPTION_DELAY, "delay"}, {OPTION_RUN_AT, "run_at"},
	{OPTION_RETRY, "retry"}, {OPTION_PRIORITY, "priority"}, {OPTION_TIMEOUT, "timeout"}, {OPTION_PARAM, "param"},
	{OPTION_META, "meta"}};

static json_t *member_value(const struct call *call, enum option_id option)
{
	switch (option_rows[option].kind) {
	case OPTION_INTEGER: return json_integer(call_integer(call, option, 0));
	case OPTION_VALUE: return json_loads(call->options[option], JSON_DECODE_ANY, NULL);
	case OPTION_FLAG:
	case OPTION_TEXT:
	case OPTION_DURATION:
	case OPTION_TIME: return json_string(call->options[option]);
	}
	return NULL;
}

/* The arguments after class and method. NULL after having said which is wrong. */
static json_t *read_params(const struct call *call)
{
	json_t *params = json_array();

	for (size_t i = 2; i < call->argument_count; i++) {
		const char *text = call->arguments[i];
		json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
		if (!value) {
			(void)call_misused(call, "parameter %zu is no JSON: %.100s (a string has quotes: '\"text\"')",
				i - 1, text);
			json_decref(params);
			return NULL;
		}
		(void)json_array_append_new(params, value);
	}
	return params;
}

static json_t *make_document(const struct call *call)
{
	json_t *params = read_params(call);

	if (!params)
		return NULL;
	json_t *document = json_pack(
		"{s:s, s:s, s:o}", "class", call->arguments[0], "method", call->arguments[1], "param", params);
	if (!document)
		(void)call_misused(call, "class and method must be text (UTF-8)");
	for (size_t i = 0; document && i < sizeof members / sizeof members[0]; i++)
		if (call_has(call, members[i].option))
			(void)json_object_set_new(document, members[i].member, member_value(call, members[i].option));
	return document;
}

static int print_accepted(struct call *call, json_t *answer)
{
	if (call_has(call, OPTION_JSON))
		return call_print_json(call, answer);
	(void)terminal_text(stdout, view_string(answer, "id"), -1);
	if (call->terminal.is_terminal) {
		(void)printf(" %s%s in queue ", view_flag(answer, "duplicate") ? "was known: " : "",
			view_string(answer, "state"));
		(void)terminal_text(stdout, view_string(answer, "queue"), -1);
	}
	(void)putchar('\n');
	json_decref(answer);
	return EXIT_DONE;
}

static int push_one(struct call *call)
{
	json_t *document = make_document(call), *answer;
	char id[128];

	if (!document)
		return EXIT_USAGE;
	int status = call_ask(call, "POST", "/v1/tasks", document, &answer);
	json_decref(document);
	if (status != EXIT_DONE)
		return status;
	if (!call_has(call, OPTION_WAIT))
		return print_accepted(call, answer);
	(void)snprintf(id, sizeof id, "%s", view_string(answer, "id"));
	json_decref(answer);
	return tasks_await(call, id, call_duration_ms(call, OPTION_FOR, INT64_MAX));
}

int push_run(struct call *call)
{
	if (strcmp(call->arguments[0], "-") == 0) {
		for (int i = OPTION_QUEUE; i <= OPTION_FOR; i++)
			if (call_has(call, (enum option_id)i))
				return call_misused(
					call, "--%s does not go with -: say it in each document", option_rows[i].name);
		return call->argument_count == 1 ? push_lines(call) : call_misused(call, "nothing goes with -");
	}
	if (call->argument_count < 2)
		return call_misused(call, "the method is missing");
	if (call_has(call, OPTION_PARAM) && call->argument_count > 2)
		return call_misused(call, "--param and parameters as arguments exclude each other");
	return push_one(call);
}
