/* bench: measures this installation. */
#ifndef MUSTER_CLI_BENCH_H
#define MUSTER_CLI_BENCH_H

struct call;

int bench_run(struct call *call);

#endif
