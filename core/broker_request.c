#include "core/broker_internal.h"

#include "core/clock.h"
#include "core/io.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
	REQUEST_MAX = 1 << 30,    /* what a pipeline may have: a batch of 10,000 documents and more */
	REQUEST_KEPT = 256 << 10, /* memory kept between calls */
	SCRIPT_TEXT_MAX = 64 << 10,
	RELOADS_MAX = 3, /* times that one call puts lost scripts back */
	MOVES_MAX = 3,   /* times that one call follows a cluster's word */
	REST_MS = 20,    /* instead of a wait that cannot be */
};

/* ---- requests ---- */

static void begin_request(struct broker *broker)
{
	if (broker->request.capacity > REQUEST_KEPT)
		buffer_fini(&broker->request);
	broker->request.maximum = REQUEST_MAX;
	buffer_clear(&broker->request);
	broker->command_count = 0;
	broker->arguments_left = 0;
}

int broker_begin(struct broker *broker, int64_t until_mono_ns, struct error *error)
{
	assert(broker->waiting == WAITING_FOR_NOTHING);
	int status = broker_connect(broker, until_mono_ns, error);
	if (status < 0)
		return status;
	begin_request(broker);
	return 0;
}

/* '$' or '*', the number and the line's end, as Redis' protocol wants them. */
static void append_header(struct buffer *request, char kind, size_t number)
{
	char text[24], *place = text + sizeof text;
	*--place = '\n';
	*--place = '\r';
	do
		*--place = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	*--place = kind;
	buffer_append(request, place, (size_t)(text + sizeof text - place));
}

void broker_argument_pair(struct broker *broker, struct bytes first, struct bytes second)
{
	assert(broker->arguments_left > 0);
	broker->arguments_left--;
	append_header(&broker->request, '$', first.length + second.length);
	buffer_append(&broker->request, first.data, first.length);
	buffer_append(&broker->request, second.data, second.length);
	buffer_append(&broker->request, "\r\n", 2);
}

void broker_argument(struct broker *broker, const char *bytes, size_t length)
{
	broker_argument_pair(broker, (struct bytes){bytes, length}, (struct bytes){"", 0});
}

void broker_argument_text(struct broker *broker, const char *text)
{
	broker_argument(broker, text, strlen(text));
}

void broker_argument_integer(struct broker *broker, int64_t number)
{
	char text[24];
	int length = snprintf(text, sizeof text, "%" PRId64, number);
	broker_argument(broker, text, (size_t)length);
}

void broker_argument_key(struct broker *broker, const char *name, const char *rest)
{
	char key[CONFIG_NAME_MAX + 3 + 32];
	int length = snprintf(key, sizeof key, "%s:%s", broker->namespace, name);
	assert(length > 0 && (size_t)length < sizeof key);
	broker_argument_pair(broker, (struct bytes){key, (size_t)length}, (struct bytes){rest, strlen(rest)});
}

void broker_command(struct broker *broker, const char *name, size_t argument_count)
{
	assert(broker->command_count < BROKER_COMMANDS_MAX && broker->arguments_left == 0);
	broker->commands[broker->command_count++] =
		(struct broker_command){.start = broker->request.length, .script = SCRIPT_NONE};
	append_header(&broker->request, '*', argument_count + 1);
	broker->arguments_left = argument_count + 1;
	broker_argument_text(broker, name);
}

/* Stands for the sha of a script that is not loaded yet. */
static const char no_sha[] = "0000000000000000000000000000000000000000";
_Static_assert(sizeof no_sha == BROKER_SHA_LENGTH + 1, "a sha has forty digits");

void broker_script(struct broker *broker, enum broker_script script, size_t argument_count)
{
	broker_command(broker, "EVALSHA", argument_count + 3);
	struct broker_command *command = &broker->commands[broker->command_count - 1];
	command->script = script;
	broker_argument_text(broker, broker->sha[script][0] ? broker->sha[script] : no_sha);
	command->sha = broker->request.length - strlen("\r\n") - BROKER_SHA_LENGTH;
	broker_argument_text(broker, "1");
	broker_argument_text(broker, broker->namespace);
}

size_t broker_list_arguments(const struct broker *broker)
{
	return 1 + 2 * broker->list_count;
}

static bool has_near_list(const struct config *config, size_t queue)
{
	return config->queues[queue].list &&
	       (config->queues[queue].list_db < 0 || config->queues[queue].list_db == config->address.db);
}

void broker_append_lists(struct broker *broker)
{
	const struct config *config = broker->config;
	broker_argument_integer(broker, (int64_t)broker->list_count);
	for (size_t i = 0; i < config->queue_count; i++)
		if (has_near_list(config, i)) {
			broker_argument_text(broker, config->queues[i].name);
			broker_argument_text(broker, config->queues[i].list);
		}
}

