#include "api/exchange.h"

#include "api/access.h"
#include "api/events.h"
#include "api/follow.h"
#include "api/guard.h"
#include "api/http.h"
#include "api/problem.h"
#include "api/reply.h"
#include "api/route.h"
#include "api/state.h"
#include "api/stream.h"
#include "api/terms.h"
#include "core/clock.h"
#include "core/id.h"
#include "core/units.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

enum {
	SPARE_MAX = 256,                /* used requests that are kept */
	SPARE_BODY_MAX = 64 * 1024,     /* one whose buffer has grown beyond is not */
	BODIES_MAX = 8,                 /* times limits.body: what all requests together may hold */
	DISCARD_MAX = 64 * 1024 * 1024, /* what is read of a refused body, so that its sender reads the answer */
};

static const char request_id_characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:/+=@-";

struct headers { /* those that matter before the body is read; NULL: absent */
	const char *version, *host, *authorization, *origin, *fetch_site, *request_id, *accept_encoding, *if_none_match,
		*type, *encoding, *length, *transfer, *expect;
};

static const struct {
	const char *name;
	size_t offset;
} header_table[] = {
	{"Host", offsetof(struct headers, host)},
	{"Authorization", offsetof(struct headers, authorization)},
	{"Content-Type", offsetof(struct headers, type)},
	{"Content-Length", offsetof(struct headers, length)},
	{"Transfer-Encoding", offsetof(struct headers, transfer)},
	{"Content-Encoding", offsetof(struct headers, encoding)},
	{"X-Request-Id", offsetof(struct headers, request_id)},
	{"Accept-Encoding", offsetof(struct headers, accept_encoding)},
	{"If-None-Match", offsetof(struct headers, if_none_match)},
	{"Expect", offsetof(struct headers, expect)},
	{"Origin", offsetof(struct headers, origin)},
	{"Sec-Fetch-Site", offsetof(struct headers, fetch_site)},
};

static enum MHD_Result note_header(void *closure, enum MHD_ValueKind kind, const char *name, const char *value)
{
	(void)kind;
	for (size_t i = 0; i < sizeof header_table / sizeof header_table[0]; i++) {
		if (strcasecmp(header_table[i].name, name) != 0)
			continue;
		*(const char **)((char *)closure + header_table[i].offset) = value ? value : "";
		break;
	}
	return MHD_YES;
}

/* ---- requests, kept for the next one ---- */

static struct request *take_request(struct http *http)
{
	struct request *request = http->spare;

	if (request) {
		http->spare = request->next;
		http->spare_count--;
		request->next = NULL;
		return request;
	}
	request = calloc(1, sizeof *request);
	if (request)
		buffer_init(&request->body, (size_t)http->api->node->config->limits.body);
	return request;
}

static void free_request(struct request *request)
{
	buffer_fini(&request->body);
	free(request);
}

static void drop_body(struct http *http, struct request *request)
{
	http->body_bytes -= request->body.length;
	buffer_clear(&request->body);
}

static void release_request(struct http *http, struct request *request)
{
	http->busy -= request->dispatched;
	events_leave(request);
	follow_leave(request);
	drop_body(http, request);
	http->body_bytes -= request->counted;
	stream_free(request);
	terms_end(request);
	answer_fini(&request->answer);
	if (request->tasks != &request->single)
		free(request->tasks);
	free(request->stored);
	if (http->spare_count >= SPARE_MAX || request->body.capacity > SPARE_BODY_MAX) {
		free_request(request);
		return;
	}
	*request = (struct request){.body = request->body, .next = http->spare};
	http->spare = request;
	http->spare_count++;
}

static void release_gone(struct http *http, bool even_asking)
{
	struct request **place = &http->gone;

	while (*place) {
		struct request *request = *place;
		if (request->stage == REQUEST_ASKING && !even_asking) {
			place = &request->next;
			continue;
		}
		*place = request->next;
		release_request(http, request);
	}
}

void exchange_sweep(struct http *http)
{
	release_gone(http, false);
}

void exchange_fini(struct http *http)
{
	release_gone(http, true);
	while (http->spare) {
		struct request *request = http->spare;
		http->spare = request->next;
		free_request(request);
	}
}

