/* secrets: what the files hold that the configuration names: passwords, tokens, private keys.
 *
 * They are read once, by the guardian, which may be the only one that is allowed to. Those who take up a later
 * configuration get them from it, in a memfd that only they keep; everybody else's memory is without them: the guardian
 * wipes them (secrets_wipe) as soon as they are handed over, before any other process is made. */
#ifndef MUSTER_CORE_SECRETS_H
#define MUSTER_CORE_SECRETS_H

#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>

struct secrets;

/* NULL: no memory. Asked for a file, it reads it. */
struct secrets *secrets_new(void);
void secrets_free(struct secrets *secrets);

/* Forgets everything; what was borrowed is gone. */
void secrets_wipe(struct secrets *secrets);

/* What a file of at most `maximum` bytes holds; borrowed until the next wipe, a NUL behind it. Returns 0; a negative errno
 * with "PATH cannot be read: …". */
int secrets_get(struct secrets *secrets, const char *path, size_t maximum, const char **ret_text, size_t *ret_length,
	struct error *error);

/* Whether they were handed over: then no file is looked at. */
bool secrets_are_handed_over(const struct secrets *secrets);

/* Hands all over that were read so far: replaces what the memfd holds. Returns 0 or a negative errno. */
int secrets_write(const struct secrets *secrets, int memfd);
/* Takes over what was written. Returns 0 or a negative errno. */
int secrets_read(struct secrets **ret_secrets, int memfd);

#endif
