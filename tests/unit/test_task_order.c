#include "core/task.h"

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

/* Apostrophes become quotes. Owned. */
static char *quoted(const char *text)
{
	char *copy = strdup(text);
	for (char *at = copy; *at != '\0'; at++)
		*at = *at == '\'' ? '"' : *at;
	return copy;
}

/* ---- order ---- */

static struct task_head head_of(enum task_source source, int max_attempts, const char *document, size_t length)
{
	return (struct task_head){.created_ms = NOW,
		.source = (char)source,
		.max_attempts = max_attempts,
		.queue = "mail",
		.document = {document, length}};
}

static void a_plain_list_has_the_ancestors_retry(void **state)
{
	(void)state;
	static const struct {
		const char *retry;
		int executions; /* 0: invalid */
	} rows[] = {
		{"3", 3},
		{"1", 1},
		{"0", 1},
		{"-5", 1},
		{"null", 1},
		{"true", 1},
		{"false", 1},
		{"'3'", 3},
		{"2.5", 3},
		{"2.0", 2},
		{"0.1", 1},
		{"1.01", 2},
		{"-0.5", 1},
		{"5000", 5000},
		{"1e300", INT_MAX},
		{"123456789012345678901234567890", INT_MAX},
		{"-1e300", 1},
		{"' 2'", 2},
		{"'2 '", 2},
		{"'2.5'", 3},
		{"'1e2'", 100},
		{"'-3'", 1},
		{"'0'", 1},
		{"'+4'", 4},
		{"''", 0},
		{"' '", 0},
		{"'three'", 0},
		{"'3x'", 0},
		{"'0x10'", 0},
		{"'inf'", 0},
		{"'nan'", 0},
		{"'1 2'", 0},
		{"'--3'", 0},
		{"'3\\u0000'", 0},
		{"[]", 0},
		{"[3]", 0},
		{"{}", 0},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char text[256];
		(void)snprintf(text, sizeof text, "{'class':'A','method':'b','param':[],'retry':%s}", rows[i].retry);
		char *document = quoted(text);
		struct task_head head = head_of(TASK_SOURCE_LIST, 0, document, strlen(document));
		struct task_order order;
		struct error error;
		assert_int_equal(task_order_read(&head, &queues[1], &order, &error), 0);
		if (order.retry_invalid != (rows[i].executions == 0) ||
			order.max_attempts != (rows[i].executions == 0 ? 1 : rows[i].executions))
			fail_msg("%s: %d", rows[i].retry, order.max_attempts);
		task_order_fini(&order);
		free(document);
	}
}

static void a_plain_lists_document_has_four_members(void **state)
{
	(void)state;
	static const char document[] =
		"{\"class\":\"A\",\"method\":\"b\",\"timeout\":\"1s\",\"queue\":5,\"x\":[],\"class\":\"B\"}";
	struct task_head head = head_of(TASK_SOURCE_LIST, 0, document, sizeof document - 1);
	struct task_order order;
	struct error error;
	assert_int_equal(task_order_read(&head, &queues[1], &order, &error), 0);
	assert_string_equal(order.class, "B"); /* the last of equal keys counts */
	assert_string_equal(order.method, "b");
	assert_true(json_is_array(order.param));
	assert_int_equal(json_array_size(order.param), 0);
	assert_int_equal(order.max_attempts, 1); /* not the queue's */
	assert_int_equal(order.timeout_ms, 9000);
	assert_non_null(json_object_get(order.document, "x"));
	task_order_fini(&order);
	task_order_fini(&order);
}

static void an_order_of_the_api(void **state)
{
	(void)state;
	static const char document[] =
		"{\"class\":\"A\",\"method\":\"b\",\"param\":{\"n\":9007199254740993},\"timeout\":\"1.5s\"}";
	struct task_head head = head_of(TASK_SOURCE_HTTP, 7, document, sizeof document - 1);
	struct task_order order;
	struct error error;
	assert_int_equal(task_order_read(&head, &queues[1], &order, &error), 0);
	assert_int_equal(order.max_attempts, 7);
	assert_false(order.retry_invalid);
	assert_int_equal(order.timeout_ms, 1500);
	assert_int_equal(json_integer_value(json_object_get(order.param, "n")), 9007199254740993);
	task_order_fini(&order);
	static const char bare[] = "{\"class\":\"A\",\"method\":\"b\",\"timeout\":null}";
	head = head_of(TASK_SOURCE_HANDLER, 2, bare, sizeof bare - 1);
	assert_int_equal(task_order_read(&head, &queues[0], &order, &error), 0);
	assert_true(order.timeout_ms == SCHEMA_NONE);
	task_order_fini(&order);
	assert_int_equal(task_order_read(&head, &queues[1], &order, &error), 0);
	assert_int_equal(order.timeout_ms, 9000);
	task_order_fini(&order);
}

static void a_malformed_document_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text, *part;
	} rows[] = {
		{"", "empty"},
		{"{", ""},
		{"{\"class\":\"A\",\"method\":\"b\"", ""},
		{"\xef\xbb\xbf{\"class\":\"A\",\"method\":\"b\"}", "byte order mark"},
		{"{\"class\":\"A\",\"method\":\"\xff\"}", ""},
		{"5", "not an object"},
		{"[]", "not an object"},
		{"\"x\"", "not an object"},
		{"null", "not an object"},
		{"{}", "\"class\" is missing"},
		{"{\"method\":\"b\"}", "\"class\" is missing"},
		{"{\"class\":\"A\"}", "\"method\" is missing"},
		{"{\"class\":\"\",\"method\":\"b\"}", "\"class\" is empty"},
		{"{\"class\":\"A\",\"method\":\"\"}", "\"method\" is empty"},
		{"{\"class\":5,\"method\":\"b\"}", "\"class\" is not a string"},
		{"{\"class\":null,\"method\":\"b\"}", "\"class\" is not a string"},
		{"{\"class\":\"Demo\\u0000x\",\"method\":\"b\"}", "\"class\" contains NUL"},
		{"{\"class\":\"A\",\"method\":\"b\",\"param\":1}", "\"param\" is neither"},
		{"{\"class\":\"A\",\"method\":\"b\",\"param\":\"x\"}", "\"param\" is neither"},
		{"{\"class\":\"A\",\"method\":\"b\",\"param\":null}", "\"param\" is neither"},
		{"{\"class\":\"A\",\"method\":\"b\",\"param\":false}", "\"param\" is neither"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct task_head head = head_of(TASK_SOURCE_LIST, 0, rows[i].text, strlen(rows[i].text));
		struct task_order order;
		struct error error = {""};
		assert_int_equal(task_order_read(&head, &queues[1], &order, &error), -EINVAL);
		if (strstr(error.text, rows[i].part) == NULL)
			fail_msg("%s: %s", rows[i].text, error.text);
		assert_null(order.class);
		assert_int_equal(order.timeout_ms, 9000);
		task_order_fini(&order);
	}
	char deep[20001];
	memset(deep, '[', sizeof deep);
	struct task_head head = head_of(TASK_SOURCE_LIST, 0, deep, sizeof deep);
	struct task_order order;
	assert_int_equal(task_order_read(&head, &queues[1], &order, NULL), -EINVAL);
	assert_null(order.document);
	task_order_fini(&order);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_list_has_the_ancestors_retry),
		cmocka_unit_test(a_plain_lists_document_has_four_members),
		cmocka_unit_test(an_order_of_the_api),
		cmocka_unit_test(a_malformed_document_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