/* ---- the answer ---- */

static void count(const struct request *request)
{
	struct scoreboard_http *counters = request->api->node->scoreboard->http;
	size_t row = (size_t)(request->route - routes);

	counters->requests[row][scoreboard_code_index(request->answer.status)]++;
	scoreboard_observe(&counters->duration[row], (clock_mono_ns() - request->began_mono_ns) / 1000);
}

static enum MHD_Result send_answer(struct request *request, struct MHD_Connection *connection)
{
	enum MHD_Result result = reply_send(request, connection);

	if (result == MHD_YES) {
		count(request);
		audit_note(&request->api->audit, request);
	}
	return result;
}

/* ---- the headers ---- */

static bool is_json(const char *type)
{
	static const char json[] = "application/json";

	if (!type || strncasecmp(type, json, sizeof json - 1) != 0)
		return false;
	const char *rest = type + sizeof json - 1;
	rest += strspn(rest, " \t");
	if (*rest == '\0')
		return true;
	const char *charset = strcasestr(rest, "charset=");
	if (*rest != ';' || !charset)
		return *rest == ';';
	charset += strlen("charset=");
	charset += *charset == '"';
	return strncasecmp(charset, "utf-8", 5) == 0;
}

/* The method or the path has no row: 404, 405, or what OPTIONS asks for. */
static void answer_unrouted(struct request *request, const char *method, const char *allow)
{
	request->route = route_other;
	if (allow[0] == '\0') {
		route_other->function(request);
		return;
	}
	if (strcmp(method, "OPTIONS") == 0)
		answer_static(request, 204, NULL, "", 0);
	else
		problem(request, 405, "%s is not allowed here", method);
	answer_header_format(request, "Allow", "%s", allow);
}

static bool announces_body(const struct headers *headers)
{
	return headers->transfer || (headers->length && strcmp(headers->length, "0") != 0);
}

/* Refuses a body that need not be read to be refused. */
static void check_announced_body(struct request *request, const struct headers *headers)
{
	const struct config *config = request->api->node->config;
	int64_t length = 0;

	if (headers->length && units_parse_integer(headers->length, 0, INT64_MAX, &length) < 0)
		length = INT64_MAX; /* libmicrohttpd has refused what is no number: this one is too large for one */
	if (length > config->limits.body)
		problem(request, 413, "a body may have at most %lld bytes (limits.body)",
			(long long)config->limits.body);
	else if (request->route->body == ROUTE_BODY_ANY)
		return;
	else if (!is_json(headers->type))
		problem(request, 415, "the body must be declared as Content-Type: application/json (in UTF-8)%s",
			request->route->body == ROUTE_BODY_TASKS ? " or application/x-ndjson" : "");
	else if (headers->encoding && strcasecmp(headers->encoding, "identity") != 0)
		problem(request, 415, "Content-Encoding %s is not understood", headers->encoding);
}

/* A body that is read as it comes has no bound. */
static void expect_stream(struct request *request, const struct headers *headers)
{
	if (headers->encoding && strcasecmp(headers->encoding, "identity") != 0)
		problem(request, 415, "Content-Encoding %s is not understood", headers->encoding);
	else
		stream_begin(request);
}

/* Whether the name is one of those in the list, which are separated by spaces. */
static bool has_word(const char *list, const char *name)
{
	const size_t length = strlen(name);

	while (*list != '\0') {
		size_t word = strcspn(list, " ");
		if (word == length && memcmp(list, name, length) == 0)
			return true;
		list += word;
		list += strspn(list, " ");
	}
	return false;
}

static enum MHD_Result refuse_parameter(void *closure, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct request *request = closure;

	if (!request->route->query || !has_word(request->route->query, name))
		problem(request, 400, "this call knows no parameter %s", name);
	else if (MHD_lookup_connection_value(request->connection, kind, name) != value)
		problem(request, 400, "the parameter %s is given more than once", name);
	else
		return MHD_YES;
	return MHD_NO;
}

/* The one of http.origins that it is, or NULL. */
static const char *find_origin(const struct config *config, const char *origin)
{
	for (size_t i = 0; origin && i < config->http.origins.count; i++)
		if (strcasecmp(config->http.origins.items[i], origin) == 0)
			return config->http.origins.items[i];
	return NULL;
}

