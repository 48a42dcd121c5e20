#include "core/task_filter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct bytes bytes_of(const char *text)
{
	return (struct bytes){text, strlen(text)};
}

/* Whether the filter, apostrophes for quotes, means a task of 2026-11-23T14:13:00Z with that document and record. */
static bool means(const char *filter_text, const char *document, const char *record)
{
	char text[512], stored[512];
	struct task_filter filter = {0};
	struct schema_faults faults = {0};

	(void)snprintf(text, sizeof text, "%s", filter_text);
	for (char *at = text; (at = strchr(at, '\''));)
		*at = '"';
	json_auto_t *value = json_loads(text, 0, NULL);
	assert_non_null(value);
	assert_int_equal(schema_read(&task_filter_schema, value, "", &filter, &faults), 0);
	(void)snprintf(stored, sizeof stored, "1795443180000 0 h 1 default\n%s", document);
	bool meant =
		task_filter_matches(&filter, bytes_of(stored), record ? bytes_of(record) : (struct bytes){NULL, 0});
	schema_fini(&task_filter_schema, &filter);
	schema_faults_fini(&faults);
	return meant;
}

static const char document[] = "{\"class\":\"Mail\\\\Sender\",\"method\":\"send\",\"param\":[{\"class\":\"Other\"}]}";
static const char dead[] = "D 1 1 0 1 10 1795443185000 0 n/p/0\n"
			   "{\"error\":{\"kind\":\"timeout\",\"message\":\"Disk Full\"},"
			   "\"history\":[{\"kind\":\"crash\",\"message\":\"older\"}]}";
static const char retrying[] =
	"R 1 1 0 1 10 20 99 n/p/0\n"
	"{\"error\":{\"kind\":\"timeout\",\"message\":\"of the life before\"},"
	"\"history\":[{\"kind\":\"crash\",\"message\":\"a\"},{\"kind\":\"retry\",\"message\":\"b\"}]}";

static void test_class_and_method(void **state)
{
	(void)state;
	assert_true(means("{}", document, NULL));
	assert_true(means("{'class':'Mail\\\\Sender'}", document, NULL));
	assert_true(means("{'class':'Mail\\\\Sender','method':'send'}", document, NULL));
	assert_false(means("{'class':'Other'}", document, NULL)); /* it stands there, but elsewhere */
	assert_false(means("{'method':'sen'}", document, NULL));
	assert_true(means("{'class':'A'}", "{\"class\":\"\\u0041\"}", NULL));
	assert_false(means("{'class':'A'}", "no JSON, but A", NULL));
	assert_false(means("{'class':'A'}", "[\"A\"]", NULL));
}

static void test_failures(void **state)
{
	(void)state;
	assert_true(means("{'error_kind':'timeout'}", document, dead));
	assert_false(means("{'error_kind':'crash'}", document, dead));
	assert_true(means("{'error':'disk'}", document, dead));
	assert_false(means("{'error':'older'}", document, dead));
	assert_true(means("{'error_kind':'retry','error':'B'}", document, retrying));
	assert_false(means("{'error_kind':'timeout'}", document, retrying));
	assert_false(means("{'error_kind':'retry'}", document, NULL));
	assert_false(means("{'error':'x'}", document, "no record"));
}

static void test_times(void **state)
{
	(void)state;
	assert_true(means("{'created_after':'2026-11-23T14:13:00Z'}", document, NULL));
	assert_false(means("{'created_before':'2026-11-23T14:13:00Z'}", document, NULL));
	assert_true(means("{'created_before':'2026-11-23T14:13:01Z'}", document, NULL));
	assert_true(means("{'finished_after':'2026-11-23T14:13:05Z'}", document, dead));
	assert_false(means("{'finished_before':'2026-11-23T14:13:05Z'}", document, dead));
	assert_false(means("{'finished_before':'2999-01-01T00:00:00Z'}", document, NULL)); /* it has not run */
}

static void test_plain_ones(void **state)
{
	(void)state;
	struct task_filter filter = {.queue = (char[]){"q"}, .state = 1, .limit = 5};
	assert_true(task_filter_is_plain(&filter));
	filter.error = (char[]){"x"};
	assert_false(task_filter_is_plain(&filter));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_class_and_method),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_plain_ones),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
