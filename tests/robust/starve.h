/* starve: malloc and its kin, which fail when they are told to. A program that is linked with starve.c uses these, and so
 * do all libraries in it (the C library itself included), also under AddressSanitizer.
 *
 * The state lies in memory that a forked child shares: a parent can starve it. */
#ifndef MUSTER_TESTS_STARVE_H
#define MUSTER_TESTS_STARVE_H

#include <stdbool.h>

enum starve_mode {
	STARVE_ONCE,    /* one allocation fails, the next ones do not */
	STARVE_FOR_GOOD /* nor does any that follows */
};

/* From now on the n-th allocation (1 …) fails. */
void starve_begin(long n, enum starve_mode mode);

/* Enough for everybody again. Returns how many allocations were asked for since starve_begin. */
long starve_end(void);

/* How much is in use: allocations that were not freed. Always 0 under a sanitizer, which looks for leaks by itself. */
long starve_live(void);

#endif
