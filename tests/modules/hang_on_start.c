/* hang_on_start: a module that is loaded at once and starts for ever. */
#include <muster.h>

static volatile bool for_ever = true;

static enum muster_end nothing(struct muster_task *task)
{
	return muster_ok(task, NULL);
}

static int start(const char **why)
{
	*why = "for ever is over";
	while (for_ever)
		continue;
	return -1;
}

static const struct muster_method methods[] = {{"nothing", nothing}, {NULL, NULL}};

const struct muster_module muster_module = {MUSTER_ABI, "TestHangOnStart", methods, start, NULL};
