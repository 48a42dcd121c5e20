/* version: versions; and what is not built yet. */
#ifndef MUSTER_CLI_VERSION_H
#define MUSTER_CLI_VERSION_H

struct call;

int version_run(struct call *call);
int version_later(struct call *call);

#endif
