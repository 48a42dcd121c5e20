#include "api/pages.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGES_MAX = 64 };

static bool is_zero(const char *page, size_t size)
{
	return page[0] == 0 && memcmp(page, page + 1, size - 1) == 0;
}

void pages_give_back(const void *at, size_t length)
{
	const size_t size = (size_t)sysconf(_SC_PAGESIZE);
	char *first = (char *)((uintptr_t)at & ~(uintptr_t)(size - 1));
	size_t count = length / size < PAGES_MAX ? length / size : PAGES_MAX;
	unsigned char resident[PAGES_MAX];

	if (mincore(first, count * size, resident) != 0)
		return; /* not all of it is mapped (any longer) */
	for (size_t i = 0; i < count; i++) {
		size_t run = 0;
		while (i + run < count && (resident[i + run] & 1) && is_zero(first + (i + run) * size, size))
			run++;
		if (run > 0)
			(void)madvise(first + i * size, run * size, MADV_DONTNEED); /* refused: it stays */
		i += run;
	}
}
