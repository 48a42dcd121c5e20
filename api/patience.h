/* patience: how long a client may take over its request.
 *
 * libmicrohttpd closes a connection on which nothing moves; a client that sends a byte now and then moves, and keeps its
 * place for ever. Here each connection must bring the headers of a request within http.timeout, and of a body 1 KiB for each
 * second of that; a stream of NDJSON, anything at all. Who does not is shut down. Requests that are being answered are
 * nobody's fault.
 *
 * A connection that is kept alive and rests, or waits as a stream does, gives back what it does not need of the memory that
 * its requests were read into: libmicrohttpd wipes it. One thread. */
#ifndef MUSTER_API_PATIENCE_H
#define MUSTER_API_PATIENCE_H

#include <microhttpd.h>
#include <stdint.h>

struct request;
struct patience_line;

struct patience { /* connections, the one that has moved least recently first */
	struct patience_line *first, *last;
	struct patience_line *awake; /* from here on none was looked at whether it rests */
	int64_t rested_mono_ns;      /* when some were */
};

/* MHD_NotifyConnectionCallback; closure: the door. */
void patience_notify(
	void *closure, struct MHD_Connection *connection, void **context, enum MHD_ConnectionNotificationCode code);

/* A request has begun on its connection (its headers are there), or is over. memory: the start of the connection's. */
void patience_begin(struct patience *patience, struct request *request, const char *memory);
void patience_end(struct patience *patience, struct MHD_Connection *connection);

/* Shuts down whoever has taken too long. */
void patience_sweep(struct patience *patience, int64_t timeout_ns, int64_t now_mono_ns);

/* Now and then: takes back what connections hold that have rested for seconds; each holds so many bytes. */
void patience_rest(struct patience *patience, size_t memory, int64_t now_mono_ns);

#endif
