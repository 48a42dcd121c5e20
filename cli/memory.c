#include "cli/memory.h"

#include <stdio.h>
#include <stdlib.h>

void *memory_or_end(void *bytes)
{
	if (!bytes) {
		(void)fputs("muster: no memory\n", stderr);
		exit(1);
	}
	return bytes;
}
