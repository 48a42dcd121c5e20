#include "core/id.h"

#include "core/clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { MANY = 20000, SIBLINGS = 3 };

typedef char id_text[ID_LENGTH + 1];

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void assert_all_differ(id_text *ids, size_t count)
{
	qsort(ids, count, sizeof *ids, compare);
	for (size_t i = 1; i < count; i++)
		assert_string_not_equal(ids[i - 1], ids[i]);
}

static void ids_are_well_formed_and_differ(void **state)
{
	(void)state;
	id_text *ids = calloc(MANY, sizeof *ids);
	for (size_t i = 0; i < MANY; i++) {
		id_generate(ids[i]);
		assert_int_equal(strlen(ids[i]), ID_LENGTH);
		assert_int_equal(strspn(ids[i], "0123456789ABCDEFGHJKMNPQRSTVWXYZ"), ID_LENGTH);
		assert_true(id_is_valid(ids[i], ID_LENGTH));
	}
	assert_all_differ(ids, MANY);
	free(ids);
}

static int64_t time_of(const char *id)
{
	static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	int64_t ms = 0;
	for (int i = 0; i < 10; i++)
		ms = ms << 5 | (strchr(alphabet, id[i]) - alphabet);
	return ms;
}

static void ids_begin_with_the_time(void **state)
{
	(void)state;
	id_text id;
	int64_t before = clock_wall_ms();
	id_generate(id);
	int64_t after = clock_wall_ms();
	assert_true(time_of(id) >= before && time_of(id) <= after);
}

static void siblings_that_forget_draw_different_ones(void **state)
{
	(void)state;
	size_t size = SIBLINGS * MANY * sizeof(id_text);
	id_text *ids = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(ids, MAP_FAILED);
	id_text warm_up;
	id_generate(warm_up); /* so that the children inherit a full buffer */
	pid_t pids[SIBLINGS];
	for (size_t sibling = 0; sibling < SIBLINGS; sibling++) {
		pids[sibling] = fork();
		if (pids[sibling] == 0) {
			id_forget();
			for (size_t i = 0; i < MANY; i++)
				id_generate(ids[sibling * MANY + i]);
			_exit(0);
		}
	}
	for (size_t sibling = 0; sibling < SIBLINGS; sibling++) {
		int status;
		assert_int_equal(waitpid(pids[sibling], &status, 0), pids[sibling]);
		assert_int_equal(status, 0);
	}
	for (size_t i = 0; i < SIBLINGS * MANY; i++) /* the times may differ: only what was drawn is compared */
		memset(ids[i], '0', ID_LENGTH / 2);
	assert_all_differ(ids, SIBLINGS * MANY);
	munmap(ids, size);
}

static void *generate_many(void *ids)
{
	for (size_t i = 0; i < MANY; i++) {
		id_generate(((id_text *)ids)[i]);
		if (i % 1000 == 0)
			id_forget();
	}
	return NULL;
}

static void threads_draw_different_ones(void **state)
{
	(void)state;
	id_text *ids = calloc(2 * MANY, sizeof *ids);
	pthread_t other;
	assert_int_equal(pthread_create(&other, NULL, generate_many, ids + MANY), 0);
	generate_many(ids);
	assert_int_equal(pthread_join(other, NULL), 0);
	for (size_t i = 0; i < 2 * MANY; i++)
		memset(ids[i], '0', ID_LENGTH / 2);
	assert_all_differ(ids, 2 * MANY);
	free(ids);
}

static void own_ids_are_checked(void **state)
{
	(void)state;
	char longest[ID_MAX + 1];
	memset(longest, 'x', sizeof longest);
	assert_true(id_is_valid("a", 1));
	assert_true(id_is_valid("Order_4711-b", 12));
	assert_true(id_is_valid(longest, ID_MAX));
	assert_false(id_is_valid(longest, ID_MAX + 1));
	assert_false(id_is_valid("", 0));
	assert_false(id_is_valid("a\0b", 3));
	static const char wrong[] = " ~./:\\\"'{}\n\x7f\x80\xc3\xff+=%";
	for (size_t i = 0; i < sizeof wrong; i++) /* with the NUL */
		assert_false(id_is_valid((const char[]){'a', wrong[i]}, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_are_well_formed_and_differ),
		cmocka_unit_test(ids_begin_with_the_time),
		cmocka_unit_test(siblings_that_forget_draw_different_ones),
		cmocka_unit_test(threads_draw_different_ones),
		cmocka_unit_test(own_ids_are_checked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
