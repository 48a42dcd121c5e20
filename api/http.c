#include "api/http.h"

#include "api/api.h"
#include "api/exchange.h"
#include "api/state.h"
#include "core/certificate.h"
#include "core/clock.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
	/* Of a connection: bounds its headers; wiped with each request. Above 32 KiB libmicrohttpd takes whole pages of their own
	 * for it, which a connection that rests can give back (patience.h). */
	HTTP_MEMORY = 36 * 1024,
};

/* Who can reach the listener. */
static void look_at_listener(struct http_door *door, int listener)
{
	struct sockaddr_storage address = {0};
	socklen_t length = sizeof address;

	if (getsockname(listener, (struct sockaddr *)&address, &length) != 0)
		return;
	door->unix_socket = address.ss_family == AF_UNIX;
	if (address.ss_family == AF_INET)
		door->loopback = ntohl(((struct sockaddr_in *)&address)->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	else if (address.ss_family == AF_INET6)
		door->loopback = IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *)&address)->sin6_addr);
}

static unsigned whole_seconds(int64_t duration_ms)
{
	return (unsigned)((duration_ms + 999) / 1000);
}

/* Most connections of one address; 0: as many as there may be. Strangers share the place, one's own machine need not. */
static unsigned address_limit(const struct http_door *door)
{
	const int64_t limit = door->http->api->node->config->http.connections_per_address;

	if (limit != SCHEMA_NONE)
		return (unsigned)limit;
	return door->loopback || door->unix_socket || door->limit < 4 ? 0 : door->limit / 4;
}

static struct MHD_Daemon *start_daemon(struct http_door *door, int listener)
{
	const struct config *config = door->http->api->node->config;
	const bool encrypts = config->tls.certificate != NULL && !door->unix_socket;
	const struct MHD_OptionItem tls[] = {
		{MHD_OPTION_HTTPS_CERT_CALLBACK, 0, certificate_callback()},
		{MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)certificate_priorities},
		{MHD_OPTION_END, 0, NULL},
	};

	errno = 0;
	/* TURBO: else data and the client's end, arriving together, leave the connection open until its timeout. */
	return MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_TURBO | MHD_ALLOW_SUSPEND_RESUME | (encrypts ? MHD_USE_TLS : 0),
		0, NULL, NULL, exchange_access, door, MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_NOTIFY_COMPLETED,
		exchange_completed, door, MHD_OPTION_CONNECTION_LIMIT, door->limit, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)HTTP_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT, whole_seconds(config->http.timeout_ms),
		MHD_OPTION_NOTIFY_CONNECTION, patience_notify, door, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
		address_limit(door), MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_ARRAY, encrypts ? tls : &tls[2],
		MHD_OPTION_END);
}

static int open_door(struct http_door *door, struct http *http, int listener)
{
	unsigned limit = (unsigned)http->api->node->config->limits.connections;

	*door = (struct http_door){.http = http, .limit = limit};
	look_at_listener(door, listener);
	door->daemon = start_daemon(door, listener);
	if (!door->daemon)
		return errno > 0 ? -errno : -EIO;
	door->epoll_fd = MHD_get_daemon_info(door->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
	return 0;
}

int http_open(struct http **ret_http, struct api *api)
{
	struct http *http = calloc(1, sizeof *http);

	if (!http)
		return -ENOMEM;
	http->api = api;
	for (int i = 0; i < api->node->listener_count; i++) {
		int status = open_door(&http->doors[http->door_count], http, api->node->listeners[i]);
		if (status < 0) {
			http_close(http);
			return status;
		}
		http->door_count++;
	}
	*ret_http = http;
	return 0;
}

void http_close(struct http *http)
{
	if (!http)
		return;
	http_quiesce(http); /* else stopping would shut the listening socket down for our successor, too */
	for (size_t i = 0; i < http->door_count; i++)
		MHD_stop_daemon(http->doors[i].daemon);
	exchange_fini(http);
	free(http);
}

size_t http_fds(const struct http *http, struct pollfd entries[])
{
	for (size_t i = 0; i < http->door_count; i++)
		entries[i] = (struct pollfd){.fd = http->doors[i].epoll_fd, .events = POLLIN};
	return http->door_count;
}

void http_ready(struct http *http, const struct pollfd entries[])
{
	for (size_t i = 0; i < http->door_count; i++)
		http->doors[i].ready = http->doors[i].ready || entries[i].revents != 0;
}

/* Milliseconds until the door has something to do although its descriptor is not ready. */
static int door_timeout_ms(const struct http_door *door, int most_ms)
{
	MHD_UNSIGNED_LONG_LONG timeout;

	if (door->ready)
		return 0;
	if (MHD_get_timeout(door->daemon, &timeout) != MHD_YES || timeout > (MHD_UNSIGNED_LONG_LONG)most_ms)
		return most_ms;
	return (int)timeout;
}

int http_timeout_ms(const struct http *http, int most_ms)
{
	for (size_t i = 0; i < http->door_count; i++)
		most_ms = door_timeout_ms(&http->doors[i], most_ms);
	return most_ms;
}

static bool is_full(const struct http_door *door)
{
	return MHD_get_daemon_info(door->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)->num_connections >= door->limit;
}

/* At its limit libmicrohttpd stops listening; it begins again at the start of a run, so one that made room is followed by
 * another. */
static void run_door(struct http_door *door)
{
	bool was_full = is_full(door);

	door->ready = false;
	(void)MHD_run(door->daemon); /* MHD_NO: not in external mode, which it is */
	if (was_full && !is_full(door))
		door->ready = true;
}

void http_run(struct http *http)
{
	exchange_sweep(http);
	const int64_t now = clock_mono_ns();
	patience_sweep(&http->patience, http->api->node->config->http.timeout_ms * CLOCK_NS_PER_MS, now);
	patience_rest(&http->patience, HTTP_MEMORY, now);
	for (size_t i = 0; i < http->door_count; i++) {
		if (door_timeout_ms(&http->doors[i], 1) > 0)
			continue;
		run_door(&http->doors[i]);
	}
}

void http_resume(struct request *request)
{
	request->suspended = false;
	request->door->ready = true;
	MHD_resume_connection(request->connection);
}

bool http_client_has_left(const struct request *request)
{
	struct pollfd entry = {
		.fd = MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd,
		.events = POLLRDHUP};

	return poll(&entry, 1, 0) > 0 && (entry.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

void http_quiesce(struct http *http)
{
	for (size_t i = 0; i < http->door_count; i++)
		(void)MHD_quiesce_daemon(http->doors[i].daemon);
}

size_t http_busy(const struct http *http)
{
	return http->busy;
}

const char *http_reason(int status)
{
	return MHD_get_reason_phrase_for((unsigned)status);
}

bool api_has_tls(void)
{
	return MHD_is_feature_supported(MHD_FEATURE_TLS) == MHD_YES &&
	       MHD_is_feature_supported(MHD_FEATURE_HTTPS_CERT_CALLBACK) == MHD_YES;
}
