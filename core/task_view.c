#include "core/clock.h"
#include "core/document.h"
#include "core/task.h"
#include "core/task_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A value that could not be made, for lack of memory, is NULL; setting it fails, and so the whole view does. */

static json_t *time_value(int64_t at_ms)
{
	char text[CLOCK_TEXT_SIZE];

	if (at_ms <= 0 || at_ms > CLOCK_LAST_MS)
		return json_null();
	clock_format(text, at_ms);
	return json_string(text);
}

static json_t *text_value(const char *raw)
{
	char text[TASK_MESSAGE_MAX];

	if (raw == NULL)
		return json_null();
	task_clean_text(text, sizeof text, raw);
	return json_string(text);
}

/* A reference of its own to the member; null when it is not there, or the whole is no object. */
static json_t *member_value(const json_t *object, const char *name)
{
	json_t *value = json_object_get(object, name);

	return value != NULL ? json_incref(value) : json_null();
}

static json_t *member_text(const json_t *object, const char *name)
{
	return json_is_string(json_object_get(object, name)) ? member_value(object, name) : json_null();
}

static json_t *member_time(const json_t *object, const char *name)
{
	return time_value(json_integer_value(json_object_get(object, name)));
}

/* ---- what was handed over ---- */

/* *ret_document: owned; NULL: malformed, as one from a plain list may be. Returns 0 or -ENOMEM. */
static int read_document(const struct task_head *head, json_t **ret_document)
{
	int status = document_parse(head->document.data, head->document.length, DOCUMENT_LENIENT, ret_document, NULL);

	if (status < 0 && status != -ENOMEM)
		*ret_document = NULL;
	return status == -ENOMEM ? status : 0;
}

/* The text of one that names no class, for who wants to know what came in; what is no UTF-8 in it is replaced. */
static json_t *raw_value(const struct task_head *head, const json_t *document)
{
	const size_t length = head->document.length;

	if (json_is_string(json_object_get(document, "class")))
		return json_null();
	char *text = malloc(length + 1), *clean = malloc(length + 1);
	json_t *value = NULL;
	if (text != NULL && clean != NULL) {
		for (size_t i = 0; i < length; i++)
			text[i] = head->document.data[i] != '\0' ? head->document.data[i] : ' ';
		text[length] = '\0';
		task_clean_text(clean, length + 1, text);
		value = json_string(clean);
	}
	free(text);
	free(clean);
	return value;
}

static json_t *param_value(const json_t *document)
{
	if (json_is_object(document) && json_object_get(document, "param") == NULL)
		return json_array();
	return member_value(document, "param");
}

/* In a plain list's document it is a stranger's word, without meaning. */
static json_t *meta_value(const struct task_head *head, const json_t *document)
{
	return head->source == TASK_SOURCE_LIST ? json_null() : member_value(document, "meta");
}

/* ---- how it stands ---- */

static json_t *max_attempts_value(const struct task_facts *facts)
{
	int number = facts->record->max_attempts;

	if (number == 0)
		number = facts->head->max_attempts;
	if (number == 0)
		number = facts->max_attempts;
	return number > 0 ? json_integer(number) : json_null();
}

static json_t *run_at_value(const struct task_facts *facts)
{
	if (facts->state == TASK_RETRYING && facts->record->due_ms > 0)
		return time_value(facts->record->due_ms);
	return time_value(facts->head->run_at_ms);
}

/* Times and worker are those of the execution that runs, or that ended the task; earlier ones stand in the history. */
static int set_execution(json_t *view, const struct task_facts *facts)
{
	const struct task_record *record = facts->record;
	bool running = facts->started_ms > 0;
	bool ended = !running && task_state_ended(facts->state);
	const char *worker = facts->worker;
	int failed = 0;

	if (ended && record->worker[0] != '\0' && strcmp(record->worker, "-") != 0)
		worker = record->worker;
	failed |= json_object_set_new(view, "started_at",
		time_value(running ? facts->started_ms
			   : ended ? record->started_ms
				   : 0));
	failed |= json_object_set_new(view, "finished_at", time_value(ended ? record->finished_ms : 0));
	failed |= json_object_set_new(view, "worker", text_value(worker));
	return failed;
}

