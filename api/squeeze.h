/* squeeze: gzip, for large answers to clients that ask for it. The door to zlib; built without it (MUSTER_NO_ZLIB)
 * nothing becomes less. */
#ifndef MUSTER_API_SQUEEZE_H
#define MUSTER_API_SQUEEZE_H

#include <stdbool.h>
#include <stddef.h>

/* Whether an Accept-Encoding header (NULL: absent) takes gzip. Pure. */
bool squeeze_is_accepted(const char *accept_encoding);

/* The bytes as gzip. Returns an owned copy (free()), or NULL: no memory, or they would not become less. */
char *squeeze(const char *bytes, size_t length, size_t *ret_length);

#endif
