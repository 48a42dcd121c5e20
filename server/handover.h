/* handover: what a musterd that is about to exec its successor leaves to it (SIGUSR2).
 *
 * A JSON document in a memfd whose descriptor one environment variable names: who the node is, the numbers of the
 * descriptors that stay open over the exec, how queues and pools are numbered on the scoreboard, and the children that
 * were there before musterd was. What is not in it (pidfds, the signalfd, everything in memory) is made anew. The
 * document, not the scoreboard, is what two versions must agree on: it has a version of its own. Guardian only. */
#ifndef MUSTER_SERVER_HANDOVER_H
#define MUSTER_SERVER_HANDOVER_H

#include "core/node.h"
#include "server/strays.h"

#include <jansson.h>
#include <stdbool.h>

#define HANDOVER_VARIABLE "MUSTER_UPGRADE"

/* Writes the document. Returns its descriptor (CLOEXEC, as all still are), or a negative errno. */
int handover_write(const struct node *node, const struct strays *strays);

/* Whether what the document names, and the document itself, survives an exec. */
void handover_keep(const struct node *node, int document, bool keep);

/* The document that this process was started with; *ret_document is owned (json_decref). All descriptors it names are CLOEXEC
 * again. Returns 1; 0 when there is none, as at every ordinary start; a negative errno when it cannot be understood. */
int handover_read(json_t **ret_document, struct error *error);

/* The configuration that holds: not what the file says by now. Returns 0 or a negative errno. */
int handover_load_config(
	const json_t *document, const char *module_dir, struct config **ret_config, struct error *error);

/* Fills what a start would have had to get: id, epoch and descriptors of `node`, `scoreboard` (-EPROTO: another
 * layout), the strays that are not ours to end. Returns 0 or a negative errno. */
int handover_take(const json_t *document, struct node *node, struct scoreboard *scoreboard, struct strays *strays,
	struct error *error);

#endif
