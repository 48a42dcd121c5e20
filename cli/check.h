/* check: one line and an exit status for monitoring systems. */
#ifndef MUSTER_CLI_CHECK_H
#define MUSTER_CLI_CHECK_H

struct call;

int check_run(struct call *call);

#endif
