#include "core/broker_internal.h"

#include "core/clock.h"

#include <stdlib.h>
#include <string.h>

enum { WAIT_MOST_MS = 500, WAIT_REPLICAS = 1 };

static bool is_wanted(const struct broker *broker)
{
	return broker->config->durability == CONFIG_DURABILITY_POWER &&
	       broker->config->address.kind != CONFIG_BROKER_EMBEDDED;
}

/* Where a replica takes the master's place, what only the master's disk has is lost. */
static bool may_fail_over(const struct broker *broker)
{
	return broker->config->address.kind == CONFIG_BROKER_SENTINEL || broker->learned_count > 0;
}

static bool syncs(const redisReply *persistence, const redisReply *policy)
{
	const char *appends = persistence->type == REDIS_REPLY_STRING ? broker_info(persistence, "aof_enabled") : NULL;

	return appends && appends[0] == '1' && policy->type == REDIS_REPLY_ARRAY && policy->elements == 2 &&
	       policy->element[1]->type == REDIS_REPLY_STRING && strcmp(policy->element[1]->str, "always") == 0;
}

static bool copies(const redisReply *replication)
{
	const char *count =
		replication->type == REDIS_REPLY_STRING ? broker_info(replication, "connected_slaves") : NULL;

	return count && strtol(count, NULL, 10) >= WAIT_REPLICAS;
}

static int learn(struct broker *broker, int64_t until_mono_ns, struct error *error)
{
	struct broker_patience patience = {.until_mono_ns = until_mono_ns, .stop_fd = -1};
	redisReply *replies[BROKER_COMMANDS_MAX] = {NULL};

	broker_command(broker, "INFO", 1);
	broker_argument_text(broker, "persistence");
	broker_command(broker, "CONFIG", 2); /* managed ones refuse to tell: then it must have replicas */
	broker_argument_text(broker, "GET");
	broker_argument_text(broker, "appendfsync");
	broker_command(broker, "INFO", 1);
	broker_argument_text(broker, "replication");
	int status = broker_exchange(broker, &patience, replies, error);
	if (status < 0)
		return status;
	if (syncs(replies[0], replies[1]) && !may_fail_over(broker))
		broker->power = POWER_SYNCED;
	else
		broker->power = copies(replies[2]) ? POWER_COPIED : POWER_NONE;
	for (int i = 0; i < 3; i++)
		broker_reply_free(&replies[i]);
	return 0;
}

static int refuse(struct broker *broker, struct error *error)
{
	char place[ERROR_TEXT_MAX / 2];

	broker_describe(broker, place, sizeof place);
	broker->power = POWER_UNKNOWN; /* looked at again next time */
	if (may_fail_over(broker))
		return error_set(error, BROKER_UNCOPIED,
			"the broker at %s has no replica, which `durability: power` needs where another may become "
			"master: give it one",
			place);
	return error_set(error, BROKER_UNCOPIED,
		"the broker at %s has no replica and does not sync its file before it answers, one of which "
		"`durability: power` needs: give it a replica, or `appendonly yes` and `appendfsync always`",
		place);
}

int broker_begin_durable(struct broker *broker, int64_t until_mono_ns, struct error *error)
{
	int status = broker_begin(broker, until_mono_ns, error);

	if (status < 0 || !is_wanted(broker) || broker->power == POWER_SYNCED || broker->power == POWER_COPIED)
		return status;
	status = learn(broker, until_mono_ns, error);
	if (status == 0 && broker->power == POWER_NONE)
		return refuse(broker, error);
	return status < 0 ? status : broker_begin(broker, until_mono_ns, error);
}

bool broker_append_copy(struct broker *broker, int64_t until_mono_ns)
{
	int64_t left_ms = (until_mono_ns - clock_mono_ns()) / CLOCK_NS_PER_MS / 2;

	if (broker->power != POWER_COPIED)
		return false;
	broker_command(broker, "WAIT", 2);
	broker_argument_integer(broker, WAIT_REPLICAS);
	broker_argument_integer(broker, left_ms < 1 ? 1 : left_ms > WAIT_MOST_MS ? WAIT_MOST_MS : left_ms);
	return true;
}

int broker_check_copy(struct broker *broker, const redisReply *copied, struct error *error)
{
	char place[ERROR_TEXT_MAX / 2];

	if (copied->type != REDIS_REPLY_INTEGER)
		return broker_surprise(broker, error);
	if (copied->integer >= WAIT_REPLICAS)
		return 0;
	broker_describe(broker, place, sizeof place);
	broker->power = POWER_UNKNOWN;
	return error_set(error, BROKER_UNCOPIED,
		"no replica of the broker at %s has confirmed in time (`durability: power`): whether it was stored is "
		"not known; say it again with the same id",
		place);
}

int broker_check_power(struct broker *broker, int64_t until_mono_ns, struct error *error)
{
	return broker_begin_durable(broker, until_mono_ns, error);
}
