#include "api/problem.h"

#include "api/http.h"
#include "api/state.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

void problem_with(struct request *request, int status, const char *detail, const char *member, json_t *value)
{
	json_t *body = json_pack("{s:s, s:s, s:i, s:o, s:o}", "type", "about:blank", "title", http_reason(status),
		"status", status, "detail", answer_text(detail, ERROR_TEXT_MAX), "request_id",
		answer_text(request->request_id, REQUEST_ID_MAX));

	if (member && (!body || json_object_set(body, member, value) != 0)) {
		json_decref(body);
		body = NULL;
	}
	json_decref(value);
	answer_json(request, status, body);
}

void problem(struct request *request, int status, const char *format, ...)
{
	char detail[ERROR_TEXT_MAX];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(detail, sizeof detail, format, arguments);
	va_end(arguments);
	problem_with(request, status, detail, NULL, NULL);
}

void problem_faults(struct request *request, const struct schema_faults *faults)
{
	char detail[ERROR_TEXT_MAX];
	json_t *errors = json_array();

	for (size_t i = 0; i < faults->count; i++)
		(void)json_array_append_new(errors,
			json_pack("{s:o, s:o}", "pointer",
				answer_text(faults->items[i].pointer, sizeof faults->items[i].pointer), "detail",
				answer_text(faults->items[i].detail, sizeof faults->items[i].detail)));
	if (faults->count == 1)
		(void)snprintf(detail, sizeof detail, "%s", faults->items[0].detail);
	else
		(void)snprintf(detail, sizeof detail, "%zu things are wrong, see errors", faults->count);
	problem_with(request, 422, detail, "errors", errors);
}

void problem_no_queue(struct request *request, const char *name)
{
	char known[256];

	config_name_queues(request->api->node->config, known, sizeof known);
	problem(request, 404, "there is no queue %s; there are %s", name, known);
}

void problem_broker(struct request *request, int status, const struct error *error)
{
	const char *why = error && error->text[0] != '\0' ? error->text : "no further word";

	switch (status) {
	case BROKER_FULL: problem(request, 503, "the broker is full (its maxmemory is reached): %s", why); break;
	case BROKER_READ_ONLY: problem(request, 503, "the broker takes no writes now: %s", why); break;
	case BROKER_REFUSED: problem(request, 503, "the broker refuses musterd: %s", why); break;
	case BROKER_UNFIT: problem(request, 503, "the broker cannot be used: %s", why); break;
	case BROKER_UNCOPIED: problem(request, 503, "not acknowledged: %s", why); break;
	case -ENOMEM: problem(request, 503, "out of memory"); break;
	default: problem(request, 503, "the broker is away: %s", why); break;
	}
	answer_header(request, "Retry-After", "1");
}
