#include "core/io.h"
#include "core/log.h"
#include "core/units.h"
#include "server/notify.h"
#include "server/startup.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

static int bind_and_listen(
	int family, const struct sockaddr *address, socklen_t length, const char *name, struct error *error)
{
	const int yes = 1;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return error_set(error, -errno, "cannot listen on %s: %s", name, strerror(errno));
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
	if (family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
	if (bind(fd, address, length) != 0 || listen(fd, BACKLOG) != 0) {
		int status = -errno;
		io_close(&fd);
		return error_set(error, status, "cannot listen on %s: %s%s", name, strerror(-status),
			status == -EADDRINUSE ? " (another musterd, or set `listen`)" : "");
	}
	return fd;
}

/* A socket file that nobody listens on any more is in the way. */
static void remove_stale(const struct sockaddr_un *address)
{
	struct stat info;

	if (lstat(address->sun_path, &info) != 0 || !S_ISSOCK(info.st_mode))
		return; /* whatever else stands there is not ours: bind says so */
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	if (connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 && errno == ECONNREFUSED)
		(void)unlink(address->sun_path);
	io_close(&fd);
}

static int listen_unix(const char *name, const struct privilege *privilege, struct error *error)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *path = name + strlen("unix:");

	if ((size_t)snprintf(address.sun_path, sizeof address.sun_path, "%s", path) >= sizeof address.sun_path)
		return error_set(error, -ENAMETOOLONG, "cannot listen on %s: the path has more than %zu characters",
			name, sizeof address.sun_path - 1);
	remove_stale(&address);
	mode_t mask = umask(0117);
	int fd = bind_and_listen(AF_UNIX, (const struct sockaddr *)&address, sizeof address, name, error);
	(void)umask(mask);
	if (fd >= 0 && geteuid() == 0 && lchown(path, privilege->uid, privilege->gid) != 0)
		log_warn("cannot give the socket to the user", LOG_TEXT("path", path),
			LOG_TEXT("user", privilege->name));
	return fd;
}

static int listen_tcp(const char *name, struct error *error)
{
	char host[256], *colon;
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	struct addrinfo *found;

	(void)snprintf(host, sizeof host, "%s", name);
	colon = strrchr(host, ':');
	if (!colon)
		return error_set(error, -EINVAL, "cannot listen on %s: no port", name);
	*colon = '\0';
	char *start = host;
	if (*start == '[' && colon > start && colon[-1] == ']') {
		start++;
		colon[-1] = '\0';
	}
	int failure = getaddrinfo(start, colon + 1, &hints, &found);
	if (failure != 0)
		return error_set(error, -EADDRNOTAVAIL, "cannot listen on %s: %s", name, gai_strerror(failure));
	int fd = bind_and_listen(found->ai_family, found->ai_addr, found->ai_addrlen, name, error);
	freeaddrinfo(found);
	return fd;
}

/* What was asked for, or, for port 0, what was got. */
static void log_listener(int fd, const char *name)
{
	struct sockaddr_storage address = {0};
	socklen_t length = sizeof address;
	char host[64], port[16], text[96];

	if (strncmp(name, "unix:", 5) != 0 && getsockname(fd, (struct sockaddr *)&address, &length) == 0 &&
		getnameinfo((struct sockaddr *)&address, length, host, sizeof host, port, sizeof port,
			NI_NUMERICHOST | NI_NUMERICSERV) == 0) {
		(void)snprintf(text, sizeof text, address.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
		name = text;
	}
	log_info("listening", LOG_TEXT("address", name));
}

/* What `listen` may not name without tokens, a service manager may not hand over either. */
static int check_handed_over(int fd, struct error *error)
{
	struct sockaddr_storage address = {0};
	socklen_t length = sizeof address;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address;

	if (getsockname(fd, (struct sockaddr *)&address, &length) != 0)
		return error_set(error, -errno, "LISTEN_FDS hands over descriptor %d: %s", fd, strerror(errno));
	if (address.ss_family == AF_UNIX ||
		(address.ss_family == AF_INET && ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET) ||
		(address.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr)))
		return 0;
	return error_set(error, -EPERM,
		"LISTEN_FDS hands over a public address, which needs auth.tokens: without them only 127.0.0.1, [::1] "
		"and unix sockets are served");
}

int startup_listen(struct node *node, const struct privilege *privilege, struct error *error)
{
	const struct schema_strings *names = &node->config->listen;
	const int given = notify_listeners();

	/* A service manager that has bound our addresses hands over the sockets: `listen` is its business then. */
	if (given > NODE_LISTENERS_MAX)
		return error_set(
			error, -E2BIG, "handed over %d sockets, at most %d can be served", given, NODE_LISTENERS_MAX);
	for (int fd = 3; fd < 3 + given; fd++) {
		int listening = 0;
		socklen_t length = sizeof listening;
		if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) != 0 || !listening ||
			fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
			return error_set(error, -ENOTSOCK,
				"LISTEN_FDS hands over descriptor %d, which is no listening socket", fd);
		int status = node->config->auth.token_count > 0 ? 0 : check_handed_over(fd, error);
		if (status < 0)
			return status;
		node->listeners[node->listener_count++] = fd;
		log_listener(fd, "handed over");
	}
	if (given > 0)
		return 0;

	if (names->count > NODE_LISTENERS_MAX)
		return error_set(error, -E2BIG, "listen names more than %d addresses", NODE_LISTENERS_MAX);
	for (size_t i = 0; i < names->count; i++) {
		const char *name = names->items[i];
		int fd = strncmp(name, "unix:", 5) == 0 ? listen_unix(name, privilege, error) : listen_tcp(name, error);
		if (fd < 0)
			return fd;
		node->listeners[node->listener_count++] = fd;
		log_listener(fd, name);
	}
	return 0;
}
