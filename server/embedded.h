/* embedded: the private redis-server of a node without a configured broker.
 *
 * A unix socket in the state directory, no port, an append-only file. `appendfsync no`: with `everysec` redis postpones
 * its write(2) while an fsync runs and answers all the same, so that its SIGKILL would lose acknowledged tasks
 * (BROKER.md); so every answer follows its write, and the scheduler syncs the file once a second. With
 * `durability: power` redis syncs before each answer. */
#ifndef MUSTER_SERVER_EMBEDDED_H
#define MUSTER_SERVER_EMBEDDED_H

#include "core/node.h"

/* Whether redis-server can be started at all: found in PATH, and no older than 7.0 is checked once connected. */
int embedded_check(struct error *error);

/* In the freshly made child: becomes redis-server. It gets SIGTERM when the guardian dies: it syncs and leaves. */
void embedded_exec(const struct node *node) __attribute__((noreturn));

/* fdatasync(2) of the append-only files. Returns 0 or a negative errno. May block for as long as the disk does. */
int embedded_sync(const struct config *config);

#endif
