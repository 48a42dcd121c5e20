#include "server/notify.h"

#include "core/clock.h"
#include "core/io.h"
#include "core/units.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct {
	struct sockaddr_un address;
	socklen_t length; /* 0: no manager */
	int64_t watchdog_ns;
	int listeners;
} manager = {.watchdog_ns = INT64_MAX};

/* A number that is meant for this very process: the variable `pid_name`, if there is one, names it. */
static int64_t read_number(const char *name, const char *pid_name)
{
	const char *text = getenv(name), *pid_text = getenv(pid_name);
	int64_t number, pid = getpid();

	if (!text || units_parse_integer(text, 1, INT64_MAX / 1000, &number) < 0)
		return 0;
	if (pid_text && units_parse_integer(pid_text, 1, INT32_MAX, &pid) < 0)
		return 0;
	return pid == getpid() ? number : 0;
}

static void read_address(const char *path)
{
	size_t length = strlen(path);

	if (length < 2 || length >= sizeof manager.address.sun_path || (path[0] != '/' && path[0] != '@'))
		return;
	manager.address.sun_family = AF_UNIX;
	memcpy(manager.address.sun_path, path, length);
	if (path[0] == '@') /* in the abstract namespace */
		manager.address.sun_path[0] = '\0';
	manager.length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

void notify_init(void)
{
	static const char *const names[] = {
		"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"};
	const char *path = getenv("NOTIFY_SOCKET");
	const int64_t watchdog_us = read_number("WATCHDOG_USEC", "WATCHDOG_PID");
	const int64_t listeners = read_number("LISTEN_FDS", "LISTEN_PID");

	if (path)
		read_address(path);
	if (watchdog_us > 0)
		manager.watchdog_ns = watchdog_us * 1000;
	manager.listeners = getenv("LISTEN_PID") && listeners < 1024 ? (int)listeners : 0;
	for (int fd = 3; fd < 3 + manager.listeners; fd++)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		(void)unsetenv(names[i]);
}

bool notify_is_wanted(void)
{
	return manager.length > 0;
}

void notify_send(const char *state)
{
	if (manager.length == 0)
		return;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	(void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&manager.address, manager.length);
	io_close(&fd);
}

int64_t notify_watchdog_ns(void)
{
	return manager.watchdog_ns;
}

int notify_listeners(void)
{
	return manager.listeners;
}

bool notify_print(char *socket_variable, size_t socket_size, char *watchdog_variable, size_t watchdog_size)
{
	const char *path = manager.address.sun_path;
	const bool is_abstract = path[0] == '\0';

	if (manager.length == 0)
		return false;
	(void)snprintf(socket_variable, socket_size, "NOTIFY_SOCKET=%s%.*s", is_abstract ? "@" : "",
		(int)(manager.length - offsetof(struct sockaddr_un, sun_path) - is_abstract), path + is_abstract);
	watchdog_variable[0] = '\0';
	if (manager.watchdog_ns != INT64_MAX)
		(void)snprintf(watchdog_variable, watchdog_size, "WATCHDOG_USEC=%lld",
			(long long)(manager.watchdog_ns / 1000));
	return true;
}
