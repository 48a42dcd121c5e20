#include "api/patience.h"

#include "api/exchange.h"
#include "api/pages.h"
#include "core/clock.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { BYTES_PER_S = 1024, RESTS_MAX = 500 /* looked at at a time: some µs each */ };

static const int64_t rest_ns = 2 * CLOCK_NS_PER_S;
static const int64_t rests_every_ns = 50 * CLOCK_NS_PER_MS;

struct patience_line {
	struct patience_line *next, *previous;
	int fd; /* borrowed: libmicrohttpd's */
	int64_t since_ns;
	const struct request *request; /* NULL: none has begun */
	size_t received;               /* of its body, by then */
	const char *memory;            /* libmicrohttpd's; NULL: it has not had a request yet */
};

static void unlink_line(struct patience *patience, struct patience_line *line)
{
	if (patience->awake == line)
		patience->awake = line->next;
	*(line->previous ? &line->previous->next : &patience->first) = line->next;
	*(line->next ? &line->next->previous : &patience->last) = line->previous;
	line->next = line->previous = NULL;
}

/* It has moved: to the end of the list. */
static void append_line(struct patience *patience, struct patience_line *line, int64_t now)
{
	line->since_ns = now;
	line->received = line->request ? line->request->received : 0;
	line->previous = patience->last;
	*(patience->last ? &patience->last->next : &patience->first) = line;
	patience->last = line;
	if (!patience->awake)
		patience->awake = line;
}

static void touch(struct patience *patience, struct patience_line *line, int64_t now)
{
	unlink_line(patience, line);
	append_line(patience, line, now);
}

static struct patience_line *line_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

void patience_notify(
	void *closure, struct MHD_Connection *connection, void **context, enum MHD_ConnectionNotificationCode code)
{
	struct patience *patience = &((struct http_door *)closure)->http->patience;
	struct patience_line *line = *context;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED && line) {
		unlink_line(patience, line);
		free(line);
		*context = NULL;
		return;
	}
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (code != MHD_CONNECTION_NOTIFY_STARTED || !info)
		return;
	line = calloc(1, sizeof *line);
	if (!line)
		return; /* it is served all the same */
	line->fd = info->connect_fd;
	append_line(patience, line, clock_mono_ns());
	*context = line;
}

void patience_begin(struct patience *patience, struct request *request, const char *memory)
{
	struct patience_line *line = line_of(request->connection);

	if (!line)
		return;
	line->request = request;
	line->memory = memory;
	touch(patience, line, request->began_mono_ns);
}

void patience_end(struct patience *patience, struct MHD_Connection *connection)
{
	struct patience_line *line = line_of(connection);

	if (!line)
		return;
	line->request = NULL;
	touch(patience, line, clock_mono_ns());
}

/* Whether the client has done its part since we last looked. */
static bool has_moved(const struct patience_line *line, int64_t timeout_ns)
{
	const struct request *request = line->request;

	if (!request)
		return false;
	if (request->dispatched || request->stage != REQUEST_RECEIVING)
		return true; /* it is our turn, or libmicrohttpd's */
	size_t least = request->stream ? 1 : (size_t)(timeout_ns / (CLOCK_NS_PER_S / BYTES_PER_S));
	return request->received - line->received >= least;
}

void patience_sweep(struct patience *patience, int64_t timeout_ns, int64_t now_mono_ns)
{
	struct patience_line *line;

	assert(timeout_ns > 0);
	while ((line = patience->first) && now_mono_ns - line->since_ns >= timeout_ns) {
		if (!has_moved(line, timeout_ns))
			(void)shutdown(line->fd, SHUT_RDWR); /* libmicrohttpd sees its end, and closes it */
		touch(patience, line, now_mono_ns);
	}
}

void patience_rest(struct patience *patience, size_t memory, int64_t now_mono_ns)
{
	if (now_mono_ns - patience->rested_mono_ns < rests_every_ns)
		return;
	patience->rested_mono_ns = now_mono_ns;
	for (int i = 0; i < RESTS_MAX && patience->awake; i++) {
		const struct patience_line *line = patience->awake;
		if (now_mono_ns - line->since_ns < rest_ns)
			return; /* so have those behind it */
		if (line->memory && (!line->request || line->request->suspended))
			pages_give_back(line->memory, memory);
		patience->awake = line->next;
	}
}
