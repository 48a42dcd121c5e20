#include "core/task.h"

#include "core/buffer.h"
#include "core/document.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NOW INT64_C(1764000000000)

static char name_default[] = "default", name_mail[] = "mail";
static struct config_queue queues[] = {
	{.name = name_default, .retry = 1, .timeout_ms = SCHEMA_NONE, .max_crashes = 3},
	{.name = name_mail,
		.retry = 4,
		.timeout_ms = 9000,
		.max_crashes = 1,
		.backoff = {.base_ms = 1000, .max_ms = 60000, .factor = 2}},
};

static struct bytes bytes_of(const char *text)
{
	return (struct bytes){text, strlen(text)};
}

/* ---- record ---- */

static void assert_formats(const struct task_record *record, const char *expected)
{
	_cleanup_(buffer_fini) struct buffer text;
	buffer_init(&text, 65536);
	assert_int_equal(task_record_format(&text, record), 0);
	assert_string_equal(text.data, expected);
	struct task_record again;
	assert_int_equal(task_record_read((struct bytes){text.data, text.length}, &again), 0);
	assert_int_equal(again.state, record->state);
	assert_int_equal(again.executions, record->executions);
	assert_int_equal(again.attempts, record->attempts);
	assert_int_equal(again.crashes, record->crashes);
	assert_int_equal(again.max_attempts, record->max_attempts);
	assert_int_equal(again.started_ms, record->started_ms);
	assert_int_equal(again.finished_ms, record->finished_ms);
	assert_int_equal(again.due_ms, record->due_ms);
	assert_string_equal(again.worker, record->worker[0] != '\0' ? record->worker : "-");
	assert_true(again.body == record->body || json_equal(again.body, record->body));
	task_record_fini(&again);
}

static void a_record_reads_back(void **state)
{
	(void)state;
	struct task_record record = {.state = TASK_SUCCEEDED,
		.executions = 3,
		.attempts = 2,
		.crashes = 1,
		.max_attempts = 5,
		.started_ms = NOW,
		.finished_ms = NOW + 7,
		.worker = "n/p/0"};
	assert_formats(&record, "S 3 2 1 5 1764000000000 1764000000007 0 n/p/0\n");
	record.body = json_pack("{s:s%}", "result", "a\0b", (size_t)3);
	assert_formats(&record, "S 3 2 1 5 1764000000000 1764000000007 0 n/p/0\n{\"result\":\"a\\u0000b\"}");
	task_record_fini(&record);
	record = (struct task_record){.state = TASK_PENDING};
	assert_formats(&record, "P 0 0 0 0 0 0 0 -\n");
	record = (struct task_record){
		TASK_RETRYING, INT_MAX, INT_MAX, INT_MAX, INT_MAX, INT64_MAX, INT64_MAX, INT64_MAX, "", NULL};
	memset(record.worker, 'w', TASK_WORKER_MAX - 1);
	_cleanup_(buffer_fini) struct buffer text;
	buffer_init(&text, 65536);
	assert_int_equal(task_record_format(&text, &record), 0);
}

static void no_record_is_an_empty_one(void **state)
{
	(void)state;
	struct task_record record;
	assert_int_equal(task_record_read((struct bytes){NULL, 0}, &record), 0);
	assert_int_equal(record.state, TASK_PENDING);
	assert_int_equal(record.executions + record.attempts + record.crashes + record.max_attempts, 0);
	assert_string_equal(record.worker, "-");
	assert_null(record.body);
	task_record_fini(&record);
}

static void a_broken_record_is_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {"", "P", "B", "P 0 0 0 0 0 0 0\n", "P 0 0 0 0 0 0 0 -",
		"A 0 0 0 0 0 0 0 -\n", "W 0 0 0 0 0 0 0 -\n", "P 0 0 0 0 0 0 0 - -\n", "P 0 0 0 0 0 0 x -\n",
		"P 2147483648 0 0 0 0 0 0 -\n", "P 0 0 0 0 0 0 0 -\n[]", "P 0 0 0 0 0 0 0 -\n{",
		"P 0 0 0 0 0 0 0 -\n{} x", "P 0 0 0 0 0 0 0 \n"};
	struct task_record record;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		assert_int_equal(task_record_read(bytes_of(texts[i]), &record), -EINVAL);
}

