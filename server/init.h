/* init: musterd as PID 1 of a container. PID 1 has duties that a guardian should not have (all orphans of the container
 * are its children): so it forks, forwards signals, reaps, and the guardian is its child. */
#ifndef MUSTER_SERVER_INIT_H
#define MUSTER_SERVER_INIT_H

/* Returns in the child. The parent never returns: it exits as the guardian did. */
void init_fork(void);

#endif
