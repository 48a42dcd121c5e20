/* Demo: the bundled class that does nothing useful in every way that a task can go.
 *
 * It is what one tries Muster with, what the tests ask to hang and crash, and an example of a module: it knows muster.h
 * and nothing else of Muster. Methods take their params by position ([1, 2]) or by name ({"a": 1, "b": 2}). */
#include <muster.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { PARAMS_MAX = 2, WAKE_MS = 5, PIECE = 1024 * 1024, PAGE = 4096, PATH_BYTES_MAX = 4095 };

static const int64_t MS_MAX = INT64_C(365) * 24 * 3600 * 1000;
static const int64_t NS_PER_MS = 1000000;

/* ---- params ---- */

/* Fills values[i] with what stands at position i or under names[i]; NULL where nothing or null does. Returns false when
 * there are more params than names, or others. */
static bool read_params(
	const struct muster_task *task, const char *const names[PARAMS_MAX], const json_t *values[PARAMS_MAX])
{
	const json_t *param = muster_param(task);
	size_t found = 0, count = json_is_array(param) ? json_array_size(param) : json_object_size(param);

	for (size_t i = 0; i < PARAMS_MAX; i++) {
		json_t *value = NULL;
		if (names[i] != NULL)
			value = json_is_array(param) ? json_array_get(param, i) : json_object_get(param, names[i]);
		found += value != NULL;
		values[i] = json_is_null(value) ? NULL : value;
	}
	return found == count;
}

/* The one param `name`; NULL in *ret_value when it is absent. */
static bool read_param(const struct muster_task *task, const char *name, const json_t **ret_value)
{
	const json_t *values[PARAMS_MAX];

	if (!read_params(task, (const char *const[PARAMS_MAX]){name}, values))
		return false;
	*ret_value = values[0];
	return true;
}

static bool read_integer(const json_t *value, int64_t minimum, int64_t maximum, int64_t *ret_number)
{
	if (!json_is_integer(value) || json_integer_value(value) < minimum || json_integer_value(value) > maximum)
		return false;
	*ret_number = json_integer_value(value);
	return true;
}

/* ---- methods that end well ---- */

static enum muster_end noop(struct muster_task *task)
{
	return muster_ok(task, NULL);
}

static enum muster_end add(struct muster_task *task)
{
	const json_t *values[PARAMS_MAX];
	double sum;
	json_int_t exact;

	if (!read_params(task, (const char *const[PARAMS_MAX]){"a", "b"}, values) || !json_is_number(values[0]) ||
		!json_is_number(values[1]))
		return muster_fail(task, "add wants two numbers: [a, b] or {\"a\": …, \"b\": …}");
	if (json_is_integer(values[0]) && json_is_integer(values[1])) {
		if (__builtin_add_overflow(json_integer_value(values[0]), json_integer_value(values[1]), &exact))
			return muster_fail(task, "add: the sum does not fit into 64 bits");
		return muster_ok(task, json_integer(exact));
	}
	sum = json_number_value(values[0]) + json_number_value(values[1]);
	if (!isfinite(sum))
		return muster_fail(task, "add: the sum is beyond a double");
	return muster_ok(task, json_real(sum));
}

static enum muster_end echo(struct muster_task *task)
{
	return muster_ok(task, json_incref((json_t *)muster_param(task)));
}

/* ---- methods that take their time ---- */

static int64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void sleep_until(int64_t until_ns)
{
	const struct timespec until = {
		.tv_sec = (time_t)(until_ns / INT64_C(1000000000)),
		.tv_nsec = (long)(until_ns % INT64_C(1000000000)),
	};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		continue;
}

/* Waits ms milliseconds, calling each_turn (NULL: nothing) every few of them with what has passed. */
static enum muster_end wait_ms(struct muster_task *task, int64_t ms,
	void (*each_turn)(struct muster_task *task, int64_t passed_ms, int64_t ms))
{
	const int64_t start = now_ns(), end = start + ms * NS_PER_MS;

	for (int64_t now = start; now < end; now = now_ns()) {
		if (muster_stopping(task))
			return muster_fail(task, "told to stop after %lld ms", (long long)((now - start) / NS_PER_MS));
		if (each_turn != NULL)
			each_turn(task, (now - start) / NS_PER_MS, ms);
		sleep_until(end - now < WAKE_MS * NS_PER_MS ? end : now + WAKE_MS * NS_PER_MS);
	}
	if (each_turn != NULL)
		each_turn(task, ms, ms);
	return muster_ok(task, NULL);
}

