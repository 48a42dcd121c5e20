/* patience: how long a client may take over its request.
 *
 * libmicrohttpd closes a connection on which nothing moves; a client that sends a byte now and then moves, and keeps its
 * place for ever. Here each connection must bring the headers of a request within http.timeout, and of a body 1 KiB for each
 * second of that; a stream of NDJSON, anything at all. Who does not is shut down. Requests that are being answered are
 * nobody's fault. One thread. */
#ifndef MUSTER_API_PATIENCE_H
#define MUSTER_API_PATIENCE_H

#include <microhttpd.h>
#include <stdint.h>

struct request;
struct patience_line;

struct patience { /* connections, the one that has moved least recently first */
	struct patience_line *first, *last;
};

/* MHD_NotifyConnectionCallback; closure: the door. */
void patience_notify(
	void *closure, struct MHD_Connection *connection, void **context, enum MHD_ConnectionNotificationCode code);

/* A request has begun on its connection (its headers are there), or is over. */
void patience_begin(struct patience *patience, struct request *request);
void patience_end(struct patience *patience, struct MHD_Connection *connection);

/* Shuts down whoever has taken too long. */
void patience_sweep(struct patience *patience, int64_t timeout_ns, int64_t now_mono_ns);

#endif
