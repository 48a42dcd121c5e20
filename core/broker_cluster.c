#include "core/broker_internal.h"

#include "core/clock.h"
#include "core/units.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	SLOTS = 16384,
	COUNT_TIMEOUT_MS = 200,
	ASKS_MS = 1000, /* so long the word of the node that gives a slot away is believed, before it is asked again */
};

/* ---- where our keys are ---- */

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

void broker_forget_place(struct broker *broker)
{
	broker->place.port = 0;
	broker->asks_until_mono_ns = 0;
}

/* `slot host:port` */
static int parse_named_place(const struct broker *broker, const char *text, struct broker_place *ret_place)
{
	text += strspn(text, " ");
	text += strcspn(text, " ");
	text += strspn(text, " ");
	if (broker->config->address.kind != CONFIG_BROKER_TCP)
		return -EINVAL;
	return parse_place(text, strcspn(text, " \r\n"), host_of(broker), ret_place);
}

int broker_follow(struct broker *broker, const char *text)
{
	broker->asks_until_mono_ns = 0;
	return parse_named_place(broker, text, &broker->place);
}

/* ---- a slot that is on its way ---- */

/* How many keys of the slot this node has; negative when it does not say. */
static int64_t count_keys(struct broker *broker, const char *slot, size_t length)
{
	struct broker_patience patience = {
		.until_mono_ns = clock_mono_ns() + COUNT_TIMEOUT_MS * CLOCK_NS_PER_MS, .stop_fd = -1, .blocks = true};
	_cleanup_(broker_reply_free) redisReply *reply = NULL;
	struct broker_aside aside;
	broker_set_aside(broker, &aside);
	broker_command(broker, "CLUSTER", 2);
	broker_argument_text(broker, "COUNTKEYSINSLOT");
	broker_argument(broker, slot, length);
	int status = broker_exchange(broker, &patience, &reply, NULL);
	broker_put_back(broker, &aside);
	return status == 0 && reply->type == REDIS_REPLY_INTEGER ? reply->integer : -1;
}

int broker_follow_asked(struct broker *broker, const char *text)
{
	struct broker_place place;
	text += strspn(text, " ");
	int status = parse_named_place(broker, text, &place);
	if (status < 0)
		return status;
	if (count_keys(broker, text, strcspn(text, " ")) != 0)
		return -EAGAIN;
	broker->place = place;
	broker->asks_until_mono_ns = clock_mono_ns() + ASKS_MS * CLOCK_NS_PER_MS;
	return 0;
}

void broker_doubt_asked(struct broker *broker)
{
	if (broker->asks_until_mono_ns == 0 || clock_mono_ns() < broker->asks_until_mono_ns)
		return;
	broker_disconnect(broker);
	broker_forget_place(broker);
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
