#include "api/body.h"

#include "api/problem.h"
#include "core/document.h"

#include <errno.h>

json_t *body_json(struct request *request)
{
	json_t *value = NULL;
	struct error error;

	if (request->body.length == 0)
		return json_object();
	int status = document_parse(request->body.data, request->body.length, DOCUMENT_STRICT, &value, &error);
	if (status == -EBADMSG)
		problem(request, 400, "%s", error.text);
	else if (status == -EINVAL)
		problem(request, 422, "%s", error.text);
	else if (status < 0)
		problem_broker(request, status, NULL);
	return value;
}

bool body_read(struct request *request, const struct schema *schema, void *target)
{
	struct schema_faults faults = {0};
	json_auto_t *value = body_json(request);

	if (!value)
		return false;
	int status = schema_read(schema, value, "", target, &faults);
	if (status == -ENOMEM)
		problem_broker(request, status, NULL);
	else if (status < 0)
		problem_faults(request, &faults);
	schema_faults_fini(&faults);
	return status == 0;
}
