/* title: what ps and /proc/PID/cmdline show of a process. */
#ifndef MUSTER_SERVER_TITLE_H
#define MUSTER_SERVER_TITLE_H

/* Called once, first thing in main: finds the room behind argv and moves the environment out of it. On failure (no
 * memory) titles just stay as they are. */
void title_init(int argc, char **argv);

/* Cut to the room there is. */
void title_set(const char *title);

#endif
