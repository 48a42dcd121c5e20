#include "core/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void reads_the_first_and_last_of_each_length(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t length;
		uint32_t point;
	} rows[] = {
		{"\x00", 1, 0},
		{"\x7f", 1, 0x7f},
		{"\xc2\x80", 2, 0x80},
		{"\xdf\xbf", 2, 0x7ff},
		{"\xe0\xa0\x80", 3, 0x800},
		{"\xed\x9f\xbf", 3, 0xd7ff},
		{"\xee\x80\x80", 3, 0xe000},
		{"\xef\xbf\xbf", 3, 0xffff},
		{"\xf0\x90\x80\x80", 4, 0x10000},
		{"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint32_t point = 77;
		assert_int_equal(utf8_decode(rows[i].bytes, rows[i].length, &point), rows[i].length);
		assert_int_equal(point, rows[i].point);
		point = 77;
		assert_int_equal(utf8_decode(rows[i].bytes, rows[i].length - 1, &point), 0); /* cut off */
		assert_int_equal(point, 77);
	}
}

static void refuses_what_is_not_utf8(void **state)
{
	(void)state;
	static const char *const rows[] = {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80",
		"\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xfe", "\xff", "\xc3(",
		"\xe2\x82(", "\xf0\x9f\x98("};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint32_t point = 77;
		assert_int_equal(utf8_decode(rows[i], 4, &point), 0);
		assert_int_equal(point, 77);
	}
}

static void knows_what_must_not_reach_a_terminal(void **state)
{
	(void)state;
	static const uint32_t unprintable[] = {
		0, '\n', 0x1b, 0x1f, 0x7f, 0x80, 0x85, 0x9f, 0x2028, 0x2029, 0x202e, 0x2066};
	static const uint32_t printable[] = {' ', '~', 0xa0, 0xe9, 0x2027, 0x202f, 0x2065, 0x206a, 0x4e2d, 0x1f600};
	for (size_t i = 0; i < sizeof unprintable / sizeof *unprintable; i++)
		assert_true(utf8_is_unprintable(unprintable[i]));
	for (size_t i = 0; i < sizeof printable / sizeof *printable; i++)
		assert_false(utf8_is_unprintable(printable[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_first_and_last_of_each_length),
		cmocka_unit_test(refuses_what_is_not_utf8),
		cmocka_unit_test(knows_what_must_not_reach_a_terminal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
