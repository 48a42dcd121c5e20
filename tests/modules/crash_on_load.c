/* crash_on_load: a module whose constructor dies. */
#include <muster.h>

#include <stdlib.h>

__attribute__((constructor)) static void crash(void)
{
	abort();
}

static const struct muster_method methods[] = {{NULL, NULL}};

MUSTER_EXPORT const struct muster_module muster_module = {MUSTER_ABI, "CrashOnLoad", methods, NULL, NULL};