/* Whoever asks for health only is not counted: it must be answered when all else is too much. */
static bool is_too_fast(struct request *request)
{
	const int64_t per_second = request->api->node->config->http.requests_per_second;

	if (per_second == SCHEMA_NONE || request->route->role == ROUTE_OPEN)
		return false;
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	uint64_t key = throttle_key(info ? info->client_addr : NULL);
	int wait_s =
		key == 0 ? 0 : throttle_take(&request->door->http->throttle, key, per_second, request->began_mono_ns);
	if (wait_s == 0)
		return false;
	problem(request, 429, "more than %lld requests a second from this address (http.requests_per_second)",
		(long long)per_second);
	answer_header_format(request, "Retry-After", "%d", wait_s);
	return true;
}

/* Whatever can be refused by the headers alone is answered here; then the request's stage shows it. */
static void check_headers(struct request *request, const struct http_door *door, const char *path, const char *method,
	const struct headers *headers)
{
	const struct guard_question question = {
		.tokens = request->api->node->config->auth.token_count > 0,
		.loopback = door->loopback,
		.unix_socket = door->unix_socket,
		.changes = request->changes,
		.host = headers->host,
		.listed = request->origin != NULL,
		.origin = headers->origin,
		.fetch_site = headers->fetch_site,
	};
	char allow[ROUTE_ALLOW_MAX];
	const struct route *route = route_find(method, path, request->arguments, allow);
	const char *refusal = guard_refuses(&question);

	request->route = route ? route : route_other;
	if (!headers->host && strcmp(headers->version, "HTTP/1.1") == 0)
		problem(request, 400, "a request of HTTP/1.1 names its Host");
	else if (refusal)
		problem(request, 403, "%s", refusal);
	else if (is_too_fast(request) ||
		 (strcmp(method, "OPTIONS") != 0 && !access_check(request, headers->authorization)))
		return;
	else if (!route)
		answer_unrouted(request, method, allow);
	else if (route->body == ROUTE_BODY_TASKS && stream_is_meant(headers->type))
		expect_stream(request, headers);
	else if (announces_body(headers))
		check_announced_body(request, headers);
	if (request->stage == REQUEST_RECEIVING &&
		(!request->route->query || strcmp(request->route->query, ROUTE_ANY) != 0))
		(void)MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, refuse_parameter, request);
}

/* A refused body that is larger than anybody should send in vain, or that has not been sent yet: the answer goes out at
 * once, and libmicrohttpd closes the connection behind it. */
static bool is_answered_at_once(const struct request *request, const struct headers *headers)
{
	int64_t length;

	if (request->stage != REQUEST_ANSWERED || !headers->length)
		return false;
	return headers->expect || units_parse_integer(headers->length, 0, DISCARD_MAX, &length) < 0;
}

/* A client's own id is kept if it can stand in a header and a log line as it is. */
static void take_request_id(struct request *request, const char *own)
{
	size_t length = own ? strlen(own) : 0;

	if (length == 0 || length > REQUEST_ID_MAX || strspn(own, request_id_characters) != length)
		id_generate(request->request_id);
	else
		memcpy(request->request_id, own, length + 1);
}

static enum MHD_Result begin(struct http_door *door, struct MHD_Connection *connection, const char *path,
	const char *method, const char *version, void **context)
{
	struct request *request = take_request(door->http);
	struct headers headers = {.version = version};

	if (!request)
		return MHD_NO;
	*context = request;
	request->api = door->http->api;
	request->door = door;
	request->connection = connection;
	request->began_mono_ns = clock_mono_ns();
	request->method = method;
	request->path = path;
	request->old_client = strcmp(version, "HTTP/1.1") != 0;
	request->changes = strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0 && strcmp(method, "OPTIONS") != 0;
	(void)MHD_get_connection_values(connection, MHD_HEADER_KIND, note_header, &headers);
	take_request_id(request, headers.request_id);
	request->accept_encoding = headers.accept_encoding;
	request->if_none_match = headers.if_none_match;
	request->origin = find_origin(request->api->node->config, headers.origin);
	patience_begin(&door->http->patience, request, method); /* which it finds where it has read it: at the start */
	check_headers(request, door, path, method, &headers);
	return is_answered_at_once(request, &headers) ? send_answer(request, connection) : MHD_YES;
}

