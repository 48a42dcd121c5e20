/* launch: becomes a program that runs other people's code, after what posix_spawn(3) cannot do for it.
 *
 *     launch parent=PID [nice=N] [rlimit=RESOURCE:LIMIT]… [user=UID:GID:NAME] [umask=OCTAL] [cwd=PATH] -- PROGRAM [ARGUMENT…]
 *
 * Only for Muster's workers (core/program.c writes these words). Each word is a step, and they are taken in the order
 * given: what needs root's rights stands before `user`, what needs the user's own behind it. It stays in its starter's
 * process group and dies with it. What fails is said on stderr; exit status 126, or 127 where the program was not found. */
#include <errno.h>
#include <grp.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXIT_CANNOT = 126, EXIT_NOT_FOUND = 127 };

/* A number that is the whole text up to `stop`; the text behind that in *ret_rest. */
static int read_number(const char *text, int base, char stop, unsigned long long *ret_number, const char **ret_rest)
{
	char *end;

	errno = 0;
	*ret_number = strtoull(text, &end, base);
	if (errno != 0 || end == text || *end != stop)
		return -EINVAL;
	if (ret_rest != NULL)
		*ret_rest = end + 1;
	return 0;
}

static unsigned long long parent;

static int set_parent(const char *text)
{
	return read_number(text, 10, '\0', &parent, NULL);
}

static int set_nice(const char *text)
{
	char *end;
	const long nice = strtol(text, &end, 10);

	if (end == text || *end != '\0' || nice < -20 || nice > 19)
		return -EINVAL;
	return setpriority(PRIO_PROCESS, 0, (int)nice) == 0 ? 0 : -errno;
}

static int set_rlimit(const char *text)
{
	unsigned long long resource, limit;
	const char *rest;

	if (read_number(text, 10, ':', &resource, &rest) < 0 || read_number(rest, 10, '\0', &limit, NULL) < 0)
		return -EINVAL;
	const rlim_t bound = limit == ~0ULL ? RLIM_INFINITY : (rlim_t)limit;
	const struct rlimit both = {bound, bound};
	return setrlimit((__rlimit_resource_t)resource, &both) == 0 ? 0 : -errno;
}

static int set_user(const char *text)
{
	unsigned long long user, group;
	const char *rest, *name;

	if (read_number(text, 10, ':', &user, &rest) < 0 || read_number(rest, 10, ':', &group, &name) < 0)
		return -EINVAL;
	const uid_t uid = (uid_t)user;
	const gid_t gid = (gid_t)group;
	if (uid == geteuid() && uid == getuid())
		return 0;
	if (initgroups(name, gid) != 0 || setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0)
		return -errno;
	return 0;
}

static int set_umask(const char *text)
{
	unsigned long long mask;

	if (read_number(text, 8, '\0', &mask, NULL) < 0)
		return -EINVAL;
	(void)umask((mode_t)mask);
	return 0;
}

static int set_directory(const char *text)
{
	return chdir(text) == 0 ? 0 : -errno;
}

static const struct step {
	const char *name;
	int (*take)(const char *text);
} steps[] = {
	{"parent=", set_parent},
	{"nice=", set_nice},
	{"rlimit=", set_rlimit},
	{"user=", set_user},
	{"umask=", set_umask},
	{"cwd=", set_directory},
};

static int take_step(const char *word)
{
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		size_t length = strlen(steps[i].name);
		if (strncmp(word, steps[i].name, length) == 0)
			return steps[i].take(word + length);
	}
	return -EINVAL;
}

static int refuse(const char *what, int status, int exit_status)
{
	(void)fprintf(stderr, "launch: %s: %s\n", what, strerror(-status));
	return exit_status;
}

int main(int argc, char **argv)
{
	int next = 1;

	for (; next < argc && strcmp(argv[next], "--") != 0; next++) {
		int status = take_step(argv[next]);
		if (status < 0)
			return refuse(argv[next], status, EXIT_CANNOT);
	}
	if (next + 1 >= argc)
		return refuse("no program is given", -EINVAL, EXIT_CANNOT);
	/* Behind `user`, which takes it back; then a look whether the starter was gone before. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || (unsigned long long)getppid() != parent)
		return refuse("its starter is gone", -ESRCH, EXIT_CANNOT);
	(void)close_range(3, ~0U, 0);
	(void)execvp(argv[next + 1], argv + next + 1);
	return refuse(argv[next + 1], -errno, errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT);
}
