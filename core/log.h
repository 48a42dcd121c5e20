/* log: one event, one line, `key=value`, escaped in one place.
 *
 * For the processes (server/, api/ and what runs in workers); core/ itself never logs. Lines go to a non-blocking
 * description of stderr of this process's own (or to log.file): a line that does not fit is dropped and counted, a reader
 * that stalls stalls nobody. `text` format: time, level, process title, message, key=value…; `json`: one object a line,
 * {"ts", "level", "process", "msg", "fields": {…}}.
 *
 * Whatever is handed in may come from outside: control characters and what is no UTF-8 become \xNN (JSON: \u00NN where
 * it can say so), quotes and backslashes get a backslash. A line has at most PIPE_BUF bytes, so that a pipe takes it
 * whole or not at all; "…" marks where a longer one was cut. It may be written by several threads of a process at once,
 * also while another one is stuck: nothing is allocated, no lock is taken.
 *
 *     log_info("worker started", LOG_INT("pid", getpid()), LOG_TEXT("pool", pool->name)); */
#ifndef MUSTER_CORE_LOG_H
#define MUSTER_CORE_LOG_H

#include "core/config.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct log_field {
	const char *key;  /* NULL ends the list */
	const char *text; /* NULL: the number counts */
	size_t length;    /* of text */
	int64_t number;
};

#define LOG_INT(key, value)           ((struct log_field){(key), NULL, 0, (int64_t)(value)})
#define LOG_TEXT(key, value)          log_field_text((key), (value))
#define LOG_BYTES(key, bytes, length) ((struct log_field){(key), (bytes), (length), 0})

struct log_field log_field_text(const char *key, const char *text); /* NULL text: "-" */

/* Opens the log of this process, while it has one thread. file NULL: stderr. Until then, and if that fails (negative
 * errno), lines go to stderr as it is. */
int log_open(const char *file, int level, int format);
/* Per process, after cloning: own file description, who speaks (a name for lines), where dropped lines are counted
 * (NULL: nowhere) and the word that says when to reopen the file (NULL: never). Where the new description is refused
 * (after a change of user), the inherited one, which is not blocking either, is used on. */
void log_become(const char *name, _Atomic uint64_t *dropped, const _Atomic uint32_t *generation);

/* The descriptor that lines go to, for whoever closes all others; -1: stderr. */
int log_descriptor(void);

void log_write(enum config_log_level level, const char *message, const struct log_field *fields);

#define LOG_AT(level, message, ...)                                                                                    \
	log_write((level), (message), (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){NULL, NULL, 0, 0}})
#define log_debug(...) LOG_AT(CONFIG_LOG_DEBUG, __VA_ARGS__)
#define log_info(...)  LOG_AT(CONFIG_LOG_INFO, __VA_ARGS__)
#define log_warn(...)  LOG_AT(CONFIG_LOG_WARN, __VA_ARGS__)
#define log_error(...) LOG_AT(CONFIG_LOG_ERROR, __VA_ARGS__)

#endif
