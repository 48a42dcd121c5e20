/* host: what a running task may do to its worker: the functions behind core/handler.h's struct handler_host. First thread
 * only, but what that header allows the second one. */
#ifndef MUSTER_SERVER_HOST_H
#define MUSTER_SERVER_HOST_H

#include "core/handler.h"
#include "server/run.h"

/* Fills the host of that run (of the tasks that are it one after the other), which stays where it is. */
void host_init(struct handler_host *host, struct run *run);

/* It will be heard of again until then, or until its own timeout; with one task at a time that is its worker's promise. */
void host_promise(struct run *run, int64_t now_mono_ns, int64_t until_mono_ns);

bool host_was_told_to_stop(const struct run *run);
bool host_is_forced_to_stop(const struct run *run); /* at once; only among several, else the supervisor sees to it */

/* Drops what the task has saved. */
void host_forget_saved(const struct run *run);

/* Around a change of display text. */
void host_begin_text(struct scoreboard_current *text);
void host_end_text(struct scoreboard_current *text);

#endif
