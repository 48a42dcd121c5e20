#include "core/task.h"

#include "core/clock.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NOW INT64_C(1764000000123)

static struct task_head head_of(enum task_source source, const char *document)
{
	return (struct task_head){.created_ms = NOW,
		.source = (char)source,
		.max_attempts = source == TASK_SOURCE_LIST ? 0 : 3,
		.queue = "mail",
		.priority = TASK_PRIORITY,
		.document = {document, strlen(document)}};
}

static struct task_facts facts_of(const struct task_head *head, const struct task_record *record)
{
	return (struct task_facts){.id = "x1", .head = head, .record = record, .state = record->state, .progress = -1};
}

static void assert_view(const struct task_facts *facts, json_t *expected)
{
	json_t *view = task_view(facts);
	assert_non_null(view);
	assert_non_null(expected);
	if (!json_equal(view, expected)) {
		char *is = json_dumps(view, 0), *should = json_dumps(expected, 0);
		fail_msg("\n%s\nis not\n%s", is, should);
	}
	json_decref(view);
	json_decref(expected);
}

static const char order[] =
	"{\"class\":\"A\",\"method\":\"b\",\"param\":{\"n\":9007199254740993},\"meta\":{\"k\":1},\"retry\":3}";

static void a_waiting_task_has_every_member(void **state)
{
	(void)state;
	struct task_head head = head_of(TASK_SOURCE_HTTP, order);
	struct task_record record = {.state = TASK_PENDING, .worker = "-"};
	struct task_facts facts = facts_of(&head, &record);
	static const char *const names[] = {"id", "queue", "class", "method", "param", "state", "attempts",
		"max_attempts", "crashes", "priority", "created_at", "run_at", "started_at", "finished_at", "worker",
		"progress", "result", "error", "history", "usage", "cancel_requested", "meta", "traceparent", "raw"};
	json_t *view = task_view(&facts);
	void *at = json_object_iter(view);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++, at = json_object_iter_next(view, at))
		assert_string_equal(json_object_iter_key(at), names[i]);
	assert_null(at);
	json_decref(view);
	assert_view(&facts,
		json_pack("{s:s,s:s,s:s,s:s,s:{s:I},s:s,s:i,s:i,s:i,s:i,s:s,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:[],s:n,s:b,"
			  "s:{s:i},s:n,s:n}",
			"id", "x1", "queue", "mail", "class", "A", "method", "b", "param", "n",
			(json_int_t)9007199254740993, "state", "pending", "attempts", 0, "max_attempts", 3, "crashes",
			0, "priority", 5, "created_at", "2025-11-24T16:00:00.123Z", "run_at", "started_at",
			"finished_at", "worker", "progress", "result", "error", "history", "usage", "cancel_requested",
			0, "meta", "k", 1, "traceparent", "raw"));
}

static void assert_text(const json_t *view, const char *name, const char *text)
{
	const json_t *value = json_object_get(view, name);
	assert_non_null(value);
	if (text == NULL)
		assert_true(json_is_null(value));
	else
		assert_string_equal(json_string_value(value), text);
}

static void a_running_task_shows_who_runs_it(void **state)
{
	(void)state;
	struct task_head head = head_of(TASK_SOURCE_HTTP, order);
	struct task_record record = {.state = TASK_RETRYING,
		.attempts = 1,
		.executions = 1,
		.started_ms = NOW - 5000,
		.finished_ms = NOW - 4000,
		.due_ms = NOW - 1000,
		.worker = "n/p/0"};
	struct task_facts facts = facts_of(&head, &record);
	facts.state = TASK_ACTIVE;
	facts.started_ms = NOW;
	facts.worker = "n/p/7";
	facts.progress = 40;
	facts.note = "half \xff";
	facts.cancel_requested = true;
	json_t *view = task_view(&facts);
	assert_text(view, "state", "active");
	assert_text(view, "worker", "n/p/7");
	assert_text(view, "started_at", "2025-11-24T16:00:00.123Z");
	assert_text(view, "finished_at", NULL);
	assert_text(view, "run_at", NULL);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(view, "progress"), "percent")), 40);
	assert_text(json_object_get(view, "progress"), "note", "half ?");
	assert_true(json_is_true(json_object_get(view, "cancel_requested")));
	json_decref(view);
	facts.progress = -1;
	view = task_view(&facts);
	assert_true(json_is_null(json_object_get(json_object_get(view, "progress"), "percent")));
	json_decref(view);
	facts.note = NULL;
	view = task_view(&facts);
	assert_text(view, "progress", NULL);
	json_decref(view);
}

static void a_task_that_waits_again_shows_when(void **state)
{
	(void)state;
	struct task_head head = head_of(TASK_SOURCE_HTTP, order);
	struct task_record record = {.state = TASK_RETRYING,
		.attempts = 1,
		.started_ms = NOW - 5000,
		.finished_ms = NOW - 4000,
		.due_ms = NOW,
		.worker = "n/p/0"};
	struct task_facts facts = facts_of(&head, &record);
	json_t *view = task_view(&facts);
	assert_text(view, "state", "retrying");
	assert_text(view, "run_at", "2025-11-24T16:00:00.123Z");
	assert_text(view, "started_at", NULL);
	assert_text(view, "worker", NULL);
	json_decref(view);
	head.run_at_ms = NOW;
	record = (struct task_record){.state = TASK_PENDING};
	facts.state = TASK_SCHEDULED;
	view = task_view(&facts);
	assert_text(view, "state", "scheduled");
	assert_text(view, "run_at", "2025-11-24T16:00:00.123Z");
	json_decref(view);
}

