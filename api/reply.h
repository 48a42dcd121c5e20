/* reply: an answer becomes a response of libmicrohttpd, with the headers that every one has. */
#ifndef MUSTER_API_REPLY_H
#define MUSTER_API_REPLY_H

#include "api/request.h"

#include <microhttpd.h>

/* Queues the request's answer, whose body it takes. */
enum MHD_Result reply_send(struct request *request, struct MHD_Connection *connection);

#endif
