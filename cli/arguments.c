#include "cli/arguments.h"

#include "cli/memory.h"
#include "core/clock.h"
#include "core/units.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* argp looks it up by name: it must be visible. */
__attribute__((visibility("default"))) const char *argp_program_version = "muster " MUSTER_VERSION;

enum { KEY_FIRST = 512 };

/* ---- values ---- */

static const char *fault_of(const struct option_row *row, const char *text)
{
	static char sentence[128];
	json_auto_t *value = NULL;
	int64_t number;

	switch (row->kind) {
	case OPTION_FLAG:
	case OPTION_TEXT: return NULL;
	case OPTION_INTEGER:
		if (units_parse_integer(text, row->minimum, row->maximum, &number) == 0)
			return NULL;
		(void)snprintf(sentence, sizeof sentence, "must be a number from %lld to %lld", (long long)row->minimum,
			(long long)row->maximum);
		return sentence;
	case OPTION_DURATION:
		return units_parse_duration(text, &number) == 0 && number <= row->maximum
			       ? NULL
			       : "must be a duration like 500ms, 10s, 5m, 1h, 7d";
	case OPTION_TIME: return clock_parse(text, &number) == 0 ? NULL : "must be a time like 2026-11-23T14:13:00Z";
	case OPTION_VALUE: value = json_loads(text, JSON_DECODE_ANY, NULL); return value ? NULL : "must be JSON";
	}
	return NULL;
}

static int key_of(enum option_id option)
{
	return option_rows[option].letter ? option_rows[option].letter : KEY_FIRST + (int)option;
}

static error_t read_verb_option(int key, char *argument, struct argp_state *state)
{
	struct call *call = state->input;

	for (int i = 0; i < OPTIONS; i++) {
		const struct option_row *row = &option_rows[i];
		if (key != key_of((enum option_id)i) || !verb_takes(call->verb, (enum option_id)i))
			continue;
		const char *fault = fault_of(row, argument);
		if (fault)
			argp_error(state, "--%s %s", row->name, fault);
		call->options[i] = argument ? argument : "";
		return 0;
	}
	switch (key) {
	case ARGP_KEY_ARG:
		if (call->argument_count >= call->verb->most)
			argp_error(state, "unexpected argument '%s'", argument);
		call->arguments[call->argument_count++] = argument;
		return 0;
	case ARGP_KEY_END:
		if (call->argument_count < call->verb->least)
			argp_error(state, "it wants %s", call->verb->arguments);
		return 0;
	default: return ARGP_ERR_UNKNOWN;
	}
}

/* ---- a verb's parser ---- */

/* A negative number is a parameter, and no option: a blank in front changes nothing for JSON and everything for argp. */
static void shield_numbers(int argc, char **argv)
{
	char *shielded;

	for (int i = 1; i < argc; i++)
		if (argv[i][0] == '-' && argv[i][1] >= '0' && argv[i][1] <= '9')
			argv[i] = memory_or_end(asprintf(&shielded, " %s", argv[i]) < 0 ? NULL : shielded);
}

static void read_verb(int argc, char **argv, struct call *call)
{
	struct argp_option options[OPTIONS + 1] = {{0}};
	char name[64], *doc;
	size_t count = 0;

	for (int i = 0; i < OPTIONS; i++)
		if (verb_takes(call->verb, (enum option_id)i))
			options[count++] = (struct argp_option){option_rows[i].name, key_of((enum option_id)i),
				option_rows[i].argument, 0, option_rows[i].help, i <= OPTION_JSON ? 2 : 1};
	(void)memory_or_end(asprintf(&doc, "%s.\v%s", call->verb->help, call->verb->about ? call->verb->about : "") < 0
				    ? NULL
				    : doc);
	const struct argp parser = {
		.options = options, .parser = read_verb_option, .args_doc = call->verb->arguments, .doc = doc};
	(void)snprintf(name, sizeof name, "muster %s", call->verb->name);
	argv[0] = name;
	call->arguments = memory_or_end(calloc((size_t)argc + 1, sizeof *call->arguments));
	shield_numbers(argc, argv);
	(void)argp_parse(&parser, argc, argv, 0, NULL, call);
	argv[0] = NULL; /* it was ours */
	free(doc);
}

/* ---- what stands before the verb ---- */

struct before {
	struct call *call;
	int verb; /* its place in argv; 0: none */
};

static error_t read_first(int key, char *argument, struct argp_state *state)
{
	struct before *before = state->input;

	for (int i = 0; i <= OPTION_JSON; i++)
		if (key == key_of((enum option_id)i)) {
			before->call->options[i] = argument ? argument : "";
			return 0;
		}
	switch (key) {
	case ARGP_KEY_ARG:
		before->call->verb = verb_find(argument);
		if (!before->call->verb)
			argp_error(state, "there is no verb '%s'", argument);
		before->verb = state->next - 1;
		state->next = state->argc; /* the rest is the verb's */
		return 0;
	case ARGP_KEY_NO_ARGS: argp_error(state, "a verb is missing"); return EINVAL;
	default: return ARGP_ERR_UNKNOWN;
	}
}

/* The verbs as --help lists them. */
static char *list_verbs(void)
{
	char *text = NULL;
	size_t size;
	FILE *out = memory_or_end(open_memstream(&text, &size));

	(void)fprintf(out, "Talks to a musterd over its HTTP API.\vVerbs:\n");
	for (size_t i = 0; i < verb_count; i++)
		(void)fprintf(out, "  %-10s %s\n", verbs[i].name, verbs[i].help);
	(void)fprintf(out, "\n`muster VERB --help' says more.\n\nThe server: --url, --context, MUSTER_URL, or "
			   "http://127.0.0.1:7077; "
			   "the token: --token-file or MUSTER_TOKEN.\nExit status: 0 done, 1 the server said no, 64 "
			   "usage, 69 it cannot "
			   "be reached.");
	(void)fclose(out);
	return memory_or_end(text);
}

void arguments_read(int argc, char **argv, struct call *call)
{
	struct argp_option options[OPTION_JSON + 2] = {{0}};
	struct before before = {call, 0};
	char *doc = list_verbs();

	argp_err_exit_status = EXIT_USAGE;
	for (int i = 0; i <= OPTION_JSON; i++)
		options[i] = (struct argp_option){option_rows[i].name, key_of((enum option_id)i),
			option_rows[i].argument, 0, option_rows[i].help, 0};
	const struct argp parser = {
		.options = options, .parser = read_first, .args_doc = "VERB [ARGUMENT...]", .doc = doc};
	(void)argp_parse(&parser, argc, argv, ARGP_IN_ORDER, NULL, &before);
	free(doc);
	read_verb(argc - before.verb, argv + before.verb, call);
}
