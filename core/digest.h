/* digest: the SHA-256 of a secret, so that the secret itself need not be kept, and its comparison in constant time.
 *
 * The door to nettle, which is in every process anyway: libmicrohttpd's GnuTLS stands on it. Any thread. */
#ifndef MUSTER_CORE_DIGEST_H
#define MUSTER_CORE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>

enum { DIGEST_SIZE = 32 };

struct digest {
	unsigned char bytes[DIGEST_SIZE];
};

struct digest digest_of(const void *bytes, size_t length);

/* Takes as long whatever the two have in common. */
bool digest_equal(const struct digest *one, const struct digest *other);

#endif
