/* push: submits one task, or the lines of standard input. */
#ifndef MUSTER_CLI_PUSH_H
#define MUSTER_CLI_PUSH_H

struct call;

int push_run(struct call *call);

#endif