/* ---- the body ---- */

static void receive_stream(struct http *http, struct request *request, const char *bytes, size_t length)
{
	stream_receive(request, bytes, length);
	http->body_bytes -= request->counted;
	request->counted = stream_held(request);
	http->body_bytes += request->counted;
}

static enum MHD_Result receive(struct http *http, struct request *request, const char *bytes, size_t length)
{
	size_t most = (size_t)http->api->node->config->limits.body;

	if (request->stream && request->stage == REQUEST_RECEIVING) {
		receive_stream(http, request, bytes, length);
		return MHD_YES;
	}
	request->received += length;
	if (request->stage == REQUEST_ANSWERED)
		return request->received > DISCARD_MAX ? MHD_NO : MHD_YES;
	if (http->body_bytes + length > most * BODIES_MAX) {
		problem(request, 503, "too many large bodies at once");
		answer_header(request, "Retry-After", "1");
	} else if (request->received > most) {
		problem(request, 413, "a body may have at most %zu bytes (limits.body)", most);
	} else {
		buffer_append(&request->body, bytes, length);
		http->body_bytes += length;
	}
	return MHD_YES;
}

/* Clients that always send some JSON mean nothing by {}. */
static bool says_nothing(const struct buffer *body)
{
	static const char nothing[] = "{}";
	size_t found = 0;

	for (size_t i = 0; i < body->length; i++) {
		if (strchr(" \t\r\n", body->data[i]) && body->data[i] != '\0')
			continue;
		if (found == sizeof nothing - 1 || body->data[i] != nothing[found++])
			return false;
	}
	return found == 0 || found == sizeof nothing - 1;
}

static void dispatch(struct http *http, struct request *request)
{
	if (!trip_has_room(&request->api->trip))
		return; /* asked again after the turn */
	http->busy++;
	request->dispatched = true;
	if (request->body.status < 0)
		problem_broker(request, request->body.status, NULL);
	else if (request->route->body == ROUTE_BODY_NONE && !says_nothing(&request->body))
		problem(request, 400, "this call takes no body: send none, or {}");
	else if (access_task(request))
		request->route->function(request);
}

enum MHD_Result exchange_access(void *closure, struct MHD_Connection *connection, const char *url, const char *method,
	const char *version, const char *upload, size_t *upload_size, void **context)
{
	struct http_door *door = closure;
	struct request *request = *context;

	if (!request)
		return begin(door, connection, url, method, version, context);
	if (*upload_size > 0) {
		enum MHD_Result result = receive(door->http, request, upload, *upload_size);
		*upload_size = 0;
		return result;
	}
	if (request->stage == REQUEST_RECEIVING)
		dispatch(door->http, request);
	if (request->stage == REQUEST_ANSWERED)
		return send_answer(request, connection);
	if (request->stage == REQUEST_WAITING && !request->suspended) {
		request->suspended = true;
		MHD_suspend_connection(connection);
	}
	return MHD_YES;
}

void exchange_completed(
	void *closure, struct MHD_Connection *connection, void **context, enum MHD_RequestTerminationCode code)
{
	struct http *http = ((struct http_door *)closure)->http;
	struct request *request = *context;

	(void)code;
	if (!request)
		return;
	*context = NULL;
	patience_end(&http->patience, connection);
	request->connection = NULL;
	if (request->stage != REQUEST_ASKING) {
		release_request(http, request);
		return;
	}
	request->next = http->gone;
	http->gone = request;
}

const char *request_query(const struct request *request, const char *name)
{
	const char *value = NULL;

	if (MHD_lookup_connection_value_n(
		    request->connection, MHD_GET_ARGUMENT_KIND, name, strlen(name), &value, NULL) != MHD_YES)
		return NULL;
	return value ? value : "";
}

const char *request_header(const struct request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

struct peer request_peer(const struct request *request)
{
	const union MHD_ConnectionInfo *address =
		MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const union MHD_ConnectionInfo *fd =
		MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	return peer_of(address ? address->client_addr : NULL, fd ? fd->connect_fd : -1);
}
