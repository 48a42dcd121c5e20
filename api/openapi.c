#include "api/openapi.h"

#include "api/http.h"
#include "api/shape.h"
#include "api/tag.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_TEXT_MAX = 160, STATUS_DIGITS = 3 };

static const char about[] =
	"Tasks, workers, queues: all that musterd does over HTTP. Every error is an application/problem+json whose "
	"`detail` says "
	"what to do. HEAD is answered wherever GET is, OPTIONS everywhere; GET answers may be asked for with gzip. "
	"Each answer has an X-Request-Id: the caller's, or one of our making.";

/* ---- parameters ---- */

#define TIME "{\"type\":\"string\",\"format\":\"date-time\"}"
#define TEXT "{\"type\":\"string\"}"
#define FLAG "{\"type\":\"boolean\"}"

/* Of paths and queries: a name means the same wherever it stands. */
static const struct parameter {
	const char *name, *schema, *help;
} parameters[] = {
	{"id", "{\"type\":\"string\",\"pattern\":\"^[A-Za-z0-9_-]{1,64}$\"}", "A task's id"},
	{"queue", TEXT, "A queue's name"},
	{"pool", TEXT, "A pool's name"},
	{"slot", "{\"type\":\"integer\",\"minimum\":0}", "A worker's place in its pool"},
	{"node", TEXT, "A node's id"},
	{"class", TEXT, "A class of tasks"},
	{"method", TEXT, "A method of the class"},
	{"state", TEXT, "How a task or a worker stands"},
	{"type", "{\"type\":\"string\",\"enum\":[\"task\",\"worker\"]}", "Only events of tasks, or of workers"},
	{"error_kind", TEXT, "The error.kind of a task"},
	{"error", TEXT, "A text that stands in the error of a task"},
	{"created_after", TIME, "Only tasks submitted then or later"},
	{"created_before", TIME, "Only tasks submitted before"},
	{"finished_after", TIME, "Only tasks that ended then or later"},
	{"finished_before", TIME, "Only tasks that ended before"},
	{"file", TEXT, "A file's name"},
	{"follow", TEXT, "1: go on until the task's end"},
	{"dry_run", FLAG, "Only say what would come of it"},
	{"force", FLAG, "Do not wait for its handler to stop"},
	{"rate", "{\"type\":\"integer\",\"minimum\":1}", "At most so many tasks a second"},
	{"after", "{\"type\":\"integer\",\"minimum\":0}", "Only samples later than so many milliseconds since 1970"},
	{"wait", "{\"type\":\"string\",\"pattern\":\"^[0-9]+(ms|s|m)$\",\"examples\":[\"5s\"]}",
		"Answer when the task has ended, or after so long (at most 1m)"},
	{"limit", "{\"type\":\"integer\",\"minimum\":1}", "At most so many; a page: 100, and at most 1000"},
	{"cursor", TEXT, "next_cursor of the page before; absent: the first page"},
};

static bool has_tags(const struct route *route)
{
	return strstr(route->answers, "304") != NULL;
}

static bool submits(const struct route *route)
{
	return route->body == ROUTE_BODY_TASKS;
}

static bool can_wait(const struct route *route)
{
	return submits(route) || (route->query && strcmp(route->query, "wait") == 0);
}

static bool streams(const struct route *route)
{
	return strstr(route->answers, "text/event-stream") != NULL;
}

/* Headers that mean something to some calls. */
static const struct {
	struct parameter parameter;
	bool (*means)(const struct route *route);
} headers[] = {
	{{"If-None-Match", TEXT, "The ETag of an earlier answer: 304 if nothing has changed"}, has_tags},
	{{"Idempotency-Key", "{\"type\":\"string\",\"minLength\":1,\"maxLength\":257}",
		 "A repeat with the same key within 24 h stores nothing and gets the first answer"},
		submits},
	{{"Prefer", TEXT, "wait=5: answer when the task has ended, or after so many seconds"}, can_wait},
	{{"traceparent", TEXT, "W3C trace context, stored with the task and handed to its handler"}, submits},
	{{"Last-Event-ID", TEXT, "Go on behind this event"}, streams},
};