size_t broker_queue_arguments(const struct broker *broker)
{
	return 1 + broker->config->queue_count;
}

void broker_append_queues(struct broker *broker)
{
	broker_argument_integer(broker, (int64_t)broker->config->queue_count);
	for (size_t i = 0; i < broker->config->queue_count; i++)
		broker_argument_text(broker, broker->config->queues[i].name);
}

/* ---- the socket ---- */

int broker_lose(struct broker *broker, const char *why, struct error *error)
{
	char place[ERROR_TEXT_MAX / 2];
	broker_describe(broker, place, sizeof place);
	broker_disconnect(broker);
	return error_set(error, BROKER_AWAY, "the broker at %s %s", place, why);
}

/* How many bytes were taken, or a negative errno. */
static ssize_t send_some(struct broker *broker, const char *bytes, size_t length)
{
	if (broker->tls)
		return broker_tls_write(broker, bytes, length);
	ssize_t count = send(broker->redis->fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
	return count < 0 ? -errno : count;
}

/* hiredis would retry, and copy the rest of a large request at each partial write. */
static int send_bytes(
	struct broker *broker, const char *bytes, size_t length, int64_t until_mono_ns, struct error *error)
{
	size_t done = 0;
	while (done < length) {
		ssize_t count = send_some(broker, bytes + done, length - done);
		if (count > 0) {
			done += (size_t)count;
			continue;
		}
		if (count < 0 && count != -EAGAIN && count != -EINTR)
			return broker_lose(broker, "closed the connection", error);
		struct pollfd entry = {.fd = broker->redis->fd, .events = POLLOUT};
		if (io_poll(&entry, 1, until_mono_ns) <= 0)
			return broker_lose(broker, "took no request in time", error);
	}
	return 0;
}

int broker_miss(struct broker *broker, struct error *error)
{
	return broker_lose(broker, "did not answer in time", error);
}

static int parse_any_reply(struct broker *broker, redisReply **ret_reply, struct error *error)
{
	void *reply = NULL;
	if (redisGetReplyFromReader(broker->redis, &reply) != REDIS_OK)
		return broker_lose(broker, "sent what is no reply", error);
	if (!reply)
		return 0;
	*ret_reply = reply;
	return 1;
}

/* Those of ASKING are passed over: what became of it, the reply behind it says. */
static int parse_reply(struct broker *broker, redisReply **ret_reply, struct error *error)
{
	if (broker->asked_count > 0 && !broker->asked_answered) {
		_cleanup_(broker_reply_free) redisReply *reply = NULL;
		int status = parse_any_reply(broker, &reply, error);
		if (status <= 0)
			return status;
		broker->asked_answered = true;
	}
	int status = parse_any_reply(broker, ret_reply, error);
	if (status > 0 && broker->asked_count > 0) {
		broker->asked_count--;
		broker->asked_answered = false;
	}
	return status;
}

static int receive(
	struct broker *broker, const struct broker_patience *patience, redisReply **ret_reply, struct error *error)
{
	for (;;) {
		int status = parse_reply(broker, ret_reply, error);
		if (status != 0)
			return status < 0 ? status : 0;
		struct pollfd entries[2] = {
			{.fd = broker->redis->fd, .events = POLLIN}, {.fd = patience->stop_fd, .events = POLLIN}};
		int ready = io_poll(entries, 2, patience->until_mono_ns);
		if (ready <= 0)
			return broker_miss(broker, error);
		if (!entries[0].revents) {
			broker_disconnect(broker); /* what still comes must not be taken for another's reply */
			return error_set(error, BROKER_STOPPED, "told to stop while waiting for the broker");
		}
		if (redisBufferRead(broker->redis) != REDIS_OK)
			return broker_lose(broker, "closed the connection", error);
	}
}

int broker_receive_arrived(struct broker *broker, redisReply **ret_reply, struct error *error)
{
	int status = parse_reply(broker, ret_reply, error);
	if (status != 0)
		return status;
	if (redisBufferRead(broker->redis) != REDIS_OK)
		return broker_lose(broker, "closed the connection", error);
	return parse_reply(broker, ret_reply, error);
}

/* ---- calls ---- */

/* A node that is being given our slot refuses to wait for several keys as long as one of them is missing. What stands
 * behind the wait was done nevertheless. */
static bool is_no_wait(
	const struct broker *broker, const struct broker_patience *patience, const redisReply *first_reply)
{
	return broker->asks_until_mono_ns > 0 && patience->blocks && broker->command_count > 1 &&
	       first_reply->type == REDIS_REPLY_ERROR && strncmp(first_reply->str, "TRYAGAIN", 8) == 0;
}

static void rest(const struct broker_patience *patience)
{
	struct pollfd entry = {.fd = patience->stop_fd, .events = POLLIN};
	(void)io_poll(&entry, 1, clock_mono_after(REST_MS)); /* told to stop or not: the call is done */
}

static const redisReply *find_error(redisReply *const *replies, size_t first, size_t count)
{
	for (size_t i = first; i < count; i++)
		if (replies[i]->type == REDIS_REPLY_ERROR)
			return replies[i];
	return NULL;
}

static void free_replies(redisReply **replies, size_t from, size_t count)
{
	for (size_t i = from; i < count; i++)
		broker_reply_free(&replies[i]);
}

static int load_script(
	struct broker *broker, enum broker_script script, const struct broker_patience *patience, struct error *error)
{
	_cleanup_(buffer_fini) struct buffer text;
	_cleanup_(buffer_fini) struct buffer request;
	buffer_init(&text, SCRIPT_TEXT_MAX);
	buffer_init(&request, SCRIPT_TEXT_MAX + 64);
	int status = broker_script_text(script, &text);
	if (status < 0)
		return status;
	buffer_append_text(&request, "*3\r\n$6\r\nSCRIPT\r\n$4\r\nLOAD\r\n");
	append_header(&request, '$', text.length);
	buffer_append(&request, text.data, text.length);
	buffer_append_text(&request, "\r\n");
	if (request.status < 0)
		return request.status;
	_cleanup_(broker_reply_free) redisReply *reply = NULL;
	status = send_bytes(broker, request.data, request.length, patience->until_mono_ns, error);
	if (status == 0)
		status = receive(broker, patience, &reply, error);
	if (status < 0 || !reply)
		return status;
	if (reply->type == REDIS_REPLY_ERROR)
		return broker_refuse(broker, reply, error);
	if (reply->type != REDIS_REPLY_STRING || reply->len != BROKER_SHA_LENGTH)
		return broker_surprise(broker, error);
	memcpy(broker->sha[script], reply->str, BROKER_SHA_LENGTH + 1);
	return 0;
}

/* Loads the scripts that commands from `first` on use, all of them or those that were never loaded, and writes their
 * shas into the request. */
static int load_scripts(
	struct broker *broker, size_t first, bool all, const struct broker_patience *patience, struct error *error)
{
	for (size_t i = first; i < broker->command_count; i++) {
		const struct broker_command *command = &broker->commands[i];
		if (command->script == SCRIPT_NONE)
			continue;
		char *sha = broker->sha[command->script];
		int status =
			all || !sha[0] ? load_script(broker, (enum broker_script)command->script, patience, error) : 0;
		if (status < 0)
			return status;
		memcpy(broker->request.data + command->sha, sha, BROKER_SHA_LENGTH);
	}
	return 0;
}

static size_t find_lost_script(redisReply *const *replies, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (replies[i]->type == REDIS_REPLY_ERROR && strncmp(replies[i]->str, "NOSCRIPT", 8) == 0)
			return i;
	return count;
}

/* Each command behind an ASKING of its own. */
static int send_asking(struct broker *broker, size_t first, int64_t until_mono_ns, struct error *error)
{
	static const char asking[] = "*1\r\n$6\r\nASKING\r\n";
	int status = 0;
	for (size_t i = first; i < broker->command_count && status == 0; i++) {
		size_t start = broker->commands[i].start;
		size_t end = i + 1 < broker->command_count ? broker->commands[i + 1].start : broker->request.length;
		status = send_bytes(broker, asking, sizeof asking - 1, until_mono_ns, error);
		if (status == 0)
			status = send_bytes(broker, broker->request.data + start, end - start, until_mono_ns, error);
		broker->asked_count += status == 0;
	}
	return status;
}

static int send_request(struct broker *broker, size_t first, int64_t until_mono_ns, struct error *error)
{
	if (broker->asks_until_mono_ns > 0)
		return send_asking(broker, first, until_mono_ns, error);
	size_t start = broker->commands[first].start;
	return send_bytes(broker, broker->request.data + start, broker->request.length - start, until_mono_ns, error);
}

static int exchange(struct broker *broker, size_t first, const struct broker_patience *patience, redisReply **replies,
	struct error *error)
{
	int status = send_request(broker, first, patience->until_mono_ns, error);
	for (size_t i = first; i < broker->command_count && status == 0; i++)
		status = receive(broker, patience, &replies[i], error);
	return status;
}

static int exchange_with_scripts(
	struct broker *broker, const struct broker_patience *patience, redisReply **replies, struct error *error)
{
	size_t count = broker->command_count, first = 0;
	int status = load_scripts(broker, 0, false, patience, error);
	for (int reloads = 0; status == 0; reloads++) {
		status = exchange(broker, first, patience, replies, error);
		if (status < 0)
			break;
		size_t lost = find_lost_script(replies, count);
		if (lost == count || reloads == RELOADS_MAX)
			break;
		first = patience->from_the_start ? 0 : lost;
		free_replies(replies, first, count);
		status = load_scripts(broker, first, true, patience, error);
	}
	return status;
}

static void observe(struct broker *broker, const struct broker_patience *patience, int64_t since_mono_ns)
{
	if (broker->histogram && !patience->blocks)
		scoreboard_observe(broker->histogram, (clock_mono_ns() - since_mono_ns) / 1000);
}

static int check_request(const struct broker *broker, struct error *error)
{
	int status = broker->request.status;
	if (status < 0)
		return error_set(
			error, status == -E2BIG ? BROKER_FULL : -ENOMEM, "no memory for a request to the broker");
	return 0;
}

int broker_exchange(
	struct broker *broker, const struct broker_patience *patience, redisReply **ret_replies, struct error *error)
{
	assert(broker->command_count > 0 && broker->arguments_left == 0);
	int status = check_request(broker, error);
	if (status < 0)
		return status;
	redisReply *replies[BROKER_COMMANDS_MAX] = {NULL};
	int64_t since = clock_mono_ns();
	status = exchange_with_scripts(broker, patience, replies, error);
	if (status < 0) {
		free_replies(replies, 0, broker->command_count);
		return status;
	}
	observe(broker, patience, since);
	memcpy(ret_replies, replies, broker->command_count * sizeof replies[0]);
	return 0;
}

int broker_receive(
	struct broker *broker, const struct broker_patience *patience, redisReply **ret_replies, struct error *error)
{
	redisReply *replies[BROKER_COMMANDS_MAX] = {NULL};
	int status = 0;
	for (size_t i = 0; i < broker->command_count && status == 0; i++)
		status = receive(broker, patience, &replies[i], error);
	if (status < 0)
		free_replies(replies, 0, broker->command_count);
	else
		memcpy(ret_replies, replies, broker->command_count * sizeof replies[0]);
	return status;
}

int broker_run_here(
	struct broker *broker, const struct broker_patience *patience, redisReply **ret_replies, struct error *error)
{
	redisReply *replies[BROKER_COMMANDS_MAX];
	size_t count = broker->command_count;
	int status = broker_exchange(broker, patience, replies, error);
	if (status < 0)
		return status;
	bool no_wait = is_no_wait(broker, patience, replies[0]);
	if (no_wait)
		rest(patience);
	const redisReply *refusal = find_error(replies, no_wait ? 1 : 0, count);
	if (refusal) {
		status = broker_refuse(broker, refusal, error);
		free_replies(replies, 0, count);
		return status;
	}
	memcpy(ret_replies, replies, count * sizeof replies[0]);
	return 0;
}

int broker_run(
	struct broker *broker, const struct broker_patience *patience, redisReply **ret_replies, struct error *error)
{
	int status = broker_run_here(broker, patience, ret_replies, error);
	for (int moves = 0; status < 0 && broker->moved && moves < MOVES_MAX; moves++) {
		status = broker_connect(broker, patience->until_mono_ns, error);
		if (status == 0)
			status = broker_run_here(broker, patience, ret_replies, error);
	}
	return status;
}

int broker_call(struct broker *broker, int64_t until_mono_ns, redisReply **ret_reply, struct error *error)
{
	assert(broker->command_count == 1);
	return broker_run(
		broker, &(struct broker_patience){.until_mono_ns = until_mono_ns, .stop_fd = -1}, ret_reply, error);
}

int broker_call_integer(struct broker *broker, int64_t until_mono_ns, int64_t *ret_number, struct error *error)
{
	_cleanup_(broker_reply_free) redisReply *reply = NULL;
	int status = broker_call(broker, until_mono_ns, &reply, error);
	if (status < 0 || !reply)
		return status;
	if (reply->type != REDIS_REPLY_INTEGER)
		return broker_surprise(broker, error);
	*ret_number = reply->integer;
	return 0;
}

int broker_send(struct broker *broker, int64_t until_mono_ns, struct error *error)
{
	assert(broker->command_count > 0 && broker->arguments_left == 0);
	int status = check_request(broker, error);
	if (status < 0)
		return status;
	struct broker_patience patience = {.until_mono_ns = until_mono_ns, .stop_fd = -1};
	status = load_scripts(broker, 0, false, &patience, error);
	return status < 0 ? status : send_request(broker, 0, until_mono_ns, error);
}

void broker_reply_free(redisReply **reply)
{
	if (*reply)
		freeReplyObject(*reply);
	*reply = NULL;
}

struct bytes broker_reply_bytes(const redisReply *reply)
{
	if (reply->type != REDIS_REPLY_STRING)
		return (struct bytes){NULL, 0};
	return (struct bytes){reply->str, reply->len};
}
