#include "core/broker_internal.h"

#include "core/clock.h"
#include "core/io.h"
#include "core/units.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { SENTINEL_REQUEST_MAX = 4096 };

/* ---- one connection ---- */

static int fail(struct broker *broker, const char *place, const char *why, struct error *error)
{
	broker_disconnect(broker);
	return error_set(error, BROKER_AWAY, "cannot reach the broker at %s: %s", place, why);
}

static int wait_connected(struct broker *broker, const char *place, int64_t until_mono_ns, struct error *error)
{
	struct pollfd entry = {.fd = broker->redis->fd, .events = POLLOUT};
	if (io_poll(&entry, 1, until_mono_ns) <= 0)
		return fail(broker, place, "no connection in time", error);
	int failure = 0;
	socklen_t length = sizeof failure;
	if (getsockopt(broker->redis->fd, SOL_SOCKET, SO_ERROR, &failure, &length) < 0)
		failure = errno;
	return failure ? fail(broker, place, strerror(failure), error) : 0;
}

/* Takes the context that hiredis has just made, and waits until it is connected. */
static int take(
	struct broker *broker, redisContext *redis, const char *place, int64_t until_mono_ns, struct error *error)
{
	int one = 1;
	if (!redis)
		return -ENOMEM;
	broker->redis = redis;
	if (redis->err) {
		char why[sizeof redis->errstr];
		memcpy(why, redis->errstr, sizeof why);
		return fail(broker, place, why, error);
	}
	bool tcp = redis->connection_type == REDIS_CONN_TCP;
	if (fcntl(redis->fd, F_SETFD, FD_CLOEXEC) < 0 ||
		(tcp && setsockopt(redis->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0))
		return fail(broker, place, strerror(errno), error);
	int status = wait_connected(broker, place, until_mono_ns, error);
	if (status == 0 && tcp)
		(void)redisEnableKeepAlive(redis); /* without it a vanished host is noticed by deadlines alone */
	return status;
}

static int open_unix(struct broker *broker, const char *path, int64_t until_mono_ns, struct error *error)
{
	if (strlen(path) >= sizeof((struct sockaddr_un *)NULL)->sun_path) /* hiredis would cut it */
		return error_set(error, BROKER_UNFIT, "the broker's path %s is too long for a socket", path);
	return take(broker, redisConnectUnixNonBlock(path), path, until_mono_ns, error);
}

static int open_tcp(struct broker *broker, const char *host, int port, int64_t until_mono_ns, struct error *error)
{
	char place[BROKER_HOST_MAX + 16];
	(void)snprintf(place, sizeof place, "%s:%d", host, port); /* cut when it is long: for people */
	int status = take(broker, redisConnectNonBlock(host, port), place, until_mono_ns, error);
	if (status == 0 && broker->config->address.tls)
		status = broker_tls_begin(broker, host, place, until_mono_ns, error);
	return status;
}

/* ---- several places that may know ---- */

static size_t count_places(const struct broker *broker)
{
	return 1 + broker->config->address.other_count + broker->learned_count;
}

static int open_place(struct broker *broker, size_t number, int64_t until_mono_ns, struct error *error)
{
	const struct config_broker *address = &broker->config->address;
	if (number == 0)
		return open_tcp(broker, address->host, address->port, until_mono_ns, error);
	number--;
	if (number < address->other_count)
		return open_tcp(
			broker, address->others[number].host, address->others[number].port, until_mono_ns, error);
	const struct broker_place *place = &broker->learned[number - address->other_count];
	return open_tcp(broker, place->host, place->port, until_mono_ns, error);
}

/* One that does not answer must leave time for the others. */
static int64_t share(int64_t until_mono_ns, size_t parts)
{
	int64_t now = clock_mono_ns();
	return now + (until_mono_ns - now) / (int64_t)parts;
}

void broker_doubt(struct broker *broker)
{
	broker_forget_place(broker);
	broker->next++;
}

/* A node of a cluster that does not have our keys says which one does. */
static int open_node(struct broker *broker, int64_t until_mono_ns, struct error *error)
{
	size_t count = count_places(broker);
	int status = BROKER_AWAY;
	if (broker->place.port > 0) {
		status = open_tcp(
			broker, broker->place.host, broker->place.port, share(until_mono_ns, count + 1), error);
		if (status < 0)
			broker_forget_place(broker);
	}
	for (size_t i = 0; i < count && status == BROKER_AWAY; i++) {
		size_t number = (broker->next + i) % count;
		status = open_place(broker, number, share(until_mono_ns, count - i), error);
		if (status == 0)
			broker->next = number;
	}
	return status;
}

/* ---- passwords ---- */

void broker_append_auth(struct broker *broker)
{
	const struct config_broker *address = &broker->config->address;
	const char *password = broker->password ? broker->password : address->password;
	if (!password)
		return;
	broker_command(broker, "AUTH", address->user ? 2 : 1);
	if (address->user)
		broker_argument_text(broker, address->user);
	broker_argument_text(broker, password);
}

/* ---- sentinels ---- */

static int read_place(struct broker *broker, const redisReply *reply, struct error *error)
{
	int64_t port;
	if (reply->type == REDIS_REPLY_NIL || (reply->type == REDIS_REPLY_ARRAY && reply->elements == 0))
		return error_set(
			error, BROKER_UNFIT, "the sentinels know no master \"%s\"", broker->config->address.master);
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 || reply->element[0]->type != REDIS_REPLY_STRING ||
		reply->element[1]->type != REDIS_REPLY_STRING || reply->element[0]->len > BROKER_HOST_MAX ||
		units_parse_integer(reply->element[1]->str, 1, 65535, &port) < 0)
		return broker_lose(broker, "is no sentinel", error);
	memcpy(broker->place.host, reply->element[0]->str, reply->element[0]->len + 1);
	broker->place.port = (int)port;
	return 0;
}

