/* sandbox: what a process that reads strangers' bytes gives up for good, before it reads the first one.
 *
 * It gains no privileges (no_new_privs), reads only what it names, writes and makes nothing but the log, listens nowhere
 * anew, signals, traces and looks into nobody (Landlock, where the kernel has it), and makes no process and runs no program
 * (seccomp, where musterd is built with libseccomp). Descriptors that are open stay good; so do connections to unix
 * sockets, wherever their files lie, and to other machines: the broker is there. */
#ifndef MUSTER_API_SANDBOX_H
#define MUSTER_API_SANDBOX_H

#include "core/error.h"

#include <stdbool.h>

struct sandbox {
	const char *const
		*readable;    /* files and directories with all below them; those that are not there are passed over;
					ends with NULL */
	const char *writable; /* a directory in which files may be made and appended to; NULL: none */
};

struct sandbox_report {
	int landlock; /* version of the kernel's interface; 0: it has none */
	bool seccomp;
};

/* There is no way back. A kernel that lacks something leaves it out; whatever else fails is a negative errno. While the
 * process has one thread. */
int sandbox_enter(const struct sandbox *sandbox, struct sandbox_report *ret_report, struct error *error);

#endif
