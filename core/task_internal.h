/* task_internal: what the files of task share, and nobody else. */
#ifndef MUSTER_CORE_TASK_INTERNAL_H
#define MUSTER_CORE_TASK_INTERNAL_H

#include <stddef.h>

enum { TASK_MESSAGE_MAX = 1024 }; /* what is kept of a message or a note, with its NUL */

/* Copies a text that came from a handler and may hold any bytes: as valid UTF-8, cut between characters. */
void task_clean_text(char *text, size_t size, const char *raw);

#endif
