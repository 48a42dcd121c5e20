#include "core/document.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define PARSE(text, manners, value, error) document_parse(text, sizeof text - 1, manners, value, error)

static json_t *parse(const char *text)
{
	json_t *value;
	struct error error;
	if (document_parse(text, strlen(text), DOCUMENT_STRICT, &value, &error) != 0)
		fail_msg("%s: %s", text, error.text);
	return value;
}

static void check_status(const char *bytes, size_t length, enum document_manners manners, int expected)
{
	json_t *value = (json_t *)&expected; /* to see that it is untouched */
	struct error error = {""};
	int status = document_parse(bytes, length, manners, &value, &error);
	if (status != expected)
		fail_msg("%.*s: %d (%s), not %d", (int)length, bytes, status, error.text, expected);
	if (status == 0) {
		json_decref(value);
		return;
	}
	assert_ptr_equal(value, &expected);
	assert_true(strlen(error.text) > 0);
	assert_int_equal(document_parse(bytes, length, manners, &value, NULL), expected);
}

static void any_value_is_a_document(void **state)
{
	(void)state;
	static const char *const rows[] = {"{}", "[]", "null", "true", "0", "-1.5e3", "\"text\"", " {\"a\": [1, 2]} \n",
		"{\"\": 1}", "\"\\u0000\"", "[\"a\\u0000b\"]", "\"\\ud83d\\ude00\"", "\"\xc3\xa9\"", "\"\\\\\"",
		"\"\\\"[[[\"", "\"\\/\\b\\f\\n\\r\\t\""};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		check_status(rows[i], strlen(rows[i]), DOCUMENT_STRICT, 0);
		check_status(rows[i], strlen(rows[i]), DOCUMENT_LENIENT, 0);
	}
}

static void integers_within_64_bits_are_exact(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t value;
	} rows[] = {
		{"0", 0},
		{"-0", 0},
		{"9007199254740993", INT64_C(9007199254740993)},
		{"9223372036854775807", INT64_MAX},
		{"-9223372036854775808", INT64_MIN},
		{"1000000000000000000", INT64_C(1000000000000000000)},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		json_t *value = parse(rows[i].text);
		assert_true(json_is_integer(value));
		assert_true(json_integer_value(value) == rows[i].value);
		json_decref(value);
	}
}

static void larger_integers_are_reals(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		double value;
	} rows[] = {
		{"9223372036854775808", 9223372036854775808.0},
		{"-9223372036854775809", -9223372036854775808.0},
		{"18446744073709551616", 18446744073709551616.0},
		{"10000000000000000000000000000000000000000", 1e40},
		{"1.0", 1.0},
		{"1e0", 1.0},
		{"123456789012345678901234567890.5e-10", 12345678901234567890.1234567890},
		{"1e-400", 0.0},
		{"1.00000000000000000000000000000000000001", 1.0},
		{"1e00000000000000000000000000000000000001", 10.0},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		json_t *value = parse(rows[i].text);
		assert_true(json_is_real(value));
		assert_true(fabs(json_real_value(value) - rows[i].value) <= 0);
		json_decref(value);
	}
}

static void only_the_wide_ones_change(void **state)
{
	(void)state;
	json_t *value = parse("[99999999999999999999,1,{\"99999999999999999999\":\"99999999999999999999\"},"
			      "-99999999999999999999 , 9223372036854775807, 99999999999999999999]");
	char *text = json_dumps(value, JSON_COMPACT);
	assert_string_equal(
		text, "[1e20,1,{\"99999999999999999999\":\"99999999999999999999\"},-1e20,9223372036854775807,1e20]");
	free(text);
	json_decref(value);
}

static void many_wide_integers(void **state)
{
	(void)state;
	enum { COUNT = 10000 };
	char *text = malloc(21 * COUNT + 2), *at = text;
	for (int i = 0; i < COUNT; i++)
		at += sprintf(at, "%c9223372036854775808", i == 0 ? '[' : ',');
	*at++ = ']';
	json_t *value;
	assert_int_equal(document_parse(text, (size_t)(at - text), DOCUMENT_STRICT, &value, NULL), 0);
	assert_int_equal(json_array_size(value), COUNT);
	assert_true(json_is_real(json_array_get(value, COUNT - 1)));
	json_decref(value);
	free(text);
}

