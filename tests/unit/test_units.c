#include "core/units.h"

#include <errno.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

struct row {
	const char *text;
	int status;
	int64_t value;
};

static void check_rows(int (*parse)(const char *, int64_t *), const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int64_t value = -77;
		int status = parse(rows[i].text, &value);
		if (status != rows[i].status || value != (status == 0 ? rows[i].value : -77))
			fail_msg("\"%s\": status %d, value %lld", rows[i].text, status, (long long)value);
	}
}

static void reads_durations(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"500ms", 0, 500},
		{"10s", 0, 10000},
		{"5m", 0, 300000},
		{"1h", 0, 3600000},
		{"7d", 0, 604800000},
		{"0s", 0, 0},
		{"007s", 0, 7000},
		{"1.5s", 0, 1500},
		{"1.50000000000000000000000s", 0, 1500},
		{"0.001s", 0, 1},
		{"0.25d", 0, 21600000},
		{"0.0000000125d", -EINVAL, 0}, /* 1.08 ms */
		{"9223372036854775807ms", 0, INT64_MAX},
		{"9223372036854775.807s", 0, INT64_MAX},
		{"9223372036854775.808s", -ERANGE, 0},
		{"9223372036854775808ms", -ERANGE, 0},
		{"9223372036854775807s", -ERANGE, 0},
		{"99999999999999999999999999999999d", -ERANGE, 0},
		{"1.5ms", -EINVAL, 0},
		{"0.0001s", -EINVAL, 0},
		{"0.00000000000000000000001d", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"10", -EINVAL, 0},
		{"s", -EINVAL, 0},
		{"1.s", -EINVAL, 0},
		{".5s", -EINVAL, 0},
		{"-1s", -EINVAL, 0},
		{"+1s", -EINVAL, 0},
		{" 1s", -EINVAL, 0},
		{"1 s", -EINVAL, 0},
		{"1s ", -EINVAL, 0},
		{"1S", -EINVAL, 0},
		{"1w", -EINVAL, 0},
		{"1h30m", -EINVAL, 0},
		{"1e3s", -EINVAL, 0},
		{"0x10s", -EINVAL, 0},
	};
	check_rows(units_parse_duration, rows, COUNT(rows));
}

static void reads_sizes(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"0", 0, 0},
		{"1048576", 0, 1048576},
		{"17B", 0, 17},
		{"64KiB", 0, 65536},
		{"1MiB", 0, 1048576},
		{"3GiB", 0, INT64_C(3221225472)},
		{"8388607TiB", 0, INT64_C(8388607) << 40},
		{"8388608TiB", -ERANGE, 0},
		{"9223372036854775807", 0, INT64_MAX},
		{"9223372036854775808", -ERANGE, 0},
		{"1.5MiB", -EINVAL, 0},
		{"1K", -EINVAL, 0},
		{"1KB", -EINVAL, 0},
		{"1kib", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"KiB", -EINVAL, 0},
	};
	check_rows(units_parse_size, rows, COUNT(rows));
}

static void reads_integers_within_their_range(void **state)
{
	(void)state;
	int64_t value = 5;
	assert_int_equal(units_parse_integer("-9223372036854775808", INT64_MIN, INT64_MAX, &value), 0);
	assert_true(value == INT64_MIN);
	assert_int_equal(units_parse_integer("9223372036854775807", INT64_MIN, INT64_MAX, &value), 0);
	assert_true(value == INT64_MAX);
	assert_int_equal(units_parse_integer("042", 1, 42, &value), 0);
	assert_int_equal(value, 42);
	assert_int_equal(units_parse_integer("43", 1, 42, &value), -ERANGE);
	assert_int_equal(units_parse_integer("0", 1, 42, &value), -ERANGE);
	assert_int_equal(units_parse_integer("9223372036854775808", INT64_MIN, INT64_MAX, &value), -ERANGE);
	assert_int_equal(units_parse_integer("-9223372036854775809", INT64_MIN, INT64_MAX, &value), -ERANGE);
	static const char *const malformed[] = {"", "-", "+1", " 1", "1 ", "1x", "0x1", "--1", "1.0", "1e3", "one"};
	for (size_t i = 0; i < COUNT(malformed); i++)
		assert_int_equal(units_parse_integer(malformed[i], INT64_MIN, INT64_MAX, &value), -EINVAL);
	assert_int_equal(value, 42); /* untouched by failures */
}

static void writes_durations(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"0s", 0, 0},
		{"1ms", 0, 1},
		{"500ms", 0, 500},
		{"1s", 0, 1000},
		{"1500ms", 0, 1500},
		{"90s", 0, 90000},
		{"1m", 0, 60000},
		{"1h", 0, 3600000},
		{"36h", 0, 129600000},
		{"7d", 0, 604800000},
		{"9223372036854775807ms", 0, INT64_MAX},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[UNITS_TEXT_SIZE];
		units_format_duration(text, rows[i].value);
		assert_string_equal(text, rows[i].text);
	}
	check_rows(units_parse_duration, rows, COUNT(rows));
}

static void writes_sizes(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"0B", 0, 0},
		{"1B", 0, 1},
		{"1536B", 0, 1536},
		{"64KiB", 0, 65536},
		{"1MiB", 0, 1048576},
		{"1025KiB", 0, 1049600},
		{"1024TiB", 0, INT64_C(1) << 50},
		{"9223372036854775807B", 0, INT64_MAX},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[UNITS_TEXT_SIZE];
		units_format_size(text, rows[i].value);
		assert_string_equal(text, rows[i].text);
	}
	check_rows(units_parse_size, rows, COUNT(rows));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_durations),
		cmocka_unit_test(reads_sizes),
		cmocka_unit_test(reads_integers_within_their_range),
		cmocka_unit_test(writes_durations),
		cmocka_unit_test(writes_sizes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
