#include "core/error.h"

#include <errno.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void returns_the_code_with_the_sentence(void **state)
{
	(void)state;
	struct error error;
	assert_int_equal(error_set(&error, -EINVAL, "queue \"%s\" has %d faults", "mail", 3), -EINVAL);
	assert_string_equal(error.text, "queue \"mail\" has 3 faults");
	assert_int_equal(error_set(NULL, -ENOENT, "nobody reads this"), -ENOENT);
}

static void may_quote_its_own_last_sentence(void **state)
{
	(void)state;
	struct error error;
	error_set(&error, -EINVAL, "inner");
	error_set(&error, -EINVAL, "outer: %s", error.text);
	assert_string_equal(error.text, "outer: inner");
}

static void is_one_line_of_utf8_whatever_it_quotes(void **state)
{
	(void)state;
	struct error error;
	error_set(&error, -EINVAL, "a\nb\tc\x7f%s", "\x1b[31m \xff \xc3\xa9 \xe2\x80\xa8 \xc2\x85.");
	assert_string_equal(error.text, "a b c  [31m ? \xc3\xa9       .");
}

static void is_cut_at_the_maximum_between_characters(void **state)
{
	(void)state;
	char text[1000];
	for (size_t i = 0; i < sizeof text - 1; i += 2)
		memcpy(text + i, "\xc3\xa9", 2);
	text[sizeof text - 2] = '\0';
	struct error error;
	error_set(&error, -EINVAL, "%s", text);
	assert_int_equal(strlen(error.text), ERROR_TEXT_MAX - 1);
	assert_memory_equal(error.text + ERROR_TEXT_MAX - 4, "\xc3\xa9?", 4); /* 511 is odd: half a character is left */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(returns_the_code_with_the_sentence),
		cmocka_unit_test(may_quote_its_own_last_sentence),
		cmocka_unit_test(is_one_line_of_utf8_whatever_it_quotes),
		cmocka_unit_test(is_cut_at_the_maximum_between_characters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
