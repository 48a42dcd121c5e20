/* bulk: verbs on tasks by id, or on all that match a filter: counted first, then asked. */
#ifndef MUSTER_CLI_BULK_H
#define MUSTER_CLI_BULK_H

struct call;

int bulk_cancel(struct call *call);
int bulk_retry(struct call *call);
int bulk_purge(struct call *call);

#endif