static enum muster_end sleep_silently(struct muster_task *task)
{
	const json_t *value;
	int64_t ms;

	if (!read_param(task, "ms", &value) || !read_integer(value, 0, MS_MAX, &ms))
		return muster_fail(task, "sleep wants one integer, milliseconds up to a year: [ms] or {\"ms\": …}");
	return wait_ms(task, ms, NULL);
}

static void show_life(struct muster_task *task, int64_t passed_ms, int64_t ms)
{
	muster_beat(task);
	muster_progress(task, ms > 0 ? (int)(passed_ms * 100 / ms) : 100, NULL);
}

static enum muster_end work(struct muster_task *task)
{
	const json_t *value;
	int64_t ms;

	if (!read_param(task, "ms", &value) || !read_integer(value, 0, MS_MAX, &ms))
		return muster_fail(task, "work wants one integer, milliseconds up to a year: [ms] or {\"ms\": …}");
	return wait_ms(task, ms, show_life);
}

/* ---- methods that end badly ---- */

static enum muster_end fail(struct muster_task *task)
{
	const json_t *message;

	if (!read_param(task, "message", &message) || (message != NULL && !json_is_string(message)))
		return muster_fail(task, "fail wants a text, or nothing: [message] or {\"message\": …}");
	return muster_fail(task, "%s", message != NULL ? json_string_value(message) : "");
}

static enum muster_end retry(struct muster_task *task)
{
	const json_t *message;

	if (!read_param(task, "message", &message) || (message != NULL && !json_is_string(message)))
		return muster_fail(task, "retry wants a text, or nothing: [message] or {\"message\": …}");
	return muster_retry(task, "%s", message != NULL ? json_string_value(message) : "");
}

static volatile bool for_ever = true;

/* No signal but SIGKILL reaches it, and nothing that it waits for ever comes. */
static enum muster_end hang(struct muster_task *task)
{
	sigset_t all;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_BLOCK, &all, NULL);
	while (for_ever)
		continue;
	return muster_fail(task, "hang: for ever is over");
}

/* Dies of a signal, whatever its worker has made of that signal. */
static enum muster_end crash(struct muster_task *task)
{
	const json_t *value;
	int64_t number = SIGSEGV;
	sigset_t only;

	if (!read_param(task, "signal", &value) || (value != NULL && !read_integer(value, 1, SIGRTMAX, &number)))
		return muster_fail(task,
			"crash wants a signal's number, 1 to %d, or nothing: [signal] or {\"signal\": …}", SIGRTMAX);
	(void)signal((int)number, SIG_DFL); /* refused for SIGKILL and SIGSTOP, which need it least */
	(void)sigemptyset(&only);
	(void)sigaddset(&only, (int)number);
	(void)pthread_sigmask(SIG_UNBLOCK, &only, NULL);
	(void)raise((int)number);
	return muster_fail(task, "crash: signal %d does not end a process", (int)number);
}

static void *leaked; /* the last piece; each begins with the address of the one before, so that none is forgotten */

static void leak_piece(size_t bytes)
{
	char *piece = malloc(bytes < sizeof leaked ? sizeof leaked : bytes);

	if (piece == NULL)
		abort();
	for (size_t at = 0; at < bytes; at += PAGE)
		((volatile char *)piece)[at] = 1;
	memcpy(piece, &leaked, sizeof leaked);
	leaked = piece;
}

static enum muster_end leak(struct muster_task *task)
{
	const json_t *value;
	int64_t bytes = INT64_MAX;

	if (!read_param(task, "bytes", &value) || (value != NULL && !read_integer(value, 0, INT64_MAX, &bytes)))
		return muster_fail(
			task, "leak wants a number of bytes, or nothing for no end: [bytes] or {\"bytes\": …}");
	for (; bytes >= PIECE; bytes -= value != NULL ? PIECE : 0)
		leak_piece(PIECE);
	if (bytes > 0)
		leak_piece((size_t)bytes);
	return muster_ok(task, NULL);
}

/* ---- record ---- */

