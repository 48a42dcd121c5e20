/* muster.h: what a handler module sees.
 *
 * A module is a shared object that exports one table, `muster_module`: an ABI number, a class name, and methods. It is
 * loaded by a worker with dlopen(3) at the class's first task. Each worker is a process with one thread that runs tasks,
 * one at a time: a method needs no locks, and what it leaks or breaks is gone with its worker.
 *
 *     #include <muster.h>
 *
 *     static enum muster_end add(struct muster_task *task)
 *     {
 *             json_int_t a, b;
 *             if (json_unpack((json_t *)muster_param(task), "[I,I]", &a, &b) != 0)
 *                     return muster_fail(task, "add wants two integers");
 *             return muster_ok(task, json_integer(a + b));
 *     }
 *
 *     static const struct muster_method methods[] = {{"add", add}, {0}};
 *     const struct muster_module muster_module = {MUSTER_ABI, "Report", methods, NULL, NULL};
 *
 *     cc -shared -fPIC -o report.so report.c $(pkg-config --cflags --libs muster)
 *
 * A method that beats lives on; one that neither beats nor ends in time is stuck and ended, with its worker.
 * Unless a line says otherwise, functions are called from the method, in the thread that called it. */
#ifndef MUSTER_H
#define MUSTER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MUSTER_ABI 1

struct muster_task; /* the task in hand; valid until its method returns, or until muster_finish */

/* MUSTER_LATER: only of one of several (below) */
enum muster_end { MUSTER_OK, MUSTER_RETRY, MUSTER_FAIL, MUSTER_LATER };

struct muster_method {
	/* case-sensitive; 1–128 letters, digits, `_` `.` `\` `-`; "*", in the last row: all that no other row has */
	const char *name;
	enum muster_end (*run)(struct muster_task *task);
};

struct muster_module {
	uint32_t abi;                        /* MUSTER_ABI */
	const char *class_name;              /* exactly as the configuration and the tasks write it */
	const struct muster_method *methods; /* ends with a row whose name is NULL */
	/* Called once in each worker, before the class's first task; NULL: nothing to do. Returns 0; anything else gives up
	 * the worker's slot with *why as the reason (static text, or left alone). */
	int (*start)(const char **why);
	/* Called in a second thread when a task of this class is stuck, while the first thread still is wherever it is
	 * stuck (holding whatever locks it holds); the process ends as soon as it returns, or after the pool's kill_grace.
	 * NULL: nothing to do. Of the functions below it may use those that tell what the task is, muster_log and
	 * muster_demo_directory; the others do nothing. */
	void (*exiting)(struct muster_task *task);
};

/* For the table, where a module is compiled with -fvisibility=hidden; the functions below have it by the pragma. */
#define MUSTER_EXPORT __attribute__((visibility("default")))

#pragma GCC visibility push(default)

/* ---- what the task is ---- */
const char *muster_id(const struct muster_task *task);
const char *muster_class(const struct muster_task *task);
const char *muster_method(const struct muster_task *task);
const char *muster_queue(const struct muster_task *task);
int muster_attempt(const struct muster_task *task); /* 1 …: which execution this is */
/* The W3C traceparent that the task was submitted with, for the calls that it makes; NULL: none. */
const char *muster_traceparent(const struct muster_task *task);
const json_t *muster_param(const struct muster_task *task);    /* an array or an object; borrowed */
const json_t *muster_document(const struct muster_task *task); /* the whole document; borrowed */
/* The task as a program gets it by the exec protocol: the document's own bytes, with id, queue, attempt and so on behind its
 * members. Owned by the caller, free(); NULL: no memory. */
char *muster_line(const struct muster_task *task);
/* What the configuration says under this handler's `options`; NULL: nothing. Borrowed, the same for every task. */
const json_t *muster_options(const struct muster_task *task);

/* ---- how it ends: `return muster_ok(task, result);` ---- */
/* Each returns the value that the method must return in turn. The last one called counts; a method that returns another
 * value than that has failed, and so has one that returns MUSTER_FAIL without a word. MUSTER_OK without muster_ok means
 * the result null. Messages are cut at 1023 bytes; what is no UTF-8 in them becomes `?`. */