static void malformed_documents(void **state)
{
	(void)state;
	static const char *const rows[] = {"", " ", "{", "[", "\"", "\"\\", "\"\\\"", "{\"a\"}", "{\"a\":}", "[1,]",
		"{\"a\":1,}", "[1 2]", "nul", "True", "'a'", "{a:1}", "01", "-01", "1.", ".5", "+1", "-", "--1", "1e",
		"1e+", "0x10", "NaN", "Infinity", "-Infinity", "[] []", "{}x", "]", "}", "[}", "{]", "// c\n1",
		"\"\t\"", "\"\n\"", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\udc00\"", "\"\xff\"", "\"\xc3\"",
		"\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\xff", "{\"\xff\":1}", "\xef\xbb\xbf{}", "\xef\xbb\xbf",
		"00000000000000000000000", "99999999999999999999.", "--99999999999999999999", "99999999999999999999e",
		"-99999999999999999999x", "{99999999999999999999:1}"};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		check_status(rows[i], strlen(rows[i]), DOCUMENT_STRICT, -EBADMSG);
		check_status(rows[i], strlen(rows[i]), DOCUMENT_LENIENT, -EBADMSG);
	}
	check_status(NULL, 0, DOCUMENT_STRICT, -EBADMSG);
}

static void raw_nul_is_malformed_wherever_it_stands(void **state)
{
	(void)state;
	static const char document[] = "{\"a\": [12, true, \"b\"], \"c\": 1.5}";
	size_t length = sizeof document; /* with one byte more, to shift into */
	char bytes[sizeof document];
	for (size_t at = 0; at < length; at++) {
		memcpy(bytes, document, at);
		bytes[at] = '\0';
		memcpy(bytes + at + 1, document + at, length - at - 1);
		check_status(bytes, length, DOCUMENT_STRICT, -EBADMSG);
	}
	check_status("12\0", 3, DOCUMENT_LENIENT, -EBADMSG);
	check_status("true\0", 5, DOCUMENT_LENIENT, -EBADMSG);
}

static void well_formed_but_refused(void **state)
{
	(void)state;
	static const char *const both[] = {"1e400", "-1e400", "[1, {\"a\": 1e999}]", "{\"a\\u0000b\": 1}",
		"{\"\\u0000\": 1}",
		"{\"a\": 1e400, \"b\": [1.5, -2, 0, \"\\u0000\", \"\\\\u0000\", 99999999999999999999]}"};
	static const char *const strict[] = {"{\"a\":1,\"a\":2}", "[{\"b\":{\"a\":1,\"\\u0061\":2}}]",
		"{\"a\":1,\"a\":1e400,\"\\u0000\":99999999999999999999}"};
	for (size_t i = 0; i < sizeof both / sizeof *both; i++) {
		check_status(both[i], strlen(both[i]), DOCUMENT_STRICT, -EINVAL);
		check_status(both[i], strlen(both[i]), DOCUMENT_LENIENT, -EINVAL);
	}
	for (size_t i = 0; i < sizeof strict / sizeof *strict; i++)
		check_status(strict[i], strlen(strict[i]), DOCUMENT_STRICT, -EINVAL);
	char digits[400];
	memset(digits, '9', sizeof digits);
	check_status(digits, sizeof digits, DOCUMENT_STRICT, -EINVAL);
}

static void malformed_counts_more_than_refused(void **state)
{
	(void)state;
	static const char *const faults[] = {"{\"a\":1,\"a\":2", "{\"a\":1e400", "{\"\\u0000\":1"};
	static const char *const endings[] = {"", ",}", ", \"b\": --5}", ", \"b\": 01}", ", \"b\": 1.}", ", \"b\": -}",
		", \"b\": -.5}", ", \"b\": 1.-1.5}", ", \"b\": 1 2}", ", \"b\": 1-2}", ", \"b\": .5}",
		", \"b\": \"\\u00\"}", ", \"b\": \"\xff\"}", ", \"b\": \"}", "}}", "} 1"};
	char text[100];
	for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
		for (size_t j = 0; j < sizeof endings / sizeof *endings; j++) {
			snprintf(text, sizeof text, "%s%s", faults[i], endings[j]);
			check_status(text, strlen(text), DOCUMENT_STRICT, -EBADMSG);
		}
}

static void lenient_manners_take_the_last_of_equal_keys(void **state)
{
	(void)state;
	json_t *value;
	assert_int_equal(PARSE("{\"a\":1,\"b\":2,\"a\":3}", DOCUMENT_LENIENT, &value, NULL), 0);
	assert_int_equal(json_object_size(value), 2);
	assert_int_equal(json_integer_value(json_object_get(value, "a")), 3);
	json_decref(value);
}

