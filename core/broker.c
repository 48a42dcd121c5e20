#include "core/broker.h"

#include "core/broker_internal.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	LAYOUT = 1, /* the value of {ns}:format */
	VERSION_MAJOR_MIN = 7,
	GREETING_MAX = 16 * 1024,
	BACKOFF_FIRST_MS = 2,
	BACKOFF_LAST_MS = 1000,
	GREETINGS_MAX = 5, /* in one attempt: where a cluster says our keys are, with the password as it is now */
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
	broker_tls_forget(broker);
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
	broker->power = POWER_UNKNOWN;
	broker->asked_count = 0;
	broker->asked_answered = false;
	if (broker->redis)
		redisFree(broker->redis);
	broker->redis = NULL;
	broker->tls = NULL;
}

static void forget_password(struct broker *broker)
{
	config_free_password(broker->password);
	broker->password = NULL;
}

void broker_close(struct broker *broker)
{
	if (!broker)
		return;
	broker_disconnect(broker);
	broker_reply_free(&broker->announcement);
	buffer_fini(&broker->request);
	broker_tls_forget(broker);
	forget_password(broker);
	free(broker);
}

void broker_observe(struct broker *broker, struct scoreboard_histogram *histogram)
{
	broker->histogram = histogram;
}

void broker_describe(const struct broker *broker, char *text, size_t size)
{
	const struct config_broker *address = &broker->config->address;
	int length;
	if (broker->place.port > 0)
		length = snprintf(text, size, "%s:%d", broker->place.host, broker->place.port);
	else if (address->kind == CONFIG_BROKER_SENTINEL)
		length = snprintf(text, size, "(master \"%s\" of the sentinels)", address->master);
	else if (address->kind == CONFIG_BROKER_TCP)
		length = snprintf(text, size, "%s:%d", address->host, address->port);
	else
		length = snprintf(text, size, "%s", address->path);
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
	const int64_t half_ms = wait_ms / 2;
	return half_ms + (int64_t)(random * (double)(half_ms + 1));
}

/* ---- is it fit ---- */

static int check_version(const redisReply *info, const char *place, struct error *error)
{
	const char *version = broker_info(info, "redis_version");
	if (version && strtol(version, NULL, 10) >= VERSION_MAJOR_MIN)
		return 0;
	return error_set(error, BROKER_UNFIT, "the broker at %s is Redis %.*s: 7.0 or newer is needed", place,
		version ? (int)strcspn(version, "\r\n") : 0, version ? version : "");
}

static int check_eviction(const struct config *config, const redisReply *info, const char *place, struct error *error)
{
	const char *policy = broker_info(info, "maxmemory_policy");
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
		"the tasks in the broker at %s have layout %.16s, this version knows layout %s: run the version that "
		"wrote them, or choose another `namespace`",
		place, format->str, expected);
}

static bool is_cluster(const redisReply *server)
{
	const char *mode = server->type == REDIS_REPLY_STRING ? broker_info(server, "redis_mode") : NULL;
	return mode && strncmp(mode, "cluster", 7) == 0;
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
	broker_append_auth(broker);
	if (address->db > 0) {
		broker_command(broker, "SELECT", 1);
		broker_argument_integer(broker, address->db);
	}
	if (address->kind == CONFIG_BROKER_SENTINEL)
		broker_command(broker, "ROLE", 0);
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
	if (status == 0 && is_cluster(server))
		status = broker_check_slots(broker, place, error);
	if (status == 0 && format->type == REDIS_REPLY_NIL)
		status = 1;
	return status;
}

/* After a fail-over the sentinels may name a master that does not know it yet. */
static int check_role(struct broker *broker, const redisReply *role, struct error *error)
{
	if (role->type == REDIS_REPLY_ARRAY && role->elements > 0 && role->element[0]->type == REDIS_REPLY_STRING &&
		strcmp(role->element[0]->str, "master") == 0)
		return 0;
	return broker_lose(broker, "is named by the sentinels, but no master yet", error);
}

static int greet(struct broker *broker, int64_t until_mono_ns, struct error *error)
{
	struct broker_patience patience = {.until_mono_ns = until_mono_ns, .stop_fd = -1, .blocks = true};
	redisReply *replies[BROKER_COMMANDS_MAX] = {NULL};
	append_greeting(broker);
	size_t count = broker->command_count;
	int status = broker_run_here(broker, &patience, replies, error);
	if (status < 0)
		return status;
	if (broker->config->address.kind == CONFIG_BROKER_SENTINEL)
		status = check_role(broker, replies[count - 4], error);
	if (status == 0)
		status = check_fit(broker, replies + count - 3, error);
	bool cluster = status >= 0 && is_cluster(replies[count - 3]);
	for (size_t i = 0; i < count; i++)
		broker_reply_free(&replies[i]);
	if (status == 1)
		status = write_layout(broker, until_mono_ns, error);
	if (status == 0 && cluster)
		status = broker_learn(broker, until_mono_ns, error);
	if (status < 0)
		broker_disconnect(broker);
	return status < 0 ? status : 0;
}

/* ---- the password ---- */

/* Returns true when the file has another password than the one that was refused. Else the error says why not, too. */
static bool read_password_anew(struct broker *broker, struct error *error)
{
	const struct config *config = broker->config;
	const char *refused = broker->password ? broker->password : config->address.password;
	char *password = NULL;
	struct error why;
	if (!config->broker_password_file)
		return false;
	if (config_read_password(config->broker_password_file, &password, &why) < 0) {
		if (error)
			(void)error_set(error, BROKER_REFUSED, "%.200s (and %.200s)", error->text, why.text);
		return false;
	}
	bool is_new = strcmp(password, refused) != 0;
	if (is_new)
		forget_password(broker);
	if (is_new)
		broker->password = password;
	else
		config_free_password(password);
	return is_new;
}

/* ---- connecting ---- */

void broker_set_aside(struct broker *broker, struct broker_aside *ret_aside)
{
	ret_aside->request = broker->request;
	ret_aside->command_count = broker->command_count;
	memcpy(ret_aside->commands, broker->commands, sizeof broker->commands);
	buffer_init(&broker->request, GREETING_MAX);
	broker->command_count = 0;
}

void broker_put_back(struct broker *broker, const struct broker_aside *aside)
{
	buffer_fini(&broker->request);
	broker->request = aside->request;
	broker->command_count = aside->command_count;
	memcpy(broker->commands, aside->commands, sizeof broker->commands);
}

static int reach_and_greet(struct broker *broker, int64_t until_mono_ns, struct error *error)
{
	bool again = true;
	int status = 0;
	for (int tries = 0; again && tries < GREETINGS_MAX; tries++) {
		broker->moved = false;
		status = broker_reach(broker, until_mono_ns, error);
		if (status == 0)
			status = greet(broker, until_mono_ns, error);
		again = status < 0 &&
			(broker->moved || (status == BROKER_REFUSED && read_password_anew(broker, error)));
	}
	if (status < 0 && !broker->moved)
		broker_doubt(broker);
	return status;
}

int broker_connect(struct broker *broker, int64_t until_mono_ns, struct error *error)
{
	broker_doubt_asked(broker);
	if (broker->redis)
		return 0;
	/* A request that is to be said again elsewhere must outlive the greeting. */
	struct broker_aside aside;
	broker_set_aside(broker, &aside);
	int status = reach_and_greet(broker, until_mono_ns, error);
	broker_put_back(broker, &aside);
	return status;
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
