#include "api/reply.h"

#include "api/squeeze.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
	STREAM_ROOM = 1024, /* bytes of a stream that are asked for at once */
	STREAM_SEND_BUFFER = 64 * 1024,
	SQUEEZE_MIN = 1400,            /* bytes: less goes in one packet anyway */
	SQUEEZE_MAX = 8 * 1024 * 1024, /* more would keep everybody else waiting */
};

static void add(struct MHD_Response *response, const char *name, const char *value)
{
	(void)MHD_add_response_header(response, name, value); /* MHD_NO: no memory; the answer is worth more than it */
}

/* For pages of other sites that http.origins names; everybody else's get nothing. */
static void add_cors(struct MHD_Response *response, const struct request *request)
{
	add(response, "Vary", "Origin");
	add(response, "Access-Control-Allow-Origin", request->origin);
	if (strcmp(request->method, "OPTIONS") != 0) {
		add(response, "Access-Control-Expose-Headers",
			"ETag, Location, Retry-After, WWW-Authenticate, X-Request-Id");
		return;
	}
	if (request->answer.header_count > 0)
		add(response, "Access-Control-Allow-Methods", request->answer.headers[0].value);
	add(response, "Access-Control-Allow-Headers",
		"Authorization, Content-Type, Idempotency-Key, If-None-Match, Prefer, traceparent, X-Request-Id");
	add(response, "Access-Control-Max-Age", "600");
}

/* Returns whether the body is gzip now. */
static bool squeeze_answer(struct request *request)
{
	struct answer *answer = &request->answer;
	size_t length;

	if (answer->packed || !squeeze_is_accepted(request->accept_encoding) || answer->length < SQUEEZE_MIN ||
		answer->length > SQUEEZE_MAX)
		return false;
	char *squeezed = squeeze(answer->body, answer->length, &length);
	if (!squeezed)
		return false;
	if (!answer->borrowed)
		free(answer->body);
	answer->body = squeezed;
	answer->length = length;
	answer->borrowed = false;
	return true;
}

static int client_fd(const struct request *request)
{
	return MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

/* libmicrohttpd 0.9.75 marks the connection of an old client as closed, and closes it when it next hears of it: at once, then. */
static ssize_t end_stream(const struct request *request)
{
	if (request->old_client)
		(void)shutdown(client_fd(request), SHUT_RDWR);
	return MHD_CONTENT_READER_END_OF_STREAM;
}

static ssize_t read_stream(void *closure, uint64_t position, char *bytes, size_t room)
{
	struct request *request = closure;
	ssize_t length = request->answer.read(request, bytes, room);

	(void)position;
	if (length < 0)
		return end_stream(request);
	if (length > 0)
		return length;
	request->suspended = true;
	MHD_suspend_connection(request->connection);
	return 0;
}

/* What the kernel keeps for a client that does not read: else megabytes. */
static void bound_send_buffer(const struct request *request)
{
	const int size = STREAM_SEND_BUFFER;

	(void)setsockopt(client_fd(request), SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

static struct MHD_Response *make_response(struct request *request)
{
	const struct answer *answer = &request->answer;

	if (answer->read) {
		bound_send_buffer(request);
		return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_ROOM, read_stream, request, NULL);
	}
	return MHD_create_response_from_buffer(
		answer->length, answer->body, answer->borrowed ? MHD_RESPMEM_PERSISTENT : MHD_RESPMEM_MUST_FREE);
}

enum MHD_Result reply_send(struct request *request, struct MHD_Connection *connection)
{
	struct answer *answer = &request->answer;
	const bool squeezed = squeeze_answer(request);
	struct MHD_Response *response = make_response(request);

	if (!response)
		return MHD_NO;
	answer->borrowed = true; /* the response owns it now */
	if (answer->type)
		add(response, "Content-Type", answer->type);
	if (squeezed || answer->packed)
		add(response, "Content-Encoding", "gzip");
	if (request->accept_encoding)
		add(response, "Vary", "Accept-Encoding");
	/* Also with an ETag: who wants a 304 keeps the list himself. */
	add(response, "Cache-Control", answer->cache ? answer->cache : "no-store");
	add(response, "X-Content-Type-Options", "nosniff");
	add(response, "Referrer-Policy", "no-referrer");
	add(response, "X-Request-Id", request->request_id);
	if (request->origin)
		add_cors(response, request);
	for (size_t i = 0; i < answer->header_count; i++)
		add(response, answer->headers[i].name, answer->headers[i].value);
	enum MHD_Result result = MHD_queue_response(connection, (unsigned)answer->status, response);
	MHD_destroy_response(response);
	return result;
}
