/* reload: how api follows a configuration that was read again, without losing a connection: it loads the text that the
 * guardian has accepted, by the same steps, and goes on with it. */
#ifndef MUSTER_API_RELOAD_H
#define MUSTER_API_RELOAD_H

#include "core/error.h"

struct api;
struct node;
struct request;

/* Before the first connection: takes up the certificate that the guardian has read. */
int reload_start(const struct node *node, struct error *error);

/* Once a turn: takes up the configuration that holds, if it is another one. */
void reload_follow(struct api *api);

/* POST /v1/reload: as SIGHUP. */
void reload_post(struct request *request);

#endif
