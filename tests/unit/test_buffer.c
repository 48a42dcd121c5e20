#include "core/buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The one failure of malloc that can be had on purpose: more than there can ever be. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

static void grows_and_stays_terminated(void **state)
{
	(void)state;
	_cleanup_(buffer_fini) struct buffer buffer;
	buffer_init(&buffer, 100000);
	assert_null(buffer.data);
	for (int i = 0; i < 10000; i++) {
		buffer_append(&buffer, "12345", 5);
		assert_int_equal(buffer.length, 5 * (size_t)(i + 1));
		assert_true(buffer.capacity > buffer.length);
		assert_int_equal(buffer.data[buffer.length], '\0');
	}
	assert_int_equal(buffer.status, 0);
	assert_int_equal(strlen(buffer.data), 50000);
}

static void takes_bytes_text_and_formats(void **state)
{
	(void)state;
	_cleanup_(buffer_fini) struct buffer buffer;
	buffer_init(&buffer, 1000);
	buffer_append_format(&buffer, "%s=%d", "n", 7);
	buffer_append_text(&buffer, " text ");
	buffer_append(&buffer, "a\0b", 3);
	buffer_append_format(&buffer, "%0200d", 1);
	assert_int_equal(buffer.status, 0);
	assert_int_equal(buffer.length, 3 + 6 + 3 + 200);
	assert_memory_equal(buffer.data, "n=7 text a\0b000", 15);
	assert_string_equal(buffer.data + 12 + 197, "001");
}

static void fills_to_its_maximum_and_no_further(void **state)
{
	(void)state;
	_cleanup_(buffer_fini) struct buffer buffer;
	buffer_init(&buffer, 10);
	buffer_append_text(&buffer, "0123456789");
	assert_int_equal(buffer.status, 0);
	assert_true(buffer.capacity <= 11);
	buffer_append(&buffer, "", 0);
	assert_int_equal(buffer.status, 0);
	buffer_append(&buffer, "x", 1);
	assert_int_equal(buffer.status, -E2BIG);
	assert_string_equal(buffer.data, "0123456789");
}

static void first_failure_sticks(void **state)
{
	(void)state;
	_cleanup_(buffer_fini) struct buffer buffer;
	buffer_init(&buffer, 10);
	buffer_append_text(&buffer, "abc");
	buffer_append_format(&buffer, "%s", "01234567");
	assert_int_equal(buffer.status, -E2BIG);
	buffer_append_text(&buffer, "d");
	buffer_append_format(&buffer, "%d", 1);
	assert_int_equal(buffer.status, -E2BIG);
	assert_string_equal(buffer.data, "abc");
	assert_int_equal(buffer.length, 3);
	buffer_clear(&buffer);
	assert_int_equal(buffer.status, 0);
	assert_string_equal(buffer.data, "");
	buffer_append_text(&buffer, "d");
	assert_string_equal(buffer.data, "d");
}

static void lack_of_memory_is_a_failure(void **state)
{
	(void)state;
	_cleanup_(buffer_fini) struct buffer buffer;
	buffer_init(&buffer, SIZE_MAX / 2 - 1);
	buffer_append_text(&buffer, "kept");
	volatile size_t too_much = SIZE_MAX / 2 - 100;
	buffer_append(&buffer, "", too_much);
	assert_int_equal(buffer.status, -ENOMEM);
	assert_string_equal(buffer.data, "kept");
}

static void maximum_of_nothing(void **state)
{
	(void)state;
	_cleanup_(buffer_fini) struct buffer buffer;
	buffer_init(&buffer, 0);
	buffer_append(&buffer, NULL, 0);
	assert_int_equal(buffer.status, 0);
	assert_string_equal(buffer.data, "");
	buffer_append_format(&buffer, "%c", 'x');
	assert_int_equal(buffer.status, -E2BIG);
}

static void taking_empties_it(void **state)
{
	(void)state;
	struct buffer buffer;
	buffer_init(&buffer, 100);
	assert_null(buffer_take(&buffer));
	buffer_append_text(&buffer, "mine");
	char *taken = buffer_take(&buffer);
	assert_null(buffer.data);
	assert_int_equal(buffer.length, 0);
	assert_int_equal(buffer.maximum, 100);
	buffer_append_text(&buffer, "other");
	assert_string_equal(taken, "mine");
	free(taken);
	buffer_fini(&buffer);
	buffer_fini(&buffer);
	assert_null(buffer.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_and_stays_terminated),
		cmocka_unit_test(takes_bytes_text_and_formats),
		cmocka_unit_test(fills_to_its_maximum_and_no_further),
		cmocka_unit_test(first_failure_sticks),
		cmocka_unit_test(lack_of_memory_is_a_failure),
		cmocka_unit_test(maximum_of_nothing),
		cmocka_unit_test(taking_empties_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
