#include "api/access.h"

#include "api/problem.h"
#include "api/route.h"
#include "api/state.h"
#include "core/id.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

_Static_assert(CONFIG_ROLE_READ + 1 == (int)ROUTE_READ && CONFIG_ROLE_SUBMIT + 1 == (int)ROUTE_SUBMIT &&
		       CONFIG_ROLE_ADMIN + 1 == (int)ROUTE_ADMIN,
	"a route's role is a token's, with `open` before it");

static const char *const role_names[] = {
	[ROUTE_OPEN] = "no", [ROUTE_READ] = "read", [ROUTE_SUBMIT] = "submit", [ROUTE_ADMIN] = "admin"};

/* The token behind "Bearer"; NULL: the header is of another kind. */
static const char *bearer(const char *authorization)
{
	static const char scheme[] = "Bearer ";

	if (strncasecmp(authorization, scheme, sizeof scheme - 1) != 0)
		return NULL;
	return authorization + sizeof scheme - 1 + strspn(authorization + sizeof scheme - 1, " ");
}

/* Looks at all of them, whichever it is. */
static const struct config_token *find_token(const struct config *config, const char *text)
{
	const struct digest digest = digest_of(text, strlen(text));
	const struct config_token *found = NULL;

	for (size_t i = 0; i < config->auth.token_count; i++)
		if (digest_equal(&config->auth.tokens[i].digest, &digest))
			found = &config->auth.tokens[i];
	return found;
}

static bool refuse_unknown(struct request *request, const char *authorization)
{
	if (!authorization) {
		problem(request, 401, "this call needs a token: send Authorization: Bearer TOKEN");
		answer_header(request, "WWW-Authenticate", "Bearer realm=\"muster\"");
		return false;
	}
	problem(request, 401,
		bearer(authorization) ? "this token is not known here (any longer): see auth.tokens"
				      : "the Authorization header must be: Bearer TOKEN");
	answer_header(request, "WWW-Authenticate", "Bearer realm=\"muster\", error=\"invalid_token\"");
	return false;
}

static bool refuse_role(struct request *request)
{
	const struct config_token *token = request->token;

	problem(request, 403, "this call needs the role %s; token %s has the role %s", role_names[request->route->role],
		token->name, role_names[token->role + 1]);
	answer_header_format(request, "WWW-Authenticate",
		"Bearer realm=\"muster\", error=\"insufficient_scope\", scope=\"%s\"",
		role_names[request->route->role]);
	return false;
}

/* Index of {queue} among the pattern's segments in braces, or -1. */
static int queue_argument(const char *pattern)
{
	int index = 0;

	for (const char *at = strchr(pattern, '{'); at; at = strchr(at + 1, '{'), index++)
		if (strncmp(at, "{queue}", strlen("{queue}")) == 0)
			return index;
	return -1;
}

/* What is tied to queues changes nothing that is not theirs: workers, pools, the configuration. */
static bool check_queue(struct request *request)
{
	int argument = queue_argument(request->route->pattern);

	if (argument >= 0)
		return access_queue(request, request->arguments[argument]);
	if (request->token->queues.count == 0 || request->route->role < ROUTE_ADMIN)
		return true;
	problem(request, 403, "token %s is tied to its queues, and this call concerns the whole node",
		request->token->name);
	return false;
}

bool access_check(struct request *request, const char *authorization)
{
	const struct config *config = request->api->node->config;
	const char *text = authorization ? bearer(authorization) : NULL;

	if (config->auth.token_count == 0)
		return true;
	if (text)
		request->token = find_token(config, text);
	if (request->route->role == ROUTE_OPEN)
		return true;
	if (!request->token)
		return refuse_unknown(request, authorization);
	if (request->token->role + 1 < (int)request->route->role)
		return refuse_role(request);
	return check_queue(request);
}

const char *access_role(const struct request *request)
{
	if (request->token)
		return role_names[request->token->role + 1];
	return request->api->node->config->auth.token_count == 0 ? role_names[ROUTE_ADMIN] : "none";
}

bool access_sees_queue(const struct request *request, const char *queue)
{
	const struct config_token *token = request->token;

	for (size_t i = 0; token && i < token->queues.count; i++)
		if (strcmp(token->queues.items[i], queue) == 0)
			return true;
	return !token || token->queues.count == 0;
}

bool access_queue(struct request *request, const char *queue)
{
	if (access_sees_queue(request, queue))
		return true;
	problem(request, 403, "token %s is not good for queue %s", request->token->name, queue);
	return false;
}

/* The queue of a task. Returns 0, "" when the task is not known, or a negative code. */
static int find_queue(struct link *link, const char *id, char queue[CONFIG_NAME_MAX + 1], struct error *error)
{
	struct broker_look look = {0};
	struct broker_batch words = {.looks = &look, .look_count = 1};
	struct task_head head;
	int64_t until;

	int status = link_begin(link, &until, error);
	if (status < 0)
		return status;
	memcpy(look.id, id, strlen(id) + 1);
	status = link_end(link, broker_batch(link->broker, &words, until, error), error);
	queue[0] = '\0';
	if (status >= 0 && look.known && look.stored.data && task_head_read(look.stored, &head) == 0)
		(void)snprintf(queue, CONFIG_NAME_MAX + 1, "%s", head.queue);
	broker_batch_fini(&words);
	return status < 0 ? status : 0;
}

bool access_task(struct request *request)
{
	const char *id = request->arguments[0];
	char queue[CONFIG_NAME_MAX + 1];
	struct error error = {""};

	if (!request->token || request->token->queues.count == 0 || !strstr(request->route->pattern, "{id}") ||
		!id_is_valid(id, strlen(id)))
		return true;
	int status = find_queue(&request->api->link, id, queue, &error);
	if (status < 0) {
		problem_broker(request, status, &error);
		return false;
	}
	return queue[0] == '\0' || access_queue(request, queue);
}
