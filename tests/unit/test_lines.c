#include "core/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct pipe {
	int ends[2];
	struct lines lines;
};

static void open_pipe(struct pipe *pipe, size_t maximum)
{
	assert_int_equal(pipe2(pipe->ends, O_CLOEXEC | O_NONBLOCK), 0);
	lines_init(&pipe->lines, maximum);
}

static void close_pipe(struct pipe *pipe)
{
	(void)close(pipe->ends[0]);
	if (pipe->ends[1] >= 0)
		(void)close(pipe->ends[1]);
	lines_fini(&pipe->lines);
}

static int feed(struct pipe *pipe, const char *text)
{
	assert_int_equal(write(pipe->ends[1], text, strlen(text)), strlen(text));
	return lines_fill(&pipe->lines, pipe->ends[0]);
}

static void assert_line(struct pipe *pipe, const char *expected)
{
	const char *line;
	size_t length;

	assert_true(lines_next(&pipe->lines, &line, &length));
	assert_int_equal(length, strlen(expected));
	assert_memory_equal(line, expected, length);
}

static void assert_none(struct pipe *pipe)
{
	const char *line;
	size_t length;

	assert_false(lines_next(&pipe->lines, &line, &length));
}

static void joins_what_comes_in_pieces(void **state)
{
	(void)state;
	struct pipe pipe;

	open_pipe(&pipe, 100);
	assert_none(&pipe);
	assert_int_equal(lines_fill(&pipe.lines, pipe.ends[0]), -EAGAIN);
	assert_int_equal(feed(&pipe, "one\ntw"), 6);
	assert_line(&pipe, "one");
	assert_none(&pipe);
	assert_int_equal(feed(&pipe, "o\n\nfour\n"), 8);
	assert_line(&pipe, "two");
	assert_line(&pipe, "");
	assert_line(&pipe, "four");
	assert_none(&pipe);
	close_pipe(&pipe);
}

static void says_when_the_pipe_ends(void **state)
{
	(void)state;
	struct pipe pipe;
	const char *rest;
	size_t length;

	open_pipe(&pipe, 100);
	assert_int_equal(feed(&pipe, "whole\nnot"), 9);
	(void)close(pipe.ends[1]);
	pipe.ends[1] = -1;
	assert_int_equal(lines_fill(&pipe.lines, pipe.ends[0]), 0);
	assert_line(&pipe, "whole");
	assert_none(&pipe);
	assert_true(lines_rest(&pipe.lines, &rest, &length));
	assert_int_equal(length, 3);
	assert_memory_equal(rest, "not", 3);
	assert_false(lines_rest(&pipe.lines, &rest, &length));
	close_pipe(&pipe);
}

static void refuses_what_is_too_long(void **state)
{
	(void)state;
	struct pipe pipe;
	const char *rest;
	size_t length;

	open_pipe(&pipe, 10);
	assert_int_equal(feed(&pipe, "0123456789abc\n"), 10);
	assert_none(&pipe);
	assert_int_equal(lines_fill(&pipe.lines, pipe.ends[0]), -EMSGSIZE);
	assert_true(lines_rest(&pipe.lines, &rest, &length));
	assert_int_equal(length, 10);
	assert_int_equal(lines_fill(&pipe.lines, pipe.ends[0]), 4);
	assert_line(&pipe, "abc");
	close_pipe(&pipe);
}

static void keeps_no_more_than_its_maximum_however_much_goes_through(void **state)
{
	(void)state;
	struct pipe pipe;

	open_pipe(&pipe, 64);
	for (int i = 0; i < 1000; i++) {
		const char *line;
		size_t length;
		assert_in_range(feed(&pipe, "twelve bytes\nand"), 1, 64);
		while (!lines_next(&pipe.lines, &line, &length))
			assert_in_range(lines_fill(&pipe.lines, pipe.ends[0]), 1, 64);
		assert_int_equal(length, i == 0 ? 12 : 15);
		assert_true(pipe.lines.capacity <= 64);
	}
	close_pipe(&pipe);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(joins_what_comes_in_pieces),
		cmocka_unit_test(says_when_the_pipe_ends),
		cmocka_unit_test(refuses_what_is_too_long),
		cmocka_unit_test(keeps_no_more_than_its_maximum_however_much_goes_through),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
