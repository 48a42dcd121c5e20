#include "core/clock.h"
#include "core/task.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_MS (24 * 3600 * 1e3)

/* What the table below fills. */
struct task_members {
	char *class, *method, *queue, *id, *run_at, *callback, *unique;
	json_t *param, *meta;
	int64_t retry, timeout_ms, delay_ms, expires_in_ms, retention_ms, priority;
};

/* ---- checks of one member ---- */

static int check_name(const json_t *value, struct error *error)
{
	if (task_name_is_valid(json_string_value(value), json_string_length(value)))
		return 0;
	return error_set(error, -EINVAL, "must be 1 to %d letters, digits, `_`, `.`, `\\` or `-`", TASK_NAME_MAX);
}

static int check_id(const json_t *value, struct error *error)
{
	if (id_is_valid(json_string_value(value), json_string_length(value)))
		return 0;
	return error_set(error, -EINVAL, "must be 1 to %d letters, digits, `_` or `-`", ID_MAX);
}

static int check_param(const json_t *value, struct error *error)
{
	if (json_is_array(value) || json_is_object(value))
		return 0;
	return error_set(error, -EINVAL, "must be an array (positional) or an object (named)");
}

static int check_meta(const json_t *value, struct error *error)
{
	return json_is_object(value) ? 0 : error_set(error, -EINVAL, "must be an object");
}

static int check_unique(const json_t *value, struct error *error)
{
	size_t length = json_string_length(value);

	if (length > 0 && length <= TASK_UNIQUE_MAX && strlen(json_string_value(value)) == length)
		return 0;
	return error_set(error, -EINVAL, "must be a text of 1 to %d bytes without NUL", TASK_UNIQUE_MAX);
}

static int check_time(const json_t *value, struct error *error)
{
	int64_t at_ms;

	if (clock_parse(json_string_value(value), &at_ms) == 0)
		return 0;
	return error_set(error, -EINVAL, "must be a time like 2026-11-23T14:13:00Z");
}

/* ---- the table ---- */

#define MEMBER(field)  offsetof(struct task_members, field)
#define NAME_DESCRIBED "{\"pattern\":\"^[A-Za-z0-9_.\\\\\\\\-]{1,128}$\"}" /* check_name */

static const struct schema_member task_members[] = {
	{.name = "class",
		.type = SCHEMA_STRING,
		.offset = MEMBER(class),
		.required = true,
		.check = check_name,
		.described = NAME_DESCRIBED,
		.help = "Which handler runs the task."},
	{.name = "method",
		.type = SCHEMA_STRING,
		.offset = MEMBER(method),
		.required = true,
		.check = check_name,
		.described = NAME_DESCRIBED,
		.help = "Which of its methods."},
	{.name = "param",
		.type = SCHEMA_VALUE,
		.offset = MEMBER(param),
		.fallback = "[]",
		.check = check_param,
		.described = "{\"type\":[\"array\",\"object\"]}",
		.help = "Its arguments: an array (positional) or an object (named)."},
	{.name = "retry",
		.type = SCHEMA_INTEGER,
		.offset = MEMBER(retry),
		.minimum = 1,
		.maximum = TASK_RETRY_MAX,
		.help = "Most executions in all; null: the queue's."},
	{.name = "queue",
		.type = SCHEMA_STRING,
		.offset = MEMBER(queue),
		.fallback = "\"default\"",
		.help = "Where it waits."},
	{.name = "id",
		.type = SCHEMA_STRING,
		.offset = MEMBER(id),
		.check = check_id,
		.described = "{\"pattern\":\"^[A-Za-z0-9_-]{1,64}$\"}",
		.help = "An id of your own; a second submission of it returns the first."},
	{.name = "timeout",
		.type = SCHEMA_DURATION,
		.offset = MEMBER(timeout_ms),
		.minimum = 1,
		.maximum = 365 * DAY_MS,
		.help = "The most that one execution may take; null: the queue's."},
	{.name = "delay",
		.type = SCHEMA_DURATION,
		.offset = MEMBER(delay_ms),
		.minimum = 0,
		.maximum = 3650 * DAY_MS,
		.help = "Run it so long after its submission."},
	{.name = "run_at",
		.type = SCHEMA_STRING,
		.offset = MEMBER(run_at),
		.check = check_time,
		.described = "{\"format\":\"date-time\"}",
		.help = "Run it at that time (RFC 3339)."},
	{.name = "meta",
		.type = SCHEMA_VALUE,
		.offset = MEMBER(meta),
		.check = check_meta,
		.described = "{\"type\":[\"object\",\"null\"]}",
		.help = "Kept as it is."},
	{.name = "priority",
		.type = SCHEMA_INTEGER,
		.offset = MEMBER(priority),
		.fallback = "5",
		.minimum = 0,
		.maximum = TASK_PRIORITY_MAX,
		.help = "9 goes first, before all tasks of its queue with a lower one."},
	{.name = "expires_in",
		.type = SCHEMA_DURATION,
		.offset = MEMBER(expires_in_ms),
		.minimum = 1,
		.maximum = 3650 * DAY_MS,
		.help = "One that is not started within so long after its submission, or its run_at, is dead (expired) "
			"without "
			"being run."},
	{.name = "unique",
		.type = SCHEMA_STRING,
		.offset = MEMBER(unique),
		.check = check_unique,
		.described = "{\"minLength\":1,\"maxLength\":128}",
		.help = "While a task with this value has not ended, another submission of it, in whatever queue, "
			"stores nothing "
			"and returns the first."},
	{.name = "retention",
		.type = SCHEMA_DURATION,
		.offset = MEMBER(retention_ms),
		.minimum = 1,
		.maximum = 3650 * DAY_MS,
		.help = "How long it can be looked up after its end, whichever that is; null: as its queue says."},
	{.name = "callback",
		.type = SCHEMA_STRING,
		.offset = MEMBER(callback),
		.check = config_check_url,
		.help = "A URL that the task is posted to when it has ended, as it is shown then, by a task of the "
			"class Http."},
	{0},
};
const struct schema task_schema = {"task", task_members, sizeof(struct task_members)};