static const struct parameter *find_parameter(const char *name, size_t length)
{
	for (size_t i = 0; i < sizeof parameters / sizeof parameters[0]; i++)
		if (strlen(parameters[i].name) == length && memcmp(parameters[i].name, name, length) == 0)
			return &parameters[i];
	return NULL;
}

static void append_parameter(json_t *list, const char *where, const struct parameter *parameter)
{
	(void)json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:s, s:o}", "name", parameter->name, "in", where,
						  "required", strcmp(where, "path") == 0, "description",
						  parameter->help, "schema", json_loads(parameter->schema, 0, NULL)));
}

/* Returns false for a name that no row has. */
static bool add_parameter(json_t *list, const char *where, const char *name, size_t length)
{
	const struct parameter *parameter = find_parameter(name, length);

	if (parameter)
		append_parameter(list, where, parameter);
	return parameter != NULL;
}

static void add_header_parameters(json_t *list, const struct route *route)
{
	for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
		if (headers[i].means(route))
			append_parameter(list, "header", &headers[i].parameter);
}

static bool add_path_parameters(json_t *list, const char *pattern)
{
	bool known = true;

	for (const char *brace = strchr(pattern, '{'); brace; brace = strchr(brace + 1, '{'))
		known &= add_parameter(list, "path", brace + 1, strcspn(brace + 1, "}"));
	return known;
}

static bool add_query_parameters(json_t *list, const char *names)
{
	bool known = true;

	if (!names || strcmp(names, ROUTE_ANY) == 0)
		return true;
	while (*names != '\0') {
		size_t length = strcspn(names, " ");
		known &= add_parameter(list, "query", names, length);
		names += length;
		names += strspn(names, " ");
	}
	return known;
}

/* ---- answers ---- */

/* The common ones: what may befall any call of its kind. */
static bool may_answer(const struct route *route, int status)
{
	switch (status) {
	case 400: /* an unknown parameter, a body that is not taken or not JSON */
	case 403: /* a Host, or an Origin, that may not; a role that is too low */
	case 413:
	case 415: return true; /* a body that is not declared as JSON, wanted or not */
	case 401:
	case 429: /* http.requests_per_second; the broker's memory */
	case 503: return route->role != ROUTE_OPEN;
	case 404: return strchr(route->pattern, '{') != NULL;
	case 422: return route->body != ROUTE_BODY_NONE;
	default: return false;
	}
}

static const int problems[] = {400, 401, 403, 404, 409, 413, 415, 422, 429, 503};

static json_t *describe_header(const char *help)
{
	return json_pack("{s:s, s:{s:s}}", "description", help, "schema", "type", "string");
}

static void add_headers(json_t *answer, int status)
{
	json_t *described = json_object();

	(void)json_object_set_new(described, "X-Request-Id", describe_header("As in the log"));
	if (status == 201)
		(void)json_object_set_new(
			described, "Location", describe_header("Of a single task: where to look it up"));
	if (status == 401)
		(void)json_object_set_new(described, "WWW-Authenticate", describe_header("Bearer"));
	if (status == 429 || status == 503)
		(void)json_object_set_new(described, "Retry-After", describe_header("Seconds to wait at least"));
	(void)json_object_set_new(answer, "headers", described);
}

/* What is no type of ours is a media type, or several. */
static json_t *describe_media(const char *types)
{
	json_t *content = json_object();

	while (*types != '\0') {
		size_t length = strcspn(types, " ");
		(void)json_object_setn_new(content, types, length, json_pack("{s:{s:s}}", "schema", "type", "string"));
		types += length;
		types += strspn(types, " |");
	}
	return content;
}

