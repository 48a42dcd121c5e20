#include "core/task.h"

#include "core/clock.h"

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
static const struct config config = {.queues = queues, .queue_count = 2};

static struct bytes bytes_of(const char *text)
{
	return (struct bytes){text, strlen(text)};
}

/* Apostrophes become quotes. Owned. */
static char *quoted(const char *text)
{
	char *copy = strdup(text);
	for (char *at = copy; *at != '\0'; at++)
		*at = *at == '\'' ? '"' : *at;
	return copy;
}

/* ---- submission ---- */

struct submitted {
	struct task_submission submission;
	struct schema_faults faults;
	int status;
};

static struct submitted submit(const char *text)
{
	struct submitted submitted = {0};
	char *copy = quoted(text);
	json_t *value = json_loads(copy, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	assert_non_null(value);
	submitted.status = task_submission_read(
		&config, value, bytes_of(text), "/7", NOW, &submitted.submission, &submitted.faults);
	json_decref(value);
	free(copy);
	return submitted;
}

static struct task_submission accept(const char *text)
{
	struct submitted submitted = submit(text);
	if (submitted.status != 0)
		fail_msg("%s: %s", text, submitted.faults.items[0].detail);
	assert_ptr_equal(submitted.submission.document.data, text);
	assert_int_equal(submitted.submission.document.length, strlen(text));
	return submitted.submission;
}

static void a_submission_has_defaults(void **state)
{
	(void)state;
	struct task_submission first = accept("{'class':'A','method':'b'}"),
			       second = accept("{'class':'A','method':'b'}");
	assert_int_equal(strlen(first.id), ID_LENGTH);
	assert_string_not_equal(first.id, second.id);
	assert_false(first.own_id);
	assert_int_equal(first.queue, 0);
	assert_int_equal(first.max_attempts, 1);
	assert_int_equal(first.run_at_ms, 0);
}

static void a_submission_is_read(void **state)
{
	(void)state;
	struct task_submission task = accept("{'class':'A\\\\B.c','method':'x-y_1','param':{'a':1},'queue':'mail',"
					     "'id':'my-id_1','timeout':'5s','meta':{'k':[]},'delay':'90s'}");
	assert_string_equal(task.id, "my-id_1");
	assert_true(task.own_id);
	assert_int_equal(task.queue, 1);
	assert_int_equal(task.max_attempts, 4); /* the queue's */
	assert_int_equal(task.run_at_ms, NOW + 90000);
	assert_int_equal(accept("{'class':'A','method':'b','queue':'mail','retry':1000}").max_attempts, 1000);
	assert_int_equal(accept("{'class':'A','method':'b','retry':null,'priority':5}").max_attempts, 1);
	assert_int_equal(accept("{'class':'A','method':'b'}").priority, TASK_PRIORITY);
	assert_int_equal(accept("{'class':'A','method':'b','priority':9}").priority, 9);
	assert_int_equal(accept("{'class':'A','method':'b'}").expires_ms, 0);
	assert_int_equal(accept("{'class':'A','method':'b','expires_in':'5s'}").expires_ms, NOW + 5000);
	assert_int_equal(accept("{'class':'A','method':'b','expires_in':'5s','delay':'1m'}").expires_ms, NOW + 65000);
	assert_int_equal(accept("{'class':'A','method':'b','retention':'1m'}").retention_ms, 60000);
	assert_string_equal(accept("{'class':'A','method':'b','unique':'a b'}").unique, "a b");
}

static void it_runs_at_its_time(void **state)
{
	(void)state;
	char text[128], at[CLOCK_TEXT_SIZE];
	clock_format(at, NOW + 1500);
	(void)snprintf(text, sizeof text, "{'class':'A','method':'b','run_at':'%s'}", at);
	assert_int_equal(accept(text).run_at_ms, NOW + 1500);
	assert_int_equal(accept("{'class':'A','method':'b','run_at':'2001-01-01T00:00:00+01:00'}").run_at_ms, 0);
	assert_int_equal(accept("{'class':'A','method':'b','delay':'0s'}").run_at_ms, 0);
}

static void a_wrong_submission_is_refused_with_words(void **state)
{
	(void)state;
	static const struct {
		const char *text, *pointer, *part;
	} rows[] = {
		{"[]", "/7", "task must be an object"},
		{"{'method':'b'}", "/7", "task needs \"class\""},
		{"{'class':'A'}", "/7", "task needs \"method\""},
		{"{'class':'','method':'b'}", "/7/class", "1 to 128 letters"},
		{"{'class':'a b','method':'b'}", "/7/class", "1 to 128 letters"},
		{"{'class':'a\\u0000','method':'b'}", "/7/class", "NUL"},
		{"{'class':'A','method':5}", "/7/method", "a string, not 5"},
		{"{'class':'A','method':'b','param':1}", "/7/param", "an array (positional) or an object (named)"},
		{"{'class':'A','method':'b','param':null}", "/7/param", "an array"},
		{"{'class':'A','method':'b','retry':0}", "/7/retry", "1 to 1000"},
		{"{'class':'A','method':'b','retry':1001}", "/7/retry", "1 to 1000"},
		{"{'class':'A','method':'b','retry':'3'}", "/7/retry", "a whole number"},
		{"{'class':'A','method':'b','retry':2.5}", "/7/retry", "a whole number"},
		{"{'class':'A','method':'b','queue':'nope'}", "/7/queue", "no queue \"nope\"; there are default, mail"},
		{"{'class':'A','method':'b','id':''}", "/7/id", "1 to 64 letters"},
		{"{'class':'A','method':'b','id':'a~b'}", "/7/id", "1 to 64 letters"},
		{"{'class':'A','method':'b','timeout':10}", "/7/timeout", "(500ms 10s 5m 1h 7d)"},
		{"{'class':'A','method':'b','timeout':'0s'}", "/7/timeout", "1ms to 365d"},
		{"{'class':'A','method':'b','delay':5}", "/7/delay", "with its unit"},
		{"{'class':'A','method':'b','run_at':'tomorrow'}", "/7/run_at", "a time like"},
		{"{'class':'A','method':'b','run_at':'2030-01-01T00:00:00Z','delay':'1s'}", "/7/run_at",
			"exclude each other"},
		{"{'class':'A','method':'b','meta':[]}", "/7/meta", "must be an object"},
		{"{'class':'A','method':'b','priority':10}", "/7/priority", "0 to 9"},
		{"{'class':'A','method':'b','expires_in':1}", "/7/expires_in", "duration"},
		{"{'class':'A','method':'b','expires_in':'0s'}", "/7/expires_in", "1ms"},
		{"{'class':'A','method':'b','unique':true}", "/7/unique", "string"},
		{"{'class':'A','method':'b','unique':''}", "/7/unique", "1 to 128 bytes"},
		{"{'class':'A','method':'b','unique':'a\\u0000b'}", "/7/unique", "NUL"},
		{"{'class':'A','method':'b','retention':5}", "/7/retention", "duration"},
		{"{'class':'A','method':'b','callback':'x'}", "/7/callback", "\"callback\" must be a URL"},
		{"{'class':'A','method':'b','parm':[]}", "/7/parm", "did you mean \"param\"?"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct submitted submitted = submit(rows[i].text);
		assert_int_equal(submitted.status, -EINVAL);
		assert_int_equal(submitted.faults.count, 1);
		assert_string_equal(submitted.faults.items[0].pointer, rows[i].pointer);
		if (strstr(submitted.faults.items[0].detail, rows[i].part) == NULL)
			fail_msg("%s: %s", rows[i].text, submitted.faults.items[0].detail);
		schema_faults_fini(&submitted.faults);
	}
}

static void an_unknown_queue_names_as_many_as_fit(void **state)
{
	(void)state;
	static char names[CONFIG_QUEUES_MAX][CONFIG_NAME_MAX + 1];
	struct config_queue many[CONFIG_QUEUES_MAX] = {0};
	for (size_t i = 0; i < CONFIG_QUEUES_MAX; i++) {
		memset(names[i], 'q', CONFIG_NAME_MAX);
		many[i].name = names[i];
	}
	const struct config large = {.queues = many, .queue_count = CONFIG_QUEUES_MAX};
	json_t *value = json_pack("{s:s, s:s, s:s}", "class", "A", "method", "b", "queue", "x");
	struct task_submission submission;
	struct schema_faults faults = {0};
	assert_int_equal(task_submission_read(&large, value, bytes_of(""), "", NOW, &submission, &faults), -EINVAL);
	assert_non_null(strstr(faults.items[0].detail, "qqq, ..."));
	schema_faults_fini(&faults);
	json_decref(value);
}

static void names_are_checked(void **state)
{
	(void)state;
	char longest[TASK_NAME_MAX + 1];
	memset(longest, 'a', sizeof longest);
	assert_true(task_name_is_valid(longest, TASK_NAME_MAX));
	assert_false(task_name_is_valid(longest, TASK_NAME_MAX + 1));
	assert_false(task_name_is_valid("", 0));
	assert_true(task_name_is_valid("Az09_.\\-", 8));
	for (int c = 1; c < 256; c++) {
		const char name = (char)c;
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
		assert_int_equal(task_name_is_valid(&name, 1), letter || strchr("_.\\-", c) != NULL);
	}
}

/* ---- head ---- */

static void a_head_reads_back(void **state)
{
	(void)state;
	char text[TASK_HEAD_MAX + 16];
	struct task_head head = {
		.created_ms = NOW, .source = TASK_SOURCE_HTTP, .max_attempts = 3, .priority = TASK_PRIORITY};
	memset(head.queue, 'q', CONFIG_NAME_MAX);
	size_t length = task_head_format(text, &head);
	assert_int_equal(strncmp(text, "1764000000000 0 h 3 qqq", 23), 0);
	assert_int_equal(text[length - 1], '\n');
	memcpy(text + length, "{\"a\nb\"", 6);
	struct task_head again;
	assert_int_equal(task_head_read((struct bytes){text, length + 6}, &again), 0);
	assert_int_equal(again.created_ms, NOW);
	assert_int_equal(again.run_at_ms, 0);
	assert_int_equal(again.source, 'h');
	assert_int_equal(again.max_attempts, 3);
	assert_string_equal(again.queue, head.queue);
	assert_int_equal(again.priority, TASK_PRIORITY);
	assert_int_equal(again.document.length, 6);
	assert_memory_equal(again.document.data, "{\"a\nb\"", 6);
}

static void a_head_tells_what_is_unusual(void **state)
{
	(void)state;
	char text[TASK_HEAD_MAX];
	struct task_head head = {.created_ms = 1,
		.source = TASK_SOURCE_HTTP,
		.max_attempts = 3,
		.queue = "mail",
		.priority = 9,
		.expires_ms = 5,
		.retention_ms = 7,
		.unique = "a b%\n\xc3\xa9",
		.traceparent = "00-1-2-01"};
	size_t length = task_head_format(text, &head);
	assert_int_equal(length, strlen("1 0 h 3 mail p=9 e=5 r=7 u=a%20b%25%0A%C3%A9 t=00-1-2-01\n"));
	assert_memory_equal(text, "1 0 h 3 mail p=9 e=5 r=7 u=a%20b%25%0A%C3%A9 t=00-1-2-01\n", length);
	struct task_head again;
	assert_int_equal(task_head_read((struct bytes){text, length}, &again), 0);
	assert_string_equal(again.queue, "mail");
	assert_int_equal(again.priority, 9);
	assert_int_equal(again.expires_ms, 5);
	assert_int_equal(again.retention_ms, 7);
	assert_string_equal(again.unique, head.unique);
	assert_string_equal(again.traceparent, head.traceparent);
}

static void the_largest_head_fits(void **state)
{
	(void)state;
	char text[TASK_HEAD_MAX];
	struct task_head again, head = {.created_ms = INT64_MAX,
					.run_at_ms = INT64_MAX,
					.source = TASK_SOURCE_HTTP,
					.max_attempts = INT_MAX,
					.expires_ms = INT64_MAX,
					.retention_ms = INT64_MAX};
	memset(head.queue, 'q', CONFIG_NAME_MAX);
	memset(head.unique, ' ', TASK_UNIQUE_MAX);
	memset(head.traceparent, '0', TASK_TRACE_MAX);
	size_t length = task_head_format(text, &head);
	assert_true(length <= TASK_HEAD_MAX);
	assert_int_equal(task_head_read((struct bytes){text, length}, &again), 0);
	assert_string_equal(again.unique, head.unique);
}

static void a_head_with_wrong_options_is_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {"1 0 h 3 q p=10\n", "1 0 h 3 q p=\n", "1 0 h 3 q p\n", "1 0 h 3 q u=%0\n",
		"1 0 h 3 q u=%00\n", "1 0 h 3 q u=%ag\n", "1 0 h 3 q  \n", "1 0 h 3 q e=x\n"};
	struct task_head head;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		assert_int_equal(task_head_read(bytes_of(texts[i]), &head), -EINVAL);
	assert_int_equal(task_head_read(bytes_of("1 0 h 3 q z=later p=1\n"), &head), 0);
	assert_int_equal(head.priority, 1);
}

static void a_broken_head_is_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {"", "\n", "1 0 h 3 q", "1 0 x 3 q\n{}", "1 0  3 q\n", "1 0 h 3 \n",
		"1 0 h q\n", "-1 0 h 3 q\n", "a 0 h 3 q\n", "1 0 h 3 q q\n", "1 0 hh 3 q\n",
		"99999999999999999999 0 h 3 q\n", "1 0 h 2147483648 q\n",
		"1 0 h 3 qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq\n"};
	struct task_head head;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		assert_int_equal(task_head_read(bytes_of(texts[i]), &head), -EINVAL);
	assert_int_equal(task_head_read((struct bytes){NULL, 0}, &head), -EINVAL);
	assert_int_equal(task_head_read((struct bytes){"1 0 h 3 q\0q\n", 12}, &head), -EINVAL);
}

