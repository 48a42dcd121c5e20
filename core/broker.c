#include "core/broker.h"

#include "core/broker_internal.h"
#include "core/clock.h"
#include "core/io.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
	LAYOUT = 1, /* the value of {ns}:format */
	VERSION_MAJOR_MIN = 7,
	GREETING_MAX = 16 * 1024,
	BACKOFF_FIRST_MS = 2,
	BACKOFF_LAST_MS = 1000,
};

static size_t count_near_lists(const struct config *config)
{
	size_t count = 0;
	for (size_t i = 0; i < config->queue_count; i++) {
		const struct config_queue *queue = &config->queues[i];
		count += queue->list && (queue->list_db < 0 || queue->list_db == config->address.db);
	}
	return count;
}

void broker_use(struct broker *broker, const struct config *config)
{
	broker->config = config;
	broker->list_count = count_near_lists(config);
}

int broker_open(struct broker **ret_broker, const struct config *config)
{
	struct broker *broker = calloc(1, sizeof *broker);
	if (!broker)
		return -ENOMEM;
	broker_use(broker, config);
	buffer_init(&broker->request, 0);
	int length = snprintf(broker->namespace, sizeof broker->namespace, "{%s}", config->namespace);
	assert(length > 0 && (size_t)length < sizeof broker->namespace);
	*ret_broker = broker;
	return 0;
}

void broker_disconnect(struct broker *broker)
{
	for (size_t i = 0; i < broker->received_count; i++)
		broker_reply_free(&broker->received[i]);
	broker->received_count = 0;
	broker->waiting = WAITING_FOR_NOTHING;
	if (broker->redis)
		redisFree(broker->redis);
	broker->redis = NULL;
}

void broker_close(struct broker *broker)
{
	if (!broker)
		return;
	broker_disconnect(broker);
	broker_reply_free(&broker->announcement);
	buffer_fini(&broker->request);
	free(broker);
}

void broker_observe(struct broker *broker, struct scoreboard_histogram *histogram)
{
	broker->histogram = histogram;
}

void broker_describe(const struct broker *broker, char *text, size_t size)
{
	const struct config_broker *address = &broker->config->address;
	int length = address->kind == CONFIG_BROKER_TCP ? snprintf(text, size, "%s:%d", address->host, address->port)
							: snprintf(text, size, "%s", address->path);
	(void)length; /* cut when it is long: for people */
}

int64_t broker_backoff_ms(unsigned failures, double random)
{
	assert(failures > 0 && random >= 0 && random < 1);
	int64_t wait_ms = BACKOFF_FIRST_MS;
	for (unsigned i = 1; i < failures && wait_ms < BACKOFF_LAST_MS; i++)
		wait_ms *= 2;
	if (wait_ms > BACKOFF_LAST_MS)
		wait_ms = BACKOFF_LAST_MS;
	return wait_ms / 2 + (int64_t)(random * (double)(wait_ms / 2 + 1));
}

/* ---- connecting ---- */

static int fail_connect(struct broker *broker, const char *why, struct error *error)
{
	char place[ERROR_TEXT_MAX / 2];
	broker_describe(broker, place, sizeof place);
	broker_disconnect(broker);
	return error_set(error, BROKER_AWAY, "cannot reach the broker at %s: %s", place, why);
}

static int wait_connected(struct broker *broker, int64_t until_mono_ns, struct error *error)
{
	struct pollfd entry = {.fd = broker->redis->fd, .events = POLLOUT};
	if (io_poll(&entry, 1, until_mono_ns) <= 0)
		return fail_connect(broker, "no connection in time", error);
	int failure = 0;
	socklen_t length = sizeof failure;
	if (getsockopt(broker->redis->fd, SOL_SOCKET, SO_ERROR, &failure, &length) < 0)
		failure = errno;
	return failure ? fail_connect(broker, strerror(failure), error) : 0;
}

