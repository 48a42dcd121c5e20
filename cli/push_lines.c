#include "cli/push_lines.h"

#include "cli/call.h"
#include "cli/memory.h"
#include "cli/view.h"
#include "core/buffer.h"
#include "core/clock.h"
#include "core/io.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	PORTION_LINES = 5000,
	PORTION_BYTES = 4 * 1024 * 1024,
	HELD_MAX = 64 * 1024 * 1024, /* one line may be that long */
	READ_SIZE = 64 * 1024,
	PAUSE_MS = 200, /* of the producer, then what is there goes out */
	ERRORS_MAX = 1000,
	BAR_WIDTH = 24,
};

struct intake {
	struct call *call;
	struct buffer held; /* read and not sent */
	size_t seen;        /* bytes of it that were searched for line breaks */
	size_t whole;       /* bytes of it that are whole lines */
	int64_t whole_lines, sent_lines;
	int64_t accepted, rejected;
	json_t *errors; /* owned: [{line, detail}], with the input's line numbers */
	bool shows_progress;
	int64_t size, sent; /* bytes of the input, where it is a file (else 0), and of what was handed over */
	int status;
};

/* Of those that have not been sent. */
static long long first_line(const struct intake *intake)
{
	return intake->sent_lines + 1LL;
}

/* How much of a file has been handed over; of what comes through a pipe nobody knows how much is to come. */
static void show_bar(const struct intake *intake)
{
	const int full = (int)(intake->sent * BAR_WIDTH / intake->size);

	(void)fputs("\r[", stderr);
	for (int i = 0; i < BAR_WIDTH; i++)
		(void)fputc(i < full ? '#' : '.', stderr);
	(void)fprintf(stderr, "] %3lld %% ", (long long)(intake->sent * 100 / intake->size));
}

static void show_progress(const struct intake *intake)
{
	if (intake->shows_progress && intake->size > 0)
		show_bar(intake);
	if (intake->shows_progress)
		(void)fprintf(stderr, "%s%s accepted, %s rejected ", intake->size > 0 ? "" : "\r",
			view_count(intake->accepted).text, view_count(intake->rejected).text);
}

/* The server numbers the lines of a portion; people count from the first. */
static void note_errors(struct intake *intake, const json_t *errors)
{
	json_t *error;
	size_t i;

	json_array_foreach(errors, i, error)
	{
		if (json_array_size(intake->errors) >= ERRORS_MAX)
			return;
		int64_t line = intake->sent_lines + view_integer(error, "line");
		(void)json_array_append_new(intake->errors,
			json_pack("{s:I, s:s}", "line", (json_int_t)line, "detail", view_string(error, "detail")));
	}
}

static int note_answer(struct intake *intake, const struct answer *answer)
{
	struct error error;

	if (answer->status != 200 || !answer->body) {
		answer_sentence(answer, &error);
		return call_refused(intake->call, "line %lld and after: %s", first_line(intake), error.text);
	}
	note_errors(intake, json_object_get(answer->body, "errors"));
	intake->accepted += view_integer(answer->body, "accepted");
	intake->rejected += view_integer(answer->body, "rejected");
	return EXIT_DONE;
}

static int send_portion(struct intake *intake, size_t length)
{
	struct answer answer;
	struct error error;

	if (length == 0)
		return EXIT_DONE;
	int status = client_send(intake->call->client, "POST", "/v1/tasks", "application/x-ndjson", intake->held.data,
		length, &answer, &error);
	int result = status < 0 ? call_unreachable(intake->call, &error) : note_answer(intake, &answer);
	answer_fini(&answer);
	if (result != EXIT_DONE)
		return result;
	intake->sent += (int64_t)length;
	intake->held.length -= length;
	memmove(intake->held.data, intake->held.data + length, intake->held.length);
	intake->seen -= length;
	intake->whole = 0;
	intake->sent_lines += intake->whole_lines;
	intake->whole_lines = 0;
	show_progress(intake);
	return EXIT_DONE;
}

/* Counts the lines that have come; sends when they are enough. */
static int count_lines(struct intake *intake)
{
	while (intake->seen < intake->held.length) {
		const char *from = intake->held.data + intake->seen;
		const char *end = memchr(from, '\n', intake->held.length - intake->seen);
		if (!end) {
			intake->seen = intake->held.length;
			break;
		}
		intake->seen = intake->whole = (size_t)(end - intake->held.data) + 1;
		intake->whole_lines++;
		if (intake->whole_lines < PORTION_LINES && intake->whole < PORTION_BYTES)
			continue;
		int status = send_portion(intake, intake->whole);
		if (status != EXIT_DONE)
			return status;
	}
	return EXIT_DONE;
}

static bool comes_more(void)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

	return io_poll(&input, 1, clock_mono_after(PAUSE_MS)) != 0;
}

static int take_in(struct intake *intake)
{
	static char bytes[READ_SIZE];

	for (;;) {
		if (intake->whole > 0 && !comes_more()) {
			int status = send_portion(intake, intake->whole);
			if (status != EXIT_DONE)
				return status;
		}
		ssize_t length = read(STDIN_FILENO, bytes, sizeof bytes);
		if (length < 0 && errno == EINTR)
			continue;
		if (length < 0)
			return call_refused(intake->call, "standard input cannot be read: %s", strerror(errno));
		if (length == 0)
			break;
		buffer_append(&intake->held, bytes, (size_t)length);
		if (intake->held.status < 0)
			return call_refused(intake->call, "line %lld is longer than %d MiB", first_line(intake),
				HELD_MAX / 1024 / 1024);
		int status = count_lines(intake);
		if (status != EXIT_DONE)
			return status;
	}
	intake->whole_lines += intake->held.length > intake->whole; /* the last line needs no break */
	return send_portion(intake, intake->held.length);
}

/* Bytes of standard input, where it is a file; else 0. */
static int64_t input_size(void)
{
	struct stat facts;

	return fstat(STDIN_FILENO, &facts) == 0 && S_ISREG(facts.st_mode) ? facts.st_size : 0;
}

static void print_summary(const struct intake *intake)
{
	json_t *error;
	size_t i;

	if (intake->shows_progress)
		(void)fputs("\r\033[K", stderr);
	json_array_foreach(intake->errors, i, error)
	{
		(void)fprintf(stderr, "line %lld: ", (long long)view_integer(error, "line"));
		(void)terminal_text(stderr, view_string(error, "detail"), -1);
		(void)fputc('\n', stderr);
	}
	(void)printf(
		"%s accepted, %s rejected\n", view_count(intake->accepted).text, view_count(intake->rejected).text);
}

int push_lines(struct call *call)
{
	struct intake intake = {.call = call, .errors = json_array(), .size = input_size()};

	intake.shows_progress = isatty(STDERR_FILENO) && !call_has(call, OPTION_JSON);
	buffer_init(&intake.held, HELD_MAX);
	int status = take_in(&intake);
	if (call_has(call, OPTION_JSON))
		(void)call_print_json(call, json_pack("{s:I, s:I, s:O}", "accepted", (json_int_t)intake.accepted,
						    "rejected", (json_int_t)intake.rejected, "errors", intake.errors));
	else
		print_summary(&intake);
	buffer_fini(&intake.held);
	json_decref(intake.errors);
	return status == EXIT_DONE && intake.rejected > 0 ? EXIT_REFUSED : status;
}
