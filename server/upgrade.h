/* upgrade: SIGUSR2. The guardian becomes what stands at its *installed path* by now (never /proc/self/exe) and stays the
 * parent of everybody: same pid, same workers, same sockets.
 *
 * Its successor's failure would end the node. So that one is tried before: a probe, a short-lived child, starts the new binary
 * with `--check` and all that will be handed over; only if it says that it can take over does the guardian exec the very
 * same. Else the old one goes on, and the log says why.
 *
 * A binary with another layout of the scoreboard cannot take over who lives on the old one, but may still start in the
 * place of it: the node then stops as it does at SIGTERM, but gives its tasks all the time that they have, and execs the
 * new binary when nobody is left; its listening sockets stay open (as LISTEN_FDS), so that no client is refused.
 * Guardian only. */
#ifndef MUSTER_SERVER_UPGRADE_H
#define MUSTER_SERVER_UPGRADE_H

#include "core/node.h"
#include "server/strays.h"

#include <stdbool.h>
#include <sys/types.h>

/* What the probe says, as a line of its own on stdout, when it can take over, or only start anew. */
#define UPGRADE_READY "can take over"
#define UPGRADE_ANEW  "can start anew"

enum upgrade_verdict { UPGRADE_NONE, UPGRADE_TAKES_OVER, UPGRADE_STARTS_ANEW };

struct upgrade {
	struct node *node;
	const struct strays *strays;
	pid_t probe;                  /* 0: none */
	int document;                 /* what is handed over; -1: no upgrade is on its way */
	int answer;                   /* memfd: what the probe printed */
	int64_t until;                /* mono ns: the probe is killed then */
	enum upgrade_verdict verdict; /* the probe's: to be followed as soon as nothing else is on its way */
	bool again;                   /* asked for once more while one was on its way */
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

/* Executes the new binary as at a start, with the listening sockets: nobody else is left. Returns only if that failed; it is
 * said why. */
void upgrade_start_anew(const struct upgrade *upgrade);

#endif
