/* callbacks: the `callback` of an ended task, as a task of its own.
 *
 * The script that settles an end notes it, in the same step, for the schedulers. Any of them submits the callback, a task of the
 * class Http in the ended one's queue, and then deletes the note: said twice, it is a duplicate. Scheduler only. */
#ifndef MUSTER_SERVER_CALLBACKS_H
#define MUSTER_SERVER_CALLBACKS_H

#include "core/broker.h"
#include "core/node.h"

/* Submits those that wait. Returns 0, or a failure of the broker. */
int callbacks_submit(struct broker *broker, const struct node *node, struct scoreboard_area *area, struct error *error);

#endif
