/* top: workers and queues, live, on the whole terminal. */
#ifndef MUSTER_CLI_TOP_H
#define MUSTER_CLI_TOP_H

struct call;

int top_run(struct call *call);

/* The same, as one document for scripts, once: {status{ready, checks}, workers[], queues[], dead[]}, at most 50 dead tasks. */
int top_print(struct call *call);

#endif
