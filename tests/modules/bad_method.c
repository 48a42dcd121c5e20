/* bad_method: a module with a method that no task could name. */
#include <muster.h>

static enum muster_end nothing(struct muster_task *task)
{
	return muster_ok(task, NULL);
}

static const struct muster_method methods[] = {{"nothing", nothing}, {"no thing", nothing}, {NULL, NULL}};

const struct muster_module muster_module = {MUSTER_ABI, "TestBadMethod", methods, NULL, NULL};
