#include "core/io.h"

#include "core/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { LARGE = 1024 * 1024 };

static char directory[64];

static int make_directory(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/test_io.XXXXXX");
	return mkdtemp(directory) ? 0 : -1;
}

static const char *in_directory(const char *name)
{
	static char path[400];
	snprintf(path, sizeof path, "%s/%s", directory, name);
	return path;
}

static int remove_directory(void **state)
{
	(void)state;
	DIR *entries = opendir(directory);
	struct dirent *entry;
	while (entries && (entry = readdir(entries)))
		(void)unlink(in_directory(entry->d_name));
	closedir(entries);
	return rmdir(directory);
}

static size_t files_in_directory(void)
{
	DIR *entries = opendir(directory);
	size_t count = 0;
	while (readdir(entries))
		count++;
	closedir(entries);
	return count - 2; /* . and .. */
}

/* A thread that interrupts another one with signals until it is told to stop. */
struct nuisance {
	pthread_t thread, victim;
	atomic_bool stop;
};

static void ignore(int signal)
{
	(void)signal;
}

static void *interrupt(void *argument)
{
	struct nuisance *nuisance = argument;
	while (!atomic_load(&nuisance->stop)) {
		pthread_kill(nuisance->victim, SIGUSR1);
		poll(NULL, 0, 1);
	}
	return NULL;
}

static void nuisance_start(struct nuisance *nuisance)
{
	struct sigaction action = {.sa_handler = ignore}; /* no SA_RESTART: calls end with EINTR */
	sigaction(SIGUSR1, &action, NULL);
	nuisance->victim = pthread_self();
	atomic_init(&nuisance->stop, false);
	assert_int_equal(pthread_create(&nuisance->thread, NULL, interrupt, nuisance), 0);
}

static void nuisance_stop(struct nuisance *nuisance)
{
	atomic_store(&nuisance->stop, true);
	pthread_join(nuisance->thread, NULL);
}

static void poll_keeps_its_deadline_under_signals(void **state)
{
	(void)state;
	struct nuisance nuisance;
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	nuisance_start(&nuisance);
	struct pollfd entry = {.fd = ends[0], .events = POLLIN};
	int64_t start = clock_mono_ns();
	assert_int_equal(io_poll(&entry, 1, start + 50 * CLOCK_NS_PER_MS), 0);
	int64_t took = clock_mono_ns() - start;
	nuisance_stop(&nuisance);
	assert_true(took >= 50 * CLOCK_NS_PER_MS);
	assert_true(took < 10 * CLOCK_NS_PER_S); /* not begun anew at each signal */
	close(ends[0]);
	close(ends[1]);
}

static void poll_tells_what_is_ready(void **state)
{
	(void)state;
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	struct pollfd entries[2] = {{.fd = ends[0], .events = POLLIN}, {.fd = ends[1], .events = POLLOUT}};
	assert_int_equal(io_poll(entries, 2, 0), 1); /* a deadline that has passed: looks once */
	assert_int_equal(entries[1].revents, POLLOUT);
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_int_equal(io_poll(entries, 1, INT64_MAX), 1);
	assert_int_equal(entries[0].revents, POLLIN);
	assert_int_equal(io_poll(NULL, 0, 0), 0);
	assert_int_equal(io_poll(NULL, 1, 0), -EFAULT);
	close(ends[0]);
	close(ends[1]);
}

/* Writes LARGE bytes through a pipe, in another thread. */
static void *write_large(void *argument)
{
	char *bytes = malloc(LARGE);
	for (size_t i = 0; i < LARGE; i++)
		bytes[i] = (char)(i * 7);
	intptr_t status = io_write(*(int *)argument, bytes, LARGE);
	close(*(int *)argument);
	free(bytes);
	return (void *)status;
}

static void large_transfers_survive_short_calls_and_signals(void **state)
{
	(void)state;
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	struct nuisance nuisance;
	nuisance_start(&nuisance);
	pthread_t writer;
	void *status;
	assert_int_equal(pthread_create(&writer, NULL, write_large, &ends[1]), 0);
	char *bytes = malloc(LARGE + 1);
	assert_int_equal(io_read(ends[0], bytes, LARGE + 1), LARGE);
	assert_int_equal(pthread_join(writer, &status), 0);
	nuisance_stop(&nuisance);
	assert_null(status);
	for (size_t i = 0; i < LARGE; i++)
		if (bytes[i] != (char)(i * 7))
			fail_msg("byte %zu is wrong", i);
	free(bytes);
	close(ends[0]);
}

static void *read_large(void *argument)
{
	char *bytes = malloc(LARGE);
	ssize_t count = io_read(*(int *)argument, bytes, LARGE);
	free(bytes);
	return (void *)(intptr_t)count;
}

static void interrupted_writer_goes_on(void **state)
{
	(void)state;
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	pthread_t reader;
	void *count;
	struct nuisance nuisance;
	nuisance_start(&nuisance);
	assert_int_equal(pthread_create(&reader, NULL, read_large, &ends[0]), 0);
	assert_null(write_large(&ends[1]));
	assert_int_equal(pthread_join(reader, &count), 0);
	nuisance_stop(&nuisance);
	assert_int_equal((intptr_t)count, LARGE);
	close(ends[0]);
}

static void transfers_report_errors(void **state)
{
	(void)state;
	char byte;
	int ends[2];
	assert_int_equal(io_read(-1, &byte, 1), -EBADF);
	assert_int_equal(io_write(-1, "x", 1), -EBADF);
	assert_int_equal(io_write(-1, "", 0), 0);
	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	assert_int_equal(io_read(ends[0], &byte, 1), -EAGAIN);
	close(ends[0]);
	assert_int_equal(io_write(ends[1], "x", 1), -EPIPE);
	close(ends[1]);
}

