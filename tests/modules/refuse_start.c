/* refuse_start: a module that says, when it is loaded, that it cannot work here. */
#include <muster.h>

static enum muster_end nothing(struct muster_task *task)
{
	return muster_ok(task, NULL);
}

static int start(const char **why)
{
	*why = "the moon is wrong";
	return -1;
}

static const struct muster_method methods[] = {{"nothing", nothing}, {NULL, NULL}};

MUSTER_EXPORT const struct muster_module muster_module = {MUSTER_ABI, "RefuseStart", methods, start, NULL};
