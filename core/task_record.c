#include "core/document.h"
#include "core/task.h"
#include "core/task_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What a verdict counts, and where it leads while there is something left of what it uses up, and when not. */
static const struct rule {
	bool attempt, crash;
	const char *kind; /* where the execution names none */
	enum task_state again, ended;
} rules[] = {
	[TASK_VERDICT_OK] = {true, false, NULL, TASK_SUCCEEDED, TASK_SUCCEEDED},
	[TASK_VERDICT_RETRY] = {true, false, "retry", TASK_RETRYING, TASK_DEAD},
	[TASK_VERDICT_FAIL] = {true, false, "exception", TASK_DEAD, TASK_DEAD},
	[TASK_VERDICT_REFUSED] = {false, false, "invalid", TASK_DEAD, TASK_DEAD},
	[TASK_VERDICT_TIMEOUT] = {true, false, "timeout", TASK_RETRYING, TASK_DEAD},
	[TASK_VERDICT_CRASH] = {false, true, "crash", TASK_PENDING, TASK_DEAD},
	[TASK_VERDICT_CANCELLED] = {false, false, "cancelled", TASK_CANCELLED, TASK_CANCELLED},
	[TASK_VERDICT_ELSEWHERE] = {false, false, NULL, TASK_RETRYING, TASK_RETRYING},
};

/* ---- the decision ---- */

static int64_t find_due(
	const struct task_record *record, const struct config_queue *queue, const struct task_execution *execution)
{
	const bool is_asked = execution->verdict == TASK_VERDICT_RETRY || execution->verdict == TASK_VERDICT_ELSEWHERE;
	int64_t wait_ms = is_asked ? execution->delay_ms : -1;

	if (wait_ms < 0)
		wait_ms = config_backoff_ms(&queue->backoff, record->attempts, execution->random);
	return wait_ms > 0 ? execution->ended_ms + wait_ms : 0;
}

/* The record's numbers after the execution; its body is not looked at. */
static void decide(struct task_record *record, const struct config_queue *queue, const struct task_execution *execution)
{
	const struct rule *rule = &rules[execution->verdict];
	bool left;

	record->executions++;
	record->attempts += rule->attempt;
	record->crashes += rule->crash;
	if (execution->max_attempts > 0)
		record->max_attempts = execution->max_attempts;
	else if (record->max_attempts == 0 && rule->attempt)
		record->max_attempts = (int)queue->retry;
	left = rule->crash ? record->crashes < queue->max_crashes : record->attempts < record->max_attempts;
	record->state = left ? rule->again : rule->ended;
	record->due_ms = record->state == TASK_RETRYING ? find_due(record, queue, execution) : 0;
	record->started_ms = execution->started_ms;
	record->finished_ms = execution->ended_ms;
	(void)snprintf(
		record->worker, sizeof record->worker, "%s", execution->worker != NULL ? execution->worker : "-");
}

/* ---- the body ---- */

/* Counts no deeper than `most`, so that a result that holds itself ends as well. */
static bool is_deeper(const json_t *value, int most)
{
	const char *name;
	json_t *part;
	size_t index;

	if (!json_is_object(value) && !json_is_array(value))
		return false;
	if (most == 0)
		return true;
	json_array_foreach((json_t *)value, index, part)
	{
		if (is_deeper(part, most - 1))
			return true;
	}
	json_object_foreach((json_t *)value, name, part)
	{
		if (is_deeper(part, most - 1))
			return true;
	}
	return false;
}

static const char *kind_of(const struct task_execution *execution)
{
	return execution->kind != NULL ? execution->kind : rules[execution->verdict].kind;
}

/* The message as it may stand in JSON; NULL: none. */
static const char *message_of(const struct task_execution *execution, char text[TASK_MESSAGE_MAX])
{
	if (execution->message == NULL)
		return NULL;
	task_clean_text(text, TASK_MESSAGE_MAX, execution->message);
	return text;
}

