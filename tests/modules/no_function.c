/* no_function: a module with a method and nothing behind it. */
#include <muster.h>

static const struct muster_method methods[] = {{"nothing", NULL}, {NULL, NULL}};

const struct muster_module muster_module = {MUSTER_ABI, "TestNoFunction", methods, NULL, NULL};
