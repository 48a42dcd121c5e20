/* top: workers and queues, live, on the whole terminal. */
#ifndef MUSTER_CLI_TOP_H
#define MUSTER_CLI_TOP_H

struct call;

int top_run(struct call *call);

#endif
