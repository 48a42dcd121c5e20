/* workers: the roll, and workers replaced in order. */
#ifndef MUSTER_CLI_WORKERS_H
#define MUSTER_CLI_WORKERS_H

struct call;

int workers_list(struct call *call);
int workers_restart(struct call *call);

#endif
