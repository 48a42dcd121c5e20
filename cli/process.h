/* process: a process of this machine that a drill may signal, held by a pidfd: a pid that is used again is never hit.
 *
 * Before it is taken for what the server says, its command line is looked at: the server may be on another machine. */
#ifndef MUSTER_CLI_PROCESS_H
#define MUSTER_CLI_PROCESS_H

#include "core/error.h"

#include <stdint.h>

struct process {
	int pid, fd;
};

/* The process of that pid whose command line ends with, or has, `title`. Returns 0, or a negative errno and a sentence. */
int process_open(int pid, const char *title, struct process *ret_process, struct error *error);

/* The one with the same parent whose command line has `title`. */
int process_open_sibling(
	const struct process *process, const char *title, struct process *ret_process, struct error *error);
void process_close(struct process *process);

/* Returns 0 or a negative errno. */
int process_signal(const struct process *process, int signal);

/* Waits for its end, at most so long. */
void process_wait(const struct process *process, int64_t most_ms);

#endif
