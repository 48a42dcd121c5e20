/* arguments: the command line, by argp, from the tables of verb.h. */
#ifndef MUSTER_CLI_ARGUMENTS_H
#define MUSTER_CLI_ARGUMENTS_H

#include "cli/call.h"

/* Fills verb, options and arguments; ends the program for --help, --version (exit 0) and wrong usage (64). They borrow from
 * argv. */
void arguments_read(int argc, char **argv, struct call *call);

#endif
