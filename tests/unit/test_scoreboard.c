/* The scoreboard as its readers see it, and that a worker can write nothing but its own area. */
#include "core/scoreboard.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct scoreboard scoreboard;

static int open_scoreboard(void **state)
{
	static struct config_pool pools[] = {{.name = (char *)"a", .workers = 3}, {.name = (char *)"b", .workers = 2}};
	static const struct config config = {.pools = pools, .pool_count = 2};

	(void)state;
	return scoreboard_create(&scoreboard, &config, NULL);
}

static int close_scoreboard(void **state)
{
	(void)state;
	scoreboard_close(&scoreboard);
	return 0;
}

static void rows_follow_the_pools(void **state)
{
	(void)state;
	assert_int_equal(scoreboard.header->row_count, ROW_WORKERS + 5);
	assert_int_equal(scoreboard_find(&scoreboard, 0, 0), ROW_WORKERS);
	assert_int_equal(scoreboard_find(&scoreboard, 1, 1), ROW_WORKERS + 4);
	assert_int_equal(scoreboard_find(&scoreboard, 1, 2), -1);
	assert_int_equal(scoreboard_find(&scoreboard, 2, 0), -1);
	assert_int_equal(scoreboard_find(&scoreboard, -1, 0), -1);
	assert_int_equal(scoreboard_find(&scoreboard, 0, -1), -1);
}

static void a_life_is_read_from_two_words(void **state)
{
	struct scoreboard_row_words *row = &scoreboard.rows[ROW_WORKERS];
	uint32_t incarnation;
	pid_t pid;

	(void)state;
	assert_int_equal(scoreboard_life(&scoreboard, ROW_WORKERS, NULL, NULL), LIFE_NEVER);
	row->who = scoreboard_pair(1, 0);
	assert_int_equal(scoreboard_life(&scoreboard, ROW_WORKERS, &incarnation, NULL), LIFE_STARTING);
	row->who = scoreboard_pair(1, 4711);
	assert_int_equal(scoreboard_life(&scoreboard, ROW_WORKERS, &incarnation, &pid), LIFE_ALIVE);
	assert_int_equal(incarnation, 1);
	assert_int_equal(pid, 4711);
	row->obituary.who = row->who;
	assert_int_equal(scoreboard_life(&scoreboard, ROW_WORKERS, NULL, NULL), LIFE_DEAD);
	assert_int_equal(scoreboard_restarts(&scoreboard, ROW_WORKERS), 0);
	row->who = scoreboard_pair(2, 0);
	assert_int_equal(scoreboard_life(&scoreboard, ROW_WORKERS, NULL, NULL), LIFE_STARTING);
	assert_int_equal(scoreboard_restarts(&scoreboard, ROW_WORKERS), 1);
}

static void the_latest_exit_is_found(void **state)
{
	struct scoreboard_row_words *row = &scoreboard.rows[ROW_WORKERS];
	struct scoreboard_exits *exits = &scoreboard.exits[ROW_WORKERS];
	struct scoreboard_exit exit;

	(void)state;
	assert_false(scoreboard_read_exit(&scoreboard, ROW_WORKERS, 0, &exit));
	row->who = scoreboard_pair(9, 100);
	exits->last[8 % SCOREBOARD_EXITS].signal = 6;
	exits->last[8 % SCOREBOARD_EXITS].incarnation = 8;
	assert_true(scoreboard_read_exit(&scoreboard, ROW_WORKERS, 0, &exit));
	assert_int_equal(exit.signal, 6);
	row->obituary.who = row->who; /* dead, but not understood yet: the one before still counts */
	assert_true(scoreboard_read_exit(&scoreboard, ROW_WORKERS, 0, &exit));
	assert_int_equal(exit.incarnation, 8);
	assert_false(scoreboard_read_exit(&scoreboard, ROW_WORKERS, 9, &exit));
	exits->last[9 % SCOREBOARD_EXITS].incarnation = 9;
	assert_true(scoreboard_read_exit(&scoreboard, ROW_WORKERS, 0, &exit));
	assert_int_equal(exit.incarnation, 9);
	assert_false(scoreboard_read_exit(&scoreboard, ROW_WORKERS, 1, &exit)); /* overwritten by the ninth */
}

static void text_that_is_being_written_is_not_read(void **state)
{
	struct scoreboard_area *area = scoreboard_area(&scoreboard, ROW_WORKERS);
	struct scoreboard_current current;

	(void)state;
	assert_false(scoreboard_read_current(area, &current));
	area->current.started_ms = 1;
	memcpy(area->current.id, "abc", 4);
	assert_true(scoreboard_read_current(area, &current));
	assert_string_equal(current.id, "abc");
	area->current.sequence++;
	assert_false(scoreboard_read_current(area, &current));
}

static void a_histogram_counts_in_the_right_bucket(void **state)
{
	struct scoreboard_histogram histogram = {0};

	(void)state;
	scoreboard_observe(&histogram, -5);
	scoreboard_observe(&histogram, 100);
	scoreboard_observe(&histogram, 101);
	scoreboard_observe(&histogram, INT64_C(3600) * 1000000);
	assert_int_equal(histogram.count[0], 2);
	assert_int_equal(histogram.count[1], 1);
	assert_int_equal(histogram.count[SCOREBOARD_BUCKETS - 1], 1);
	assert_int_equal(histogram.sum_us, 100 + 101 + INT64_C(3600) * 1000000);
	for (int i = 1; i < SCOREBOARD_BUCKETS - 1; i++)
		assert_true(scoreboard_bounds_us[i] > scoreboard_bounds_us[i - 1]);
}

static void every_code_has_its_place(void **state)
{
	(void)state;
	for (int i = 0; i < SCOREBOARD_CODES - 1; i++)
		assert_int_equal(scoreboard_code_index(scoreboard_codes[i]), i);
	assert_int_equal(scoreboard_code_index(418), SCOREBOARD_CODES - 1);
}

/* Writes to the word in a child that protected itself as the worker of that row. Returns the signal that ended it. */
static int signal_of_store(unsigned row, _Atomic uint32_t *word)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		(void)signal(SIGSEGV, SIG_DFL); /* sanitizers would report it */
		if (scoreboard_protect(&scoreboard, row) < 0)
			_exit(1);
		*word = 7;
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void a_wild_store_faults_in_the_worker_that_makes_it(void **state)
{
	const unsigned row = ROW_WORKERS + 1;

	(void)state;
	assert_int_equal(signal_of_store(row, &scoreboard_area(&scoreboard, row)->state), 0);
	assert_int_equal(scoreboard_area(&scoreboard, row)->state, 7);
	assert_int_equal(signal_of_store(row, &scoreboard_area(&scoreboard, row + 1)->state), SIGSEGV);
	assert_int_equal(signal_of_store(row, &scoreboard_area(&scoreboard, row - 1)->state), SIGSEGV);
	assert_int_equal(signal_of_store(row, &scoreboard.rows[row].place), SIGSEGV);
	assert_int_equal(signal_of_store(row, &scoreboard.header->stage), SIGSEGV);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_scoreboard, close_scoreboard)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rows_follow_the_pools),
		TEST(a_life_is_read_from_two_words),
		TEST(the_latest_exit_is_found),
		TEST(text_that_is_being_written_is_not_read),
		TEST(a_histogram_counts_in_the_right_bucket),
		TEST(every_code_has_its_place),
		TEST(a_wild_store_faults_in_the_worker_that_makes_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