/* Takes the reference; NULL: null. A result of more JSON than the configuration's limits.result is a failure. */
enum muster_end muster_ok(struct muster_task *task, json_t *result);
enum muster_end muster_retry(struct muster_task *task, const char *format, ...) __attribute__((format(printf, 2, 3)));
enum muster_end muster_retry_after(struct muster_task *task, int64_t delay_ms, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
enum muster_end muster_fail(struct muster_task *task, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- while it runs ---- */
/* A sign of life: the next one will come within the pool's heartbeat_timeout. */
void muster_beat(struct muster_task *task);
/* A sign of life before a long silence of at most ms milliseconds (0 or less: as muster_beat;
 * more than a year: a year). */
void muster_beat_for(struct muster_task *task, int64_t ms);
/* 0–100, and a note (cut at 127 bytes) or NULL. Visible at once; not a beat. */
void muster_progress(struct muster_task *task, int percent, const char *note);
/* True once the task was told to stop (cancelled): clean up and return anything. Cheap enough for every turn of a loop. */
bool muster_stopping(const struct muster_task *task);
/* Milliseconds until this task must have beaten or ended. */
int64_t muster_deadline_ms(const struct muster_task *task);
/* One line in Muster's log, with the task's id; cut at 4095 bytes. */
void muster_log(struct muster_task *task, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Submits a task, as POST /v1/tasks would. Borrows the document. Returns 0, or -1 with *why (valid until the next call);
 * why may be NULL. */
int muster_push(struct muster_task *task, const json_t *document, const char **why);
/* A descriptor of <state_dir>/demo, or -1: for the bundled Demo. */
int muster_demo_directory(const struct muster_task *task);

extern MUSTER_EXPORT const struct muster_module muster_module; /* what a module defines */

/* ---- several tasks at a time ---- */
/* A module may export a table `muster_several` beside `muster_module`: then it may be configured with a `concurrency` above
 * 1, and its methods are called while other tasks of the class have not ended. All is still one thread: a method begins what
 * takes time (a transfer, say), returns MUSTER_LATER at once, and the task goes on in `attend`, until muster_finish. Its
 * deadline, beats and so on are its own. Without `concurrency` the same methods have to wait until they are done. */
struct muster_several {
	uint32_t abi; /* MUSTER_ABI */
	/* Waits at most ms milliseconds until one of the tasks that have not ended can go on or muster_wake_fd is readable,
	 * and moves those on that can. */
	void (*attend)(int64_t ms);
	/* The task was told to stop, or its deadline has passed: it must be finished before this returns. */
	void (*stop)(struct muster_task *task);
};

/* From `attend`: a descriptor to wait on beside its own, readable when more tasks have come, and never to be read; -1: none. Who
 * does not heed it begins them later, at the end of `ms`. */
int muster_wake_fd(void);

/* Whether the task's method may return MUSTER_LATER. */
bool muster_is_one_of_several(const struct muster_task *task);

/* The end of a task whose method has returned MUSTER_LATER, as a method returns it:
 * muster_finish(task, muster_ok(task, result)). The task is no more. From `attend` or `stop` only. */
void muster_finish(struct muster_task *task, enum muster_end end);

extern MUSTER_EXPORT const struct muster_several muster_several; /* what such a module defines */

/* ---- services ---- */
/* A module may export a table `muster_service`, beside `muster_module` or in its place: a loop of its own, that the workers
 * of a pool with `kind: service` and `service: NAME` run instead of tasks. `hook` is called again and again; each call is a
 * sign of life, as muster_beat is, and one that is silent for longer than the pool's heartbeat_timeout is ended with its
 * worker. All run in the worker's one thread, but `exiting` where a line says so.
 *
 * They get a task that stands for the service: its class is the service's name, its id is empty and its param an empty
 * array; muster_ok, muster_retry and muster_fail mean nothing. muster_stopping is true once the worker shall leave; a hook
 * that waits looks at it, or is cut off after the pool's kill_grace. */
struct muster_service {
	uint32_t abi;     /* MUSTER_ABI */
	const char *name; /* exactly as the pool's `service` writes it */
	/* Called once, before the first hook; NULL: nothing to do. As in struct muster_module. */
	int (*start)(const char **why);
	/* One turn. Returns 0: call it again; anything else: the worker ends, and another one begins anew. */
	int (*hook)(struct muster_task *service);
	/* Called once at the worker's end, NULL: nothing to do: after the last hook where it came back, else in a second
	 * thread, under the rules of muster_module's `exiting`, while the first one is wherever it is stuck. */
	void (*exiting)(struct muster_task *service);
};

extern MUSTER_EXPORT const struct muster_service muster_service; /* what a module with a service defines */

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
