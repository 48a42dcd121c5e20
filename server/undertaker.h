/* undertaker: a small process that outlives the guardian for a moment.
 *
 * When the guardian is killed, every process of ours is ended by the kernel (PR_SET_PDEATHSIG). What handlers have started
 * is not ours: those processes fall to init. The undertaker waits for the guardian's end and then ends them, and nobody
 * else: it knows them by a random word in their environment (MUSTER_TREE, inherited by every program that they exec), or
 * by the scoreboard in their memory (a fork that has not exec'd). A program that clears its environment is not found. */
#ifndef MUSTER_SERVER_UNDERTAKER_H
#define MUSTER_SERVER_UNDERTAKER_H

#include "core/node.h"
#include "server/privilege.h"

#include <sys/types.h>

#define UNDERTAKER_VARIABLE "MUSTER_TREE"

/* Puts the word into this process's environment, and notes it on the scoreboard. Returns 0 or a negative errno. */
int undertaker_mark_tree(const struct scoreboard *scoreboard);

/* Guardian only, which has no threads. Returns the undertaker's pid, a child of the guardian, or a negative errno. */
pid_t undertaker_start(const struct node *node, const struct privilege *privilege);

#endif
