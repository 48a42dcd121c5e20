#include "api/sandbox.h"

#include "core/io.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MUSTER_NO_SECCOMP
#include <seccomp.h>
#endif

/* ---- Landlock: files, listening, signals ---- */

/* The kernel's, which may be newer than the headers that musterd is built with. */
struct ruleset {
	uint64_t files, network, scoped;
};

enum {
	FILES_1 = (1 << 13) - 1,  /* version 1: execute, write, read, list, remove, make */
	FILES_REFER = 1 << 13,    /* 2: link and rename across directories */
	FILES_TRUNCATE = 1 << 14, /* 3 */
	FILES_IOCTL = 1 << 15,    /* 5: of devices */
	NETWORK_BIND = 1 << 0,    /* 4: of TCP ports */
	SCOPE_ABSTRACT = 1 << 0,  /* 6: sockets without a file, of others */
	SCOPE_SIGNAL = 1 << 1,    /* 6 */
	READABLE = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
	WRITABLE = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG,
	FILE_RIGHTS =
		LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE, /* what a rule for a file may grant */
};

static struct ruleset everything(int version)
{
	struct ruleset ruleset = {.files = FILES_1};

	if (version >= 2)
		ruleset.files |= FILES_REFER;
	if (version >= 3)
		ruleset.files |= FILES_TRUNCATE;
	if (version >= 4)
		ruleset.network |= NETWORK_BIND;
	if (version >= 5)
		ruleset.files |= FILES_IOCTL;
	if (version >= 6)
		ruleset.scoped |= SCOPE_ABSTRACT | SCOPE_SIGNAL;
	return ruleset;
}

/* An older kernel takes a shorter structure. */
static size_t ruleset_size(int version)
{
	if (version < 4)
		return offsetof(struct ruleset, network);
	return version < 6 ? offsetof(struct ruleset, scoped) : sizeof(struct ruleset);
}

static int allow(int ruleset, const char *path, uint64_t rights)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = rights};

	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == EACCES ? 0 : -errno;
	int status = (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	if (status != 0 && errno == EINVAL) { /* it is no directory */
		rule.allowed_access &= FILE_RIGHTS;
		status = (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	}
	status = status != 0 ? -errno : 0;
	(void)close(rule.parent_fd);
	return status;
}

static int restrict_self(const struct sandbox *sandbox, int version)
{
	const struct ruleset handled = everything(version);
	int status = 0;

	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &handled, ruleset_size(version), 0);
	if (ruleset < 0)
		return -errno;
	for (size_t i = 0; status == 0 && sandbox->readable[i]; i++)
		status = allow(ruleset, sandbox->readable[i], READABLE);
	if (status == 0 && sandbox->writable)
		status = allow(ruleset, sandbox->writable, WRITABLE);
	if (status == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
		status = -errno;
	io_close(&ruleset);
	return status;
}

static int enter_landlock(const struct sandbox *sandbox, int *ret_version)
{
	int version = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	*ret_version = 0;
	if (version <= 0)
		return 0; /* not built in, switched off, or a container engine's filter is before it */
	int status = restrict_self(sandbox, version);
	if (status == 0)
		*ret_version = version;
	return status;
}

/* ---- seccomp: what files are no matter of ---- */

#ifdef MUSTER_NO_SECCOMP

static int enter_seccomp(bool *ret_entered)
{
	*ret_entered = false;
	return 0;
}

#else

/* Refused with EPERM. What is not here is what libraries may come to need with their next version; what is here nobody who
 * answers HTTP ever needs. */
static const int refused[] = {
	/* other programs, other processes */
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(fork),
	SCMP_SYS(vfork),
	SCMP_SYS(clone),
	SCMP_SYS(clone3),
	/* looking into others, and signalling them */
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(kcmp),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(kill),
	SCMP_SYS(tkill),
	SCMP_SYS(pidfd_send_signal),
	SCMP_SYS(rt_sigqueueinfo),
	SCMP_SYS(rt_tgsigqueueinfo),
	/* being somebody else, and being somewhere else */
	SCMP_SYS(setuid),
	SCMP_SYS(setgid),
	SCMP_SYS(setreuid),
	SCMP_SYS(setregid),
	SCMP_SYS(setresuid),
	SCMP_SYS(setresgid),
	SCMP_SYS(setgroups),
	SCMP_SYS(setfsuid),
	SCMP_SYS(setfsgid),
	SCMP_SYS(capset),
	SCMP_SYS(personality),
	SCMP_SYS(chroot),
	SCMP_SYS(pivot_root),
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(unshare),
	SCMP_SYS(setns),
	SCMP_SYS(open_by_handle_at),
	/* parts of the kernel in which most of its holes were */
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(keyctl),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(kexec_load),
	SCMP_SYS(reboot),
	SCMP_SYS(swapon),
	SCMP_SYS(swapoff),
	SCMP_SYS(acct),
	/* the listening sockets are there already */
	SCMP_SYS(listen),
};

static int refuse_domain(scmp_filter_ctx filter, enum scmp_compare compare, int domain)
{
	const struct scmp_arg_cmp argument = {.arg = 0, .op = compare, .datum_a = (scmp_datum_t)domain};

	return seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1, &argument);
}

/* Beside names of machines (AF_NETLINK) only what brokers are reached by. */
static int refuse_other_sockets(scmp_filter_ctx filter)
{
	int status = refuse_domain(filter, SCMP_CMP_GT, AF_NETLINK);

	for (int domain = 0; status == 0 && domain < AF_NETLINK; domain++)
		if (domain != AF_UNIX && domain != AF_INET && domain != AF_INET6)
			status = refuse_domain(filter, SCMP_CMP_EQ, domain);
	return status;
}

/* The sanitizer's; not there in other builds. Its search for leaks at the end makes a process that traces us. */
extern int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

static int load_filter(scmp_filter_ctx filter)
{
	int status = 0;

	for (size_t i = 0; status == 0 && i < sizeof refused / sizeof *refused; i++)
		status = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), refused[i], 0);
	if (status == 0)
		status = refuse_other_sockets(filter);
	return status == 0 ? seccomp_load(filter) : status;
}

static int enter_seccomp(bool *ret_entered)
{
	*ret_entered = false;
	if (__lsan_do_recoverable_leak_check)
		return 0;
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	if (!filter)
		return -ENOMEM;
	int status = load_filter(filter);
	seccomp_release(filter);
	if (status == -EINVAL || status == -ENOSYS || status == -ECANCELED)
		return 0; /* a kernel without it */
	*ret_entered = status == 0;
	return status;
}

#endif

int sandbox_enter(const struct sandbox *sandbox, struct sandbox_report *ret_report, struct error *error)
{
	struct sandbox_report report;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return error_set(error, -errno, "no_new_privs: %s", strerror(errno));
	int status = enter_landlock(sandbox, &report.landlock);
	if (status < 0)
		return error_set(error, status, "Landlock: %s", strerror(-status));
	status = enter_seccomp(&report.seccomp);
	if (status < 0)
		return error_set(error, status, "seccomp: %s", strerror(-status));
	*ret_report = report;
	return 0;
}
