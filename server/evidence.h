/* evidence: what a silent process was doing, looked at from outside just before it is ended.
 *
 * Read from /proc without ptrace, so it works on a process that is stopped, spins, or sleeps in the kernel. */
#ifndef MUSTER_SERVER_EVIDENCE_H
#define MUSTER_SERVER_EVIDENCE_H

#include "core/scoreboard.h"

#include <sys/types.h>

/* What cannot be read stays empty. silent_ms: since its last sign of life. */
struct scoreboard_evidence evidence_take(pid_t pid, int64_t silent_ms);

#endif
