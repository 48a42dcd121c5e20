/* exchange: what libmicrohttpd calls for one request, from its headers to its end. Known to http.c only. */
#ifndef MUSTER_API_EXCHANGE_H
#define MUSTER_API_EXCHANGE_H

#include "api/patience.h"
#include "api/request.h"
#include "api/throttle.h"
#include "core/node.h"

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

struct http_door { /* one listening socket */
	struct http *http;
	struct MHD_Daemon *daemon; /* owned */
	int epoll_fd;              /* the daemon's */
	bool unix_socket;
	bool loopback;  /* only this machine reaches it */
	bool ready;     /* run again at once */
	unsigned limit; /* most connections at once */
};

struct http {
	struct api *api;
	struct http_door doors[NODE_LISTENERS_MAX];
	size_t door_count;
	struct request *spare; /* owned: used ones, their buffers kept */
	size_t spare_count;
	struct patience patience;
	struct throttle throttle;
	struct request *gone; /* owned: their clients left while the broker was asked for them */
	size_t busy;          /* requests that are complete and whose answer is not yet sent */
	size_t body_bytes;    /* that all requests hold now */
	bool resumed;         /* a connection goes on: run again at once */
};

/* MHD_AccessHandlerCallback; closure: the door. Called first with the headers alone (an answer given then would close the
 * connection), then with each piece of the body, then, again and again, when all is there, until there is an answer. */
enum MHD_Result exchange_access(void *closure, struct MHD_Connection *connection, const char *url, const char *method,
	const char *version, const char *upload, size_t *upload_size, void **context);

/* MHD_RequestCompletedCallback; closure: the door. */
void exchange_completed(
	void *closure, struct MHD_Connection *connection, void **context, enum MHD_RequestTerminationCode code);

/* Frees requests whose clients have gone, but for those that are still part of a trip. */
void exchange_sweep(struct http *http);
/* Frees all that is kept for later requests. */
void exchange_fini(struct http *http);

#endif
