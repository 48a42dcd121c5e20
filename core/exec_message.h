/* exec_message: one line of the exec protocol, from a child to Muster (doc/exec.md): read, checked and carried out.
 *
 * Used by whoever reads a child's stdout: the handler kind exec, and services. */
#ifndef MUSTER_CORE_EXEC_MESSAGE_H
#define MUSTER_CORE_EXEC_MESSAGE_H

#include "core/handler_kind.h"

enum { EXEC_SAVE_MAX = 64 * 1024 };

struct exec_talk { /* one task's, or a service's whole life */
	const struct handler_host *host;
	const char *id;                /* the task's; NULL: a service, which has no end to tell */
	struct handler_result *result; /* filled when it has ended; NULL for a service */
	/* Why a push was refused, and what the task has come to by that, whatever it says itself. */
	enum task_verdict push_verdict; /* TASK_VERDICT_OK: none was refused */
	struct error push_error;
};

enum exec_heard {
	EXEC_GOES_ON,
	EXEC_ENDED,  /* the result says how */
	EXEC_WRONG,  /* not of the protocol: the sentence is in `error` */
	EXEC_CLOSED, /* its stdout is closed (exec_child) */
};

/* A line without its break. What is about another task is passed over. */
enum exec_heard exec_message_hear(struct exec_talk *talk, const char *line, size_t length, struct error *error);

/* The same where several run: `find` tells whose the id is that each line must have (NULL: a task's that is over, which is
 * passed over). *ret_talk is whose the line was; NULL: nobody's. */
enum exec_heard exec_message_hear_any(struct exec_talk *(*find)(void *context, const char *id), void *context,
	const char *line, size_t length, struct exec_talk **ret_talk, struct error *error);

#endif
