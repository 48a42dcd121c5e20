/* drill: causes a fault on purpose and measures what follows. */
#ifndef MUSTER_CLI_DRILL_H
#define MUSTER_CLI_DRILL_H

struct call;

int drill_run(struct call *call);

#endif