static json_t *progress_value(const struct task_facts *facts)
{
	json_t *progress;
	int failed = 0;

	if (facts->started_ms == 0 || (facts->progress < 0 && facts->note == NULL))
		return json_null();
	progress = json_object();
	failed |= json_object_set_new(
		progress, "percent", facts->progress >= 0 ? json_integer(facts->progress) : json_null());
	failed |= json_object_set_new(progress, "note", text_value(facts->note));
	if (failed == 0)
		return progress;
	json_decref(progress);
	return NULL;
}

/* ---- how it went ---- */

static json_t *entry_value(const json_t *entry)
{
	json_t *value = json_object();
	int failed = 0;

	failed |= json_object_set_new(value, "started_at", member_time(entry, "started_ms"));
	failed |= json_object_set_new(value, "ended_at", member_time(entry, "ended_ms"));
	failed |= json_object_set_new(value, "worker", member_value(entry, "worker"));
	failed |= json_object_set_new(value, "kind", member_value(entry, "kind"));
	failed |= json_object_set_new(value, "message", member_value(entry, "message"));
	if (failed == 0)
		return value;
	json_decref(value);
	return NULL;
}

static json_t *history_value(const struct task_record *record)
{
	const json_t *history = json_object_get(record->body, "history");
	json_t *value = json_array();
	int failed = 0;

	for (size_t i = 0; i < json_array_size(history); i++)
		failed |= json_array_append_new(value, entry_value(json_array_get(history, i)));
	if (failed == 0)
		return value;
	json_decref(value);
	return NULL;
}

/* Of the last execution that is over and was long enough to be measured. */
static json_t *usage_value(const struct task_record *record)
{
	const json_t *usage = json_object_get(record->body, "usage");
	json_t *value;
	int failed = 0;

	if (!json_is_object(usage))
		return json_null();
	value = json_object();
	failed |= json_object_set_new(value, "cpu_ms", member_value(usage, "cpu_ms"));
	failed |= json_object_set_new(value, "peak_rss_bytes", member_value(usage, "peak_rss_bytes"));
	if (failed == 0)
		return value;
	json_decref(value);
	return NULL;
}

/* One that was dead and runs again keeps the record of how it died; it means nothing any more. */
static json_t *error_value(const struct task_facts *facts)
{
	return facts->state == TASK_DEAD ? member_value(facts->record->body, "error") : json_null();
}

/* ---- all together, in CONTRACT's order ---- */

static int set_members(json_t *view, const struct task_facts *facts, const json_t *document)
{
	const struct task_record *record = facts->record;
	int failed = 0;

	failed |= json_object_set_new(view, "id", text_value(facts->id));
	failed |= json_object_set_new(view, "queue", text_value(facts->head->queue));
	failed |= json_object_set_new(view, "class", member_text(document, "class"));
	failed |= json_object_set_new(view, "method", member_text(document, "method"));
	failed |= json_object_set_new(view, "param", param_value(document));
	failed |= json_object_set_new(view, "state", json_string(task_state_name(facts->state)));
	failed |= json_object_set_new(view, "attempts", json_integer(record->attempts));
	failed |= json_object_set_new(view, "max_attempts", max_attempts_value(facts));
	failed |= json_object_set_new(view, "crashes", json_integer(record->crashes));
	failed |= json_object_set_new(view, "priority", json_integer(facts->head->priority));
	failed |= json_object_set_new(view, "created_at", time_value(facts->head->created_ms));
	failed |= json_object_set_new(view, "run_at", run_at_value(facts));
	failed |= set_execution(view, facts);
	failed |= json_object_set_new(view, "progress", progress_value(facts));
	failed |= json_object_set_new(view, "result", member_value(record->body, "result"));
	failed |= json_object_set_new(view, "error", error_value(facts));
	failed |= json_object_set_new(view, "history", history_value(record));
	failed |= json_object_set_new(view, "usage", usage_value(record));
	failed |= json_object_set_new(view, "cancel_requested", json_boolean(facts->cancel_requested));
	failed |= json_object_set_new(view, "meta", meta_value(facts->head, document));
	failed |= json_object_set_new(
		view, "traceparent", text_value(facts->head->traceparent[0] != '\0' ? facts->head->traceparent : NULL));
	failed |= json_object_set_new(view, "raw", raw_value(facts->head, document));
	return failed;
}

json_t *task_view(const struct task_facts *facts)
{
	json_t *document, *view;
	int failed;

	if (read_document(facts->head, &document) < 0)
		return NULL;
	view = json_object();
	failed = set_members(view, facts, document);
	json_decref(document);
	if (failed == 0)
		return view;
	json_decref(view);
	return NULL;
}
