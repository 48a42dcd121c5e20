#include "core/config_rows.h"

#include <errno.h>

static int check_list(const json_t *value, struct error *error)
{
	if (json_is_null(value) || json_is_object(value) || json_string_length(value) > 0)
		return 0;
	return error_set(error, -EINVAL, "must be the key of a Redis list, or {key, db}");
}

static const struct schema_member backoff_members[] = {
	{.name = "base",
		.type = SCHEMA_DURATION,
		.offset = offsetof(struct config_backoff, base_ms),
		.fallback = "\"0s\"",
		.minimum = 0,
		.maximum = 365 * DAY,
		.help = "The first wait."},
	{.name = "factor",
		.type = SCHEMA_REAL,
		.offset = offsetof(struct config_backoff, factor),
		.fallback = "2",
		.minimum = 1,
		.maximum = 1000,
		.help = "Each further wait is so many times the one before."},
	{.name = "max",
		.type = SCHEMA_DURATION,
		.offset = offsetof(struct config_backoff, max_ms),
		.fallback = "\"1h\"",
		.minimum = 0,
		.maximum = 365 * DAY,
		.help = "The longest wait."},
	{.name = "jitter",
		.type = SCHEMA_REAL,
		.offset = offsetof(struct config_backoff, jitter),
		.fallback = "0.1",
		.minimum = 0,
		.maximum = 1,
		.help = "Each wait is made longer or shorter at random by up to this part of it."},
	{0},
};
static const struct schema backoff_schema = {"backoff", backoff_members, sizeof(struct config_backoff)};

static const struct schema_member retention_members[] = {
	{.name = "succeeded",
		.type = SCHEMA_DURATION,
		.offset = offsetof(struct config_retention, succeeded_ms),
		.fallback = "\"10m\"",
		.minimum = 0,
		.maximum = 3650 * DAY,
		.help = "How long a succeeded task can be looked up."},
	{.name = "dead",
		.type = SCHEMA_DURATION,
		.offset = offsetof(struct config_retention, dead_ms),
		.fallback = "\"7d\"",
		.minimum = 0,
		.maximum = 3650 * DAY,
		.help = "How long a dead one."},
	{.name = "cancelled",
		.type = SCHEMA_DURATION,
		.offset = offsetof(struct config_retention, cancelled_ms),
		.fallback = "\"10m\"",
		.minimum = 0,
		.maximum = 3650 * DAY,
		.help = "How long a cancelled one."},
	{.name = "max",
		.type = SCHEMA_INTEGER,
		.offset = offsetof(struct config_retention, max),
		.fallback = "100000",
		.minimum = 0,
		.maximum = 1e9,
		.help = "How many of each state at most."},
	{0},
};
static const struct schema retention_schema = {"retention", retention_members, sizeof(struct config_retention)};

static const struct schema_member list_members[] = {
	{.name = "key",
		.type = SCHEMA_STRING,
		.offset = offsetof(struct config_list, key),
		.required = true,
		.check = config_check_not_empty,
		.help = "The list's key, prefix included."},
	{.name = "db",
		.type = SCHEMA_INTEGER,
		.offset = offsetof(struct config_list, db),
		.minimum = 0,
		.maximum = 65535,
		.help = "Its database; null: the broker's."},
	{0},
};
const struct schema config_list_schema = {"list", list_members, sizeof(struct config_list)};

#define QUEUE(field) offsetof(struct config_queue, field)

/* What may be changed while a queue is in use stands behind the first FIXED rows; these are numbers, and objects of numbers. */
enum { FIXED = 2 };
static const struct schema_member queue_members[] = {
	{.name = "name",
		.type = SCHEMA_STRING,
		.offset = QUEUE(name),
		.required = true,
		.check = config_check_name,
		.help = "The queue's name."},
	{.name = "list",
		.type = SCHEMA_VALUE,
		.offset = QUEUE(list_value),
		.check = check_list,
		.help = "A plain Redis list that foreign producers LPUSH to: its key, or {key, db}."},
	{.name = "retry",
		.type = SCHEMA_INTEGER,
		.offset = QUEUE(retry),
		.fallback = "1",
		.minimum = 1,
		.maximum = 1000,
		.help = "Executions in all, where the task does not say."},
	{.name = "backoff",
		.type = SCHEMA_OBJECT,
		.offset = QUEUE(backoff),
		.nested = &backoff_schema,
		.help = "How long a task waits before it runs again."},
	{.name = "timeout",
		.type = SCHEMA_DURATION,
		.offset = QUEUE(timeout_ms),
		.minimum = 1,
		.maximum = 365 * DAY,
		.help = "The most that one execution may take, where the task does not say."},
	{.name = "max_crashes",
		.type = SCHEMA_INTEGER,
		.offset = QUEUE(max_crashes),
		.fallback = "3",
		.minimum = 1,
		.maximum = 1000000,
		.help = "Deaths of its worker that one task may cause before it is dead."},
	{.name = "retention",
		.type = SCHEMA_OBJECT,
		.offset = QUEUE(retention),
		.nested = &retention_schema,
		.help = "How long, and how many, ended tasks are kept, per state."},
	{.name = "max_active",
		.type = SCHEMA_INTEGER,
		.offset = QUEUE(max_active),
		.minimum = 1,
		.maximum = 1e6,
		.help = "Tasks of the queue that may run at a time, over all nodes; workers take such tasks one at a "
			"time."},
	{.name = "max_depth",
		.type = SCHEMA_INTEGER,
		.offset = QUEUE(max_depth),
		.minimum = 1,
		.maximum = 1e12,
		.help = "Tasks that may wait in the queue; submissions beyond are refused (429) until some were taken. "
			"What comes "
			"through a plain list counts and is not refused."},
	{0},
};
const struct schema config_queue_schema = {"queue", queue_members, sizeof(struct config_queue)};
const struct schema config_queue_settings_schema = {"queue", queue_members + FIXED, sizeof(struct config_queue)};
