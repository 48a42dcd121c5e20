#include "cli/call.h"

#include "cli/memory.h"
#include "core/units.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool call_has(const struct call *call, enum option_id option)
{
	return call->options[option] != NULL;
}

int64_t call_integer(const struct call *call, enum option_id option, int64_t absent)
{
	int64_t value;

	if (!call->options[option])
		return absent;
	int status = units_parse_integer(
		call->options[option], option_rows[option].minimum, option_rows[option].maximum, &value);
	assert(status == 0);
	return value;
}

int64_t call_duration_ms(const struct call *call, enum option_id option, int64_t absent)
{
	int64_t ms;

	if (!call->options[option])
		return absent;
	int status = units_parse_duration(call->options[option], &ms);
	assert(status == 0);
	return ms;
}

static void complain(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));
static void complain(const char *format, va_list arguments)
{
	char *text;

	(void)memory_or_end(vasprintf(&text, format, arguments) < 0 ? NULL : text);
	(void)fputs("muster: ", stderr);
	(void)terminal_text(stderr, text, -1);
	(void)fputc('\n', stderr);
	free(text);
}

int call_misused(const struct call *call, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	complain(format, arguments);
	va_end(arguments);
	(void)fprintf(stderr, "Try `muster %s --help'.\n", call->verb->name);
	return EXIT_USAGE;
}

int call_refused(const struct call *call, const char *format, ...)
{
	va_list arguments;

	(void)call;
	va_start(arguments, format);
	complain(format, arguments);
	va_end(arguments);
	return EXIT_REFUSED;
}

int call_unreachable(const struct call *call, const struct error *error)
{
	(void)call_refused(call, "%s", error->text);
	return EXIT_UNREACHABLE;
}

int call_ask(struct call *call, const char *method, const char *path, const json_t *body, json_t **ret_body)
{
	struct answer answer;
	struct error error = {""};
	int status = EXIT_DONE;

	if (client_call(call->client, method, path, body, &answer, &error) < 0) {
		answer_fini(&answer);
		return call_unreachable(call, &error);
	}
	if (answer.status < 200 || answer.status > 299) {
		answer_sentence(&answer, &error);
		status = call_refused(call, "%s", error.text);
	} else if (ret_body && !answer.body) {
		status = call_refused(call, "the server's answer is no JSON: is it musterd?");
	} else if (ret_body) {
		*ret_body = json_incref(answer.body);
	}
	answer_fini(&answer);
	return status;
}

int call_get(struct call *call, const char *path, json_t **ret_body)
{
	return call_ask(call, "GET", path, NULL, ret_body);
}

int call_print_json(const struct call *call, json_t *value)
{
	(void)call;
	(void)memory_or_end(value);
	(void)json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
	(void)putchar('\n');
	json_decref(value);
	return EXIT_DONE;
}

int call_confirm(const struct call *call, const char *question)
{
	char line[16] = "";

	if (call_has(call, OPTION_YES))
		return EXIT_DONE;
	if (!call->terminal.asks)
		return call_misused(call, "%s Nobody is here to say so: give --yes", question);
	(void)terminal_text(stderr, question, -1);
	(void)fputs(" [y/N] ", stderr);
	if (fgets(line, sizeof line, stdin) && (line[0] == 'y' || line[0] == 'Y'))
		return EXIT_DONE;
	return call_refused(call, "nothing was done");
}