static void a_record_that_does_not_fit_says_so(void **state)
{
	(void)state;
	_cleanup_(buffer_fini) struct buffer text;
	struct task_record record = {.state = TASK_SUCCEEDED, .body = json_pack("{s:s}", "result", "0123456789")};
	buffer_init(&text, 30);
	assert_int_equal(task_record_format(&text, &record), -E2BIG);
	buffer_fini(&text);
	task_record_fini(&record);
	record.body = json_object();
	assert_int_equal(json_object_set_new(record.body, "result", json_string_nocheck("\xff")), 0);
	buffer_init(&text, 300);
	assert_int_equal(task_record_format(&text, &record), -EINVAL);
	task_record_fini(&record);
}

/* ---- again or dead: the whole table ---- */

static struct task_execution execution_of(enum task_verdict verdict, int max_attempts)
{
	return (struct task_execution){
		.verdict = verdict,
		.message = "why",
		.worker = "n/p/3",
		.started_ms = NOW,
		.ended_ms = NOW + 50,
		.delay_ms = -1,
		.max_attempts = max_attempts,
		.random = 0.5,
	};
}

static void every_verdict_leads_where_it_should(void **state)
{
	(void)state;
	/* queue 0: three crashes, no back-off; queue 1: one crash, 1 s doubling */
	static const struct {
		enum task_verdict verdict;
		int queue, attempts, crashes; /* before it */
		int max_attempts;             /* of the execution; 0: unknown */
		enum task_state state;
		int attempts_after, crashes_after;
		int64_t due_after_ms; /* after the end; 0: at once */
		const char *error;    /* its kind; NULL: none */
	} rows[] = {
		{TASK_VERDICT_OK, 0, 0, 0, 1, TASK_SUCCEEDED, 1, 0, 0, NULL},
		{TASK_VERDICT_OK, 0, 2, 2, 3, TASK_SUCCEEDED, 3, 2, 0, NULL},
		{TASK_VERDICT_OK, 1, 0, 0, 4, TASK_SUCCEEDED, 1, 0, 0, NULL},
		{TASK_VERDICT_RETRY, 0, 0, 0, 3, TASK_RETRYING, 1, 0, 0, NULL},
		{TASK_VERDICT_RETRY, 0, 1, 0, 3, TASK_RETRYING, 2, 0, 0, NULL},
		{TASK_VERDICT_RETRY, 0, 2, 0, 3, TASK_DEAD, 3, 0, 0, "retry"},
		{TASK_VERDICT_RETRY, 0, 0, 0, 1, TASK_DEAD, 1, 0, 0, "retry"},
		{TASK_VERDICT_RETRY, 0, 0, 2, 2, TASK_RETRYING, 1, 2, 0, NULL}, /* crashes use up nothing */
		{TASK_VERDICT_RETRY, 1, 0, 0, 4, TASK_RETRYING, 1, 0, 1000, NULL},
		{TASK_VERDICT_RETRY, 1, 2, 0, 4, TASK_RETRYING, 3, 0, 4000, NULL},
		{TASK_VERDICT_RETRY, 1, 3, 0, 4, TASK_DEAD, 4, 0, 0, "retry"},
		{TASK_VERDICT_FAIL, 0, 0, 0, 3, TASK_DEAD, 1, 0, 0, "exception"},
		{TASK_VERDICT_FAIL, 1, 1, 0, 4, TASK_DEAD, 2, 0, 0, "exception"},
		{TASK_VERDICT_REFUSED, 0, 0, 0, 3, TASK_DEAD, 0, 0, 0, "invalid"},
		{TASK_VERDICT_TIMEOUT, 0, 0, 0, 2, TASK_RETRYING, 1, 0, 0, NULL},
		{TASK_VERDICT_TIMEOUT, 1, 1, 0, 4, TASK_RETRYING, 2, 0, 2000, NULL},
		{TASK_VERDICT_TIMEOUT, 0, 1, 0, 2, TASK_DEAD, 2, 0, 0, "timeout"},
		{TASK_VERDICT_TIMEOUT, 0, 0, 0, 1, TASK_DEAD, 1, 0, 0, "timeout"},
		{TASK_VERDICT_CRASH, 0, 0, 0, 0, TASK_PENDING, 0, 1, 0, NULL},
		{TASK_VERDICT_CRASH, 0, 0, 1, 0, TASK_PENDING, 0, 2, 0, NULL},
		{TASK_VERDICT_CRASH, 0, 0, 2, 0, TASK_DEAD, 0, 3, 0, "crash"},
		{TASK_VERDICT_CRASH, 1, 1, 0, 0, TASK_DEAD, 1, 1, 0, "crash"},
		{TASK_VERDICT_CANCELLED, 0, 0, 0, 3, TASK_CANCELLED, 0, 0, 0, NULL},
		{TASK_VERDICT_CANCELLED, 0, 1, 2, 3, TASK_CANCELLED, 1, 2, 0, NULL},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct task_record record = {.state = TASK_PENDING,
			.executions = rows[i].attempts + rows[i].crashes,
			.attempts = rows[i].attempts,
			.crashes = rows[i].crashes,
			.due_ms = 77,
			.worker = "-"};
		struct task_execution execution = execution_of(rows[i].verdict, rows[i].max_attempts);
		assert_int_equal(task_record_apply(&record, &queues[rows[i].queue], &execution), 0);
		assert_int_equal(record.state, rows[i].state);
		assert_int_equal(record.executions, rows[i].attempts + rows[i].crashes + 1);
		assert_int_equal(record.attempts, rows[i].attempts_after);
		assert_int_equal(record.crashes, rows[i].crashes_after);
		assert_int_equal(record.max_attempts, rows[i].max_attempts);
		assert_int_equal(record.due_ms, rows[i].due_after_ms > 0 ? NOW + 50 + rows[i].due_after_ms : 0);
		assert_int_equal(record.started_ms, NOW);
		assert_int_equal(record.finished_ms, NOW + 50);
		assert_string_equal(record.worker, "n/p/3");
		const json_t *error = json_object_get(record.body, "error");
		assert_int_equal(error == NULL, rows[i].error == NULL);
		if (error != NULL)
			assert_string_equal(json_string_value(json_object_get(error, "kind")), rows[i].error);
		assert_int_equal(
			json_array_size(json_object_get(record.body, "history")), rows[i].verdict != TASK_VERDICT_OK);
		task_record_fini(&record);
	}
}

