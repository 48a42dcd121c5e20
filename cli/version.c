#include "cli/version.h"

#include "cli/call.h"
#include "cli/view.h"

#include <stdio.h>

/* The version of the node that has answered; NULL: it cannot be known. Borrowed from nodes. */
static const char *server_version(const json_t *nodes)
{
	json_t *node;
	size_t i;

	json_array_foreach(json_object_get(nodes, "nodes"), i, node)
	{
		if (view_flag(node, "self"))
			return json_string_value(json_object_get(node, "version"));
	}
	return NULL;
}

/* Says what it knows, whether there is a server or not. */
int version_run(struct call *call)
{
	struct answer answer;
	struct error error = {""};

	int status = client_call(call->client, "GET", "/v1/nodes", NULL, &answer, &error);
	if (status == 0 && answer.status != 200)
		answer_sentence(&answer, &error);
	const char *server = status == 0 ? server_version(answer.body) : NULL;
	if (call_has(call, OPTION_JSON)) {
		(void)call_print_json(call, json_pack("{s:s, s:s?, s:s}", "client", MUSTER_VERSION, "server", server,
						    "url", client_url(call->client)));
	} else {
		(void)printf("muster %s\n", MUSTER_VERSION);
		if (server)
			(void)printf("musterd %s at %s\n", server, client_url(call->client));
		else
			(void)fprintf(stderr, "muster: %s\n",
				error.text[0] != '\0' ? error.text : "the server does not say its version");
	}
	answer_fini(&answer);
	return EXIT_DONE;
}

int version_later(struct call *call)
{
	return call_refused(call, "%s: not available yet", call->verb->name);
}
