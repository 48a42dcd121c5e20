/* One batch on its way through a worker, as its two threads and whoever recovers it see it. */
#include "server/batch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { OLD = 7, NEW = 8 }; /* generations */

static struct scoreboard_outbox *outbox;
static struct batch batch;
static struct broker_outcome outcomes[SCOREBOARD_BATCH];
static unsigned positions[SCOREBOARD_BATCH];

static int make_outbox(void **state)
{
	(void)state;
	outbox = aligned_alloc(4096, (sizeof *outbox + 4095) / 4096 * 4096);
	if (!outbox)
		return -1;
	memset((void *)outbox, 0xa5, sizeof *outbox); /* whatever an older life has left there */
	batch = (struct batch){.outbox = outbox};
	return 0;
}

static int free_outbox(void **state)
{
	(void)state;
	batch_close(&batch);
	free(outbox);
	return 0;
}

static char names[SCOREBOARD_BATCH][TASK_ELEMENT_MAX];

/* Opens a batch of n tasks that are called prefix0, prefix1 … */
static void open_batch(uint64_t generation, const char *prefix, size_t n)
{
	struct broker_lease lease = {.tasks = calloc(n + 1, sizeof *lease.tasks), .count = n};

	assert_non_null(lease.tasks);
	for (size_t i = 0; i < n; i++) {
		int length = snprintf(names[i], sizeof names[i], "%s%zu", prefix, i);
		lease.tasks[i].element = (struct bytes){names[i], (size_t)length};
	}
	batch_open(&batch, generation, &lease);
	assert_null(lease.tasks); /* taken over */
	assert_int_equal(lease.count, 0);
}

/* Runs position i to its end. */
static void run_one(unsigned i, const char *record)
{
	assert_true(batch_begin(&batch, i, 1000 + i));
	assert_true(batch_end(&batch, i));
	assert_int_equal(batch_keep(&batch, i, record, strlen(record)), 0);
}

static void expect_outcome(size_t which, unsigned position, const char *element, const char *record)
{
	assert_int_equal(positions[which], position);
	assert_string_equal(outcomes[which].element, element);
	assert_int_equal(outcomes[which].record.length, strlen(record));
	assert_memory_equal(outcomes[which].record.data, record, strlen(record));
}

static void a_lease_is_laid_out_before_it_is_owned(void **state)
{
	(void)state;
	open_batch(NEW, "t", 3);
	assert_int_equal(outbox->owner, NEW);
	assert_int_equal(outbox->n, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_string_equal(outbox->element[i], names[i]);
		assert_int_equal(outbox->claim[i], CLAIM_WAITING);
	}
	assert_int_equal(batch.n, 3);
	assert_int_equal(batch_outcomes(&batch, outcomes, positions), 0);
	assert_false(batch_owes(&batch));
}

