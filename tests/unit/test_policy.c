/* The supervisor's decisions, row by row. Times are in seconds of an invented clock. */
#include "core/backoff.h"
#include "server/policy.h"

#include "core/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define S   CLOCK_NS_PER_S
#define NOW (1000 * S)

static const struct policy_view healthy = {
	.life = LIFE_ALIVE,
	.wanted = true,
	.obeys = true,
	.promise = NOW + 10 * S,
	.kill_grace_ns = S / 2,
	.cancel_at = POLICY_NEVER,
	.abort_at = POLICY_NEVER,
	.stop_at = POLICY_NEVER,
};

#define VIEW(...)                                                                                                      \
	({                                                                                                             \
		struct policy_view view = healthy;                                                                     \
		struct policy_view *v = &view;                                                                         \
		__VA_ARGS__;                                                                                           \
		view;                                                                                                  \
	})

static void expect(const char *what, struct policy_view view, enum policy_action action, enum scoreboard_order order,
	int64_t until)
{
	struct policy_decision decision = policy_decide(&view, NOW);

	if (decision.action != action || decision.order != order || decision.until != until)
		fail_msg("%s: action %d order %d until %+.3f s", what, decision.action, decision.order,
			(double)(decision.until - NOW) / (double)S);
}

static void the_dead_are_replaced_when_wanted(void **state)
{
	(void)state;
	expect("never started", VIEW(v->life = LIFE_NEVER), POLICY_START, ORDER_NONE, POLICY_NEVER);
	expect("dead", VIEW(v->life = LIFE_DEAD), POLICY_START, ORDER_NONE, POLICY_NEVER);
	expect("dead, not wanted", VIEW(v->life = LIFE_DEAD, v->wanted = false), POLICY_WAIT, ORDER_NONE, POLICY_NEVER);
	expect("dead, parked", VIEW(v->life = LIFE_DEAD, v->parked = true), POLICY_WAIT, ORDER_NONE, POLICY_NEVER);
	expect("dead, in back-off", VIEW(v->life = LIFE_DEAD, v->start_at = NOW + S), POLICY_WAIT, ORDER_NONE, NOW + S);
	expect("back-off just over", VIEW(v->life = LIFE_DEAD, v->start_at = NOW), POLICY_START, ORDER_NONE,
		POLICY_NEVER);
}

static void a_start_that_was_begun_is_finished(void **state)
{
	(void)state;
	expect("begun", VIEW(v->life = LIFE_STARTING), POLICY_START, ORDER_NONE, POLICY_NEVER);
	expect("begun, no longer wanted", VIEW(v->life = LIFE_STARTING, v->wanted = false), POLICY_START, ORDER_NONE,
		POLICY_NEVER);
	expect("no process to be had", VIEW(v->life = LIFE_STARTING, v->start_at = NOW + S), POLICY_WAIT, ORDER_NONE,
		NOW + S);
}

static void a_kept_promise_is_left_alone(void **state)
{
	(void)state;
	expect("beating", healthy, POLICY_WAIT, ORDER_NONE, NOW + 10 * S + 1);
	expect("on its very limit", VIEW(v->promise = NOW), POLICY_WAIT, ORDER_NONE, NOW + 1);
	expect("makes none", VIEW(v->promise = POLICY_NEVER), POLICY_WAIT, ORDER_NONE, POLICY_NEVER);
}

static void a_broken_promise_is_aborted_then_killed(void **state)
{
	(void)state;
	expect("broken", VIEW(v->promise = NOW - 1), POLICY_ABORT, ORDER_ABORT, POLICY_NEVER);
	expect("broken, takes no orders", VIEW(v->promise = NOW - 1, v->obeys = false), POLICY_KILL, ORDER_ABORT,
		POLICY_NEVER);
	expect("in its grace", VIEW(v->promise = NOW - 1, v->order = ORDER_ABORT, v->order_at = NOW), POLICY_WAIT,
		ORDER_NONE, NOW + S / 2);
	expect("grace over", VIEW(v->promise = NOW - 1, v->order = ORDER_ABORT, v->order_at = NOW - S / 2), POLICY_KILL,
		ORDER_ABORT, POLICY_NEVER);
	expect("aborted, promises again", VIEW(v->order = ORDER_ABORT, v->order_at = NOW - S), POLICY_KILL, ORDER_ABORT,
		POLICY_NEVER);
	expect("killed", VIEW(v->promise = NOW - 1, v->order = ORDER_KILL, v->order_at = NOW - 9 * S), POLICY_WAIT,
		ORDER_NONE, POLICY_NEVER);
	expect("while draining", VIEW(v->promise = NOW - 1, v->order = ORDER_DRAIN, v->drain = true), POLICY_ABORT,
		ORDER_ABORT, POLICY_NEVER);
}

static void a_cancelled_task_has_its_grace(void **state)
{
	(void)state;
	expect("just told", VIEW(v->cancel_at = NOW), POLICY_WAIT, ORDER_NONE, NOW + S / 2);
	expect("did not end", VIEW(v->cancel_at = NOW - S / 2), POLICY_ABORT, ORDER_CANCEL, POLICY_NEVER);
}

