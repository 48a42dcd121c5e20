/* A configuration file, and behind a NUL the environment's MUSTER_LISTEN, behind another MUSTER_BROKER. What is accepted
 * is printed, and what is printed is accepted and means the same. */
#include "tests/fuzz/fuzz.h"

#include "core/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/muster-fuzz-XXXXXX";
static char module[sizeof directory + sizeof "/demo.so"];

static void clean_up(void)
{
	(void)unlink(module);
	(void)rmdir(directory);
}

int LLVMFuzzerInitialize(int *count, char ***arguments)
{
	static const char *const variables[] = {
		"MUSTER_STATE_DIR", "MUSTER_USER", "MUSTER_NAMESPACE", "MUSTER_LOG_LEVEL"};
	int fd;

	(void)count;
	(void)arguments;
	for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
		(void)unsetenv(variables[i]);
	assert(mkdtemp(directory) != NULL);
	(void)snprintf(module, sizeof module, "%s/demo.so", directory);
	fd = open(module, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert(fd >= 0 && close(fd) == 0);
	return atexit(clean_up);
}

/* What is loaded, or NULL. */
static struct config *load(const char *text, size_t length)
{
	struct config *config = NULL;
	struct error error = {""};
	char path[64], *details = NULL;
	int fd = memfd_create("config", MFD_CLOEXEC);

	assert(fd >= 0 && io_write(fd, text, length) == 0);
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	int status = config_load(path, directory, &config, &error, &details);
	assert(status == 0 || (status == -EINVAL && config == NULL && error.text[0] != '\0'));
	assert(status < 0 || (config->pool_count > 0 && config->queue_count > 0 && details == NULL));
	free(details);
	(void)close(fd);
	return config;
}

static void print_again(const struct config *config)
{
	char *first = config_print(config), *second;
	struct config *again;

	assert(first != NULL);
	again = load(first, strlen(first));
	assert(again != NULL);
	second = config_print(again);
	assert(second != NULL && strcmp(first, second) == 0);
	free(first);
	free(second);
	config_free(again);
}

static void set_variable(const char *name, const uint8_t **rest, size_t *size)
{
	char *text = fuzz_text(*rest, *size);
	size_t length = strlen(text);

	(void)setenv(name, text, 1); /* an empty one does not count */
	free(text);
	length += length < *size;
	*rest += length;
	*size -= length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *rest = size > 0 ? memchr(data, '\0', size) : NULL;
	size_t length = rest != NULL ? (size_t)(rest - data) : size;
	struct config *config;

	(void)unsetenv("MUSTER_LISTEN");
	(void)unsetenv("MUSTER_BROKER");
	if (rest != NULL) {
		rest++;
		size -= length + 1;
		set_variable("MUSTER_LISTEN", &rest, &size);
		set_variable("MUSTER_BROKER", &rest, &size);
	}
	config = load((const char *)data, length);
	if (config != NULL)
		print_again(config);
	config_free(config);
	return 0;
}
