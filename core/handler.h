/* handler: the code behind a class, whatever kind it is of, behind one small vtable (core/handler_kind.h).
 *
 * Used in workers only. A handler is loaded at its class's first task (or at start, for `preload`); what is loaded stays
 * until the worker ends. Classes and methods are matched exactly, byte by byte. handlers_run is called by the worker's
 * first thread; handlers_exiting by its second one, while the first is stuck in handlers_run, or not at all.
 *
 * A new kind is one file with one struct handler_kind, and a row in the table in handler.c. */
#ifndef MUSTER_CORE_HANDLER_H
#define MUSTER_CORE_HANDLER_H

#include "core/config.h"
#include "core/error.h"
#include "core/task.h"

#include <jansson.h>
#include <sys/types.h>

/* What a running task may do to its worker; filled by the worker, no function is NULL. Called from the first thread only;
 * `log` from the second one as well, by an `exiting` hook. */
struct handler_host {
	void *context;
	void (*beat)(void *context, int64_t for_ms); /* for_ms ≤ 0: heartbeat_timeout */
	/* 0–100; note: NULL, or less than 128 bytes of UTF-8 */
	void (*progress)(void *context, int percent, const char *note);
	bool (*stopping)(void *context);                                     /* it was told to stop */
	void (*log)(void *context, const char *text, size_t length);         /* one line, any bytes */
	int (*push)(void *context, const json_t *task, struct error *error); /* submits a task */
	int64_t (*deadline_ms)(void *context);                               /* until the broken promise */
	int demo_dir;                                                        /* for Demo.record; -1: none */
	/* For programs; where they are missing there are none. Of the task in hand: keeps JSON for its next execution;
	 * what an earlier one has kept (owned by the caller), NULL: nothing; who does it in our place (0: nobody), for
	 * whoever asks what it hangs in. */
	int (*save)(void *context, const char *json, size_t length, struct error *error);
	json_t *(*saved)(void *context);
	void (*child)(void *context, pid_t pid);
	size_t line_max;       /* most bytes in one line of theirs */
	int64_t kill_grace_ms; /* what one that is to end gets for it */
};

struct handler_task {
	const char *id;
	const struct task_head *head;
	const struct task_order *order; /* one that task_order_read accepted */
	int attempt;                    /* 1 …: which execution, crashes not counted */
	bool again;                     /* it was executed before, crashes counted */
};

struct handler_result {
	enum task_verdict verdict; /* OK, RETRY, FAIL, REFUSED, or CRASH (of what ran it in the worker's place) */
	const char *kind;   /* static: "exception", "retry", "unknown_class", "unknown_method", "crash"; NULL for OK */
	char message[1024]; /* valid UTF-8; empty for OK */
	json_t *result;     /* owned; at most limits.result bytes of JSON; NULL: null */
	int64_t delay_ms;   /* RETRY: asked for; -1: not */
	int64_t code;       /* RETRY, FAIL: the exception's own, for the log; 0: none */
};

struct handlers; /* what one worker has loaded */

/* Borrows config and host until handlers_close. Loads nothing yet. Returns 0 or -ENOMEM. */
int handlers_open(struct handlers **ret_handlers, const struct config *config, const struct handler_host *host);
void handlers_close(struct handlers *handlers); /* modules stay mapped: dlclose is never called */

/* Loads the class now. Returns 0; -ENOENT: no such class; another errno: it cannot be loaded (exit 78 is the answer). */
int handlers_load(struct handlers *handlers, const char *class, struct error *error);

/* Runs one task to its end. Always fills ret_result, except when the class's handler cannot be loaded (returns a
 * negative errno with the reason: the worker gives up its slot). *task must stay valid while handlers_exiting may be
 * called, even if the method comes back after the task was aborted. */
int handlers_run(struct handlers *handlers, const struct handler_task *task, struct handler_result *ret_result,
	struct error *error);
void handler_result_fini(struct handler_result *result);

/* The `exiting` hook of the class whose task is stuck; nothing when no method is running. Second thread, which has taken
 * the task from the first one (CLAIM_ABORTED), so that the first starts no other. Neither allocates nor locks. */
void handlers_exiting(struct handlers *handlers);

/* ---- several tasks at a time ---- */

enum handler_errand_state {
	ERRAND_RUNS,
	ERRAND_ENDED,    /* result says how */
	ERRAND_RETURNED, /* it was ended for another's sake: nothing is known against it */
};

struct handler_errand { /* one of several tasks that a handler runs; stays where it is until it is over */
	struct handler_task task;
	struct handler_host host; /* its own */
	/* the handler's: */
	enum handler_errand_state state;
	struct handler_result result;
	void *own;
	struct handler_errand *next;
};

enum handler_end {
	HANDLER_STOP, /* it was told to stop, and should end; after kill_grace it is ended */
	HANDLER_NOW,  /* the same, without kill_grace */
	HANDLER_LATE, /* its deadline has passed: it is ended, and its verdict is a timeout */
};

/* How many tasks of that class may run at a time; 1: handlers_run is to be called. */
unsigned handlers_concurrency(struct handlers *handlers, const char *class);

/* From here on errands for the handler of that loaded class, and no other, may be begun, until handlers_close_several, by
 * when all are over. First thread; handlers_exiting ends them all. */
void handlers_open_several(struct handlers *handlers, const char *class);
void handlers_close_several(struct handlers *handlers);

/* Whether a task of that class is for the same handler. */
bool handlers_serve(struct handlers *handlers, const char *class);

/* May one be begun now? Not while a program is about to be replaced. */
bool handlers_are_ready(struct handlers *handlers);

/* Begins one, whose task and host are filled; it may be over at once. */
void handlers_begin(struct handlers *handlers, struct handler_errand *errand);

/* Waits until something has happened or wake_fd (-1: none) is readable, at most until then, and moves all on. */
void handlers_attend(struct handlers *handlers, int wake_fd, int64_t until_mono_ns);

/* Ends one that runs, once for each reason: it is over later, ENDED or RETURNED. */
void handlers_end(struct handlers *handlers, struct handler_errand *errand, enum handler_end how);

/* Whether it is over, and how; its result may be looked at then. */
enum handler_errand_state handlers_look(const struct handlers *handlers, struct handler_errand *errand);

/* For --check: loads every declared handler and every pool's service, without starting it, in a child process of its own each, so that one that
 * crashes or hangs while loading is a sentence like the others. Only where there are no threads: it forks.
 * Returns 0, or -EINVAL with the faults in `error`, one line each, as many as fit, with
 * the place in the file. */
int handlers_check(const struct config *config, struct error *error);

#endif