/* ---- elements and states ---- */

static void elements_carry_the_executions(void **state)
{
	(void)state;
	char element[TASK_ELEMENT_MAX], id[ID_MAX + 1];
	task_element_format(element, "abc", 0);
	assert_string_equal(element, "abc");
	assert_int_equal(task_element_id_length(bytes_of(element)), 3);
	task_element_format(element, "abc", 12);
	assert_string_equal(element, "abc~12");
	assert_int_equal(task_element_id_length(bytes_of(element)), 3);
	memset(id, 'x', ID_MAX);
	id[ID_MAX] = '\0';
	task_element_format(element, id, INT_MAX);
	assert_int_equal(task_element_id_length(bytes_of(element)), ID_MAX);
	assert_int_equal(task_element_id_length((struct bytes){NULL, 0}), 0);
}

static void states_have_names(void **state)
{
	(void)state;
	static const struct {
		enum task_state state;
		const char *name;
		bool ended;
	} rows[] = {{TASK_PENDING, "pending", false}, {TASK_SCHEDULED, "scheduled", false},
		{TASK_ACTIVE, "active", false}, {TASK_RETRYING, "retrying", false}, {TASK_SUCCEEDED, "succeeded", true},
		{TASK_DEAD, "dead", true}, {TASK_CANCELLED, "cancelled", true}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_string_equal(task_state_name(rows[i].state), rows[i].name);
		assert_int_equal(task_state_ended(rows[i].state), rows[i].ended);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_submission_has_defaults),
		cmocka_unit_test(a_submission_is_read),
		cmocka_unit_test(it_runs_at_its_time),
		cmocka_unit_test(a_wrong_submission_is_refused_with_words),
		cmocka_unit_test(an_unknown_queue_names_as_many_as_fit),
		cmocka_unit_test(names_are_checked),
		cmocka_unit_test(a_head_reads_back),
		cmocka_unit_test(a_head_tells_what_is_unusual),
		cmocka_unit_test(the_largest_head_fits),
		cmocka_unit_test(a_head_with_wrong_options_is_refused),
		cmocka_unit_test(a_broken_head_is_refused),
		cmocka_unit_test(elements_carry_the_executions),
		cmocka_unit_test(states_have_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
