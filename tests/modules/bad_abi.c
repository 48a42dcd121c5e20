/* bad_abi: a module of another ABI number. */
#include <muster.h>

static const struct muster_method methods[] = {{NULL, NULL}};

MUSTER_EXPORT const struct muster_module muster_module = {MUSTER_ABI + 1000, "BadAbi", methods, NULL, NULL};
