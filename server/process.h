/* process: the one function that makes children, and what every child does first.
 *
 * The supervisor makes every child but is the parent of none: CLONE_PARENT makes the guardian their parent, so that a
 * supervisor's death orphans nobody and every exit status is known. The kernel writes the child's pid into its row
 * before the child runs: an unrecorded child cannot exist (SUPERVISION.md). */
#ifndef MUSTER_SERVER_PROCESS_H
#define MUSTER_SERVER_PROCESS_H

#include "core/node.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

enum process_parent { PROCESS_OURS, PROCESS_SIBLING };

enum {
	PROCESS_EXIT_UNRECORDED = 70, /* EX_SOFTWARE: its row does not name it */
	PROCESS_EXIT_ORPHAN = 71,     /* the guardian was gone before it could ask to die with it */
};

/* Clones this process (which has no threads). The row's `who` is {incarnation, 0} already. Returns the pid in the maker,
 * 0 in the child, or a negative errno. pthread_atfork handlers do not run. */
pid_t process_clone(const struct scoreboard *scoreboard, unsigned row, enum process_parent parent);

/* This process ends when the guardian does; at once if that is gone already. To be said again after a change of user,
 * which takes it back. */
void process_die_with_guardian(const struct scoreboard *scoreboard, int death_signal);

/* In the child: makes sure that its row names it and that the guardian lives; it will get `death_signal` when the
 * guardian dies. Leads its own process group, has its title, log and random numbers of its own. Exits when something of
 * this cannot be had. */
void process_become(const struct node *node, unsigned row, int death_signal);

/* The end of a child: looks for leaks, in builds that can, which _exit passes by. */
void process_leave(int status) __attribute__((noreturn));

/* Closes every descriptor but 0–2, the log's and these (-1 is none). */
void process_keep(const int *descriptors, size_t count);

/* Dispositions to default, so that an exec passes on nothing of ours; the mask as given. */
void process_reset_signals(const sigset_t *mask);

/* The signals that mean something to musterd. */
void process_list_signals(sigset_t *ret_set);

/* First thing in main: these are blocked, to be read when somebody wants to, whatever was inherited is forgotten, and
 * SIGPIPE is ignored. */
void process_block_signals(void);

/* TERM or INT has come and waits to be read. */
bool process_is_told_to_stop(void);

/* A descriptor that becomes readable at SIGTERM (which stays blocked), or -1. */
int process_stop_descriptor(void);

/* Resident bytes of a process; 0 when it is gone. */
int64_t process_resident(pid_t pid);

/* The title of a row: "<prefix><name>:worker-0", "<prefix><name>:api". */
void process_title(const struct node *node, unsigned row, char *title, size_t size);

#endif