static void depth_is_bounded(void **state)
{
	(void)state;
	enum { DEEP = 20000 };
	static char text[2 * DEEP];
	memset(text, '[', DOCUMENT_DEPTH_MAX);
	memset(text + DOCUMENT_DEPTH_MAX, ']', DOCUMENT_DEPTH_MAX);
	check_status(text, 2 * DOCUMENT_DEPTH_MAX, DOCUMENT_STRICT, 0);
	memset(text, '[', DOCUMENT_DEPTH_MAX + 1);
	memset(text + DOCUMENT_DEPTH_MAX + 1, ']', DOCUMENT_DEPTH_MAX + 1);
	check_status(text, 2 * DOCUMENT_DEPTH_MAX + 2, DOCUMENT_STRICT, -EBADMSG);
	memset(text, '[', DEEP);
	check_status(text, DEEP, DOCUMENT_LENIENT, -EBADMSG);
	struct error error;
	json_t *value;
	assert_int_equal(document_parse(text, DEEP, DOCUMENT_STRICT, &value, &error), -EBADMSG);
	assert_string_equal(error.text, "nested deeper than 512 levels");
	for (size_t i = 0; i < DEEP; i += 2)
		memcpy(text + i, "[]", 2);
	text[0] = text[DEEP - 1] = '1'; /* many brackets, none inside another: only the grammar is against it */
	check_status(text, DEEP, DOCUMENT_STRICT, -EBADMSG);
	memset(text, '[', DEEP);
	text[0] = text[DEEP - 1] = '"';
	check_status(text, DEEP, DOCUMENT_STRICT, 0);
}

static void errors_say_where_and_what(void **state)
{
	(void)state;
	struct error error;
	json_t *value;
	assert_int_equal(PARSE("{\"a\":1,\n \"a\":2}", DOCUMENT_STRICT, &value, &error), -EINVAL);
	assert_non_null(strstr(error.text, "line 2"));
	assert_non_null(strstr(error.text, "duplicate object key"));
	assert_int_equal(PARSE("{\"a\":1,\"a\":2", DOCUMENT_STRICT, &value, &error), -EBADMSG);
	assert_null(strstr(error.text, "duplicate"));
	assert_int_equal(PARSE("[\"a\nb\"]", DOCUMENT_STRICT, &value, &error), -EBADMSG);
	assert_null(strchr(error.text, '\n'));
	assert_int_equal(PARSE("\xef\xbb\xbf[]", DOCUMENT_STRICT, &value, &error), -EBADMSG);
	assert_non_null(strstr(error.text, "byte order mark"));
}

/* The n-th allocation of jansson fails, as malloc does. */
static size_t allocations_left;

static void *allocate(size_t size)
{
	if (allocations_left == 0) {
		errno = ENOMEM;
		return NULL;
	}
	allocations_left--;
	return malloc(size);
}

static void lack_of_memory_is_never_taken_for_a_fault_of_the_document(void **state)
{
	(void)state;
	static const char text[] =
		"{\"class\":\"Demo\",\"param\":[1,2.5,\"long enough for a buffer of its own\",{\"a\":null}],"
		"\"big\":99999999999999999999,\"deep\":[[[[]]]]}";
	json_decref(parse("{}")); /* seeds the hash, once */
	json_set_alloc_funcs(allocate, free);
	size_t count = 0;
	int status = -ENOMEM;
	for (; status == -ENOMEM && count < 1000; count++) {
		json_t *value = NULL;
		struct error error = {""};
		allocations_left = count;
		status = PARSE(text, DOCUMENT_STRICT, &value, &error);
		if (status == 0)
			json_decref(value);
		else
			assert_string_equal(error.text, "out of memory");
	}
	json_set_alloc_funcs(malloc, free);
	assert_int_equal(status, 0);
	assert_true(count > 20);
}

/* The bytes end where their memory ends: a sanitizer sees what reads past them. */
static void nothing_is_read_past_the_end(void **state)
{
	(void)state;
	static const char text[] =
		"{\"a\\u0000\\\\\": [-1.5e+10, 99999999999999999999, \"\\\"x\", null], \"a\": 1e400, \"b\": -1}";
	for (size_t length = 1; length < sizeof text; length++)
		for (size_t start = 0; start < length; start++) {
			char *bytes = malloc(length - start);
			memcpy(bytes, text + start, length - start);
			json_t *value;
			int status = document_parse(bytes, length - start, DOCUMENT_STRICT, &value, NULL);
			if (status == 0)
				json_decref(value);
			free(bytes);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_value_is_a_document),
		cmocka_unit_test(integers_within_64_bits_are_exact),
		cmocka_unit_test(larger_integers_are_reals),
		cmocka_unit_test(only_the_wide_ones_change),
		cmocka_unit_test(many_wide_integers),
		cmocka_unit_test(malformed_documents),
		cmocka_unit_test(raw_nul_is_malformed_wherever_it_stands),
		cmocka_unit_test(well_formed_but_refused),
		cmocka_unit_test(malformed_counts_more_than_refused),
		cmocka_unit_test(lenient_manners_take_the_last_of_equal_keys),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(errors_say_where_and_what),
		cmocka_unit_test(lack_of_memory_is_never_taken_for_a_fault_of_the_document),
		cmocka_unit_test(nothing_is_read_past_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
