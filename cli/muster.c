/* muster: the command line client. Reads the command line, finds the server, and calls the verb's function. */
#include "cli/arguments.h"
#include "cli/context.h"

#include <curl/curl.h>
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static int open_server(struct call *call, struct error *error)
{
	const struct context_wish wish = {call->options[OPTION_URL], call->options[OPTION_TOKEN_FILE],
		call->options[OPTION_CONTEXT], call->options[OPTION_CA]};
	struct context context;

	int status = context_find(&wish, &context, error);
	if (status < 0)
		return status;
	const struct client_server server = {context.url, context.token[0] != '\0' ? context.token : NULL,
		context.ca[0] != '\0' ? context.ca : NULL};
	return client_open(&server, &call->client, error);
}

int main(int argc, char **argv)
{
	struct call call = {0};
	struct error error = {""};

	/* Without a locale of its own text is UTF-8 all the same, as the API's is. */
	if (!setlocale(LC_CTYPE, "") || MB_CUR_MAX == 1)
		(void)setlocale(LC_CTYPE, "C.UTF-8");
	arguments_read(argc, argv, &call);
	terminal_look(&call.terminal);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		(void)fputs("muster: libcurl cannot be used\n", stderr);
		return EXIT_UNREACHABLE;
	}
	int status = open_server(&call, &error) < 0 ? call_misused(&call, "%s", error.text) : call.verb->run(&call);
	client_close(call.client);
	free(call.arguments);
	curl_global_cleanup();
	if (fflush(stdout) != 0 && status == EXIT_DONE)
		status = EXIT_REFUSED; /* a full disk; a closed pipe ends us by its signal */
	return status;
}
