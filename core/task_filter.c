#include "core/task_filter.h"

#include "core/clock.h"
#include "core/document.h"

#include <errno.h>
#include <string.h>

const char *const task_filter_states[] = {
	"pending", "scheduled", "active", "retrying", "succeeded", "dead", "cancelled", NULL};

/* ---- the table ---- */

static int check_time(const json_t *value, struct error *error)
{
	int64_t at_ms;

	if (clock_parse(json_string_value(value), &at_ms) == 0)
		return 0;
	return error_set(error, -EINVAL, "must be a time like 2026-11-23T14:13:00Z");
}

#define MEMBER(field) offsetof(struct task_filter, field)
#define TEXT(member, field, most, sentence)                                                                            \
	{                                                                                                              \
		.name = (member), .type = SCHEMA_STRING, .offset = MEMBER(field), .minimum = 1, .maximum = (most),     \
		.help = (sentence)                                                                                     \
	}
#define TIME(member, sentence)                                                                                         \
	{                                                                                                              \
		.name = #member, .type = SCHEMA_STRING, .offset = MEMBER(member), .check = check_time,                 \
		.help = (sentence)                                                                                     \
	}

static const struct schema_member filter_members[] = {
	TEXT("queue", queue, CONFIG_NAME_MAX, "Tasks of this queue."),
	{.name = "state",
		.type = SCHEMA_ENUM,
		.offset = MEMBER(state),
		.words = task_filter_states,
		.help = "Tasks in this state."},
	TEXT("class", class, TASK_NAME_MAX, "Tasks of this class."),
	TEXT("method", method, TASK_NAME_MAX, "Tasks of this method."),
	TEXT("error_kind", error_kind, 64, "Tasks whose last failure was of this kind: timeout, crash, exception ..."),
	TEXT("error", error, 256, "Tasks whose last failure's message has this text in it."),
	TIME(created_after, "Tasks accepted at this time or later."),
	TIME(created_before, "Tasks accepted before this time."),
	TIME(finished_after, "Tasks whose last execution ended at this time or later."),
	TIME(finished_before, "Tasks whose last execution ended before this time."),
	{.name = "limit",
		.type = SCHEMA_INTEGER,
		.offset = MEMBER(limit),
		.minimum = 1,
		.maximum = TASK_FILTER_LIMIT_MAX,
		.digits = true,
		.help = "At most so many tasks."},
	{.name = "rate",
		.type = SCHEMA_INTEGER,
		.offset = MEMBER(rate),
		.minimum = 1,
		.maximum = TASK_FILTER_RATE_MAX,
		.digits = true,
		.help = "At most so many tasks a second."},
	{.name = "dry_run",
		.type = SCHEMA_BOOLEAN,
		.offset = MEMBER(dry_run),
		.fallback = "false",
		.help = "Count them, and do nothing."},
	TEXT("cursor", cursor, TASK_FILTER_CURSOR_MAX, "Go on where the call ended that answered this next_cursor."),
	TEXT("to", to, CONFIG_NAME_MAX, "move: the queue that they are moved to."),
	{0},
};
const struct schema task_filter_schema = {"filter", filter_members, sizeof(struct task_filter)};

/* ---- judging ---- */

static int64_t time_of(const char *text)
{
	int64_t at_ms = 0;

	(void)clock_parse(text, &at_ms); /* the table's check has tried it */
	return at_ms;
}

static bool lies_between(int64_t at_ms, const char *after, const char *before)
{
	return (!after || (at_ms > 0 && at_ms >= time_of(after))) &&
	       (!before || (at_ms > 0 && at_ms < time_of(before)));
}

static bool is_text(const json_t *value, const char *text)
{
	return json_is_string(value) && strcmp(json_string_value(value), text) == 0;
}

/* Most documents are told apart without being decoded: a name without a backslash stands in its document as it is, or the
 * document has backslashes. */
static bool may_hold(struct bytes document, const char *name)
{
	return !name || strchr(name, '\\') || memmem(document.data, document.length, name, strlen(name)) ||
	       memchr(document.data, '\\', document.length);
}

static bool document_matches(const struct task_filter *filter, struct bytes document)
{
	json_auto_t *value = NULL;

	if (!filter->class && !filter->method)
		return true;
	if (!may_hold(document, filter->class) || !may_hold(document, filter->method))
		return false;
	if (document_parse(document.data, document.length, DOCUMENT_LENIENT, &value, NULL) < 0)
		return false;
	return (!filter->class || is_text(json_object_get(value, "class"), filter->class)) &&
	       (!filter->method || is_text(json_object_get(value, "method"), filter->method));
}

static bool failure_matches(const struct task_filter *filter, const struct task_record *record)
{
	const json_t *history = json_object_get(record->body, "history");
	const json_t *failure = record->state == TASK_DEAD ? json_object_get(record->body, "error")
							   : json_array_get(history, json_array_size(history) - 1);
	const char *message = json_string_value(json_object_get(failure, "message"));

	if (filter->error_kind && !is_text(json_object_get(failure, "kind"), filter->error_kind))
		return false;
	return !filter->error || (message && strcasestr(message, filter->error));
}

static bool record_matches(const struct task_filter *filter, struct bytes stored)
{
	struct task_record record;

	if (!filter->error_kind && !filter->error && !filter->finished_after && !filter->finished_before)
		return true;
	if (task_record_read(stored, &record) < 0)
		return false;
	bool matches = lies_between(record.finished_ms, filter->finished_after, filter->finished_before) &&
		       ((!filter->error_kind && !filter->error) || failure_matches(filter, &record));
	task_record_fini(&record);
	return matches;
}

bool task_filter_is_plain(const struct task_filter *filter)
{
	return !filter->class && !filter->method && !filter->error_kind && !filter->error && !filter->created_after &&
	       !filter->created_before && !filter->finished_after && !filter->finished_before;
}

bool task_filter_matches(const struct task_filter *filter, struct bytes stored, struct bytes record)
{
	struct task_head head;

	return task_head_read(stored, &head) == 0 &&
	       lies_between(head.created_ms, filter->created_after, filter->created_before) &&
	       record_matches(filter, record) && document_matches(filter, head.document);
}
