/* id: names of tasks.
 *
 * A generated id has 20 characters of Crockford's base 32: 10 of wall milliseconds, 10 random ones, so that ids sort by
 * time of creation. The random bytes come from getrandom(2) through a small buffer; a process that was cloned must call
 * id_forget first, or it would repeat its sibling's. */
#ifndef MUSTER_CORE_ID_H
#define MUSTER_CORE_ID_H

#include <stdbool.h>
#include <stddef.h>

enum { ID_LENGTH = 20, ID_MAX = 64 }; /* characters, without the NUL */

void id_generate(char id[ID_LENGTH + 1]);
void id_forget(void);

/* A number in [0, 1) from the same bytes: for jitter, not for secrets. */
double id_chance(void);

/* An id of the user's own: 1–64 letters, digits, `_`, `-`. */
bool id_is_valid(const char *id, size_t length);

#endif
