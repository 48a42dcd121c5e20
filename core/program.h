/* program: a child process that runs other people's code, with its three pipes.
 *
 * It is started through the launcher (libexec/launch.c), which does what posix_spawn cannot: user, umask, directory,
 * nice, resource limits, descriptors, and death with the thread that started it. It stands in its starter's process
 * group, so that whoever ends the group of a worker ends it too. Its environment holds PATH HOME USER LANG LC_* TZ TMPDIR
 * of ours and what was configured (and MUSTER_TREE, by which strays are found); signals have their default dispositions, and none is blocked.
 *
 * Used by one thread of a process; what another one may do is said where it may. */
#ifndef MUSTER_CORE_PROGRAM_H
#define MUSTER_CORE_PROGRAM_H

#include "core/config.h"
#include "core/error.h"

#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct program_rlimit {
	int resource;   /* RLIMIT_… */
	uint64_t limit; /* soft and hard; UINT64_MAX: unlimited */
};

/* One entry of `rlimits`: `as`, `core`, `cpu` (seconds), `data`, `fsize`, `memlock`, `nofile`, `nproc`, `stack`; a number,
 * a size ("1GiB") or "unlimited". Returns 0, or -EINVAL with the sentence "has …". */
int program_read_rlimit(const char *name, const json_t *bound, struct program_rlimit *ret_limit, struct error *error);

struct program_plan; /* how one configured program is started */

/* Looks for the program and the launcher. Borrows config until program_plan_free. Returns 0, -ENOMEM, or -ELIBACC with the
 * sentence. */
int program_plan_new(struct program_plan **ret_plan, const struct config_program *config, struct error *error);
void program_plan_free(struct program_plan *plan);

struct program {
	struct program *next;    /* among those that run; this one must stay where it is while it does */
	pid_t pid;               /* 0: none */
	_Atomic int pidfd;       /* -1: none. Another thread may read it, to signal by it */
	int in, out, err;        /* our ends of its stdin, stdout and stderr, not blocking; -1: closed */
	int64_t started_mono_ns; /* when */
};

#define PROGRAM_NONE ((struct program){.pidfd = -1, .in = -1, .out = -1, .err = -1})

enum { PROGRAM_VARIABLES_MAX = 8 };

/* Starts one; *program is PROGRAM_NONE before. `variables` ("NAME=value", NULL at the end; NULL: none) are added to its
 * environment: at most PROGRAM_VARIABLES_MAX. Returns 0 or a negative errno with the sentence. What goes wrong later, in
 * the launcher, it says on the child's stderr, and ends with status 126 or 127. */
int program_start(
	struct program *program, const struct program_plan *plan, const char *const *variables, struct error *error);

/* Reaps the dead that our programs have left to us, who are their subreaper: all dead children of this process but programs.
 * program_start does it as well. Not while other code of this thread waits for a child of its own. */
void program_reap_strays(void);

/* Signals it. Any thread; nothing when there is none. */
void program_signal(const struct program *program, int signal_number);

/* Waits for its end, without reaping it. Returns true when it has ended, or there is none. Any thread. */
bool program_wait(const struct program *program, int64_t until_mono_ns);

struct program_end {
	bool by_signal;
	int status; /* exit status or signal */
};

/* How it ended, when program_wait has returned true; it is not reaped yet. */
struct program_end program_look_at_end(const struct program *program);

/* SIGKILL if it still runs; reaps it and closes what is open of it. Returns how it ended. */
struct program_end program_close(struct program *program);

/* "ended with exit status 3", for a sentence that begins with who. */
void program_describe_end(struct program_end end, char *text, size_t size);

#endif
