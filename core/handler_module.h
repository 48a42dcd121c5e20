/* handler_module: a task as a module's methods get it. Between core/handler_module*.c alone. */
#ifndef MUSTER_CORE_HANDLER_MODULE_H
#define MUSTER_CORE_HANDLER_MODULE_H

#include "core/handler_kind.h"
#include "include/muster.h"

extern int handler_module_wake_fd; /* what muster_wake_fd returns */

struct module {
	const struct muster_module *table; /* in the shared object, which stays mapped, or `none` */
	struct muster_module none;         /* of a module that has a service only: a class without methods */
	const struct handler_host *host;
	const json_t *options;                /* the configuration's */
	const struct muster_method *last;     /* of the task before */
	const struct muster_several *several; /* of one that runs several tasks at a time; else NULL */
	struct handler_errand *first;         /* those */
};

struct muster_task {
	const struct handler_task *task;
	const struct handler_host *host;
	const json_t *options;
	struct handler_result *result;
	bool spoke;           /* a helper has said how it ends */
	enum muster_end said; /* what, when it spoke */
	bool exiting;         /* the hook's: the worker's first thread is stuck, so its functions are out of bounds */
	struct error why;     /* muster_push's */
	/* Of one of several: */
	struct module *module;         /* NULL: it is the only one */
	struct handler_errand *errand; /* its */
	bool begun;                    /* its method has returned */
	bool late;                     /* its deadline has passed: whatever it says, it is a timeout */
};

/* How a method that has returned `end` has ended: the result is as it said, or that it contradicts itself. */
void module_settle(struct muster_task *task, enum muster_end end);

#endif
