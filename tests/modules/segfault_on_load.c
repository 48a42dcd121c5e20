/* segfault_on_load: a module whose constructor dies as most of them do. */
#include <muster.h>

#include <signal.h>

__attribute__((constructor)) static void crash(void)
{
	(void)signal(SIGSEGV, SIG_DFL); /* a sanitizer would make an exit of it */
	(void)raise(SIGSEGV);
}

static const struct muster_method methods[] = {{NULL, NULL}};

const struct muster_module muster_module = {MUSTER_ABI, "TestSegfaultOnLoad", methods, NULL, NULL};
