/* What the api's process may not do, it cannot do: each attempt is made in a process of its own, behind the very function that
 * the api calls. */
#include "api/sandbox.h"

#include "tests/unit/config_file.h"

#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

static struct sandbox_report report;
static char secret[PATH_MAX], log_directory[PATH_MAX];
static pid_t other; /* a process outside of the sandbox */

/* ---- attempts: 0 when it worked, else errno ---- */

static int try_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);
	return fd < 0 ? errno : 0;
}

static int reads_a_secret(void)
{
	return try_open(secret, O_RDONLY);
}

static int writes_a_secret(void)
{
	return try_open(secret, O_WRONLY);
}

static int lists_the_state_directory(void)
{
	return try_open(directory, O_RDONLY | O_DIRECTORY);
}

static int makes_a_file(void)
{
	return try_open(in_directory("new"), O_WRONLY | O_CREAT);
}

static int removes_a_file(void)
{
	return unlink(secret) != 0 ? errno : 0;
}

static int renames_a_file(void)
{
	return rename(secret, in_directory("moved")) != 0 ? errno : 0;
}

static int writes_to_etc(void)
{
	return try_open("/etc/muster-test", O_WRONLY | O_CREAT);
}

static int runs_a_program(void)
{
	char *const arguments[] = {(char[]){"true"}, NULL};
	(void)execv("/bin/true", arguments);
	return errno;
}

static int forks(void)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	return pid < 0 ? errno : 0;
}

static int spawns(void)
{
	char *const arguments[] = {(char[]){"true"}, NULL};
	pid_t pid;
	return posix_spawn(&pid, "/bin/true", NULL, NULL, arguments, environ);
}

static int traces(void)
{
	return ptrace(PTRACE_ATTACH, other, NULL, NULL) != 0 ? errno : 0;
}

static int looks_into_another(void)
{
	char path[64];
	(void)snprintf(path, sizeof path, "/proc/%d/mem", other);
	return try_open(path, O_RDONLY);
}

static int signals(void)
{
	return kill(other, SIGUSR1) != 0 ? errno : 0;
}

static int listens(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0)
		return errno;
	return listen(fd, 1) != 0 ? errno : 0;
}

static int opens_a_raw_socket(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0) < 0 ? errno : 0;
}

static int becomes_somebody(void)
{
	return setuid(12345) != 0 ? errno : 0;
}

static int mounts(void)
{
	return syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, NULL) != 0 ? errno : 0;
}

/* ---- what it must be able to do ---- */

static int reads_names_of_machines(void)
{
	return try_open("/etc/passwd", O_RDONLY);
}

static int looks_at_a_process_s_size(void)
{
	char path[64];
	(void)snprintf(path, sizeof path, "/proc/%d/statm", other);
	return try_open(path, O_RDONLY);
}

static int reaches_a_unix_socket(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	(void)snprintf(address.sun_path, sizeof address.sun_path, "%s/sock", directory);
	return connect(fd, (struct sockaddr *)&address, sizeof address) != 0 ? errno : 0;
}

static int reopens_the_log(void)
{
	char path[PATH_MAX + 8];
	(void)snprintf(path, sizeof path, "%s/log", log_directory);
	return try_open(path, O_WRONLY | O_APPEND | O_CREAT);
}

static int makes_a_tcp_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0;
}

/* ---- */

/* What came of it, in a process that entered the sandbox first. */
static int attempt(int (*function)(void))
{
	static const char *const readable[] = {"/etc", "/usr", "/lib", "/proc", "/nonexistent", "/etc/passwd", NULL};
	const struct sandbox sandbox = {.readable = readable, .writable = log_directory};
	struct error error;
	pid_t pid = fork();
	int status;
	if (pid == 0) {
		struct sandbox_report got;
		if (sandbox_enter(&sandbox, &got, &error) < 0)
			_exit(255);
		_exit(function());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_not_equal(WEXITSTATUS(status), 255);
	return WEXITSTATUS(status);
}

static void assert_refused_all(int (*const functions[])(void), size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int result = attempt(functions[i]);
		if (result != EPERM && result != EACCES)
			fail_msg("attempt %zu ended with %s", i, strerror(result));
	}
}

static int look_at_the_kernel(void)
{
	static const char *const nothing[] = {NULL};
	struct error error;
	int ends[2], status;
	if (pipe(ends) != 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		struct sandbox_report got;
		if (sandbox_enter(&(struct sandbox){.readable = nothing}, &got, &error) < 0)
			_exit(1);
		_exit(write(ends[1], &got, sizeof got) == (ssize_t)sizeof got ? 0 : 1);
	}
	if (waitpid(pid, &status, 0) != pid || status != 0 ||
		read(ends[0], &report, sizeof report) != (ssize_t)sizeof report)
		return -1;
	(void)close(ends[0]);
	(void)close(ends[1]);
	return 0;
}

static int begin(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (set_up(state) != 0 || look_at_the_kernel() != 0)
		return -1;
	(void)snprintf(secret, sizeof secret, "%s", in_directory("password"));
	write_file(secret, "a secret", 0644);
	(void)snprintf(log_directory, sizeof log_directory, "%s", in_directory("state"));
	(void)snprintf(address.sun_path, sizeof address.sun_path, "%s/sock", directory);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (mkdir(log_directory, 0700) != 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
		listen(fd, 16) != 0)
		return -1;
	other = fork();
	if (other == 0) {
		(void)signal(SIGUSR1, SIG_IGN);
		for (;;)
			(void)pause();
	}
	return 0;
}

static int end(void **state)
{
	(void)kill(other, SIGKILL);
	(void)waitpid(other, NULL, 0);
	(void)remove(in_directory("sock"));
	(void)remove(in_directory("state/log"));
	return tear_down(state);
}

static void it_does_what_it_is_there_for(void **state)
{
	(void)state;
	static int (*const functions[])(void) = {reads_names_of_machines, looks_at_a_process_s_size,
		reaches_a_unix_socket, reopens_the_log, makes_a_tcp_socket};
	for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
		assert_int_equal(attempt(functions[i]), 0);
}

static void it_touches_no_other_file(void **state)
{
	(void)state;
	static int (*const functions[])(void) = {reads_a_secret, writes_a_secret, lists_the_state_directory,
		makes_a_file, removes_a_file, renames_a_file, writes_to_etc, looks_into_another, runs_a_program};
	if (report.landlock == 0)
		skip();
	assert_refused_all(functions, sizeof functions / sizeof *functions);
}

static void it_makes_no_process_and_disturbs_none(void **state)
{
	(void)state;
	static int (*const functions[])(void) = {
		forks, spawns, runs_a_program, traces, signals, listens, opens_a_raw_socket, becomes_somebody, mounts};
	if (!report.seccomp)
		skip();
	assert_refused_all(functions, sizeof functions / sizeof *functions);
}

static int gains_privileges(void)
{
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? EPERM : 0;
}

static void it_gains_no_privileges(void **state)
{
	(void)state;
	assert_int_equal(attempt(gains_privileges), EPERM);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(it_does_what_it_is_there_for),
		CASE(it_touches_no_other_file),
		CASE(it_makes_no_process_and_disturbs_none),
		CASE(it_gains_no_privileges),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