static void the_longest_element_and_the_largest_batch_fit(void **state)
{
	struct broker_lease lease = {.tasks = calloc(SCOREBOARD_BATCH, sizeof *lease.tasks), .count = SCOREBOARD_BATCH};
	char longest[TASK_ELEMENT_MAX];

	(void)state;
	memset(longest, 'x', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	for (size_t i = 0; i < SCOREBOARD_BATCH; i++)
		lease.tasks[i].element = (struct bytes){longest, sizeof longest - 1};
	batch_open(&batch, NEW, &lease);
	assert_string_equal(outbox->element[0], longest);
	assert_string_equal(outbox->element[SCOREBOARD_BATCH - 1], longest);
	assert_int_equal(batch_return(&batch), SCOREBOARD_BATCH);
	assert_int_equal(batch_outcomes(&batch, outcomes, positions), SCOREBOARD_BATCH);
}

static void a_run_says_what_it_does_before_it_does_it(void **state)
{
	(void)state;
	open_batch(NEW, "t", 2);
	assert_true(batch_begin(&batch, 0, 4711));
	assert_int_equal(outbox->claim[0], CLAIM_RUNNING);
	assert_int_equal(outbox->started_ms[0], 4711);
	assert_true(batch_end(&batch, 0));
	assert_int_equal(outbox->claim[0], CLAIM_DONE);
	assert_int_equal(batch_keep(&batch, 0, "S one", 5), 0);
	assert_int_equal(outbox->claim[0], CLAIM_KEPT);
}

static void a_position_is_begun_and_ended_once(void **state)
{
	(void)state;
	open_batch(NEW, "t", 2);
	assert_false(batch_end(&batch, 0));
	assert_true(batch_begin(&batch, 0, 1));
	assert_false(batch_begin(&batch, 0, 2));
	assert_int_equal(outbox->started_ms[0], 1);
	assert_true(batch_end(&batch, 0));
	assert_false(batch_end(&batch, 0));
	assert_false(batch_begin(&batch, 0, 3));
}

static void outcomes_come_in_order_and_once(void **state)
{
	(void)state;
	open_batch(NEW, "t", 4);
	run_one(0, "first");
	run_one(1, "the second");
	assert_int_equal(batch_outcomes(&batch, outcomes, positions), 2);
	expect_outcome(0, 0, "t0", "first");
	expect_outcome(1, 1, "t1", "the second");
	assert_int_equal(batch_outcomes(&batch, outcomes, positions), 2); /* asking changes nothing */
	batch_reported(&batch, positions, 1);
	assert_int_equal(batch_outcomes(&batch, outcomes, positions), 1);
	expect_outcome(0, 1, "t1", "the second");
	batch_reported(&batch, positions, 1);
	assert_int_equal(batch_outcomes(&batch, outcomes, positions), 0);
	run_one(2, "third");
	assert_int_equal(batch_outcomes(&batch, outcomes, positions), 1);
	expect_outcome(0, 2, "t2", "third");
}

static void what_is_running_has_no_outcome(void **state)
{
	(void)state;
	open_batch(NEW, "t", 3);
	run_one(0, "done");
	assert_true(batch_begin(&batch, 1, 5));
	assert_int_equal(batch_outcomes(&batch, outcomes, positions), 1);
	assert_true(batch_end(&batch, 1)); /* ended, but its outcome is not kept yet */
	assert_int_equal(batch_outcomes(&batch, outcomes, positions), 1);
	expect_outcome(0, 0, "t0", "done");
}

static void a_full_outbox_says_so_and_is_free_again_after_a_report(void **state)
{
	static char large[SCOREBOARD_OUTBOX];

	(void)state;
	memset(large, 'x', sizeof large);
	open_batch(NEW, "t", 4);
	assert_true(batch_begin(&batch, 0, 1) && batch_end(&batch, 0));
	assert_int_equal(batch_keep(&batch, 0, large, SCOREBOARD_OUTBOX - 3), 0);
	assert_true(batch_begin(&batch, 1, 1) && batch_end(&batch, 1));
	assert_int_equal(batch_keep(&batch, 1, "four", 4), -ENOSPC);
	assert_int_equal(outbox->claim[1], CLAIM_DONE); /* untouched */
	size_t count = batch_outcomes(&batch, outcomes, positions);
	assert_int_equal(count, 1);
	batch_reported(&batch, positions, count);
	batch_skip(&batch, 1); /* it was reported with those before it */
	assert_int_equal(outbox->claim[1], CLAIM_KEPT);
	assert_int_equal(batch_outcomes(&batch, outcomes, positions), 0);
	assert_true(batch_begin(&batch, 2, 1) && batch_end(&batch, 2));
	assert_int_equal(batch_keep(&batch, 2, large, SCOREBOARD_OUTBOX), 0);
	assert_int_equal(batch_outcomes(&batch, outcomes, positions), 1);
	assert_int_equal(positions[0], 2);
	assert_int_equal(outcomes[0].record.length, SCOREBOARD_OUTBOX);
	run_one(3, ""); /* an outcome of no bytes always fits */
}

static void a_skipped_one_has_no_outcome_for_whoever_recovers(void **state)
{
	(void)state;
	open_batch(NEW, "t", 1);
	assert_true(batch_begin(&batch, 0, 1) && batch_end(&batch, 0));
	batch_skip(&batch, 0);
	assert_int_equal(outbox->outcome[0].length, 0);
	assert_int_equal(outbox->claim[0], CLAIM_KEPT);
}

static void only_what_runs_can_be_aborted(void **state)
{
	(void)state;
	open_batch(NEW, "t", 2);
	assert_false(batch_abort(&batch)); /* none is begun */
	run_one(0, "done");
	assert_false(batch_abort(&batch)); /* just between two */
	assert_true(batch_begin(&batch, 1, 1));
	assert_true(batch_abort(&batch));
	assert_int_equal(outbox->claim[1], CLAIM_ABORTED);
	assert_false(batch_abort(&batch));  /* once */
	assert_false(batch_end(&batch, 1)); /* nothing may be reported of it any more */
	assert_int_equal(batch_outcomes(&batch, outcomes, positions), 1);
	expect_outcome(0, 0, "t0", "done");
}

static void what_has_ended_is_not_aborted(void **state)
{
	(void)state;
	open_batch(NEW, "t", 1);
	assert_true(batch_begin(&batch, 0, 1));
	assert_true(batch_end(&batch, 0));
	assert_false(batch_abort(&batch));
	assert_int_equal(outbox->claim[0], CLAIM_DONE);
}

static void what_waits_behind_the_running_one_is_given_back(void **state)
{
	(void)state;
	open_batch(NEW, "t", 5);
	run_one(0, "done");
	assert_true(batch_begin(&batch, 1, 1));
	assert_false(batch_owes(&batch));
	assert_int_equal(batch_return(&batch), 3);
	assert_int_equal(batch_return(&batch), 0);
	assert_true(batch_owes(&batch));
	assert_int_equal(outbox->claim[1], CLAIM_RUNNING);
	assert_int_equal(batch_outcomes(&batch, outcomes, positions), 4);
	expect_outcome(0, 0, "t0", "done");
	expect_outcome(1, 2, "t2", "B");
	expect_outcome(2, 3, "t3", "B");
	expect_outcome(3, 4, "t4", "B");
	for (unsigned i = 2; i < 5; i++)
		assert_false(batch_begin(&batch, i, 1));
}

static void a_give_back_is_owed_until_it_is_reported(void **state)
{
	(void)state;
	open_batch(NEW, "t", 3);
	assert_true(batch_begin(&batch, 0, 1));
	assert_int_equal(batch_return(&batch), 2);
	size_t count = batch_outcomes(&batch, outcomes, positions);
	assert_int_equal(count, 2);
	assert_true(batch_owes(&batch)); /* the call failed: it is said again */
	batch_reported(&batch, positions, 1);
	assert_true(batch_owes(&batch));
	assert_int_equal(batch_outcomes(&batch, outcomes, positions), 1);
	expect_outcome(0, 2, "t2", "B");
	batch_reported(&batch, positions, 1);
	assert_false(batch_owes(&batch));
	assert_true(batch_end(&batch, 0));
	assert_int_equal(batch_keep(&batch, 0, "slow", 4), 0);
	assert_int_equal(batch_outcomes(&batch, outcomes, positions), 1); /* the slow one alone is left to say */
	expect_outcome(0, 0, "t0", "slow");
}

static void before_the_first_is_begun_all_can_be_given_back(void **state)
{
	(void)state;
	open_batch(NEW, "t", 2);
	assert_int_equal(batch_return(&batch), 2);
	assert_false(batch_begin(&batch, 0, 1));
	assert_false(batch_begin(&batch, 1, 1));
	assert_int_equal(batch_outcomes(&batch, outcomes, positions), 2);
}

static void what_runs_can_go_back_uncounted(void **state)
{
	(void)state;
	open_batch(NEW, "t", 2);
	assert_false(batch_give_back(&batch, 0)); /* it does not run */
	assert_true(batch_begin(&batch, 0, 1));
	assert_true(batch_give_back(&batch, 0));
	assert_false(batch_abort(&batch));
	assert_false(batch_end(&batch, 0));
	assert_int_equal(batch_outcomes(&batch, outcomes, positions), 1);
	expect_outcome(0, 0, "t0", "B");
	assert_true(batch_begin(&batch, 1, 1));
	assert_true(batch_abort(&batch));
	assert_false(batch_give_back(&batch, 1)); /* the process is about to end */
}

static void several_end_in_any_order_and_leave_room_for_others(void **state)
{
	(void)state;
	open_batch(NEW, "t", 3);
	for (unsigned i = 0; i < 3; i++)
		assert_true(batch_begin(&batch, i, 1));
	assert_int_equal(batch_count(&batch, CLAIM_RUNNING), 3);
	assert_true(batch_end(&batch, 1));
	assert_int_equal(batch_keep(&batch, 1, "second", 6), 0);
	size_t count = batch_outcomes(&batch, outcomes, positions);
	assert_int_equal(count, 1);
	expect_outcome(0, 1, "t1", "second");
	assert_int_equal(batch_add(&batch, (struct bytes){"new", 3}), 3); /* t1 is not reported yet */
	batch_reported(&batch, positions, count);
	batch_clear_reported(&batch);
	assert_int_equal(outbox->claim[1], CLAIM_FREE);
	assert_int_equal(batch_outcomes(&batch, outcomes, positions), 0);
	assert_int_equal(batch_add(&batch, (struct bytes){"newer", 5}), 1);
	assert_string_equal(outbox->element[1], "newer");
	assert_int_equal(outbox->claim[1], CLAIM_WAITING);
	assert_int_equal(outbox->n, 4);
	run_one(1, "third");
	assert_int_equal(batch_outcomes(&batch, outcomes, positions), 1);
	expect_outcome(0, 1, "newer", "third");
}

static void what_is_kept_stays_when_others_are_cleared(void **state)
{
	static char large[SCOREBOARD_OUTBOX];

	(void)state;
	memset(large, 'x', sizeof large);
	open_batch(NEW, "t", 3);
	assert_true(batch_begin(&batch, 0, 1) && batch_end(&batch, 0));
	assert_int_equal(batch_keep(&batch, 0, large, SCOREBOARD_OUTBOX - 4), 0);
	size_t count = batch_outcomes(&batch, outcomes, positions);
	run_one(1, "four");
	batch_reported(&batch, positions, count);
	batch_clear_reported(&batch);
	assert_int_equal(batch_outcomes(&batch, outcomes, positions), 1);
	expect_outcome(0, 1, "t1", "four"); /* its bytes are not written over */
	assert_true(batch_begin(&batch, 2, 1) && batch_end(&batch, 2));
	assert_int_equal(batch_keep(&batch, 2, "five", 4), -ENOSPC);
}

/* Fills a batch in every way that leaves something behind, and closes it. */
static void leave_a_full_old_batch(void)
{
	open_batch(OLD, "old", 6);
	run_one(0, "stale zero");
	run_one(1, "stale one");
	assert_int_equal(batch_outcomes(&batch, outcomes, positions), 2);
	batch_reported(&batch, positions, 2);
	assert_true(batch_begin(&batch, 2, 1));
	assert_int_equal(batch_return(&batch), 3);
	assert_true(batch_end(&batch, 2));
	assert_int_equal(batch_keep(&batch, 2, "stale two", 9), 0);
	batch_close(&batch);
}

static void a_closed_batch_is_nobody_s(void **state)
{
	(void)state;
	leave_a_full_old_batch();
	assert_int_equal(outbox->owner, 0);
	assert_int_equal(batch_outcomes(&batch, outcomes, positions), 0);
	assert_false(batch_owes(&batch));
	assert_false(batch_abort(&batch));
	assert_int_equal(batch_return(&batch), 0);
	batch_close(&batch); /* twice does nothing */
}

static void nothing_of_an_older_batch_is_seen_in_the_next(void **state)
{
	(void)state;
	leave_a_full_old_batch();
	open_batch(NEW, "new", 6);
	assert_int_equal(outbox->owner, NEW);
	assert_int_equal(batch_outcomes(&batch, outcomes, positions), 0);
	assert_false(batch_owes(&batch));
	assert_false(batch_abort(&batch));
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(outbox->claim[i], CLAIM_WAITING);
		assert_int_equal(outbox->outcome[i].length, 0);
	}
	run_one(0, "fresh");
	assert_int_equal(batch_outcomes(&batch, outcomes, positions), 1); /* though position 0 was reported once */
	expect_outcome(0, 0, "new0", "fresh");
	assert_int_equal(outbox->outcome[0].offset, 0); /* its bytes begin anew */
}

