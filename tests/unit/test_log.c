#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int real_stderr = -1, reader = -1; /* of the pipe that is stderr while a test runs */
static char directory[64], file[96], moved[96];
static _Atomic uint64_t dropped;

static void make_stderr(int fd)
{
	assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	close(fd);
}

static int set_up(void **state)
{
	(void)state;
	int ends[2];
	atomic_store(&dropped, 0);
	strcpy(directory, "/tmp/test_log.XXXXXX");
	real_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	if (!mkdtemp(directory) || pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	snprintf(file, sizeof file, "%s/log", directory);
	snprintf(moved, sizeof moved, "%s/log.1", directory);
	reader = ends[0];
	make_stderr(ends[1]);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	make_stderr(real_stderr);
	close(reader);
	(void)log_open(NULL, CONFIG_LOG_INFO, CONFIG_LOG_TEXT);
	log_become("musterd", NULL, NULL);
	(void)unlink(file);
	(void)unlink(moved);
	return rmdir(directory);
}

/* All that was written so far; at most one buffer of it. */
static const char *read_lines(int fd)
{
	static char text[1 << 20];
	ssize_t length = read(fd, text, sizeof text - 1);
	assert_true(length >= 0);
	text[length] = '\0';
	return text;
}

/* The line behind its time, which is looked at here. */
static const char *read_line(void)
{
	const char *line = read_lines(reader);
	assert_true(strlen(line) > 25);
	assert_int_equal(strspn(line, "0123456789-:T."), 23);
	assert_memory_equal(line + 23, "Z ", 2);
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
	return line + 25;
}

static const char *read_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	const char *text = read_lines(fd);
	close(fd);
	return text;
}

static void open_log(const char *path, int format)
{
	assert_int_equal(log_open(path, CONFIG_LOG_INFO, format), 0);
	log_become("default:worker-0", &dropped, NULL);
}

static void text_lines_have_time_level_process_message_and_fields(void **state)
{
	(void)state;
	open_log(NULL, CONFIG_LOG_TEXT);
	log_info("worker started", LOG_INT("pid", -42), LOG_TEXT("pool", "default"), LOG_BYTES("part", "abcdef", 3));
	assert_string_equal(read_line(), "info default:worker-0 worker started pid=-42 pool=default part=abc\n");
	log_warn("nothing to add");
	assert_string_equal(read_line(), "warn default:worker-0 nothing to add\n");
	log_error("odd values", LOG_TEXT("none", NULL), LOG_TEXT("empty", ""), LOG_TEXT("two", "a b"),
		LOG_TEXT("is", "a=b"), LOG_INT("least", INT64_MIN));
	assert_string_equal(read_line(), "error default:worker-0 odd values none=- empty=\"\" two=\"a b\" is=\"a=b\" "
					 "least=-9223372036854775808\n");
}

static void what_comes_from_outside_cannot_forge_a_line(void **state)
{
	(void)state;
	open_log(NULL, CONFIG_LOG_TEXT);
	log_info("a\nb", LOG_TEXT("v", "x\n2026 error \"quoted\" \\ \r\t\x1b[31m\x7f"));
	assert_string_equal(read_line(), "info default:worker-0 a\\x0ab v=\"x\\x0a2026 error \\\"quoted\\\" \\\\ "
					 "\\x0d\\x09\\x1b[31m\\x7f\"\n");
	log_info("task format wrong:{\"a\":\"\\u0041\"}"); /* documents are grepped for as they are */
	assert_string_equal(read_line(), "info default:worker-0 task format wrong:{\"a\":\"\\u0041\"}\n");
	log_info("m", LOG_TEXT("c1", "\xc2\x85"), LOG_TEXT("bad", "\xff\xc3("), LOG_TEXT("line", "\xe2\x80\xa8"),
		LOG_TEXT("fine", "\xc3\xa9\xe4\xb8\xad"), LOG_BYTES("nul", "a\0b", 3));
	assert_string_equal(read_line(),
		"info default:worker-0 m c1=\"\\xc2\\x85\" bad=\"\\xff\\xc3(\" line=\"\\xe2\\x80\\xa8\" "
		"fine=\"\xc3\xa9\xe4\xb8\xad\" nul=\"a\\x00b\"\n");
	log_become("a title\n", &dropped, NULL);
	log_info("m");
	assert_string_equal(read_line(), "info \"a title\\x0a\" m\n");
}

