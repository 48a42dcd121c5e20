/* logs: what a task has said. */
#ifndef MUSTER_CLI_LOGS_H
#define MUSTER_CLI_LOGS_H

struct call;

int logs_run(struct call *call);

#endif
