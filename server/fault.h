/* fault: named places at which a test build ends or stops its process on demand.
 *
 * musterd-faults (made by check-programs, never installed) is musterd with MUSTER_FAULT_POINTS defined: each place then
 * looks for a file of its name in the folder that the environment variable MUSTER_FAULTS names (tests/faults/fault.c). In
 * musterd itself nothing is left of it. Any process and thread. */
#ifndef MUSTER_SERVER_FAULT_H
#define MUSTER_SERVER_FAULT_H

#ifdef MUSTER_FAULT_POINTS
void fault_point(const char *name);
#else
static inline void fault_point(const char *name)
{
	(void)name;
}
#endif

#endif