static void a_shorter_batch_does_not_see_the_end_of_a_longer_one(void **state)
{
	(void)state;
	leave_a_full_old_batch();
	open_batch(NEW, "new", 1);
	assert_int_equal(batch_return(&batch), 1);
	assert_int_equal(batch_outcomes(&batch, outcomes, positions), 1);
	expect_outcome(0, 0, "new0", "B");
	assert_true(batch_owes(&batch));
	batch_reported(&batch, positions, 1);
	assert_false(batch_owes(&batch));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_outbox, free_outbox)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_lease_is_laid_out_before_it_is_owned),
		TEST(the_longest_element_and_the_largest_batch_fit),
		TEST(a_run_says_what_it_does_before_it_does_it),
		TEST(a_position_is_begun_and_ended_once),
		TEST(outcomes_come_in_order_and_once),
		TEST(what_is_running_has_no_outcome),
		TEST(a_full_outbox_says_so_and_is_free_again_after_a_report),
		TEST(a_skipped_one_has_no_outcome_for_whoever_recovers),
		TEST(only_what_runs_can_be_aborted),
		TEST(what_has_ended_is_not_aborted),
		TEST(what_waits_behind_the_running_one_is_given_back),
		TEST(a_give_back_is_owed_until_it_is_reported),
		TEST(before_the_first_is_begun_all_can_be_given_back),
		TEST(what_runs_can_go_back_uncounted),
		TEST(several_end_in_any_order_and_leave_room_for_others),
		TEST(what_is_kept_stays_when_others_are_cleared),
		TEST(a_closed_batch_is_nobody_s),
		TEST(nothing_of_an_older_batch_is_seen_in_the_next),
		TEST(a_shorter_batch_does_not_see_the_end_of_a_longer_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
