/* push_lines: thousands of tasks from standard input, one document a line.
 *
 * Lines are sent in portions, as application/x-ndjson: a portion goes out when it is large or when no more comes for a moment,
 * so that what a slow producer writes is not kept back. What is counted as accepted is on record at the server. */
#ifndef MUSTER_CLI_PUSH_LINES_H
#define MUSTER_CLI_PUSH_LINES_H

struct call;

/* Returns EXIT_REFUSED when any line was refused. */
int push_lines(struct call *call);

#endif
