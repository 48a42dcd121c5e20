/* client: one server's HTTP API.
 *
 * One connection that is kept, over TCP, TLS or a unix socket. Redirects are not followed and proxies of the environment are
 * not used: a token goes to the named server and nowhere else. Answers are bounded. One thread. */
#ifndef MUSTER_CLI_CLIENT_H
#define MUSTER_CLI_CLIENT_H

#include "core/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client;

struct client_server {
	const char *url;   /* http://…, https://…, unix:/path; borrowed */
	const char *token; /* NULL: none; borrowed */
	const char *ca;    /* file of the authority that has signed its certificate; NULL: the system's; borrowed */
};

struct answer {
	long status;
	json_t *body;    /* owned; NULL: it was no JSON */
	char *text;      /* owned: the body's bytes, NUL behind them */
	size_t length;   /* of text */
	int64_t date_ms; /* of the server's clock, to the second; 0: unknown */
};

/* Returns 0, or -EINVAL for a URL that is none of ours, -ENOMEM. */
int client_open(const struct client_server *server, struct client **ret_client, struct error *error);
void client_close(struct client *client); /* NULL: nothing */

/* The server's address, for people. */
const char *client_url(const struct client *client);

/* One call. body: NULL: none; type: its media type. Returns 0 when the server has answered, whatever it said, else a
 * negative errno and a sentence that says what to do. *ret_answer is released by answer_fini. */
int client_send(struct client *client, const char *method, const char *path, const char *type, const char *body,
	size_t length, struct answer *ret_answer, struct error *error);
int client_call(struct client *client, const char *method, const char *path, const json_t *body,
	struct answer *ret_answer, struct error *error);

/* Gets what does not end, piece by piece, until `take` returns false. last_event: the id of the event to go on behind; "":
 * none. Returns 0 when take had enough or the server has ended
 * it; -EACCES when the server refused: then *ret_answer has what it said (always released by answer_fini). */
typedef bool client_taker(void *context, const char *bytes, size_t length);
int client_follow(struct client *client, const char *path, const char *last_event, client_taker *take, void *context,
	struct answer *ret_answer, struct error *error);

/* The same beside other calls: a stream of its own connection that is given time by client_stream_wait. take: as above; what
 * it is called with "" and 0 for does not happen here. Returns 0, or -ENOMEM. */
struct client_stream;
int client_stream_open(const struct client *client, const char *path, const char *last_event, client_taker *take,
	void *context, struct client_stream **ret_stream);
void client_stream_close(struct client_stream *stream); /* NULL: nothing */
/* Waits until something has come, `fd` can be read, or the time is over. Returns whether the stream goes on; when it does
 * not, it is closed by its owner. stream NULL: waits for the rest. */
bool client_stream_wait(struct client_stream *stream, int fd, int timeout_ms);

/* How long a call may last from now on. */
void client_set_timeout(struct client *client, int64_t timeout_ms);

void answer_fini(struct answer *answer);

/* What the server said of its refusal, as one sentence. */
void answer_sentence(const struct answer *answer, struct error *ret_sentence);

#endif
