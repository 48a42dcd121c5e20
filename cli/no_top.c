#include "cli/top.h"

#include "cli/call.h"

/* What stands in where configure has found no ncurses. */
int top_run(struct call *call)
{
	if (call_has(call, OPTION_JSON))
		return top_print(call);
	return call_refused(
		call, "top is not built in: ncurses was missing when muster was built; `muster stat' needs none");
}
