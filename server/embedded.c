#include "server/embedded.h"

#include "core/log.h"
#include "server/process.h"
#include "server/undertaker.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const places[] = {"/usr/bin/redis-server", "/usr/local/bin/redis-server", "/usr/sbin/redis-server",
	"/usr/bin/valkey-server", "/usr/local/bin/valkey-server"};

static const char *find_server(void)
{
	for (size_t i = 0; i < sizeof places / sizeof *places; i++)
		if (access(places[i], X_OK) == 0)
			return places[i];
	return NULL;
}

int embedded_check(struct error *error)
{
	if (find_server())
		return 0;
	return error_set(error, -ENOENT,
		"redis-server is not installed, which the embedded broker needs: `apt-get install redis-server`, or "
		"set "
		"`broker: redis://…`");
}

/* What a killed redis-server's rewriting child has left behind. */
static void remove_leftovers(const char *directory)
{
	char path[512];
	DIR *dir = opendir(directory);

	if (!dir)
		return;
	for (const struct dirent *entry; (entry = readdir(dir));) {
		size_t length = strlen(entry->d_name);
		if (strncmp(entry->d_name, "temp-", 5) != 0 || length < 9)
			continue;
		const char *ending = entry->d_name + length - 4;
		if (strcmp(ending, ".aof") != 0 && strcmp(ending, ".rdb") != 0)
			continue;
		if ((size_t)snprintf(path, sizeof path, "%s/%s", directory, entry->d_name) < sizeof path)
			(void)unlink(path);
	}
	(void)closedir(dir);
}

/* An end of the limit on memory in bytes: what was configured, or a quarter of the machine's. */
static int64_t memory_limit(const struct config *config)
{
	if (config->limits.broker_memory != SCHEMA_NONE)
		return config->limits.broker_memory;
	return (int64_t)sysconf(_SC_PHYS_PAGES) / 4 * sysconf(_SC_PAGESIZE);
}

void embedded_exec(const struct node *node)
{
	const struct config *config = node->config;
	char memory[32], log[512], appended[512];
	sigset_t none;

	process_keep(&node->lock, 1); /* redis holds the lock too: a second start waits until it has left */
	process_become(node, ROW_BROKER, SIGTERM);
	(void)snprintf(memory, sizeof memory, "%lld", (long long)memory_limit(config));
	(void)snprintf(log, sizeof log, "%s/redis.log", config->state_dir);
	(void)snprintf(appended, sizeof appended, "%s/appendonlydir", config->state_dir);
	remove_leftovers(config->state_dir);
	remove_leftovers(appended);
	const char *fsync = config->durability == CONFIG_DURABILITY_POWER ? "always" : "no";
	const char *const arguments[] = {"redis-server", "--port", "0", "--unixsocket", config->address.path,
		"--unixsocketperm", "700", "--dir", config->state_dir, "--save", "", "--appendonly", "yes",
		"--appendfsync", fsync, "--aof-load-truncated", "yes", "--maxmemory", memory, "--maxmemory-policy",
		"noeviction", "--daemonize", "no", "--logfile", log, "--loglevel", "notice", "--set-proc-title", "no",
		"--always-show-logo", "no", "--disable-thp", "yes", "--timeout", "0", NULL};
	const char *path = find_server();
	if (!path) {
		log_error("redis-server is gone from this machine");
		_exit(69);
	}
	(void)fcntl(node->lock, F_SETFD, 0);
	(void)umask(077);
	sigemptyset(&none);
	process_reset_signals(&none);
	(void)unsetenv(
		UNDERTAKER_VARIABLE); /* it leaves by itself when the guardian dies, all that was answered written */
	execv(path, (char *const *)arguments);
	_exit(69);
}

int embedded_sync(const struct config *config)
{
	char directory[512];
	int status = 0;

	(void)snprintf(directory, sizeof directory, "%s/appendonlydir", config->state_dir);
	DIR *dir = opendir(directory);
	if (!dir)
		return errno == ENOENT ? 0 : -errno; /* redis-server has not made it yet */
	for (const struct dirent *entry; (entry = readdir(dir));) {
		if (!strstr(entry->d_name, ".incr.aof"))
			continue;
		int fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue; /* a rewrite has just replaced it */
		if (fdatasync(fd) != 0)
			status = -errno;
		(void)close(fd);
	}
	(void)closedir(dir);
	return status;
}