static void a_stop_drains_then_aborts_in_time(void **state)
{
	(void)state;
	expect("asked to leave", VIEW(v->drain = true, v->abort_at = NOW + 30 * S), POLICY_DRAIN, ORDER_DRAIN,
		POLICY_NEVER);
	expect("leaving", VIEW(v->drain = true, v->abort_at = NOW + 5 * S, v->order = ORDER_DRAIN), POLICY_WAIT,
		ORDER_NONE, NOW + 5 * S);
	expect("time is up", VIEW(v->drain = true, v->abort_at = NOW, v->order = ORDER_DRAIN), POLICY_ABORT, ORDER_STOP,
		POLICY_NEVER);
	expect("grace longer than the stop",
		VIEW(v->drain = true, v->stop_at = NOW, v->kill_grace_ns = 9 * S, v->order = ORDER_STOP,
			v->order_at = NOW - S),
		POLICY_KILL, ORDER_STOP, POLICY_NEVER);
	expect("rolled without a limit", VIEW(v->drain = true, v->order = ORDER_DRAIN), POLICY_WAIT, ORDER_NONE,
		NOW + 10 * S + 1);
	expect("at once", VIEW(v->drain = true, v->at_once = true, v->order = ORDER_DRAIN), POLICY_KILL, ORDER_STOP,
		POLICY_NEVER);
}

static void reasons_follow_orders_first(void **state)
{
	(void)state;
	assert_int_equal(policy_reason(&(struct policy_death){.status = 9}), REASON_SIGNAL);
	assert_int_equal(policy_reason(&(struct policy_death){.exited = true, .status = 1}), REASON_EXIT);
	assert_int_equal(
		policy_reason(&(struct policy_death){.exited = true, .leaving = LEAVING_RECYCLED}), REASON_RECYCLED);
	assert_int_equal(policy_reason(&(struct policy_death){.status = 9, .order = ORDER_ABORT}), REASON_TIMEOUT);
	assert_int_equal(policy_reason(&(struct policy_death){.exited = true, .order = ORDER_ABORT}), REASON_TIMEOUT);
	assert_int_equal(policy_reason(&(struct policy_death){.status = 9, .order = ORDER_MEMORY}), REASON_MEMORY);
	assert_int_equal(policy_reason(&(struct policy_death){.exited = true, .order = ORDER_DRAIN}), REASON_ORDER);
	assert_int_equal(policy_reason(&(struct policy_death){.status = 11, .order = ORDER_DRAIN}), REASON_SIGNAL);
}

static void who_is_unfit_is_parked(void **state)
{
	(void)state;
	assert_true(policy_parks(&(struct policy_death){.exited = true, .status = 78}));
	assert_false(policy_parks(&(struct policy_death){.exited = true, .status = 78, .was_ready = true}));
	assert_true(policy_parks(&(struct policy_death){.status = 11, .leaving = LEAVING_UNFIT, .was_ready = true}));
	assert_false(policy_parks(&(struct policy_death){.status = 9, .leaving = LEAVING_UNFIT, .order = ORDER_ABORT}));
	assert_false(policy_parks(&(struct policy_death){.exited = true, .status = 1}));
	assert_false(policy_parks(&(struct policy_death){.status = 9, .leaving = LEAVING_UNFIT, .was_ready = true}));
}

static void only_young_deaths_count(void **state)
{
	const struct policy_death young = {.status = 11, .lived_ns = S / 10};
	struct policy_death death = young;

	(void)state;
	assert_int_equal(policy_streak(&death, 0), 1);
	assert_int_equal(policy_streak(&death, 4), 5);
	death.started_task = true;
	assert_int_equal(policy_streak(&death, 4), 0);
	death = young;
	death.lived_ns = S;
	assert_int_equal(policy_streak(&death, 4), 0);
	death = young;
	death.order = ORDER_DRAIN;
	assert_int_equal(policy_streak(&death, 4), 0);
}

static void back_off_doubles_to_five_seconds(void **state)
{
	const int64_t expected_ms[] = {0, 0, 100, 200, 400, 800, 1600, 3200, 5000, 5000};

	(void)state;
	for (uint32_t streak = 0; streak < sizeof expected_ms / sizeof *expected_ms; streak++)
		assert_int_equal(backoff_restart_ns(streak, 0), expected_ms[streak] * CLOCK_NS_PER_MS);
	assert_int_equal(backoff_restart_ns(UINT32_MAX, 0), 5 * S);
	assert_in_range(backoff_restart_ns(5, 0.999), 600 * CLOCK_NS_PER_MS, 800 * CLOCK_NS_PER_MS);
}

static void a_roll_stops_when_replacements_fail_more(void **state)
{
	(void)state;
	const int64_t second = INT64_C(1000000000);
	const struct policy_failures none = {0, 100 * second}, some = {10, 100 * second};

	assert_false(policy_stops_roll(&(struct policy_failures){0, second}, &none));
	assert_false(policy_stops_roll(&(struct policy_failures){1, second}, &none));
	assert_true(policy_stops_roll(&(struct policy_failures){2, second}, &none));
	assert_false(policy_stops_roll(&(struct policy_failures){2, 10 * second}, &some));
	assert_false(policy_stops_roll(&(struct policy_failures){2, 20 * second}, &some));
	assert_true(policy_stops_roll(&(struct policy_failures){3, 10 * second}, &some));
	assert_false(policy_stops_roll(&(struct policy_failures){9, second}, &(struct policy_failures){0, 0}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_dead_are_replaced_when_wanted),
		cmocka_unit_test(a_start_that_was_begun_is_finished),
		cmocka_unit_test(a_kept_promise_is_left_alone),
		cmocka_unit_test(a_broken_promise_is_aborted_then_killed),
		cmocka_unit_test(a_cancelled_task_has_its_grace),
		cmocka_unit_test(a_stop_drains_then_aborts_in_time),
		cmocka_unit_test(reasons_follow_orders_first),
		cmocka_unit_test(who_is_unfit_is_parked),
		cmocka_unit_test(only_young_deaths_count),
		cmocka_unit_test(back_off_doubles_to_five_seconds),
		cmocka_unit_test(a_roll_stops_when_replacements_fail_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
