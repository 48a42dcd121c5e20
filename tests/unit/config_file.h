/* config_file: a directory with a configuration file and modules, made anew for each test. */
#ifndef MUSTER_TESTS_CONFIG_FILE_H
#define MUSTER_TESTS_CONFIG_FILE_H

#include "core/config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A directory with a configuration file in it, and one with modules. */
static char directory[PATH_MAX], file[PATH_MAX], modules[PATH_MAX];

static void write_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(close(fd), 0);
}

/* "DIR/name", until the next call. */
static const char *in_directory(const char *name)
{
	static char path[PATH_MAX + 256];
	(void)snprintf(path, sizeof path, "%s/%s", directory, name);
	return path;
}

static int set_up(void **state)
{
	(void)state;
	static const char *const variables[] = {"MUSTER_LISTEN", "MUSTER_BROKER", "MUSTER_STATE_DIR", "MUSTER_USER",
		"MUSTER_NAMESPACE", "MUSTER_LOG_LEVEL"};
	for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
		(void)unsetenv(variables[i]);
	char made[] = "/tmp/muster-test-XXXXXX";
	if (mkdtemp(made) == NULL || realpath(made, directory) == NULL || chmod(directory, 0755) < 0)
		return -1;
	(void)snprintf(file, sizeof file, "%s/muster.yaml", directory);
	(void)snprintf(modules, sizeof modules, "%s/modules", directory);
	if (mkdir(modules, 0755) < 0)
		return -1;
	write_file(in_directory("modules/demo.so"), "", 0644);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	static const char *const names[] = {"muster.yaml", "again.yaml", "password", "own.so", "open.so",
		"modules/demo.so", "modules/report.so", "modules", "state", ""};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		(void)remove(in_directory(names[i]));
	return access(directory, F_OK) == 0 ? -1 : 0;
}

__attribute__((unused)) static struct config *load(const char *text)
{
	struct config *config = NULL;
	struct error error = {""};
	char *details = NULL;
	if (text != NULL)
		write_file(file, text, 0600);
	if (config_load(text != NULL ? file : NULL, modules, &config, &error, &details) != 0)
		fail_msg("%s: %s (%s)", text, error.text, details != NULL ? details : "");
	assert_null(details);
	return config;
}

__attribute__((unused)) static void write_modules(void)
{
	write_file(in_directory("modules/report.so"), "", 0755);
	write_file(in_directory("own.so"), "", 0644);
}

__attribute__((unused)) static int refuse(const char *text, struct error *error, char **ret_details)
{
	struct config *config = (struct config *)&config; /* must stay untouched */
	write_file(file, text, 0600);
	int status = config_load(file, modules, &config, error, ret_details);
	if (status == 0)
		fail_msg("was accepted: %s", text);
	assert_ptr_equal(config, &config);
	return status;
}

/* The one fault is at that line of the file (0: no matter), and `part` is in what it says. */
__attribute__((unused)) static void assert_refused(const char *text, int line, const char *part)
{
	struct error error = {""};
	char *details = NULL, expected[PATH_MAX + 32];
	assert_int_equal(refuse(text, &error, &details), -EINVAL);
	if (details != NULL)
		fail_msg("%s: more than one fault: %s, %s", text, error.text, details);
	(void)snprintf(expected, sizeof expected, "%s:%d: ", file, line);
	if ((line > 0 && strncmp(error.text, expected, strlen(expected)) != 0) || strstr(error.text, part) == NULL)
		fail_msg("%s: line %d \"%s\" expected, but: %s", text, line, part, error.text);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

#endif
