/* api: the HTTP face of a node, a process of its own.
 *
 * api_main is entered in the freshly made process (its row is ROW_API) and returns its exit status. It owns nothing that
 * others need: it may be killed at any moment. It serves the node's listeners, keeps its promise in its area, reads the
 * scoreboard, talks to the broker with connections of its own, and asks the supervisor over node->control_api[1].
 * SIGTERM (blocked; read through stop_fd, which becomes readable): stop accepting, answer what is in hand, return 0. */
#ifndef MUSTER_API_API_H
#define MUSTER_API_API_H

#include "core/node.h"

#include <stdbool.h>

/* Whether the libmicrohttpd that is installed can TLS. */
bool api_has_tls(void);

int api_main(const struct node *node, int stop_fd);

#endif