static void a_handler_may_say_when_to_run_again(void **state)
{
	(void)state;
	static const int64_t delays[][2] = {{0, 0}, {1, NOW + 51}, {5000, NOW + 5050}};
	for (size_t i = 0; i < sizeof delays / sizeof *delays; i++) {
		struct task_record record = {.state = TASK_PENDING};
		struct task_execution execution = execution_of(TASK_VERDICT_RETRY, 2);
		execution.delay_ms = delays[i][0];
		assert_int_equal(task_record_apply(&record, &queues[1], &execution), 0);
		assert_int_equal(record.due_ms, delays[i][1]);
		task_record_fini(&record);
	}
}

static void a_crash_keeps_what_was_known(void **state)
{
	(void)state;
	struct task_record record = {.state = TASK_RETRYING, .attempts = 1, .executions = 1, .max_attempts = 9};
	struct task_execution execution = execution_of(TASK_VERDICT_CRASH, 0);
	assert_int_equal(task_record_apply(&record, &queues[0], &execution), 0);
	assert_int_equal(record.max_attempts, 9);
	task_record_fini(&record);
}

static void an_unknown_maximum_is_the_queues(void **state)
{
	(void)state;
	struct task_record record = {.state = TASK_PENDING};
	struct task_execution execution = execution_of(TASK_VERDICT_TIMEOUT, 0);
	assert_int_equal(task_record_apply(&record, &queues[1], &execution), 0);
	assert_int_equal(record.state, TASK_RETRYING);
	assert_int_equal(record.max_attempts, 4);
	task_record_fini(&record);
}

