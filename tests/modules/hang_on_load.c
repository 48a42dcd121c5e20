/* hang_on_load: a module whose constructor never returns, nor does the process that it has started. */
#include <muster.h>

#include <signal.h>
#include <unistd.h>

static volatile bool for_ever = true;

__attribute__((constructor)) static void hang(void)
{
	(void)signal(SIGTERM, SIG_IGN);
	(void)fork();
	while (for_ever)
		pause();
}

static const struct muster_method methods[] = {{NULL, NULL}};

const struct muster_module muster_module = {MUSTER_ABI, "TestHangOnLoad", methods, NULL, NULL};
