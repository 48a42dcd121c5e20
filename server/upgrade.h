/* upgrade: SIGUSR2. The guardian becomes what stands at its *installed path* by now (never /proc/self/exe) and stays the
 * parent of everybody: same pid, same workers, same sockets.
 *
 * Its successor's failure would end the node. So that one is tried before: a probe, a short-lived child, starts the new binary
 * with `--check` and all that will be handed over; only if it says that it can take over does the guardian exec the very
 * same. Else the old one goes on, and the log says why. Guardian only. */
#ifndef MUSTER_SERVER_UPGRADE_H
#define MUSTER_SERVER_UPGRADE_H

#include "core/node.h"
#include "server/strays.h"

#include <stdbool.h>
#include <sys/types.h>

/* What the probe says, as a line of its own on stdout, when it can take over. */
#define UPGRADE_READY "can take over"

struct upgrade {
	struct node *node;
	const struct strays *strays;
	pid_t probe;   /* 0: none */
	int document;  /* what is handed over; -1: no upgrade is on its way */
	int answer;    /* memfd: what the probe printed */
	int64_t until; /* mono ns: the probe is killed then */
	bool passed;   /* it said yes: to be executed as soon as nothing else is on its way */
	bool again;    /* asked for once more while one was on its way */
};

/* First thing in main: where this program stands, and what it was called with, before anything is overwritten. */
void upgrade_remember(int argc, char **argv);

void upgrade_init(struct upgrade *upgrade, struct node *node, const struct strays *strays);

/* SIGUSR2: begins a probe. */
void upgrade_begin(struct upgrade *upgrade);

/* Ends a probe that has taken too long. */
void upgrade_watch(struct upgrade *upgrade, int64_t now_mono_ns);

/* The probe has ended with that exit status (a signal: −1): it has passed, or it is said why not. */
void upgrade_finish(struct upgrade *upgrade, int exit_status);

/* Executes the new binary, with what is handed over brought up to date. Returns only if that failed; it is said why. */
void upgrade_exec(struct upgrade *upgrade);

#endif
