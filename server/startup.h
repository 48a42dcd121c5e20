/* startup: what must be had before the first process is made. Each function says in one sentence what is missing; the
 * exit status for it is musterd's. */
#ifndef MUSTER_SERVER_STARTUP_H
#define MUSTER_SERVER_STARTUP_H

#include "core/node.h"
#include "server/privilege.h"

/* The state directory: made 0700 and given to the user; its lock taken (waited for: 1 s while its holder lives, 10 s while
 * a dead one's tree leaves; told to stop meanwhile: -ECANCELED); the node's id and the count of its starts read and renewed; demo directory. */
int startup_open_state(struct node *node, const struct privilege *privilege, struct error *error);

/* Binds what `listen` names. Returns 0 or a negative errno; -EPERM: what was handed over is public, and there are no
 * tokens. */
int startup_listen(struct node *node, const struct privilege *privilege, struct error *error);

/* Embedded: redis-server is installed. External: asked once, for a second; one that is away is no failure, one that is
 * wrong (password, version, eviction policy, layout) is BROKER_REFUSED or BROKER_UNFIT. */
int startup_check_broker(const struct config *config, struct error *error);

/* Makes log.file, if there is one, the user's: everybody below the guardian opens it by itself. Called again before a
 * rotated log is reopened. */
void startup_give_log(const struct config *config, const struct privilege *privilege);

/* Control channels and bells. Returns 0 or a negative errno. */
int startup_open_channels(struct node *node, struct error *error);

#endif
