/* handler_kind: what one kind of handler can do. Between core/handler.c and core/handler_*.c; nobody else includes it.
 *
 * A handler of any kind is a `void *` of its own making. All functions run in the worker's first thread, but `exiting`. */
#ifndef MUSTER_CORE_HANDLER_KIND_H
#define MUSTER_CORE_HANDLER_KIND_H

#include "core/handler.h"

#include <stdarg.h>

struct handler_kind {
	/* Is this configured handler one of the kind? Exactly one kind says yes. */
	bool (*serves)(const struct config_handler *config);
	/* Everything that can go wrong without running the user's own code beyond what loading implies: --check stops here.
	 * Borrows config and host until `free`. Returns 0, or a negative errno other than -ENOENT with the sentence. */
	int (*load)(const struct config_handler *config, const struct handler_host *host, void **ret_handler,
		struct error *error);
	/* Called once, before the first task; NULL: there is nothing to do. Returns 0 or a negative errno with the sentence. */
	int (*start)(void *handler, struct error *error);
	/* Runs one task. result comes in as "ok, null". */
	void (*run)(void *handler, const struct handler_task *task, struct handler_result *result);
	/* The hook for a task that is stuck in `run`: in the second thread. No allocation, no locks. */
	void (*exiting)(void *handler, const struct handler_task *task);
	void (*free)(void *handler);

	/* Of a kind that runs several at a time, as handler.h says of them; else all NULL. */
	bool (*is_ready)(void *handler);
	void (*begin)(void *handler, struct handler_errand *errand);
	void (*attend)(void *handler, int wake_fd, int64_t until_mono_ns);
	void (*end)(void *handler, struct handler_errand *errand, enum handler_end how);
};

extern const struct handler_kind handler_kind_module;
extern const struct handler_kind handler_kind_exec;         /* a program, mode: persistent */
extern const struct handler_kind handler_kind_exec_several; /* the same, with a concurrency above 1 */
extern const struct handler_kind handler_kind_once;         /* a program, mode: once */

/* The kind that serves it; never NULL. */
const struct handler_kind *handler_kind_find(const struct config_handler *config);

/* Makes *result anew: ok with that value, whose reference is taken (NULL: null). What is too large, or no JSON, is found
 * by handlers_run. */
void handler_result_set_ok(struct handler_result *result, json_t *value);

/* Whatever bytes a handler has written, they become text: what is no UTF-8 (a character that was cut, too) becomes `?`. */
void handler_make_utf8(char *text);

/* Makes *result anew: a verdict other than OK with its words ("no message" where there are none). The message becomes
 * UTF-8, cut to what fits. `kind` is static. */
void handler_result_set(struct handler_result *result, enum task_verdict verdict, const char *kind, const char *format,
	...) __attribute__((format(printf, 4, 5)));
void handler_result_set_list(struct handler_result *result, enum task_verdict verdict, const char *kind,
	const char *format, va_list arguments) __attribute__((format(printf, 4, 0)));

#endif
