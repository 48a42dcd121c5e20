#include "cli/top.h"

#include "cli/call.h"

/* What /readyz says, whether it is good or bad news. */
static int find_status(struct call *call, json_t *document)
{
	struct answer answer;
	struct error error;

	if (client_call(call->client, "GET", "/readyz", NULL, &answer, &error) < 0)
		return call_unreachable(call, &error);
	(void)json_object_set_new(document, "status",
		json_pack("{s:b, s:O?}", "ready", answer.status == 200, "checks",
			json_object_get(answer.body, "checks")));
	answer_fini(&answer);
	return EXIT_DONE;
}

/* What the answer has as `member` becomes the document's `name`. */
static int find_list(struct call *call, json_t *document, const char *path, const char *member, const char *name)
{
	json_t *answer;
	int status = call_get(call, path, &answer);

	if (status != EXIT_DONE)
		return status;
	(void)json_object_set(document, name, json_object_get(answer, member));
	json_decref(answer);
	return EXIT_DONE;
}

int top_print(struct call *call)
{
	static const struct {
		const char *path, *member, *name;
	} lists[] = {{"/v1/workers", "workers", "workers"}, {"/v1/queues", "queues", "queues"},
		{"/v1/tasks?state=dead&limit=50", "tasks", "dead"}};
	json_t *document = json_object();

	int status = find_status(call, document);
	for (size_t i = 0; i < sizeof lists / sizeof lists[0] && status == EXIT_DONE; i++)
		status = find_list(call, document, lists[i].path, lists[i].member, lists[i].name);
	if (status == EXIT_DONE)
		return call_print_json(call, document);
	json_decref(document);
	return status;
}
