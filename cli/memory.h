/* memory: the client has nothing to save when there is none left. */
#ifndef MUSTER_CLI_MEMORY_H
#define MUSTER_CLI_MEMORY_H

/* Returns what it is given; for NULL it says so on stderr and ends the program (exit 1). */
void *memory_or_end(void *bytes);

#endif