static int open_connection(struct broker *broker, int64_t until_mono_ns, struct error *error)
{
	const struct config_broker *address = &broker->config->address;
	bool tcp = address->kind == CONFIG_BROKER_TCP;
	if (!tcp && strlen(address->path) >= sizeof((struct sockaddr_un *)NULL)->sun_path) /* hiredis would cut it */
		return error_set(error, BROKER_UNFIT, "the broker's path %s is too long for a socket", address->path);
	broker->redis =
		tcp ? redisConnectNonBlock(address->host, address->port) : redisConnectUnixNonBlock(address->path);
	if (!broker->redis)
		return -ENOMEM;
	if (broker->redis->err) {
		char why[sizeof broker->redis->errstr];
		memcpy(why, broker->redis->errstr, sizeof why);
		return fail_connect(broker, why, error);
	}
	int one = 1;
	if (fcntl(broker->redis->fd, F_SETFD, FD_CLOEXEC) < 0 ||
		(tcp && setsockopt(broker->redis->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0))
		return fail_connect(broker, strerror(errno), error);
	int status = wait_connected(broker, until_mono_ns, error);
	if (status == 0 && tcp)
		(void)redisEnableKeepAlive(
			broker->redis); /* without it a vanished host is noticed by deadlines alone */
	return status;
}

/* ---- is it fit ---- */

/* The value of `name:` in the answer to INFO; NULL when it is not there. Ends at the line's end, not at a NUL. */
static const char *info_value(const redisReply *info, const char *name)
{
	size_t length = strlen(name);
	for (const char *line = info->str; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (strncmp(line, name, length) == 0 && line[length] == ':')
			return line + length + 1;
	return NULL;
}

static int check_version(const redisReply *info, const char *place, struct error *error)
{
	const char *version = info_value(info, "redis_version");
	if (version && strtol(version, NULL, 10) >= VERSION_MAJOR_MIN)
		return 0;
	return error_set(error, BROKER_UNFIT, "the broker at %s is Redis %.*s: 7.0 or newer is needed", place,
		version ? (int)strcspn(version, "\r\n") : 0, version ? version : "");
}

static int check_eviction(const struct config *config, const redisReply *info, const char *place, struct error *error)
{
	const char *policy = info_value(info, "maxmemory_policy");
	if (!policy || strncmp(policy, "noeviction", 10) == 0 || config->broker_evicts_accepted)
		return 0;
	return error_set(error, BROKER_UNFIT,
		"the broker at %s may evict keys (maxmemory-policy %.*s), so accepted tasks could vanish: set it to "
		"noeviction, or `broker_eviction: accept`",
		place, (int)strcspn(policy, "\r\n"), policy);
}

static int check_layout(const redisReply *format, const char *place, struct error *error)
{
	char expected[8];
	(void)snprintf(expected, sizeof expected, "%d", LAYOUT);
	if (format->type == REDIS_REPLY_NIL || strcmp(format->str, expected) == 0)
		return 0;
	return error_set(error, BROKER_UNFIT,
		"the tasks in the broker at %s have layout %s, this version knows layout %s", place, format->str,
		expected);
}

static void begin_greeting(struct broker *broker)
{
	broker->request.maximum = GREETING_MAX;
	buffer_clear(&broker->request);
	broker->command_count = 0;
}

/* The first time in a namespace. Where it is refused (a full Redis), the next connection tries again. */
static int write_layout(struct broker *broker, int64_t until_mono_ns, struct error *error)
{
	struct broker_patience patience = {.until_mono_ns = until_mono_ns, .stop_fd = -1, .blocks = true};
	begin_greeting(broker);
	broker_command(broker, "SETNX", 2);
	broker_argument_key(broker, "format", "");
	broker_argument_integer(broker, LAYOUT);
	_cleanup_(broker_reply_free) redisReply *reply = NULL;
	return broker_exchange(broker, &patience, &reply, error);
}

/* AUTH and SELECT when they are needed, what the checks want to know, all in one round trip. */
static void append_greeting(struct broker *broker)
{
	const struct config_broker *address = &broker->config->address;
	begin_greeting(broker);
	if (address->password) {
		broker_command(broker, "AUTH", address->user ? 2 : 1);
		if (address->user)
			broker_argument_text(broker, address->user);
		broker_argument_text(broker, address->password);
	}
	if (address->db > 0) {
		broker_command(broker, "SELECT", 1);
		broker_argument_integer(broker, address->db);
	}
	broker_command(broker, "INFO", 1);
	broker_argument_text(broker, "server");
	broker_command(broker, "INFO", 1);
	broker_argument_text(broker, "memory");
	broker_command(broker, "GET", 1);
	broker_argument_key(broker, "format", "");
}

static int check_fit(struct broker *broker, redisReply *const *last_three, struct error *error)
{
	char place[ERROR_TEXT_MAX / 2];
	broker_describe(broker, place, sizeof place);
	const redisReply *server = last_three[0], *memory = last_three[1], *format = last_three[2];
	if (server->type != REDIS_REPLY_STRING || memory->type != REDIS_REPLY_STRING)
		return broker_surprise(broker, error);
	int status = check_version(server, place, error);
	if (status == 0)
		status = check_eviction(broker->config, memory, place, error);
	if (status == 0)
		status = check_layout(format, place, error);
	if (status == 0 && format->type == REDIS_REPLY_NIL)
		status = 1;
	return status;
}

static int greet(struct broker *broker, int64_t until_mono_ns, struct error *error)
{
	struct broker_patience patience = {.until_mono_ns = until_mono_ns, .stop_fd = -1, .blocks = true};
	redisReply *replies[BROKER_COMMANDS_MAX] = {NULL};
	append_greeting(broker);
	size_t count = broker->command_count;
	int status = broker_run(broker, &patience, replies, error);
	if (status < 0)
		return status;
	status = check_fit(broker, replies + count - 3, error);
	for (size_t i = 0; i < count; i++)
		broker_reply_free(&replies[i]);
	if (status == 1)
		status = write_layout(broker, until_mono_ns, error);
	if (status < 0)
		broker_disconnect(broker);
	return status < 0 ? status : 0;
}

int broker_connect(struct broker *broker, int64_t until_mono_ns, struct error *error)
{
	if (broker->redis)
		return 0;
	int status = open_connection(broker, until_mono_ns, error);
	return status < 0 ? status : greet(broker, until_mono_ns, error);
}

int broker_ping(struct broker *broker, int64_t until_mono_ns, struct error *error)
{
	int status = broker_begin(broker, until_mono_ns, error);
	if (status < 0)
		return status;
	broker_command(broker, "PING", 0);
	_cleanup_(broker_reply_free) redisReply *reply = NULL;
	return broker_call(broker, until_mono_ns, &reply, error);
}
