#include "core/program.h"

#include "core/buffer.h"
#include "core/clock.h"
#include "core/io.h"
#include "core/units.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	OPTIONS_MAX = 32, /* words for the launcher before the program's own */
	WORD_MAX = 64,
	EXIT_CANNOT = 126, /* the launcher's: what it has said on stderr */
	EXIT_NOT_FOUND = 127,
};

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* ---- resource limits ---- */

static const struct {
	const char *name;
	int resource;
} rlimit_names[] = {
	{"as", RLIMIT_AS},
	{"core", RLIMIT_CORE},
	{"cpu", RLIMIT_CPU},
	{"data", RLIMIT_DATA},
	{"fsize", RLIMIT_FSIZE},
	{"memlock", RLIMIT_MEMLOCK},
	{"nofile", RLIMIT_NOFILE},
	{"nproc", RLIMIT_NPROC},
	{"stack", RLIMIT_STACK},
};

static bool read_bound(const json_t *bound, uint64_t *ret_limit)
{
	const char *text = json_string_value(bound);
	int64_t size;

	if (json_is_integer(bound) && json_integer_value(bound) >= 0)
		*ret_limit = (uint64_t)json_integer_value(bound);
	else if (text != NULL && strcmp(text, "unlimited") == 0)
		*ret_limit = UINT64_MAX;
	else if (text != NULL && units_parse_size(text, &size) == 0 && size >= 0)
		*ret_limit = (uint64_t)size;
	else
		return false;
	return true;
}

int program_read_rlimit(const char *name, const json_t *bound, struct program_rlimit *ret_limit, struct error *error)
{
	uint64_t limit;

	if (!read_bound(bound, &limit))
		return error_set(error, -EINVAL,
			"has under \"%.32s\" neither a number, nor a size as in \"1GiB\", nor \"unlimited\"", name);
	for (size_t i = 0; i < sizeof rlimit_names / sizeof *rlimit_names; i++) {
		if (strcmp(rlimit_names[i].name, name) != 0)
			continue;
		*ret_limit = (struct program_rlimit){rlimit_names[i].resource, limit};
		return 0;
	}
	return error_set(error, -EINVAL,
		"has no limit \"%.32s\": there are as, core, cpu, data, fsize, memlock, nofile, nproc and stack", name);
}

/* ---- plans ---- */

/* Both arrays own their texts and end with NULL. */
struct program_plan {
	char *launcher;
	char **argv; /* launcher, options, "--", program, its arguments */
	size_t argc;
	char **environment;
	size_t variable_count;
};

/* Appends the text, which is taken; NULL stands for no memory. */
static int append(char ***list, size_t *count, char *text)
{
	char **longer = text != NULL ? reallocarray(*list, *count + 2, sizeof *longer) : NULL;

	if (longer == NULL) {
		free(text);
		return -ENOMEM;
	}
	longer[(*count)++] = text;
	longer[*count] = NULL;
	*list = longer;
	return 0;
}

static __attribute__((format(printf, 1, 2))) char *make_text(const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);
	return text;
}

static int add_word(struct program_plan *plan, char *word)
{
	return append(&plan->argv, &plan->argc, word);
}

static int add_variable(struct program_plan *plan, char *variable)
{
	return append(&plan->environment, &plan->variable_count, variable);
}

static const char *find_variable(const struct program_plan *plan, const char *name)
{
	const size_t length = strlen(name);

	for (size_t i = 0; i < plan->variable_count; i++)
		if (strncmp(plan->environment[i], name, length) == 0 && plan->environment[i][length] == '=')
			return plan->environment[i] + length + 1;
	return NULL;
}

