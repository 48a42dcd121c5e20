#include "core/task.h"

#include "core/document.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Every function here is tried with jansson's first allocation failing, then its second, and so on until it comes to its
 * end: it must say -ENOMEM (or return NULL), leave its outputs alone and lose nothing; the sanitizer watches. */

static long allocations_left;

static void *failing_malloc(size_t size)
{
	if (allocations_left-- > 0)
		return malloc(size);
	errno = ENOMEM; /* as malloc does */
	return NULL;
}

static char name[] = "default";
static struct config_queue queues[] = {{.name = name, .retry = 2, .timeout_ms = SCHEMA_NONE, .max_crashes = 3}};
static const struct config config = {.queues = queues, .queue_count = 1};
static const char document[] = "{\"class\":\"A\",\"method\":\"b\",\"retry\":3,\"timeout\":\"5s\",\"id\":\"x\","
			       "\"delay\":\"1s\",\"meta\":{\"a\":[1,2]}}";

/* Fails the n-th allocation for n = 1, 2, … until `attempt` succeeds. */
static void fail_each(bool (*attempt)(void))
{
	long failures = 0;
	bool done = false;
	for (; !done; failures++) {
		allocations_left = failures;
		done = attempt();
		assert_true(failures < 1000);
	}
	assert_true(failures > 1);
	allocations_left = 1000000;
}

static bool attempt_order(void)
{
	struct task_head head = {.created_ms = 1,
		.source = TASK_SOURCE_HTTP,
		.max_attempts = 3,
		.queue = "default",
		.document = {document, sizeof document - 1}};
	struct task_order order;
	int status = task_order_read(&head, &queues[0], &order, NULL);
	assert_true(status == 0 || status == -ENOMEM);
	task_order_fini(&order);
	return status == 0;
}

static void an_order(void **state)
{
	(void)state;
	fail_each(attempt_order);
}

static json_t *parsed;

static bool attempt_submission(void)
{
	struct task_submission submission = {.queue = 77};
	struct schema_faults faults = {0};
	int status = task_submission_read(&config, parsed, (struct bytes){document, 1}, "", 1, &submission, &faults);
	assert_true(status == 0 || status == -ENOMEM);
	assert_int_equal(submission.queue, status == 0 ? 0 : 77);
	assert_int_equal(faults.count, 0);
	schema_faults_fini(&faults);
	return true; /* whether it asks jansson for memory at all is its own affair */
}

static void a_submission(void **state)
{
	(void)state;
	allocations_left = 1000000;
	assert_int_equal(document_parse(document, sizeof document - 1, DOCUMENT_STRICT, &parsed, NULL), 0);
	for (long n = 0; n < 20; n++) {
		allocations_left = n;
		(void)attempt_submission();
	}
	json_decref(parsed);
}

static struct task_record record;
static struct task_execution execution;

static bool attempt_apply(void)
{
	struct task_record before = record;
	int status = task_record_apply(&record, &queues[0], &execution);
	assert_true(status == 0 || status == -ENOMEM);
	if (status < 0)
		assert_memory_equal(&before, &record, sizeof record);
	return status == 0;
}

static void a_record(void **state)
{
	(void)state;
	memset(&record, 0, sizeof record);
	record.state = TASK_PENDING;
	static const enum task_verdict verdicts[] = {TASK_VERDICT_RETRY, TASK_VERDICT_CRASH, TASK_VERDICT_FAIL};
	for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++) {
		execution = (struct task_execution){
			.verdict = verdicts[i], .message = "why", .worker = "n/p/0", .max_attempts = 9};
		fail_each(attempt_apply);
	}
	execution.verdict = TASK_VERDICT_OK;
	execution.result = json_pack("[i]", 1);
	fail_each(attempt_apply);
	json_decref(execution.result);
	task_record_fini(&record);
}

static bool attempt_view(void)
{
	struct task_head head = {.created_ms = 1,
		.source = TASK_SOURCE_HTTP,
		.max_attempts = 3,
		.queue = "default",
		.document = {document, sizeof document - 1}};
	struct task_facts facts = {.id = "x",
		.head = &head,
		.record = &record,
		.state = TASK_ACTIVE,
		.started_ms = 5,
		.progress = 3,
		.note = "note",
		.worker = "n/p/0"};
	json_t *view = task_view(&facts);
	if (view == NULL)
		return false;
	assert_string_equal(json_string_value(json_object_get(view, "class")), "A");
	json_decref(view);
	return true;
}

static void a_view(void **state)
{
	(void)state;
	allocations_left = 1000000;
	memset(&record, 0, sizeof record);
	record.state = TASK_PENDING;
	execution = (struct task_execution){.verdict = TASK_VERDICT_RETRY, .worker = "n/p/0", .max_attempts = 9};
	assert_int_equal(task_record_apply(&record, &queues[0], &execution), 0);
	fail_each(attempt_view);
	task_record_fini(&record);
}

static void a_plain_success_asks_for_none(void **state)
{
	(void)state;
	memset(&record, 0, sizeof record);
	record.state = TASK_PENDING;
	execution = (struct task_execution){.verdict = TASK_VERDICT_OK, .worker = "n/p/0", .max_attempts = 9};
	allocations_left = 0;
	assert_true(attempt_apply());
	assert_null(record.body);
	allocations_left = 1000000;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_order),
		cmocka_unit_test(a_submission),
		cmocka_unit_test(a_record),
		cmocka_unit_test(a_view),
		cmocka_unit_test(a_plain_success_asks_for_none),
	};
	allocations_left = 1000000;
	json_set_alloc_funcs(failing_malloc, free);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