/* openat(2) that neither leaves the directory nor follows a symbolic link. */
static int open_beneath(int directory, const char *path, int flags, mode_t mode)
{
	const struct open_how how = {
		.flags = (unsigned)flags | O_CLOEXEC,
		.mode = mode,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	long fd = syscall(SYS_openat2, directory, path, &how, sizeof how);

	return fd < 0 ? -errno : (int)fd;
}

/* O_NONBLOCK: a FIFO that somebody has put there is no reason to hang. */
static int open_record(int directory, const char *path)
{
	return open_beneath(directory, path, O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_NONBLOCK, 0600);
}

/* Opens the record and makes the directories above it, one by one. */
static int open_with_parents(int directory, const char *path)
{
	char component[PATH_BYTES_MAX + 1];
	const char *slash;
	int at = fcntl(directory, F_DUPFD_CLOEXEC, 0), next, fd;

	if (at < 0)
		return -errno;
	for (; (slash = strchr(path, '/')) != NULL; path = slash + 1) {
		memcpy(component, path, (size_t)(slash - path));
		component[slash - path] = '\0';
		if (mkdirat(at, component, 0700) < 0 && errno != EEXIST)
			next = -errno;
		else
			next = open_beneath(at, component, O_PATH | O_DIRECTORY, 0);
		(void)close(at);
		if (next < 0)
			return next;
		at = next;
	}
	fd = open_record(at, path);
	(void)close(at);
	return fd;
}

/* Relative, without empty components, `.` and `..`; the kernel would refuse the worst of it, but without a word. */
static bool is_plain_path(const json_t *value)
{
	const char *path = json_string_value(value);
	size_t length;

	if (path == NULL || json_string_length(value) > PATH_BYTES_MAX || strlen(path) != json_string_length(value))
		return false;
	for (;; path += length + 1) {
		length = strcspn(path, "/");
		if (length == 0 || (length <= 2 && strncmp(path, "..", length) == 0))
			return false;
		if (path[length] == '\0')
			return true;
	}
}

static bool is_line(const json_t *value)
{
	const char *text = json_string_value(value);

	return text != NULL && memchr(text, '\n', json_string_length(value)) == NULL &&
	       memchr(text, '\r', json_string_length(value)) == NULL;
}

/* One line in one system call: with O_APPEND it lands whole, whoever else appends. Returns 0 or a negative errno. */
static int append_line(int fd, const json_t *text)
{
	struct iovec parts[] = {
		{.iov_base = (void *)(uintptr_t)json_string_value(text), .iov_len = json_string_length(text)},
		{.iov_base = (char[]){'\n'}, .iov_len = 1},
	};
	struct stat file;
	ssize_t written;

	if (fstat(fd, &file) < 0)
		return -errno;
	if (!S_ISREG(file.st_mode))
		return -EINVAL;
	written = writev(fd, parts, 2);
	if (written < 0)
		return -errno;
	return (size_t)written == parts[0].iov_len + 1 ? 0 : -ENOSPC;
}

static enum muster_end record(struct muster_task *task)
{
	const json_t *values[PARAMS_MAX];
	const char *path;
	int fd, status;

	if (!read_params(task, (const char *const[PARAMS_MAX]){"path", "text"}, values) || !json_is_string(values[0]) ||
		!json_is_string(values[1]))
		return muster_fail(task, "record wants two texts: [path, text] or {\"path\": …, \"text\": …}");
	if (!is_plain_path(values[0]))
		return muster_fail(task, "record wants a relative path without empty parts, `.` and `..`");
	if (!is_line(values[1]))
		return muster_fail(task, "record wants one line: a text without line breaks");
	if (muster_demo_directory(task) < 0)
		return muster_fail(task, "record: this node has no demo directory");
	path = json_string_value(values[0]);
	fd = open_record(muster_demo_directory(task), path);
	if (fd == -ENOENT)
		fd = open_with_parents(muster_demo_directory(task), path);
	if (fd < 0)
		return muster_fail(task, "record: %s cannot be opened: %s", path, strerror(-fd));
	status = append_line(fd, values[1]);
	(void)close(fd);
	if (status < 0)
		return muster_fail(task, "record: %s cannot be written: %s", path, strerror(-status));
	return muster_ok(task, NULL);
}

static const struct muster_method methods[] = {
	{"noop", noop},
	{"add", add},
	{"echo", echo},
	{"sleep", sleep_silently},
	{"work", work},
	{"fail", fail},
	{"retry", retry},
	{"hang", hang},
	{"crash", crash},
	{"leak", leak},
	{"record", record},
	{NULL, NULL},
};

const struct muster_module muster_module = {
	.abi = MUSTER_ABI,
	.class_name = "Demo",
	.methods = methods,
};