static void files_are_replaced_and_read_back(void **state)
{
	(void)state;
	char *bytes;
	size_t length;
	const char *path = in_directory("node");
	assert_int_equal(io_replace_file(path, "first\0one", 9), 0);
	assert_int_equal(io_read_file(path, 9, &bytes, &length), 0);
	assert_int_equal(length, 9);
	assert_memory_equal(bytes, "first\0one", 10);
	free(bytes);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(io_replace_file(path, "", 0), 0);
	assert_int_equal(io_read_file(path, 0, &bytes, &length), 0);
	assert_int_equal(length, 0);
	assert_string_equal(bytes, "");
	free(bytes);
	struct stat status;
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(files_in_directory(), 1);
}

static void relative_paths_can_be_replaced(void **state)
{
	(void)state;
	char *bytes;
	size_t length;
	int before = open(".", O_RDONLY | O_DIRECTORY);
	assert_int_equal(chdir(directory), 0);
	assert_int_equal(io_replace_file("here", "x", 1), 0);
	assert_int_equal(io_read_file("here", 10, &bytes, &length), 0);
	assert_string_equal(bytes, "x");
	free(bytes);
	assert_int_equal(fchdir(before), 0);
	close(before);
}

static void replacing_that_fails_leaves_the_old_file(void **state)
{
	(void)state;
	char *bytes;
	size_t length;
	char old[128];
	strcpy(old, in_directory("old"));
	assert_int_equal(io_replace_file(old, "old", 3), 0);
	struct rlimit before, none;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	none = (struct rlimit){.rlim_cur = 4, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	int status = io_replace_file(old, "something newer", 15);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(status, -EFBIG);
	assert_int_equal(io_read_file(old, 100, &bytes, &length), 0);
	assert_string_equal(bytes, "old");
	free(bytes);
	assert_int_equal(files_in_directory(), 1);
	char long_path[PATH_MAX];
	memset(long_path, 'x', sizeof long_path);
	long_path[sizeof long_path - 1] = '\0';
	assert_int_equal(io_replace_file(long_path, "x", 1), -ENAMETOOLONG);
	assert_int_equal(io_replace_file(in_directory("no/such"), "x", 1), -ENOENT);
	assert_int_equal(io_replace_file(directory, "x", 1), -EISDIR);
}

static void reading_has_a_bound_and_reports_errors(void **state)
{
	(void)state;
	char *bytes = (char *)directory;
	size_t length = 77;
	char large[40000];
	memset(large, 'x', sizeof large);
	assert_int_equal(io_replace_file(in_directory("large"), large, sizeof large), 0);
	assert_int_equal(io_read_file(in_directory("large"), sizeof large - 1, &bytes, &length), -EFBIG);
	assert_int_equal(io_read_file("/dev/zero", 100000, &bytes, &length), -EFBIG);
	assert_int_equal(io_read_file(in_directory("none"), 100, &bytes, &length), -ENOENT);
	assert_int_equal(io_read_file(directory, 100, &bytes, &length), -EISDIR);
	assert_ptr_equal(bytes, directory);
	assert_int_equal(length, 77);
	assert_int_equal(io_read_file(in_directory("large"), sizeof large, &bytes, &length), 0);
	assert_int_equal(length, sizeof large);
	free(bytes);
	assert_int_equal(io_read_file("/proc/self/stat", 100000, &bytes, &length), 0); /* a file without a size */
	assert_true(length > 0);
	free(bytes);
}

static void bells_ring_until_cleared(void **state)
{
	(void)state;
	int bell = io_bell_new();
	assert_true(bell >= 0);
	assert_int_equal(fcntl(bell, F_GETFD), FD_CLOEXEC);
	struct pollfd entry = {.fd = bell, .events = POLLIN};
	assert_int_equal(io_poll(&entry, 1, 0), 0);
	io_bell_clear(bell); /* without a ring: does not wait */
	io_bell_ring(bell);
	io_bell_ring(bell);
	assert_int_equal(io_poll(&entry, 1, 0), 1);
	io_bell_clear(bell);
	assert_int_equal(io_poll(&entry, 1, 0), 0);
	io_close(&bell);
}

static void bells_need_a_descriptor(void **state)
{
	(void)state;
	struct rlimit before, none;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	int bell = io_bell_new();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(bell, -EMFILE);
}

static void closing_forgets_the_number(void **state)
{
	(void)state;
	int fd = dup(STDERR_FILENO), copy = fd;
	io_close(&fd);
	assert_int_equal(fd, -1);
	assert_int_equal(fcntl(copy, F_GETFD), -1);
	io_close(&fd);
	assert_int_equal(fd, -1);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(poll_keeps_its_deadline_under_signals),
		cmocka_unit_test(poll_tells_what_is_ready),
		cmocka_unit_test(large_transfers_survive_short_calls_and_signals),
		cmocka_unit_test(interrupted_writer_goes_on),
		cmocka_unit_test(transfers_report_errors),
		IN_DIRECTORY(files_are_replaced_and_read_back),
		IN_DIRECTORY(relative_paths_can_be_replaced),
		IN_DIRECTORY(replacing_that_fails_leaves_the_old_file),
		IN_DIRECTORY(reading_has_a_bound_and_reports_errors),
		cmocka_unit_test(bells_ring_until_cleared),
		cmocka_unit_test(bells_need_a_descriptor),
		cmocka_unit_test(closing_forgets_the_number),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