/* On the connection to a sentinel. Mostly they want no password, and refuse to be given one. */
static int ask_for_master(struct broker *broker, int64_t until_mono_ns, struct error *error)
{
	struct broker_patience patience = {.until_mono_ns = until_mono_ns, .stop_fd = -1, .blocks = true};
	redisReply *replies[BROKER_COMMANDS_MAX] = {NULL};
	broker->request.maximum = SENTINEL_REQUEST_MAX;
	buffer_clear(&broker->request);
	broker->command_count = 0;
	if (broker->sentinels_want_password)
		broker_append_auth(broker);
	broker_command(broker, "SENTINEL", 2);
	broker_argument_text(broker, "get-master-addr-by-name");
	broker_argument_text(broker, broker->config->address.master);
	size_t count = broker->command_count;
	int status = broker_run_here(broker, &patience, replies, error);
	if (status < 0)
		return status;
	status = read_place(broker, replies[count - 1], error);
	for (size_t i = 0; i < count; i++)
		broker_reply_free(&replies[i]);
	return status;
}

static int ask_sentinel(struct broker *broker, size_t number, int64_t until_mono_ns, struct error *error)
{
	int status = open_place(broker, number, until_mono_ns, error);
	if (status == 0)
		status = ask_for_master(broker, until_mono_ns, error);
	broker_disconnect(broker);
	return status;
}

static int ask_sentinels(struct broker *broker, int64_t until_mono_ns, struct error *error)
{
	size_t count = count_places(broker);
	int status = BROKER_AWAY;
	broker->place.port = 0;
	for (size_t i = 0; i < count && status < 0; i++) {
		size_t number = (broker->next + i) % count;
		int64_t until = share(until_mono_ns, count - i + 1); /* one part is for the master */
		status = ask_sentinel(broker, number, until, error);
		if (status == BROKER_REFUSED) {
			broker->sentinels_want_password = !broker->sentinels_want_password;
			status = ask_sentinel(broker, number, until, error);
		}
		if (status == 0)
			broker->next = number;
	}
	return status;
}

/* ---- the broker ---- */

int broker_reach(struct broker *broker, int64_t until_mono_ns, struct error *error)
{
	const struct config_broker *address = &broker->config->address;
	switch (address->kind) {
	case CONFIG_BROKER_TCP: return open_node(broker, until_mono_ns, error);
	case CONFIG_BROKER_SENTINEL: {
		int status = ask_sentinels(broker, until_mono_ns, error);
		return status < 0 ? status
				  : open_tcp(broker, broker->place.host, broker->place.port, until_mono_ns, error);
	}
	case CONFIG_BROKER_EMBEDDED:
	case CONFIG_BROKER_UNIX: break;
	}
	return open_unix(broker, address->path, until_mono_ns, error);
}