/* NULL for neither a type nor a media type. */
static json_t *describe_content(const char *type)
{
	if (strchr(type, '/'))
		return describe_media(type);
	json_t *schema = shape_type_describe(type);
	return schema ? json_pack("{s:{s:o}}", "application/json", "schema", schema) : NULL;
}

/* type: "": without a body. Returns false if it is not known. */
static bool add_answer(json_t *answers, int status, const char *type)
{
	char key[STATUS_DIGITS + 1];
	json_t *content = type[0] != '\0' ? describe_content(type) : NULL;

	if (type[0] != '\0' && !content)
		return false;
	json_t *answer = json_pack("{s:s, s:o*}", "description", http_reason(status), "content", content);
	add_headers(answer, status);
	(void)snprintf(key, sizeof key, "%03d", status);
	(void)json_object_set_new(answers, key, answer);
	return true;
}

/* Returns false for a status that no problem has. */
static bool add_problem(json_t *answers, int status)
{
	for (size_t i = 0; i < sizeof problems / sizeof problems[0]; i++) {
		char key[STATUS_DIGITS + 1];
		if (problems[i] != status)
			continue;
		(void)snprintf(key, sizeof key, "%03d", status);
		(void)json_object_set_new(
			answers, key, json_pack("{s:o}", "$ref", json_sprintf("#/components/responses/%d", status)));
		return true;
	}
	return false;
}

/* What stands below #/components/responses. */
static json_t *describe_problems(void)
{
	json_t *all = json_object();

	for (size_t i = 0; i < sizeof problems / sizeof problems[0]; i++) {
		char key[STATUS_DIGITS + 1];
		json_t *answer = json_pack("{s:s, s:{s:{s:{s:s}}}}", "description", http_reason(problems[i]), "content",
			"application/problem+json", "schema", "$ref", "#/components/schemas/Problem");
		add_headers(answer, problems[i]);
		(void)snprintf(key, sizeof key, "%03d", problems[i]);
		(void)json_object_set_new(all, key, answer);
	}
	return all;
}

/* One of a row's answers: "200 Task", "304", "409". Returns false if it is not well written. */
static bool add_stated(json_t *answers, const char *text, size_t length)
{
	char one[ANSWER_TEXT_MAX];

	if (length < STATUS_DIGITS || length >= sizeof one)
		return false;
	memcpy(one, text, length);
	one[length] = '\0';
	int status = (int)strtol(one, NULL, 10);
	if (status < 200 || status > 599 || (one[STATUS_DIGITS] != '\0' && one[STATUS_DIGITS] != ' '))
		return false;
	if (status < 400)
		return add_answer(answers, status, one + STATUS_DIGITS + (one[STATUS_DIGITS] == ' '));
	return add_problem(answers, status) && one[STATUS_DIGITS] == '\0';
}

static bool add_answers(json_t *answers, const struct route *route)
{
	bool known = true;

	for (size_t i = 0; i < sizeof problems / sizeof problems[0]; i++)
		if (may_answer(route, problems[i]))
			(void)add_problem(answers, problems[i]);
	for (const char *at = route->answers; *at != '\0';) {
		size_t length = strcspn(at, ",");
		known &= add_stated(answers, at, length);
		at += length;
		at += strspn(at, ", ");
	}
	return known;
}

/* ---- operations ---- */

void openapi_operation_id(const struct route *route, char id[OPENAPI_ID_MAX])
{
	const char *at = route->pattern;
	size_t length = 0;
	bool raise = true;

	for (const char *method = route->method; *method != '\0'; method++)
		id[length++] = (char)tolower((unsigned char)*method);
	if (strncmp(at, "/v1/", 4) == 0)
		at += strlen("/v1");
	for (; *at != '\0' && length < OPENAPI_ID_MAX - 1; at++) {
		if (isalnum((unsigned char)*at))
			id[length++] = raise ? (char)toupper((unsigned char)*at) : *at;
		raise = !isalnum((unsigned char)*at);
	}
	id[length] = '\0';
}

