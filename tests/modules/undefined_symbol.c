/* undefined_symbol: a module that was linked without one of its libraries. */
#include <muster.h>

enum muster_end test_symbol_of_no_library(struct muster_task *task);

static enum muster_end call(struct muster_task *task)
{
	return test_symbol_of_no_library(task);
}

static const struct muster_method methods[] = {{"call", call}, {NULL, NULL}};

const struct muster_module muster_module = {MUSTER_ABI, "TestUndefinedSymbol", methods, NULL, NULL};
