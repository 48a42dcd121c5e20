/* queues: queues, and what rests. */
#ifndef MUSTER_CLI_QUEUES_H
#define MUSTER_CLI_QUEUES_H

struct call;

int queues_list(struct call *call);
int queues_pause(struct call *call);
int queues_resume(struct call *call);

#endif