static void the_execution_names_its_kind(void **state)
{
	(void)state;
	static const struct {
		enum task_verdict verdict;
		const char *kind;
	} rows[] = {{TASK_VERDICT_REFUSED, "unknown_class"}, {TASK_VERDICT_REFUSED, "unknown_method"},
		{TASK_VERDICT_CRASH, "memory"}, {TASK_VERDICT_RETRY, "invalid"}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct task_record record = {.state = TASK_PENDING, .crashes = 2};
		struct task_execution execution = execution_of(rows[i].verdict, 1);
		json_t *evidence = json_pack("{s:i}", "signal", 9), *error;
		execution.kind = rows[i].kind;
		execution.evidence = evidence;
		assert_int_equal(task_record_apply(&record, &queues[0], &execution), 0);
		assert_int_equal(record.state, TASK_DEAD);
		error = json_object_get(record.body, "error");
		assert_string_equal(json_string_value(json_object_get(error, "kind")), rows[i].kind);
		assert_string_equal(json_string_value(json_object_get(error, "message")), "why");
		assert_ptr_equal(json_object_get(error, "evidence"), evidence);
		json_decref(evidence);
		task_record_fini(&record);
	}
}

static void the_history_has_the_last_ten(void **state)
{
	(void)state;
	struct task_record record = {.state = TASK_PENDING};
	for (int i = 0; i < 25; i++) {
		char message[16];
		struct task_execution execution =
			execution_of(i % 2 == 0 ? TASK_VERDICT_RETRY : TASK_VERDICT_TIMEOUT, 1000);
		(void)snprintf(message, sizeof message, "%d", i);
		execution.message = message;
		assert_int_equal(task_record_apply(&record, &queues[0], &execution), 0);
	}
	const json_t *history = json_object_get(record.body, "history");
	assert_int_equal(json_array_size(history), TASK_HISTORY_MAX);
	const json_t *first = json_array_get(history, 0), *last = json_array_get(history, 9);
	assert_string_equal(json_string_value(json_object_get(first, "message")), "15");
	assert_string_equal(json_string_value(json_object_get(first, "kind")), "timeout");
	assert_string_equal(json_string_value(json_object_get(last, "message")), "24");
	assert_string_equal(json_string_value(json_object_get(last, "kind")), "retry");
	assert_string_equal(json_string_value(json_object_get(last, "worker")), "n/p/3");
	assert_int_equal(json_integer_value(json_object_get(last, "started_ms")), NOW);
	assert_int_equal(record.executions, 25);
	struct task_execution success = execution_of(TASK_VERDICT_OK, 1000);
	json_t *result = json_integer(5);
	success.result = result;
	assert_int_equal(task_record_apply(&record, &queues[0], &success), 0);
	assert_int_equal(json_array_size(json_object_get(record.body, "history")), TASK_HISTORY_MAX);
	assert_int_equal(json_integer_value(json_object_get(record.body, "result")), 5);
	assert_null(json_object_get(record.body, "error"));
	json_decref(result);
	task_record_fini(&record);
}

static void a_plain_success_has_no_body(void **state)
{
	(void)state;
	struct task_record record = {.state = TASK_PENDING};
	struct task_execution execution = execution_of(TASK_VERDICT_OK, 1);
	assert_int_equal(task_record_apply(&record, &queues[0], &execution), 0);
	assert_null(record.body);
	execution.result = json_null();
	assert_int_equal(task_record_apply(&record, &queues[0], &execution), 0);
	assert_null(record.body);
}

