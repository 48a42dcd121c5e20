#include "api/pace.h"

#include "core/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct config_queue queues[] = {{.name = "default", .max_depth = 100}};
static const struct config config = {.queues = queues, .queue_count = 1};

static void note(struct pace *pace, int64_t second, int64_t pending, int64_t ended)
{
	const struct broker_depth depth = {.pending = pending, .succeeded_total = ended - 1, .dead_total = 1};
	pace_note(pace, &depth, 1, second * CLOCK_NS_PER_S);
}

static void one_look_says_nothing(void **state)
{
	(void)state;
	struct pace pace = {0};
	note(&pace, 100, 50, 1000);
	assert_true(pace_wait_s(&pace, 0, 100 * CLOCK_NS_PER_S) == 0);
	assert_int_equal(pace_retry_s(&pace, &config, 0, 1, 100 * CLOCK_NS_PER_S), 5);
}

static void two_looks_tell_the_rate(void **state)
{
	(void)state;
	struct pace pace = {0};
	note(&pace, 100, 100, 1000);
	note(&pace, 101, 100, 1020);
	assert_true(pace_wait_s(&pace, 0, 101 * CLOCK_NS_PER_S) == 5);
	assert_int_equal(pace_retry_s(&pace, &config, 0, 1, 101 * CLOCK_NS_PER_S), 1);
	assert_int_equal(pace_retry_s(&pace, &config, 0, 100, 101 * CLOCK_NS_PER_S), 5);
	note(&pace, 102, 100, 1060); /* 40 a second: half of it was 20 */
	assert_true(pace_wait_s(&pace, 0, 102 * CLOCK_NS_PER_S) == 3.3);
}

static void an_old_look_says_nothing(void **state)
{
	(void)state;
	struct pace pace = {0};
	note(&pace, 100, 100, 1000);
	note(&pace, 101, 100, 1020);
	assert_true(pace_wait_s(&pace, 0, 105 * CLOCK_NS_PER_S) == 0);
	note(&pace, 110, 100, 1100);
	assert_true(pace_wait_s(&pace, 0, 110 * CLOCK_NS_PER_S) == 0);
}

static void waits_are_bounded(void **state)
{
	(void)state;
	struct pace pace = {0};
	note(&pace, 100, 1000000, 1000);
	note(&pace, 101, 1000000, 1001);
	assert_int_equal(pace_retry_s(&pace, &config, 0, 1, 101 * CLOCK_NS_PER_S), 600);
}

static void a_queue_that_is_empty_has_no_wait(void **state)
{
	(void)state;
	struct pace pace = {0};
	note(&pace, 100, 0, 1000);
	note(&pace, 101, 0, 2000);
	assert_true(pace_wait_s(&pace, 0, 101 * CLOCK_NS_PER_S) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_look_says_nothing),
		cmocka_unit_test(two_looks_tell_the_rate),
		cmocka_unit_test(an_old_look_says_nothing),
		cmocka_unit_test(waits_are_bounded),
		cmocka_unit_test(a_queue_that_is_empty_has_no_wait),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