/* What the call is about: the path's first part behind the version, else the node itself. */
static json_t *describe_tags(const char *pattern)
{
	if (strncmp(pattern, "/v1/", 4) != 0)
		return json_pack("[s]", "node");
	pattern += strlen("/v1/");
	return json_pack("[s%]", pattern, strcspn(pattern, "/"));
}

/* Without tokens in the configuration nobody needs one. */
static json_t *describe_security(enum route_role role)
{
	static const char *const roles[] = {[ROUTE_READ] = "read", [ROUTE_SUBMIT] = "submit", [ROUTE_ADMIN] = "admin"};

	return role == ROUTE_OPEN ? json_array() : json_pack("[{}, {s:[s]}]", "token", roles[role]);
}

static json_t *describe_body(const struct route *route)
{
	json_t *content = json_pack("{s:{s:o}}", "application/json", "schema", shape_type_describe(route->takes));

	if (route->body == ROUTE_BODY_TASKS)
		(void)json_object_set_new(content, "application/x-ndjson",
			json_pack(
				"{s:{s:s, s:s}}", "schema", "type", "string", "description", "A NewTask on each line"));
	return json_pack("{s:b, s:o}", "required", route->body == ROUTE_BODY_TASKS, "content", content);
}

/* Returns whether all names in the row are known. */
static bool describe(const struct route *route, json_t **ret_operation)
{
	char id[OPENAPI_ID_MAX];
	json_t *list = json_array(), *answers = json_object();
	bool known = add_path_parameters(list, route->pattern);

	known &= add_query_parameters(list, route->query);
	add_header_parameters(list, route);
	known &= add_answers(answers, route);
	openapi_operation_id(route, id);
	json_t *operation = json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "operationId", id, "summary", route->summary,
		"tags", describe_tags(route->pattern), "security", describe_security(route->role), "parameters", list,
		"responses", answers);
	if (route->takes)
		(void)json_object_set_new(operation, "requestBody", describe_body(route));
	*ret_operation = operation;
	return known;
}

bool openapi_knows(const struct route *route)
{
	json_t *operation = NULL;
	bool known = describe(route, &operation) && (!route->takes || shape_type_is_known(route->takes));

	json_decref(operation);
	return known;
}

/* {path: {method: operation}} */
static json_t *describe_paths(void)
{
	json_t *paths = json_object();

	for (const struct route *route = routes; route < route_other; route++) {
		char method[16];
		json_t *path = json_object_get(paths, route->pattern), *operation;
		size_t i;
		if (!route->answers)
			continue;
		if (!path) {
			path = json_object();
			(void)json_object_set_new(paths, route->pattern, path);
		}
		for (i = 0; route->method[i] != '\0' && i < sizeof method - 1; i++)
			method[i] = (char)tolower((unsigned char)route->method[i]);
		method[i] = '\0';
		(void)describe(route, &operation);
		(void)json_object_set_new(path, method, operation);
	}
	return paths;
}

json_t *openapi_describe(void)
{
	json_t *info = json_pack("{s:s, s:s, s:s, s:{s:s, s:s}}", "title", "Muster", "version", MUSTER_VERSION,
		"description", about, "license", "name", "MIT", "identifier", "MIT");
	json_t *token = json_pack("{s:s, s:s, s:s}", "type", "http", "scheme", "bearer", "description",
		"Needed if the configuration names tokens (auth.tokens)");
	json_t *components = json_pack("{s:o, s:o, s:{s:o}}", "schemas", shape_describe_all(), "responses",
		describe_problems(), "securitySchemes", "token", token);

	return json_pack("{s:s, s:o, s:[{s:s}], s:o, s:o}", "openapi", "3.1.0", "info", info, "servers", "url", "/",
		"paths", describe_paths(), "components", components);
}

void openapi_get(struct request *request)
{
	answer_json(request, 200, openapi_describe());
	tag_answer(request);
}