static bool is_passed_on(const char *variable)
{
	/* The last one is the mark by which what a killed guardian leaves behind is found (server/undertaker). */
	static const char *const names[] = {
		"PATH=", "HOME=", "USER=", "LANG=", "LC_", "TZ=", "TMPDIR=", "MUSTER_TREE="};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strncmp(variable, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* Configured ones first: the first of a name counts. */
static int plan_environment(struct program_plan *plan, const struct config_program *config)
{
	const struct passwd *user = config->user != NULL ? getpwnam(config->user) : NULL;
	const char *name;
	json_t *value;
	int status = 0;

	json_object_foreach(config->env, name, value)
	{
		if (json_is_integer(value))
			status |= add_variable(plan, make_text("%s=%lld", name, (long long)json_integer_value(value)));
		else
			status |= add_variable(plan, make_text("%s=%s", name, json_string_value(value)));
	}
	if (user != NULL && find_variable(plan, "HOME") == NULL)
		status |= add_variable(plan, make_text("HOME=%s", user->pw_dir));
	if (user != NULL && find_variable(plan, "USER") == NULL)
		status |= add_variable(plan, make_text("USER=%s", user->pw_name));
	for (char **variable = environ; *variable != NULL; variable++) {
		char word[WORD_MAX];
		(void)snprintf(word, sizeof word, "%.*s", (int)strcspn(*variable, "="), *variable);
		if (is_passed_on(*variable) && find_variable(plan, word) == NULL)
			status |= add_variable(plan, strdup(*variable));
	}
	if (find_variable(plan, "PATH") == NULL)
		status |= add_variable(plan, strdup("PATH=" DEFAULT_PATH));
	return status;
}

static int plan_rlimits(struct program_plan *plan, const struct config_program *config)
{
	struct program_rlimit limit = {0};
	const char *name;
	json_t *bound;
	int status = 0;

	json_object_foreach(config->rlimits, name, bound)
	{
		if (program_read_rlimit(name, bound, &limit, NULL) == 0)
			status |= add_word(
				plan, make_text("rlimit=%d:%llu", limit.resource, (unsigned long long)limit.limit));
	}
	return status;
}

static int plan_words(struct program_plan *plan, const struct config_program *config)
{
	const struct passwd *user = config->user != NULL ? getpwnam(config->user) : NULL;
	int status = add_word(plan, strdup("launch")) | add_word(plan, make_text("parent=%d", getpid()));

	if (config->nice != SCHEMA_NONE)
		status |= add_word(plan, make_text("nice=%d", (int)config->nice));
	status |= plan_rlimits(plan, config);
	if (user != NULL)
		status |= add_word(plan,
			make_text("user=%u:%u:%s", (unsigned)user->pw_uid, (unsigned)user->pw_gid, user->pw_name));
	if (config->umask != NULL)
		status |= add_word(plan, make_text("umask=%s", config->umask));
	status |= add_word(plan, make_text("cwd=%s", config->cwd)) | add_word(plan, strdup("--"));
	for (size_t i = 0; i < config->argv.count; i++)
		status |= add_word(plan, strdup(config->argv.items[i]));
	return status;
}

/* In the build tree it stands beside the binary. */
static char *find_launcher(void)
{
	char path[512];
	ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);

	if (length > 0) {
		path[length] = '\0';
		char *slash = strrchr(path, '/');
		char *launcher = make_text("%.*s/libexec/launch", (int)(slash - path), path);
		if (launcher == NULL || access(launcher, X_OK) == 0)
			return launcher;
		free(launcher);
	}
	return strdup(MUSTER_LIBEXEC_DIR "/launch");
}

static bool is_program(const char *directory, size_t directory_length, const char *name)
{
	char *path = make_text(
		name[0] == '/' ? "%.*s%s" : "%.*s/%s", name[0] == '/' ? 0 : (int)directory_length, directory, name);
	struct stat file;
	bool found = path != NULL && stat(path, &file) == 0 && S_ISREG(file.st_mode) && access(path, X_OK) == 0;

	free(path);
	return found;
}

/* As execvp will look for it. */
static int check_program(const struct program_plan *plan, const struct config_program *config, struct error *error)
{
	const char *name = config->argv.items[0];

	if (strchr(name, '/') != NULL) {
		if (is_program(config->cwd, strlen(config->cwd), name))
			return 0;
		return error_set(error, -ELIBACC, "%.256s is no program that can be run (looked for from %.256s)", name,
			config->cwd);
	}
	const char *path = find_variable(plan, "PATH");
	for (const char *at = path; *at != '\0';) {
		size_t length = strcspn(at, ":");
		if (length > 0 && is_program(at, length, name))
			return 0;
		at += length + (at[length] == ':');
	}
	return error_set(error, -ELIBACC, "there is no program %.256s in %.512s", name, path);
}

static void free_list(char **list)
{
	for (size_t i = 0; list != NULL && list[i] != NULL; i++)
		free(list[i]);
	free(list);
}

void program_plan_free(struct program_plan *plan)
{
	if (plan == NULL)
		return;
	free(plan->launcher);
	free_list(plan->argv);
	free_list(plan->environment);
	free(plan);
}

static int fill_plan(struct program_plan *plan, const struct config_program *config)
{
	plan->launcher = find_launcher();
	if (plan->launcher == NULL || plan_environment(plan, config) < 0 || plan_words(plan, config) < 0)
		return -ENOMEM;
	return 0;
}

static int check_plan(const struct program_plan *plan, const struct config_program *config, struct error *error)
{
	if (access(plan->launcher, X_OK) != 0)
		return error_set(error, -ELIBACC, "%.256s, which starts programs, cannot be run: %s", plan->launcher,
			strerror(errno));
	return check_program(plan, config, error);
}

int program_plan_new(struct program_plan **ret_plan, const struct config_program *config, struct error *error)
{
	struct program_plan *plan = calloc(1, sizeof *plan);

	if (plan == NULL || fill_plan(plan, config) < 0) {
		program_plan_free(plan);
		return error_set(error, -ENOMEM, "no memory");
	}
	int status = check_plan(plan, config, error);
	if (status < 0)
		program_plan_free(plan);
	else
		*ret_plan = plan;
	return status;
}

/* ---- starting ---- */

static struct program *running; /* all that run */

struct pipes {
	int in[2], out[2], err[2];
};

static void close_pair(int pair[2])
{
	io_close(&pair[0]);
	io_close(&pair[1]);
}

static void pipes_fini(struct pipes *pipes)
{
	close_pair(pipes->in);
	close_pair(pipes->out);
	close_pair(pipes->err);
}

/* Our ends do not block; the child's do, as programs expect. */
static int open_pipes(struct pipes *pipes)
{
	if (pipe2(pipes->in, O_CLOEXEC) != 0 || pipe2(pipes->out, O_CLOEXEC) != 0 || pipe2(pipes->err, O_CLOEXEC) != 0)
		return -errno;
	if (fcntl(pipes->in[1], F_SETFL, O_NONBLOCK) != 0 || fcntl(pipes->out[0], F_SETFL, O_NONBLOCK) != 0 ||
		fcntl(pipes->err[0], F_SETFL, O_NONBLOCK) != 0)
		return -errno;
	return 0;
}

static int spawn(pid_t *ret_pid, const struct program_plan *plan, char *const *environment, const struct pipes *pipes)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t all, none;

	sigfillset(&all);
	sigemptyset(&none);
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawnattr_init(&attributes);
	(void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	(void)posix_spawnattr_setsigdefault(&attributes, &all);
	(void)posix_spawnattr_setsigmask(&attributes, &none);
	int status = posix_spawn_file_actions_adddup2(&actions, pipes->in[0], 0);
	if (status == 0)
		status = posix_spawn_file_actions_adddup2(&actions, pipes->out[1], 1);
	if (status == 0)
		status = posix_spawn_file_actions_adddup2(&actions, pipes->err[1], 2);
	if (status == 0)
		status = posix_spawn(ret_pid, plan->launcher, &actions, &attributes, plan->argv, environment);
	(void)posix_spawnattr_destroy(&attributes);
	(void)posix_spawn_file_actions_destroy(&actions);
	return -status;
}

static int take(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

static int start(struct program *program, const struct program_plan *plan, char *const *environment)
{
	_cleanup_(pipes_fini) struct pipes pipes = {{-1, -1}, {-1, -1}, {-1, -1}};
	pid_t pid = 0;
	int status = open_pipes(&pipes);

	if (status == 0)
		status = spawn(&pid, plan, environment, &pipes);
	if (status < 0)
		return status;
	program->pid = pid;
	program->next = running;
	running = program;
	program->pidfd = (int)syscall(SYS_pidfd_open, pid, 0); /* not reaped yet: the number is its own */
	program->in = take(&pipes.in[1]);
	program->out = take(&pipes.out[0]);
	program->err = take(&pipes.err[0]);
	program->started_mono_ns = clock_mono_ns();
	if (program->pidfd >= 0)
		return 0;
	status = -errno;
	(void)program_close(program);
	return status;
}

/* ---- strays ---- */

static bool is_program_of_ours(pid_t pid)
{
	const struct program *program = running;

	while (program != NULL && program->pid != pid)
		program = program->next;
	return program != NULL;
}

void program_reap_strays(void)
{
	char path[64];
	int pid;

	(void)snprintf(
		path, sizeof path, "/proc/self/task/%d/children", getpid()); /* orphans fall to the first thread */
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return;
	while (fscanf(file, "%d", &pid) == 1)
		if (!is_program_of_ours(pid))
			(void)waitpid(pid, NULL, WNOHANG); /* one that lives stays */
	(void)fclose(file);
}

int program_start(
	struct program *program, const struct program_plan *plan, const char *const *variables, struct error *error)
{
	size_t extra = 0;

	assert(program->pid == 0);
	program_reap_strays();
	while (variables != NULL && variables[extra] != NULL)
		extra++;
	assert(extra <= PROGRAM_VARIABLES_MAX);
	char **environment = calloc(plan->variable_count + extra + 1, sizeof *environment);
	if (environment == NULL)
		return error_set(error, -ENOMEM, "no memory");
	for (size_t i = 0; i < extra; i++)
		environment[i] = (char *)variables[i];
	memcpy(environment + extra, plan->environment, plan->variable_count * sizeof *environment);
	int status = start(program, plan, environment);
	free(environment);
	return status < 0 ? error_set(error, status, "no process can be made for it: %s", strerror(-status)) : 0;
}

/* ---- ending ---- */

void program_signal(const struct program *program, int signal_number)
{
	const int pidfd = program->pidfd;

	if (pidfd >= 0)
		(void)syscall(SYS_pidfd_send_signal, pidfd, signal_number, NULL, 0); /* fails when it has ended */
}

bool program_wait(const struct program *program, int64_t until_mono_ns)
{
	struct pollfd entry = {.fd = program->pidfd, .events = POLLIN};

	return entry.fd < 0 || io_poll(&entry, 1, until_mono_ns) > 0;
}

struct program_end program_look_at_end(const struct program *program)
{
	siginfo_t info = {0};

	while (waitid(P_PID, (id_t)program->pid, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR)
		continue;
	return (struct program_end){info.si_code != CLD_EXITED, info.si_status};
}

static void forget(const struct program *program)
{
	struct program **link = &running;

	while (*link != program)
		link = &(*link)->next;
	*link = program->next;
}

struct program_end program_close(struct program *program)
{
	struct program_end end = {false, 0};
	int status = 0;

	if (program->pid > 0) {
		(void)kill(program->pid, SIGKILL); /* not reaped yet; one that has ended keeps its status */
		while (waitpid(program->pid, &status, 0) < 0 && errno == EINTR)
			continue;
		forget(program);
		end.by_signal = WIFSIGNALED(status);
		end.status = end.by_signal ? WTERMSIG(status) : WEXITSTATUS(status);
	}
	int pidfd = program->pidfd;
	program->pidfd = -1;
	program->pid = 0;
	io_close(&pidfd);
	io_close(&program->in);
	io_close(&program->out);
	io_close(&program->err);
	return end;
}

void program_describe_end(struct program_end end, char *text, size_t size)
{
	if (end.by_signal)
		(void)snprintf(text, size, "ended by signal %d (%s)", end.status, strsignal(end.status));
	else if (end.status == EXIT_CANNOT || end.status == EXIT_NOT_FOUND)
		(void)snprintf(
			text, size, "ended with exit status %d: it could hardly be started, see the log", end.status);
	else
		(void)snprintf(text, size, "ended with exit status %d", end.status);
}