static json_t *read_object(void)
{
	const char *line = read_lines(reader);
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
	json_error_t error;
	json_t *object = json_loads(line, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	if (!object)
		fail_msg("%s: %s", error.text, line);
	return object;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	assert_non_null(text);
	return text;
}

static void json_lines_are_objects(void **state)
{
	(void)state;
	open_log(NULL, CONFIG_LOG_JSON);
	log_info("worker started", LOG_INT("pid", 42), LOG_TEXT("text", "\"\\\n\x7f\xc2\x85\xc3\xa9 \xff"));
	json_t *line = read_object(), *fields = json_object_get(line, "fields");
	assert_int_equal(json_object_size(line), 5);
	assert_int_equal(strlen(text_of(line, "ts")), 24);
	assert_string_equal(text_of(line, "level"), "info");
	assert_string_equal(text_of(line, "process"), "default:worker-0");
	assert_string_equal(text_of(line, "msg"), "worker started");
	assert_int_equal(json_integer_value(json_object_get(fields, "pid")), 42);
	assert_string_equal(text_of(fields, "text"), "\"\\\n\x7f\xc2\x85\xc3\xa9 \\xff");
	json_decref(line);
	log_info("bare");
	line = read_object();
	assert_int_equal(json_object_size(json_object_get(line, "fields")), 0);
	json_decref(line);
}

static void any_byte_anywhere_leaves_json_valid(void **state)
{
	(void)state;
	open_log(NULL, CONFIG_LOG_JSON);
	for (int byte = 1; byte < 256; byte++) {
		const char text[] = {'a', (char)byte, 'b', '\0'};
		log_become(text, &dropped, NULL);
		log_info(text, LOG_TEXT(text, text), LOG_TEXT("last", text + 1));
		json_decref(read_object());
	}
	log_info("nul", LOG_BYTES("nul", "\0", 1));
	json_decref(read_object());
}

/* Each place of the cut: in the name, in the message, in a key, in a value, between fields, before a number. */
static void long_lines_are_cut_with_a_mark(void **state)
{
	(void)state;
	char *text = malloc(20000);
	memset(text, 'x', 19999);
	text[19999] = '\0';
	for (int format = CONFIG_LOG_TEXT; format <= CONFIG_LOG_JSON; format++) {
		open_log(NULL, format);
		for (size_t length = 3700; length < 4200; length++) {
			log_info(text + 19999 - length, LOG_INT("number", INT64_MIN), LOG_TEXT("k\n", "v\xff\x01"),
				LOG_INT("n", INT64_MIN), LOG_TEXT("long", text), LOG_TEXT("never", "seen"));
			const char *line = read_lines(reader);
			assert_true(strlen(line) < PIPE_BUF);
			assert_non_null(strstr(line, "\u2026"));
			assert_null(strstr(line, "never"));
			assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
			json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
			assert_int_equal(object != NULL, format == CONFIG_LOG_JSON);
			json_decref(object);
		}
	}
	memset(text, '\x01', 10000);
	log_become(text, &dropped, NULL);
	log_info(text + 5000, LOG_TEXT(text, text));
	json_decref(read_object());
	assert_int_equal(atomic_load(&dropped), 0);
	free(text);
}

static void levels_below_the_configured_one_are_silent(void **state)
{
	(void)state;
	assert_int_equal(log_open(NULL, CONFIG_LOG_WARN, CONFIG_LOG_TEXT), 0);
	log_become("p", NULL, NULL);
	log_debug("no");
	log_info("no");
	log_warn("yes");
	assert_string_equal(read_line(), "warn p yes\n");
	assert_int_equal(log_open(NULL, CONFIG_LOG_DEBUG, CONFIG_LOG_TEXT), 0);
	log_debug("yes");
	assert_string_equal(read_line(), "debug p yes\n");
}

static size_t count_lines(int fd)
{
	size_t count = 0;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	for (;;) {
		char text[PIPE_BUF];
		ssize_t length = read(fd, text, sizeof text);
		if (length <= 0)
			return count;
		for (ssize_t i = 0; i < length; i++)
			count += text[i] == '\n';
	}
}

static void check_stalled_reader(int fd)
{
	enum { LINES = 20000 };
	for (int i = 0; i < LINES; i++)
		log_info("a line that nobody reads", LOG_INT("i", i));
	uint64_t lost = atomic_load(&dropped);
	assert_true(lost > 0);
	assert_int_equal(count_lines(fd), LINES - lost);
	log_info("heard again");
	assert_int_equal(count_lines(fd), 1);
	assert_int_equal(atomic_load(&dropped), lost);
}

static void stalled_pipe_drops_and_counts(void **state)
{
	(void)state;
	open_log(NULL, CONFIG_LOG_TEXT);
	check_stalled_reader(reader);
	assert_int_equal(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK, 0); /* others' description is as it was */
}

static void stalled_socket_drops_and_counts(void **state)
{
	(void)state;
	int ends[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	make_stderr(ends[1]);
	open_log(NULL, CONFIG_LOG_TEXT);
	check_stalled_reader(ends[0]);
	close(ends[0]);
	log_info("nobody is there");
	assert_true(atomic_load(&dropped) > 0);
}

/* Before log_open, and where /proc/self/fd/2 cannot be opened, lines go through the inherited description. */
static void stalled_pipe_of_another_stalls_nobody(void **state)
{
	(void)state;
	static char long_path[PATH_MAX + 1];
	memset(long_path, 'x', PATH_MAX);
	assert_int_equal(log_open(long_path, CONFIG_LOG_INFO, CONFIG_LOG_TEXT), -ENAMETOOLONG);
	assert_int_equal(log_open("/nowhere/log", CONFIG_LOG_INFO, CONFIG_LOG_TEXT), -ENOENT);
	log_become("p", &dropped, NULL);
	log_info("to stderr as it is");
	assert_string_equal(read_line(), "info p to stderr as it is\n");
	check_stalled_reader(reader);
}

static void closed_reader_is_no_disaster(void **state)
{
	(void)state;
	open_log(NULL, CONFIG_LOG_TEXT);
	close(reader);
	log_info("nobody is there");
	assert_int_equal(atomic_load(&dropped), 1);
	assert_int_equal(log_open(NULL, CONFIG_LOG_INFO, CONFIG_LOG_TEXT), 0); /* the pipe can still be opened */
	reader = dup(STDERR_FILENO);
}

static void closed_stderr_is_an_error(void **state)
{
	(void)state;
	int copy = dup(STDERR_FILENO);
	close(STDERR_FILENO);
	int status = log_open(NULL, CONFIG_LOG_INFO, CONFIG_LOG_TEXT);
	log_become("p", &dropped, NULL);
	log_info("nowhere");
	make_stderr(copy);
	assert_int_equal(status, -EBADF);
	assert_int_equal(atomic_load(&dropped), 1);
}

static void plain_file_as_stderr_is_shared_with_others(void **state)
{
	(void)state;
	make_stderr(open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	open_log(NULL, CONFIG_LOG_TEXT);
	log_info("first");
	dprintf(STDERR_FILENO, "second\n");
	log_info("third");
	assert_int_equal(atomic_load(&dropped), 0);
	const char *text = read_file(file);
	const char *first = strstr(text, "first\n"), *third = strstr(text, "third\n");
	assert_non_null(first);
	assert_memory_equal(first, "first\nsecond\n", 13);
	assert_non_null(third);
}

static void file_is_reopened_when_told(void **state)
{
	(void)state;
	static _Atomic uint32_t generation = 7;
	umask(0022);
	assert_int_equal(log_open(file, CONFIG_LOG_INFO, CONFIG_LOG_TEXT), 0);
	log_become("p", &dropped, &generation);
	struct stat status;
	assert_int_equal(stat(file, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0640);
	log_info("one");
	assert_int_equal(rename(file, moved), 0);
	log_info("two");
	atomic_fetch_add(&generation, 1);
	log_info("three");
	log_info("four");
	const char *text = read_file(moved);
	assert_non_null(strstr(text, "one\n"));
	assert_non_null(strstr(text, "two\n"));
	assert_null(strstr(text, "three\n"));
	text = read_file(file);
	assert_non_null(strstr(text, "three\n"));
	assert_non_null(strstr(text, "four\n"));
	assert_int_equal(atomic_load(&dropped), 0);
}

static void file_that_cannot_be_reopened_is_used_on(void **state)
{
	(void)state;
	static _Atomic uint32_t generation = 0;
	assert_int_equal(log_open(file, CONFIG_LOG_INFO, CONFIG_LOG_TEXT), 0);
	log_become("p", &dropped, &generation);
	assert_int_equal(rename(file, moved), 0);
	assert_int_equal(mkdir(file, 0700), 0); /* in its way */
	atomic_fetch_add(&generation, 1);
	log_info("still here");
	assert_int_equal(rmdir(file), 0);
	assert_non_null(strstr(read_file(moved), "still here\n"));
}

static void line_behind_a_torn_one_is_whole(void **state)
{
	(void)state;
	struct rlimit before, tight;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	tight = (struct rlimit){.rlim_cur = 20, .rlim_max = before.rlim_max};
	open_log(file, CONFIG_LOG_JSON);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
	log_info("torn");
	log_info("lost");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	log_info("whole");
	log_info("too");
	assert_int_equal(atomic_load(&dropped), 2);
	const char *text = read_file(file);
	assert_int_equal(strcspn(text, "\n"), 20);
	assert_null(strstr(text, "\n\n"));
	for (const char *line = text + 21; *line; line = strchr(line, '\n') + 1) {
		json_t *object = json_loads(line, JSON_DISABLE_EOF_CHECK, NULL);
		assert_non_null(object);
		json_decref(object);
	}
}

static void *write_lines(void *argument)
{
	static char padding[200];
	memset(padding, 'x', sizeof padding);
	for (int i = 0; i < 1000; i++)
		log_info("line", LOG_BYTES("padding", padding, sizeof padding), LOG_TEXT("who", argument));
	return NULL;
}

static void lines_of_two_threads_do_not_mix(void **state)
{
	(void)state;
	static _Atomic uint32_t generation = 0;
	assert_int_equal(log_open(file, CONFIG_LOG_INFO, CONFIG_LOG_JSON), 0);
	log_become("p", &dropped, &generation);
	pthread_t other;
	atomic_fetch_add(&generation, 1); /* one of them opens the file anew */
	assert_int_equal(pthread_create(&other, NULL, write_lines, (char[]){"second"}), 0);
	write_lines((char[]){"first"});
	assert_int_equal(pthread_join(other, NULL), 0);
	assert_int_equal(atomic_load(&dropped), 0);
	size_t count = 0;
	for (const char *line = read_file(file); *line; line = strchr(line, '\n') + 1, count++) {
		json_t *object = json_loads(line, JSON_DISABLE_EOF_CHECK, NULL);
		assert_non_null(object);
		json_decref(object);
	}
	assert_int_equal(count, 2000);
}

static pid_t clone_bare(void)
{
	struct clone_args arguments = {.exit_signal = SIGCHLD};
	return (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
}

static void run_in_clone(void (*body)(void))
{
	pid_t pid = clone_bare();
	if (pid == 0) {
		body();
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void speak_as_clone(void)
{
	log_become("default:worker-1", &dropped, NULL);
	log_info("worker started");
}

static void cloned_process_speaks_for_itself(void **state)
{
	(void)state;
	open_log(NULL, CONFIG_LOG_TEXT);
	run_in_clone(speak_as_clone);
	assert_string_equal(read_line(), "info default:worker-1 worker started\n");
	log_info("parent");
	assert_string_equal(read_line(), "info default:worker-0 parent\n");
}

static void speak_as_another_user(void)
{
	if (setgid(65534) < 0 || setuid(65534) < 0)
		_exit(1);
	log_become("p", &dropped, NULL);
	for (int i = 0; i < 20000; i++) /* would wait for ever if the description were a blocking one */
		log_info("worker started");
}

static void change_of_user_keeps_what_was_opened(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(fchmod(STDERR_FILENO, 0600), 0);
	open_log(NULL, CONFIG_LOG_TEXT);
	run_in_clone(speak_as_another_user);
	const char *lines = read_lines(reader);
	assert_non_null(strstr(lines, "info p worker started\n"));
}

static size_t open_descriptors(void)
{
	size_t count = 0;
	for (int fd = 0; fd < 100; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void one_descriptor_is_held_and_not_inherited(void **state)
{
	(void)state;
	static _Atomic uint32_t generation = 0;
	open_log(file, CONFIG_LOG_TEXT);
	size_t count = open_descriptors();
	for (int i = 0; i < 10; i++) {
		log_become("p", NULL, &generation);
		atomic_fetch_add(&generation, 1);
		log_info("again");
		assert_int_equal(log_open(i % 2 ? file : NULL, CONFIG_LOG_INFO, CONFIG_LOG_TEXT), 0);
	}
	assert_int_equal(open_descriptors(), count);
	for (int fd = STDERR_FILENO + 1; fd < 100; fd++) {
		char link[64], path[PATH_MAX];
		snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
		ssize_t length = readlink(link, path, sizeof path - 1);
		if (length < 0)
			continue;
		path[length] = '\0';
		if (strcmp(path, file) == 0)
			assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	}
}

#define WITH_PIPE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	const struct CMUnitTest tests[] = {
		WITH_PIPE(text_lines_have_time_level_process_message_and_fields),
		WITH_PIPE(what_comes_from_outside_cannot_forge_a_line),
		WITH_PIPE(json_lines_are_objects),
		WITH_PIPE(any_byte_anywhere_leaves_json_valid),
		WITH_PIPE(long_lines_are_cut_with_a_mark),
		WITH_PIPE(levels_below_the_configured_one_are_silent),
		WITH_PIPE(stalled_pipe_drops_and_counts),
		WITH_PIPE(stalled_socket_drops_and_counts),
		WITH_PIPE(stalled_pipe_of_another_stalls_nobody),
		WITH_PIPE(closed_reader_is_no_disaster),
		WITH_PIPE(closed_stderr_is_an_error),
		WITH_PIPE(plain_file_as_stderr_is_shared_with_others),
		WITH_PIPE(file_is_reopened_when_told),
		WITH_PIPE(file_that_cannot_be_reopened_is_used_on),
		WITH_PIPE(line_behind_a_torn_one_is_whole),
		WITH_PIPE(lines_of_two_threads_do_not_mix),
		WITH_PIPE(cloned_process_speaks_for_itself),
		WITH_PIPE(change_of_user_keeps_what_was_opened),
		WITH_PIPE(one_descriptor_is_held_and_not_inherited),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
