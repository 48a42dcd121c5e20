#include "core/clock.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <time.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void writes_known_times(void **state)
{
	(void)state;
	static const struct {
		int64_t at_ms;
		const char *text;
	} rows[] = {
		{0, "1970-01-01T00:00:00.000Z"},
		{INT64_C(1795443180123), "2026-11-23T14:13:00.123Z"},
		{INT64_C(951782399999), "2000-02-28T23:59:59.999Z"},
		{INT64_C(951782400000), "2000-02-29T00:00:00.000Z"},
		{INT64_C(4107542400000), "2100-03-01T00:00:00.000Z"},
		{INT64_C(253402300799999), "9999-12-31T23:59:59.999Z"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char text[CLOCK_TEXT_SIZE];
		int64_t back = -1;
		clock_format(text, rows[i].at_ms);
		assert_string_equal(text, rows[i].text);
		assert_int_equal(clock_parse(text, &back), 0);
		assert_true(back == rows[i].at_ms);
	}
}

static void agrees_with_the_c_library_on_every_day(void **state)
{
	(void)state;
	for (int64_t day = 0; day < 2932897; day += 13) {
		int64_t at_ms = day * 86400000 + day * 7919 % 86400000;
		time_t seconds = at_ms / 1000;
		struct tm tm;
		assert_non_null(gmtime_r(&seconds, &tm));
		char text[CLOCK_TEXT_SIZE], expected[64], with_ms[80];
		strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%S", &tm);
		snprintf(with_ms, sizeof with_ms, "%s.%03dZ", expected, (int)(at_ms % 1000));
		clock_format(text, at_ms);
		assert_string_equal(text, with_ms);
	}
}

static void reads_what_rfc_3339_allows(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t at_ms;
	} rows[] = {
		{"2026-11-23T14:13:00Z", INT64_C(1795443180000)},
		{"2026-11-23t14:13:00z", INT64_C(1795443180000)},
		{"2026-11-23T14:13:00.1Z", INT64_C(1795443180100)},
		{"2026-11-23T14:13:00.1239999999999999999Z", INT64_C(1795443180123)},
		{"2026-11-23T15:43:00+01:30", INT64_C(1795443180000)},
		{"2026-11-23T14:13:00+00:00", INT64_C(1795443180000)},
		{"2026-11-23T14:13:00-00:00", INT64_C(1795443180000)},
		{"2026-11-22T22:13:00.5-16:00", INT64_C(1795443180500)},
		{"2016-12-31T23:59:60Z", INT64_C(1483228800000)},
		{"1969-12-31T23:59:59.999Z", -1},
		{"0000-01-01T00:00:00Z", INT64_C(-62167219200000)},
		{"2024-02-29T00:00:00Z", INT64_C(1709164800000)},
		{"9999-12-31T23:59:59.9999+00:00", CLOCK_LAST_MS},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int64_t at_ms = 77;
		if (clock_parse(rows[i].text, &at_ms) != 0 || at_ms != rows[i].at_ms)
			fail_msg("%s: %lld", rows[i].text, (long long)at_ms);
	}
}

static void refuses_everything_else(void **state)
{
	(void)state;
	static const char *const rows[] = {"", "2026", "2026-11-23", "2026-11-23T14:13:00", "2026-11-23 14:13:00Z",
		"2026-11-23T14:13Z", "2026-11-23T14:13:00.Z", "2026-11-23T14:13:00+1:00", "2026-11-23T14:13:00+0100",
		"2026-11-23T14:13:00+24:00", "2026-11-23T14:13:00+01:60", "2026-11-23T14:13:00ZZ",
		"2026-11-23T14:13:00Z ", " 2026-11-23T14:13:00Z", "2026-13-23T14:13:00Z", "2026-00-23T14:13:00Z",
		"2026-11-31T14:13:00Z", "2026-11-00T14:13:00Z", "2025-02-29T14:13:00Z", "2100-02-29T14:13:00Z",
		"2026-11-23T24:00:00Z", "2026-11-23T14:60:00Z", "2026-11-23T14:13:61Z", "26-11-23T14:13:00Z",
		"+2026-11-23T14:13:00Z", "2026-1-23T14:13:00Z", "2026-11-23T14:13:00.-1Z", "2026/11/23T14:13:00Z",
		"9999-12-31T23:59:59-00:01", "9999-12-31T23:59:60Z", "now"};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int64_t at_ms = 77;
		if (clock_parse(rows[i], &at_ms) != -EINVAL || at_ms != 77)
			fail_msg("%s", rows[i]);
	}
}

static void rounds_the_wait_up_within_bounds(void **state)
{
	(void)state;
	int64_t now = clock_mono_ns();
	assert_int_equal(clock_ms_until(now), 0);
	assert_int_equal(clock_ms_until(0), 0);
	assert_int_equal(clock_ms_until(INT64_MIN), 0);
	assert_int_equal(clock_ms_until(INT64_MAX), INT_MAX);
	int64_t until = clock_mono_ns() + 3600 * CLOCK_NS_PER_S;
	int64_t before = clock_mono_ns();
	int ms = clock_ms_until(until);
	int64_t after = clock_mono_ns();
	assert_true(ms * CLOCK_NS_PER_MS >= until - after); /* never early */
	assert_true(ms * CLOCK_NS_PER_MS < until - before + CLOCK_NS_PER_MS);
}

static void clocks_are_what_they_are_called(void **state)
{
	(void)state;
	struct timespec wall, mono;
	clock_gettime(CLOCK_REALTIME, &wall);
	clock_gettime(CLOCK_MONOTONIC, &mono);
	int64_t mono_ns = mono.tv_sec * CLOCK_NS_PER_S + mono.tv_nsec;
	assert_true(clock_mono_ns() >= mono_ns && clock_mono_ns() < mono_ns + 60 * CLOCK_NS_PER_S);
	assert_true(clock_wall_ms() / 1000 - wall.tv_sec <= 60 && clock_wall_ms() / 1000 >= wall.tv_sec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_known_times),
		cmocka_unit_test(agrees_with_the_c_library_on_every_day),
		cmocka_unit_test(reads_what_rfc_3339_allows),
		cmocka_unit_test(refuses_everything_else),
		cmocka_unit_test(rounds_the_wait_up_within_bounds),
		cmocka_unit_test(clocks_are_what_they_are_called),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
