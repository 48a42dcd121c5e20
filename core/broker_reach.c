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

enum { SENTINEL_REQUEST_MAX = 4096, SLOTS = 16384 };

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
	return take(broker, redisConnectNonBlock(host, port), place, until_mono_ns, error);
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
	broker->place.port = 0;
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
			broker->place.port = 0;
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

/* ---- clusters ---- */

/* "host:port", the last colon counting, since hosts may be IPv6 addresses. An empty host: `here`. */
static int parse_place(const char *text, size_t length, const char *here, struct broker_place *ret_place)
{
	const char *colon = memrchr(text, ':', length);
	char digits[8] = "";
	int64_t port;
	if (!colon)
		return -EINVAL;
	size_t host_length = (size_t)(colon - text), port_length = length - host_length - 1;
	if (host_length > BROKER_HOST_MAX || port_length >= sizeof digits)
		return -EINVAL;
	memcpy(digits, colon + 1, port_length);
	if (units_parse_integer(digits, 1, 65535, &port) < 0)
		return -EINVAL;
	struct broker_place place = {.port = (int)port};
	if (host_length > 0)
		memcpy(place.host, text, host_length);
	else
		(void)snprintf(place.host, sizeof place.host, "%s", here);
	*ret_place = place;
	return 0;
}

static const char *host_of(const struct broker *broker)
{
	return broker->redis && broker->redis->tcp.host ? broker->redis->tcp.host : broker->config->address.host;
}

int broker_follow(struct broker *broker, const char *text)
{
	text += strspn(text, " ");
	text += strcspn(text, " "); /* the slot */
	text += strspn(text, " ");
	if (broker->config->address.kind != CONFIG_BROKER_TCP)
		return -EINVAL;
	return parse_place(text, strcspn(text, " \r\n"), host_of(broker), &broker->place);
}

/* ---- slots ---- */

/* CRC-16/XMODEM of what stands in the first braces, else of the whole key. */
static unsigned slot_of(const char *key)
{
	size_t length = strlen(key);
	const char *open = strchr(key, '{'), *close = open ? strchr(open, '}') : NULL;
	if (close && close > open + 1) {
		length = (size_t)(close - open - 1);
		key = open + 1;
	}
	unsigned sum = 0;
	for (size_t i = 0; i < length; i++) {
		sum ^= (unsigned)(unsigned char)key[i] << 8;
		for (int bit = 0; bit < 8; bit++)
			sum = (sum & 0x8000) ? (sum << 1 ^ 0x1021) & 0xffff : sum << 1 & 0xffff;
	}
	return sum % SLOTS;
}

int broker_check_slots(const struct broker *broker, const char *place, struct error *error)
{
	const struct config *config = broker->config;
	unsigned ours = slot_of(broker->namespace);
	for (size_t i = 0; i < config->queue_count; i++) {
		const struct config_queue *queue = &config->queues[i];
		if (!queue->list || (slot_of(queue->list) == ours && queue->list_db <= 0))
			continue;
		return error_set(error, BROKER_UNFIT,
			"the broker at %s is a cluster, where the plain list \"%s\" of queue %s lies in another slot "
			"than our keys: give it a key with %s in it, or leave the queue out of all pools",
			place, queue->list, queue->name, broker->namespace);
	}
	return 0;
}

/* ---- nodes ---- */

/* One line of CLUSTER NODES: `id host:port@bus,name flags …`. */
static void learn_node(struct broker *broker, const char *line, size_t length)
{
	const char *end = line + length;
	const char *address = memchr(line, ' ', length);
	const char *flags = address ? memchr(address + 1, ' ', (size_t)(end - address - 1)) : NULL;
	struct broker_place place;
	if (!flags || broker->learned_count == BROKER_LEARNED_MAX)
		return;
	address++;
	size_t size = strcspn(address, "@, ");
	if (address + size > flags || parse_place(address, size, host_of(broker), &place) < 0)
		return;
	size_t words = strcspn(flags + 1, " \n");
	if (!memmem(flags + 1, words, "noaddr", 6) && !memmem(flags + 1, words, "handshake", 9))
		broker->learned[broker->learned_count++] = place;
}

int broker_learn(struct broker *broker, int64_t until_mono_ns, struct error *error)
{
	struct broker_patience patience = {.until_mono_ns = until_mono_ns, .stop_fd = -1, .blocks = true};
	_cleanup_(broker_reply_free) redisReply *reply = NULL;
	buffer_clear(&broker->request);
	broker->command_count = 0;
	broker_command(broker, "CLUSTER", 1);
	broker_argument_text(broker, "NODES");
	int status = broker_exchange(broker, &patience, &reply, error);
	if (status < 0 || reply->type != REDIS_REPLY_STRING)
		return status; /* refused: then the configured nodes must do */
	broker->learned_count = 0;
	for (const char *line = reply->str; *line;) {
		size_t length = strcspn(line, "\n");
		learn_node(broker, line, length);
		line += length + (line[length] == '\n');
	}
	return 0;
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
