/* pools: pools and their size. */
#ifndef MUSTER_CLI_POOLS_H
#define MUSTER_CLI_POOLS_H

struct call;

int pools_list(struct call *call);
int pools_scale(struct call *call);

#endif