static void a_result_that_could_not_be_read_again_is_a_failure(void **state)
{
	(void)state;
	json_t *result = json_array();
	for (int depth = 1; depth < DOCUMENT_DEPTH_MAX; depth++) {
		json_t *around = json_pack("[o]", result);
		result = around;
	}
	struct task_execution execution = execution_of(TASK_VERDICT_OK, 1);
	for (int i = 0; i < 2; i++) {
		struct task_record record = {.state = TASK_PENDING};
		execution.result = result;
		assert_int_equal(task_record_apply(&record, &queues[0], &execution), 0);
		assert_int_equal(record.state, i == 0 ? TASK_SUCCEEDED : TASK_DEAD);
		task_record_fini(&record);
		result = json_pack("{s:o}", "x", result);
	}
	json_decref(result);
}

static void messages_are_made_utf8(void **state)
{
	(void)state;
	char message[3000];
	memset(message, 'm', sizeof message);
	memcpy(message, "\xff\xc3", 2);
	for (size_t i = 2; i + 2 < sizeof message; i += 2)
		memcpy(message + i, "ü", 2);
	message[sizeof message - 1] = '\0';
	struct task_record record = {.state = TASK_PENDING};
	struct task_execution execution = execution_of(TASK_VERDICT_FAIL, 1);
	execution.message = message;
	assert_int_equal(task_record_apply(&record, &queues[0], &execution), 0);
	const char *kept = json_string_value(json_object_get(json_object_get(record.body, "error"), "message"));
	assert_int_equal(strncmp(kept, "??ü", 4), 0);
	assert_in_range(strlen(kept), 1000, 1023);
	task_record_fini(&record);
	execution.message = NULL;
	assert_int_equal(task_record_apply(&record, &queues[0], &execution), 0);
	assert_true(json_is_null(json_object_get(json_object_get(record.body, "error"), "message")));
	task_record_fini(&record);
}

static void what_was_used_is_kept_where_it_was_measured(void **state)
{
	(void)state;
	struct task_record record = {.state = TASK_PENDING};
	struct task_execution execution = execution_of(TASK_VERDICT_OK, 1);
	struct task_usage usage = {.cpu_ms = 12, .peak_rss_bytes = 1 << 20};
	execution.usage = &usage;
	assert_int_equal(task_record_apply(&record, &queues[0], &execution), 0);
	const json_t *kept = json_object_get(record.body, "usage");
	assert_int_equal(json_integer_value(json_object_get(kept, "cpu_ms")), 12);
	assert_int_equal(json_integer_value(json_object_get(kept, "peak_rss_bytes")), 1 << 20);
	usage.peak_rss_bytes = -1;
	assert_int_equal(task_record_apply(&record, &queues[0], &execution), 0);
	kept = json_object_get(record.body, "usage");
	assert_int_equal(json_object_size(kept), 1);
	usage.cpu_ms = -1;
	assert_int_equal(task_record_apply(&record, &queues[0], &execution), 0);
	assert_null(record.body);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_reads_back),
		cmocka_unit_test(no_record_is_an_empty_one),
		cmocka_unit_test(a_broken_record_is_refused),
		cmocka_unit_test(a_record_that_does_not_fit_says_so),
		cmocka_unit_test(every_verdict_leads_where_it_should),
		cmocka_unit_test(a_handler_may_say_when_to_run_again),
		cmocka_unit_test(a_crash_keeps_what_was_known),
		cmocka_unit_test(an_unknown_maximum_is_the_queues),
		cmocka_unit_test(the_execution_names_its_kind),
		cmocka_unit_test(the_history_has_the_last_ten),
		cmocka_unit_test(a_plain_success_has_no_body),
		cmocka_unit_test(a_result_that_could_not_be_read_again_is_a_failure),
		cmocka_unit_test(messages_are_made_utf8),
		cmocka_unit_test(what_was_used_is_kept_where_it_was_measured),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
