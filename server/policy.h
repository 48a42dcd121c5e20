/* policy: what the supervisor decides, as a pure function of what it sees. No process, no clock, no memory.
 *
 * The supervisor fills a struct policy_view for a row, asks, and carries the answer out; `until` of the answer says when
 * the answer may change though nothing else has. Everything it must remember stands on the scoreboard or in the view, so a new
 * supervisor decides as the old one would have. */
#ifndef MUSTER_SERVER_POLICY_H
#define MUSTER_SERVER_POLICY_H

#include "core/scoreboard.h"

#include <stdbool.h>
#include <stdint.h>

#define POLICY_NEVER INT64_MAX

enum {
	POLICY_EXIT_CONFIG = 78, /* sysexits EX_CONFIG: before the first idle promise, it parks the slot */
	POLICY_ROLL_DEATHS = 2,  /* fewer of them say nothing about what was rolled out */
};

struct policy_view {
	enum scoreboard_life life;
	bool wanted; /* the row is to have a process */
	bool obeys;  /* it has a thread for orders (a worker): SIGUSR1 means abort; else SIGKILL at once */
	/* alive: */
	int64_t promise; /* mono ns it vouched for; POLICY_NEVER: it makes no promises (the broker) */
	enum scoreboard_order order;
	int64_t order_at; /* mono ns */
	int64_t kill_grace_ns;
	int64_t cancel_at; /* mono ns: its task in hand was told to stop then; POLICY_NEVER: it was not */
	bool drain;        /* it should leave in good order (stop of the node, retired row) */
	int64_t abort_at;  /* mono ns: when draining, its task is ended then; POLICY_NEVER: when it is done */
	int64_t stop_at;   /* mono ns: when draining, it is gone by then; POLICY_NEVER: no such limit */
	bool at_once;      /* it should be gone now */
	/* dead or being started: */
	bool parked;
	int64_t start_at; /* mono ns: back-off */
};

enum policy_action {
	POLICY_WAIT,
	POLICY_START,
	POLICY_DRAIN, /* SIGTERM */
	POLICY_ABORT, /* SIGUSR1, for the reason in `order` */
	POLICY_KILL,  /* SIGKILL */
};

struct policy_decision {
	enum policy_action action;
	enum scoreboard_order order; /* what to note on the row for DRAIN, ABORT and KILL */
	int64_t until;               /* mono ns: look again then, POLICY_NEVER: only when something happens */
};

struct policy_decision policy_decide(const struct policy_view *view, int64_t now_mono_ns);

/* One death, understood. */
struct policy_death {
	bool exited;                 /* else by a signal */
	int status;                  /* exit code or signal */
	enum scoreboard_order order; /* the last one before a KILL that was not for its own sake */
	int64_t lived_ns;
	enum scoreboard_leaving leaving;
	bool was_ready; /* it had made its first idle promise */
	bool started_task;
};

enum scoreboard_reason policy_reason(const struct policy_death *death);
bool policy_parks(const struct policy_death *death);

/* How often, and over how long, workers of a pool have failed. */
struct policy_failures {
	unsigned deaths; /* that nobody ordered; not by SIGKILL, which comes from outside */
	int64_t lived_ns;
};

/* Whether a roll should stop: those that were replaced already fail clearly more than the old ones do. */
bool policy_stops_roll(const struct policy_failures *fresh, const struct policy_failures *old);

/* The streak of young deaths after this one, given the one before (core/backoff.h says what follows from it). */
uint32_t policy_streak(const struct policy_death *death, uint32_t streak);

#endif
