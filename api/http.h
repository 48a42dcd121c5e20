/* http: the door to libmicrohttpd (with exchange.c; no other file includes it).
 *
 * One daemon per listening socket, in external epoll mode: nothing here waits, http_run does what there is to do now. A
 * request's function is called in http_run; what it leaves to the turn's trip to the broker is answered by the http_run
 * after that. One thread. */
#ifndef MUSTER_API_HTTP_H
#define MUSTER_API_HTTP_H

#include "api/request.h"

#include <poll.h>
#include <stddef.h>

struct http;

/* Serves the node's listeners. api is borrowed. */
int http_open(struct http **ret_http, struct api *api);
/* All requests must be answered or received no further (http_busy). Listening sockets stay open: they are the node's. */
void http_close(struct http *http);

/* What to poll: one entry a listener, at most NODE_LISTENERS_MAX. Returns how many. */
size_t http_fds(const struct http *http, struct pollfd entries[]);
/* What came of polling them. */
void http_ready(struct http *http, const struct pollfd entries[]);
/* Milliseconds until http_run has something to do even if no descriptor becomes ready; at most `most_ms`. */
int http_timeout_ms(const struct http *http, int most_ms);

/* Does what there is to do now. */
void http_run(struct http *http);
/* A request that was suspended is answered: its connection goes on in the next http_run. */
void http_resume(struct request *request);
/* Whether its client has closed its side: who waits for a stream does not write any more, so that nothing else shows it. */
bool http_client_has_left(const struct request *request);

/* No new connections from now on. */
void http_quiesce(struct http *http);
/* Requests that are complete and not answered yet. */
size_t http_busy(const struct http *http);

const char *http_reason(int status); /* "Not Found" */

#endif
