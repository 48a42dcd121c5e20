#include "tests/robust/starve.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

/* What really allocates: the C library, or the sanitizer's allocator where there is one. */
#define REAL(result, name, ...)                                                                                        \
	extern result __libc_##name(__VA_ARGS__);                                                                      \
	extern result __interceptor_##name(__VA_ARGS__) __attribute__((weak))
REAL(void *, malloc, size_t);
REAL(void *, calloc, size_t, size_t);
REAL(void *, realloc, void *, size_t);
REAL(void *, memalign, size_t, size_t);
REAL(void, free, void *);
#define REALLY(name) (__interceptor_##name ? __interceptor_##name : __libc_##name)

/* A sanitizer allocates before it has set itself up: what it calls then must not ask it anything. */
#define EARLY __attribute__((no_sanitize("address", "undefined")))

struct state {
	atomic_long asked, live;
	atomic_long fails_at; /* of `asked`; 0: none */
	atomic_int mode;
};

/* Allocations come in before anything is set up: they are counted here until the shared state is made. */
static struct state first;
static struct state *state = &first;

/* Before main, and so before any fork. */
__attribute__((constructor)) static void share(void)
{
	struct state *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (shared == MAP_FAILED)
		abort();
	atomic_store(&shared->live, atomic_load(&first.live));
	state = shared;
}

void starve_begin(long n, enum starve_mode mode)
{
	atomic_store(&state->asked, 0);
	atomic_store(&state->mode, (int)mode);
	atomic_store(&state->fails_at, n);
}

long starve_end(void)
{
	atomic_store(&state->fails_at, 0);
	return atomic_load(&state->asked);
}

long starve_live(void)
{
	/* A sanitizer's strdup does not ask us, but what it gives is freed by us. */
	return __interceptor_malloc != NULL ? 0 : atomic_load(&state->live);
}

EARLY static bool is_refused(void)
{
	long asked = atomic_fetch_add(&state->asked, 1) + 1, fails_at = atomic_load(&state->fails_at);
	bool refused = fails_at > 0 &&
		       (asked == fails_at || (asked > fails_at && atomic_load(&state->mode) == STARVE_FOR_GOOD));

	if (refused)
		errno = ENOMEM;
	return refused;
}

EARLY static void *counted(void *bytes)
{
	if (bytes != NULL)
		atomic_fetch_add(&state->live, 1);
	return bytes;
}

/* The libraries must see what follows, or they would be fed by another. */
#pragma GCC visibility push(default)

EARLY void *malloc(size_t size)
{
	return is_refused() ? NULL : counted(REALLY(malloc)(size));
}

EARLY void *calloc(size_t count, size_t size)
{
	return is_refused() ? NULL : counted(REALLY(calloc)(count, size));
}

EARLY void *realloc(void *bytes, size_t size)
{
	if (bytes == NULL)
		return malloc(size);
	if (size == 0) {
		free(bytes);
		return NULL;
	}
	return is_refused() ? NULL : REALLY(realloc)(bytes, size);
}

EARLY void *memalign(size_t alignment, size_t size)
{
	return is_refused() ? NULL : counted(REALLY(memalign)(alignment, size));
}

EARLY void *aligned_alloc(size_t alignment, size_t size)
{
	return memalign(alignment, size);
}

EARLY int posix_memalign(void **ret_bytes, size_t alignment, size_t size)
{
	void *bytes = memalign(alignment, size);

	if (bytes == NULL)
		return ENOMEM;
	*ret_bytes = bytes;
	return 0;
}

EARLY void free(void *bytes)
{
	if (bytes == NULL)
		return;
	atomic_fetch_sub(&state->live, 1);
	REALLY(free)(bytes);
}

#pragma GCC visibility pop