/* ---- what holds across members ---- */

static int find_queue(const struct config *config, const char *name, const char *prefix, struct schema_faults *faults)
{
	int queue = config_find_queue(config, name, strlen(name));
	char pointer[sizeof((struct schema_fault *)0)->pointer], known[256];

	if (queue >= 0)
		return queue;
	(void)snprintf(pointer, sizeof pointer, "%s/queue", prefix);
	config_name_queues(config, known, sizeof known);
	schema_fault(faults, pointer, "\"queue\": there is no queue \"%.64s\"; there are %s", name, known);
	return -1;
}

/* Wall time at which it may run; 0: at once. */
static int64_t find_run_at(const struct task_members *members, int64_t now_ms)
{
	int64_t at_ms = 0;

	if (members->delay_ms != SCHEMA_NONE)
		at_ms = now_ms + members->delay_ms;
	else if (members->run_at != NULL)
		(void)clock_parse(members->run_at, &at_ms); /* the table's check has tried it */
	return at_ms > now_ms ? at_ms : 0;
}

/* Until when it must have been started, counted from when it may be; 0: whenever. */
static int64_t find_expiry(const struct task_members *members, int64_t now_ms, int64_t run_at_ms)
{
	if (members->expires_in_ms == SCHEMA_NONE)
		return 0;
	return (run_at_ms > now_ms ? run_at_ms : now_ms) + members->expires_in_ms;
}

static bool has_http(const struct config *config)
{
	for (size_t i = 0; i < config->handler_count; i++)
		if (strcmp(config->handlers[i].class, "Http") == 0)
			return true;
	return false;
}

static int fill(const struct config *config, const struct task_members *members, const char *prefix, int64_t now_ms,
	struct task_submission *submission, struct schema_faults *faults)
{
	char pointer[sizeof((struct schema_fault *)0)->pointer];

	if (members->delay_ms != SCHEMA_NONE && members->run_at != NULL) {
		(void)snprintf(pointer, sizeof pointer, "%s/run_at", prefix);
		schema_fault(faults, pointer, "\"run_at\" and \"delay\" exclude each other");
		return -EINVAL;
	}
	if (members->callback != NULL && !has_http(config)) {
		(void)snprintf(pointer, sizeof pointer, "%s/callback", prefix);
		schema_fault(faults, pointer, "\"callback\" needs the class Http, which is not built");
		return -EINVAL;
	}
	submission->calls_back = members->callback != NULL;
	submission->queue = find_queue(config, members->queue, prefix, faults);
	if (submission->queue < 0)
		return -EINVAL;
	submission->run_at_ms = find_run_at(members, now_ms);
	submission->max_attempts =
		(int)(members->retry != SCHEMA_NONE ? members->retry : config->queues[submission->queue].retry);
	submission->priority = (int)members->priority;
	submission->expires_ms = find_expiry(members, now_ms, submission->run_at_ms);
	submission->retention_ms = members->retention_ms != SCHEMA_NONE ? members->retention_ms : 0;
	if (members->unique != NULL)
		memcpy(submission->unique, members->unique, strlen(members->unique) + 1);
	submission->own_id = members->id != NULL;
	if (members->id != NULL)
		memcpy(submission->id, members->id, strlen(members->id) + 1);
	else
		id_generate(submission->id);
	return 0;
}

int task_submission_read(const struct config *config, const json_t *value, struct bytes document, const char *prefix,
	int64_t now_ms, struct task_submission *ret_submission, struct schema_faults *faults)
{
	struct task_submission submission = {.document = document};
	struct task_members members = {0};
	int status = schema_read(&task_schema, value, prefix, &members, faults);

	if (status == 0)
		status = fill(config, &members, prefix, now_ms, &submission, faults);
	schema_fini(&task_schema, &members);
	if (status == -EINVAL && faults->count == 0)
		return -ENOMEM; /* there was no memory to say what is wrong */
	if (status == 0)
		*ret_submission = submission;
	return status;
}
