/* stat: one line a second. */
#ifndef MUSTER_CLI_STAT_H
#define MUSTER_CLI_STAT_H

struct call;

int stat_run(struct call *call);

#endif
