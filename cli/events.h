/* events: shows what /v1/events tells. */
#ifndef MUSTER_CLI_EVENTS_H
#define MUSTER_CLI_EVENTS_H

struct call;

int events_run(struct call *call);

#endif
