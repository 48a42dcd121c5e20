#include "core/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MINUTE INT64_C(60000)

static void doubles_up_to_the_maximum(void **state)
{
	(void)state;
	const struct config_backoff backoff = {.base_ms = 1000, .max_ms = MINUTE, .factor = 2};
	const int64_t waits[] = {1000, 2000, 4000, 8000, 16000, 32000, MINUTE, MINUTE, MINUTE};
	for (size_t i = 0; i < sizeof waits / sizeof *waits; i++)
		assert_int_equal(config_backoff_ms(&backoff, (int64_t)i + 1, 0.5), waits[i]);
}

static void stays_at_its_base_with_factor_one(void **state)
{
	(void)state;
	const struct config_backoff backoff = {.base_ms = 250, .max_ms = MINUTE, .factor = 1};
	for (int64_t execution = 1; execution <= 1000; execution++)
		assert_int_equal(config_backoff_ms(&backoff, execution, 0.5), 250);
}

static void takes_fractions(void **state)
{
	(void)state;
	const struct config_backoff backoff = {.base_ms = 100, .max_ms = MINUTE, .factor = 1.5};
	assert_int_equal(config_backoff_ms(&backoff, 2, 0.5), 150);
	assert_int_equal(config_backoff_ms(&backoff, 3, 0.5), 225);
	assert_int_equal(config_backoff_ms(&backoff, 4, 0.5), 338); /* 337.5 */
}

static void jitter_is_a_part_of_the_wait_to_either_side(void **state)
{
	(void)state;
	const struct config_backoff backoff = {.base_ms = 1000, .max_ms = MINUTE, .factor = 2, .jitter = 0.1};
	assert_int_equal(config_backoff_ms(&backoff, 1, 0.0), 900);
	assert_int_equal(config_backoff_ms(&backoff, 1, 0.5), 1000);
	assert_int_equal(config_backoff_ms(&backoff, 1, 0.999999), 1100);
	/* the longest waits are spread as well, or a herd would stay together for ever */
	assert_int_equal(config_backoff_ms(&backoff, 50, 0.0), 54000);
	for (int i = 0; i < 1000; i++) {
		int64_t wait = config_backoff_ms(&backoff, 2, i / 1000.0);
		assert_in_range(wait, 1800, 2200);
	}
}

static void full_jitter_may_be_no_wait_at_all(void **state)
{
	(void)state;
	const struct config_backoff backoff = {.base_ms = 1000, .max_ms = MINUTE, .factor = 2, .jitter = 1};
	assert_int_equal(config_backoff_ms(&backoff, 1, 0.0), 0);
}

static void no_base_is_no_wait(void **state)
{
	(void)state;
	const struct config_backoff backoff = {.base_ms = 0, .max_ms = MINUTE, .factor = 1000, .jitter = 1};
	assert_int_equal(config_backoff_ms(&backoff, 1, 0.9), 0);
	assert_int_equal(config_backoff_ms(&backoff, INT32_MAX, 0.9), 0);
}

static void extremes_stay_in_range(void **state)
{
	(void)state;
	const int64_t year = 365 * 24 * 60 * MINUTE;
	const struct config_backoff backoff = {.base_ms = year, .max_ms = year, .factor = 1000, .jitter = 1};
	assert_int_equal(config_backoff_ms(&backoff, INT32_MAX, 0.5), year);
	assert_in_range(config_backoff_ms(&backoff, INT32_MAX, 0.9999), year, 2 * year);
	const struct config_backoff capped = {.base_ms = 5000, .max_ms = 1000, .factor = 2};
	assert_int_equal(config_backoff_ms(&capped, 1, 0.5), 1000);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(doubles_up_to_the_maximum),
		cmocka_unit_test(stays_at_its_base_with_factor_one),
		cmocka_unit_test(takes_fractions),
		cmocka_unit_test(jitter_is_a_part_of_the_wait_to_either_side),
		cmocka_unit_test(full_jitter_may_be_no_wait_at_all),
		cmocka_unit_test(no_base_is_no_wait),
		cmocka_unit_test(extremes_stay_in_range),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