static void a_dead_task_shows_why(void **state)
{
	(void)state;
	static const struct config_queue queue = {.retry = 1, .max_crashes = 3};
	struct task_head head = head_of(TASK_SOURCE_LIST, order);
	struct task_record record = {.state = TASK_PENDING};
	struct task_execution execution = {.verdict = TASK_VERDICT_FAIL,
		.message = "no luck",
		.worker = "n/p/1",
		.started_ms = NOW,
		.ended_ms = NOW + 1,
		.max_attempts = 3};
	assert_int_equal(task_record_apply(&record, &queue, &execution), 0);
	struct task_facts facts = facts_of(&head, &record);
	json_t *view = task_view(&facts);
	assert_text(view, "state", "dead");
	assert_text(view, "worker", "n/p/1");
	assert_text(view, "finished_at", "2025-11-24T16:00:00.124Z");
	assert_text(view, "meta", NULL); /* of a plain list it has no meaning */
	json_t *expected = json_pack("{s:s,s:s,s:n}", "kind", "exception", "message", "no luck", "evidence");
	assert_true(json_equal(json_object_get(view, "error"), expected));
	json_decref(expected);
	expected = json_pack("[{s:s,s:s,s:s,s:s,s:s}]", "started_at", "2025-11-24T16:00:00.123Z", "ended_at",
		"2025-11-24T16:00:00.124Z", "worker", "n/p/1", "kind", "exception", "message", "no luck");
	assert_true(json_equal(json_object_get(view, "history"), expected));
	json_decref(expected);
	json_decref(view);
	task_record_fini(&record);
}

static void a_succeeded_task_shows_its_result(void **state)
{
	(void)state;
	struct task_head head = head_of(TASK_SOURCE_HTTP, order);
	struct task_record record = {
		.state = TASK_SUCCEEDED, .attempts = 1, .started_ms = NOW, .finished_ms = NOW, .worker = "n/p/1"};
	record.body = json_pack("{s:[i]}", "result", 5);
	struct task_facts facts = facts_of(&head, &record);
	json_t *view = task_view(&facts);
	assert_int_equal(json_integer_value(json_array_get(json_object_get(view, "result"), 0)), 5);
	assert_text(view, "error", NULL);
	json_decref(view);
	task_record_fini(&record);
}

static void whatever_came_in_can_be_shown(void **state)
{
	(void)state;
	static const char *const documents[] = {
		"", "{", "\xff", "5", "[]", "null", "{}", "{\"class\":5,\"param\":\"x\",\"meta\":{}}"};
	for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
		struct task_head head = head_of(TASK_SOURCE_LIST, documents[i]);
		struct task_record record = {.state = TASK_DEAD, .worker = "-"};
		struct task_facts facts = facts_of(&head, &record);
		json_t *view = task_view(&facts);
		assert_int_equal(json_object_size(view), 24);
		assert_text(view, "raw", strcmp(documents[i], "\xff") == 0 ? "?" : documents[i]);
		assert_text(view, "class", NULL);
		assert_text(view, "method", NULL);
		assert_text(view, "worker", NULL);
		assert_text(view, "max_attempts", NULL);
		assert_text(view, "meta", NULL);
		assert_int_equal(json_is_array(json_object_get(view, "param")), strcmp(documents[i], "{}") == 0);
		json_decref(view);
	}
}

static void the_maximum_is_the_best_known(void **state)
{
	(void)state;
	struct task_head head = head_of(TASK_SOURCE_LIST, order);
	struct task_record record = {.state = TASK_PENDING};
	struct task_facts facts = facts_of(&head, &record);
	int *const known[] = {&facts.max_attempts, &head.max_attempts, &record.max_attempts};
	for (int i = 0; i < 3; i++) {
		*known[i] = i + 7;
		json_t *view = task_view(&facts);
		assert_int_equal(json_integer_value(json_object_get(view, "max_attempts")), i + 7);
		json_decref(view);
	}
}

/* Our own writing never has them; Redis may have been written to by somebody else. */
static void times_that_cannot_be_written_are_null(void **state)
{
	(void)state;
	struct task_head head = head_of(TASK_SOURCE_HTTP, order);
	struct task_record record = {
		.state = TASK_DEAD, .worker = "w", .started_ms = INT64_MAX, .finished_ms = CLOCK_LAST_MS + 1};
	head.run_at_ms = CLOCK_LAST_MS;
	struct task_facts facts = facts_of(&head, &record);
	json_t *view = task_view(&facts);
	assert_true(json_is_null(json_object_get(view, "started_at")));
	assert_true(json_is_null(json_object_get(view, "finished_at")));
	assert_string_equal(json_string_value(json_object_get(view, "run_at")), "9999-12-31T23:59:59.999Z");
	json_decref(view);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_waiting_task_has_every_member),
		cmocka_unit_test(a_running_task_shows_who_runs_it),
		cmocka_unit_test(a_task_that_waits_again_shows_when),
		cmocka_unit_test(a_dead_task_shows_why),
		cmocka_unit_test(a_succeeded_task_shows_its_result),
		cmocka_unit_test(whatever_came_in_can_be_shown),
		cmocka_unit_test(the_maximum_is_the_best_known),
		cmocka_unit_test(times_that_cannot_be_written_are_null),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
