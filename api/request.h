/* request: one call of the API, from its first header to its answer, and how an answer is put together.
 *
 * libmicrohttpd's side of it is http.c's and stays there: functions of routes see this struct only. A route's function is
 * called once, when the whole request is there. It either answers (one of the answer_ and problem_ functions), or adds the
 * request to the turn's trip to the broker (trip.h), whose continuation answers later, or lets it wait (waits.h). One thread. */
#ifndef MUSTER_API_REQUEST_H
#define MUSTER_API_REQUEST_H

#include "api/peer.h"
#include "core/broker.h"
#include "core/buffer.h"
#include "core/task.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct api;
struct http_door;
struct route;
struct stream;

enum {
	REQUEST_ARGUMENTS = 2,      /* most {placeholders} in a pattern */
	REQUEST_ID_MAX = 64,        /* characters of X-Request-Id */
	REQUEST_KEY_MAX = 255,      /* characters of an Idempotency-Key */
	REQUEST_HEADERS = 3,        /* most further headers of an answer */
	REQUEST_ARGUMENT_MAX = 136, /* bytes of one, with its NUL; no name of ours is longer */
};

enum request_stage {
	REQUEST_RECEIVING, /* its body is arriving, or it waits for room in the turn's trip */
	REQUEST_ASKING,    /* part of the turn's call to the broker */
	REQUEST_WAITING,   /* for its task's end: its connection is suspended, or will be when it is next asked */
	REQUEST_ANSWERED,  /* the answer is complete */
};

struct request;

struct answer {
	int status; /* HTTP */
	const char *type;
	char *body; /* `length` bytes; owned, unless borrowed */
	size_t length;
	bool borrowed;     /* the body is static */
	bool packed;       /* the body is gzip already */
	const char *cache; /* Cache-Control; NULL: no-store */
	/* The body comes bit by bit; gives the next bytes: their count; 0: none now, it will be resumed; -1: it is over.
	 * NULL: all is there. */
	ssize_t (*read)(struct request *request, char *bytes, size_t room);
	struct {
		const char *name;
		const char *value; /* static, or `text` */
		char text[128];
	} headers[REQUEST_HEADERS];
	size_t header_count;
};

/* What the turn's trip brought for one request. status: 0, or the failure of the whole call with its error. */
struct trip_result {
	int status;
	const struct error *error;
	const struct broker_submission *submissions; /* those of this request, in its order */
	const struct broker_look *look;              /* its look-up; NULL: it had none */
};

struct request {
	struct api *api;
	struct http_door *door;                      /* http.c's: where it came in */
	void *connection;                            /* http.c's; NULL: the client has gone, nothing will be answered */
	const struct route *route;                   /* the row that counts it */
	const struct config_token *token;            /* its caller's; NULL: none is needed */
	const char *method, *path;                   /* libmicrohttpd's, as long as `connection` is there; decoded */
	const char *accept_encoding, *if_none_match; /* headers, likewise; NULL: absent */
	const char *origin;                  /* the site whose page calls, if http.origins names it; else NULL */
	bool changes;                        /* its method says that it may change something */
	char request_id[REQUEST_ID_MAX + 1]; /* the client's X-Request-Id, or one of our making */
	char arguments[REQUEST_ARGUMENTS][REQUEST_ARGUMENT_MAX];
	struct buffer body;
	struct stream *stream; /* owned: the body is NDJSON; NULL: it is not */
	size_t received;       /* bytes of body that were seen, kept or not */
	size_t counted;        /* that the door's sum holds for its stream */
	enum request_stage stage;
	bool old_client; /* before HTTP/1.1: an answer of unknown length ends with its connection */
	bool suspended;  /* its connection is: libmicrohttpd does not ask */
	bool dispatched; /* the route's function was called */
	int64_t began_mono_ns;
	struct answer answer;

	/* Its part of the turn's trip. */
	struct task_submission single, *tasks; /* tasks: &single, or owned */
	size_t task_count;
	bool looks, watch;
	char id[ID_MAX + 1]; /* the task that is looked up, or waited for */
	void (*then)(struct request *request, const struct trip_result *result);

	/* Its terms. */
	char key[REQUEST_KEY_MAX + 1];               /* its Idempotency-Key; "": none */
	struct request *keyed_next, *keyed_previous; /* in the list of those that have one */
	char traceparent[TASK_TRACE_MAX + 1];        /* "": none */
	int64_t preference_ms;                       /* Prefer: wait, where it holds; 0: none */
	bool submits;                                /* it has submitted the task that it looks up or waits for */

	/* Its wait. */
	int64_t wait_until_mono_ns; /* 0: it does not wait (any longer) */
	char *stored;               /* owned: the task's head and document, as the look-up found them */
	size_t stored_length;
	struct request *next, *previous; /* in the waits' list */

	struct listener *listener; /* owned by the events, which it streams; NULL: it does not */
	struct follower *follower; /* owned by follow.c: whose log it streams; NULL: nobody's */
};

/* The value of a query parameter: NULL when it is absent; "" when it has no value. */
const char *request_query(const struct request *request, const char *name);

/* The value of a header; NULL when it is absent. */
const char *request_header(const struct request *request, const char *name);

/* Who is at the other end; the client must not have gone. */
struct peer request_peer(const struct request *request);

/* ---- answers: each completes the request; the last one counts ---- */

/* Takes the reference. NULL (out of memory) makes it a 500. Numbers of ours are written short (0.1, not
 * 0.10000000000000001); what users gave us, with every digit. */
void answer_json(struct request *request, int status, json_t *value);
void answer_exact_json(struct request *request, int status, json_t *value);
/* Takes the buffer's bytes; a buffer that failed makes it a 500. */
void answer_buffer(struct request *request, int status, const char *type, struct buffer *text);
/* Borrows static bytes. */
void answer_static(struct request *request, int status, const char *type, const char *bytes, size_t length);
/* What `read` gives (struct answer), until it says that it is over. */
void answer_stream(struct request *request, int status, const char *type,
	ssize_t (*read)(struct request *request, char *bytes, size_t room));
/* One more header, at most REQUEST_HEADERS; after the answer. */
void answer_header(struct request *request, const char *header, const char *value);
void answer_header_format(struct request *request, const char *header, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void answer_fini(struct answer *answer);

/* A JSON string of bytes that nobody has checked: what is not UTF-8 is replaced. At most `maximum` bytes, up to a NUL. */
json_t *answer_text(const char *bytes, size_t maximum);
/* A time as CONTRACT writes it; null for 0. */
json_t *answer_time(int64_t at_ms);

#endif
