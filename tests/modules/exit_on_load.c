/* exit_on_load: a module whose constructor ends the process, politely. */
#include <muster.h>

#include <stdlib.h>

__attribute__((constructor)) static void leave(void)
{
	exit(3);
}

static const struct muster_method methods[] = {{NULL, NULL}};

const struct muster_module muster_module = {MUSTER_ABI, "TestExitOnLoad", methods, NULL, NULL};