static json_t *make_entry(const struct task_execution *execution)
{
	char message[TASK_MESSAGE_MAX];

	return json_pack("{s:I, s:I, s:s?, s:s, s:s?}", "started_ms", (json_int_t)execution->started_ms, "ended_ms",
		(json_int_t)execution->ended_ms, "worker", execution->worker, "kind", kind_of(execution), "message",
		message_of(execution, message));
}

static json_t *make_error(const struct task_execution *execution)
{
	char message[TASK_MESSAGE_MAX];

	return json_pack("{s:s, s:s?, s:O?}", "kind", kind_of(execution), "message", message_of(execution, message),
		"evidence", execution->evidence);
}

/* A new list: the last entries of the old one (NULL: none) and one more. */
static json_t *make_history(const json_t *old, const struct task_execution *execution)
{
	json_t *history = json_array();
	size_t count = json_array_size(old);
	int failed = 0;

	for (size_t i = count < TASK_HISTORY_MAX ? 0 : count - TASK_HISTORY_MAX + 1; i < count; i++)
		failed |= json_array_append(history, json_array_get(old, i));
	failed |= json_array_append_new(history, make_entry(execution));
	if (failed == 0)
		return history;
	json_decref(history);
	return NULL;
}

static json_t *make_usage(const struct task_usage *usage)
{
	json_t *value = json_pack("{s:I}", "cpu_ms", (json_int_t)usage->cpu_ms);

	if (value == NULL || usage->peak_rss_bytes < 0)
		return value;
	if (json_object_set_new(value, "peak_rss_bytes", json_integer(usage->peak_rss_bytes)) == 0)
		return value;
	json_decref(value);
	return NULL;
}

static int make_body(const struct task_record *record, enum task_state state, const struct task_execution *execution,
	json_t **ret_body)
{
	json_t *history = json_object_get(record->body, "history");
	bool has_result =
		execution->verdict == TASK_VERDICT_OK && execution->result != NULL && !json_is_null(execution->result);
	bool has_usage = execution->usage != NULL && execution->usage->cpu_ms >= 0;
	json_t *body;
	int failed = 0;

	if (execution->verdict == TASK_VERDICT_ELSEWHERE) {
		*ret_body = json_incref(record->body);
		return 0;
	}
	if (execution->verdict == TASK_VERDICT_OK && !has_result && !has_usage && history == NULL) {
		*ret_body = NULL;
		return 0;
	}
	body = json_object();
	if (has_result)
		failed |= json_object_set(body, "result", execution->result);
	if (state == TASK_DEAD)
		failed |= json_object_set_new(body, "error", make_error(execution));
	if (execution->verdict != TASK_VERDICT_OK)
		failed |= json_object_set_new(body, "history", make_history(history, execution));
	else if (history != NULL)
		failed |= json_object_set(body, "history", history);
	if (has_usage)
		failed |= json_object_set_new(body, "usage", make_usage(execution->usage));
	if (failed != 0) {
		json_decref(body);
		return -ENOMEM;
	}
	*ret_body = body;
	return 0;
}

int task_record_apply(
	struct task_record *record, const struct config_queue *queue, const struct task_execution *execution)
{
	struct task_execution judged = *execution;
	struct task_record next = *record;
	int status;

	assert(execution->started_ms >= 0 && execution->ended_ms >= 0);
	if (judged.verdict == TASK_VERDICT_OK && is_deeper(judged.result, DOCUMENT_DEPTH_MAX)) {
		judged.verdict = TASK_VERDICT_FAIL;
		judged.kind = "exception";
		judged.message = "the result is nested too deep";
		judged.evidence = NULL;
	}
	decide(&next, queue, &judged);
	status = make_body(record, next.state, &judged, &next.body);
	if (status < 0)
		return status;
	json_decref(record->body);
	*record = next;
	return 0;
}
