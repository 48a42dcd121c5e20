#include "core/digest.h"

#include <nettle/memops.h>
#include <nettle/sha2.h>

_Static_assert((int)DIGEST_SIZE == SHA256_DIGEST_SIZE, "a digest is a SHA-256");

struct digest digest_of(const void *bytes, size_t length)
{
	struct sha256_ctx context;
	struct digest digest;

	sha256_init(&context);
	sha256_update(&context, length, bytes);
	sha256_digest(&context, sizeof digest.bytes, digest.bytes);
	return digest;
}

bool digest_equal(const struct digest *one, const struct digest *other)
{
	return memeql_sec(one->bytes, other->bytes, sizeof one->bytes) == 1;
}
