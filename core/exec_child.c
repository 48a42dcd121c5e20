#include "core/exec_child.h"

#include "core/backoff.h"
#include "core/clock.h"
#include "core/id.h"
#include "core/io.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
	ERR_LINE_MAX = 4000,  /* a longer line of stderr is logged in pieces */
	LAST_READS_MAX = 256, /* of a pipe that somebody else keeps filling */
	LEAVE_MS = 1000,      /* for us, when its time is over */
};

int exec_child_init(struct exec_child *child, const struct config_program *config, const struct handler_host *host,
	const char *class, struct error *error)
{
	struct error why;
	int status = program_plan_new(&child->plan, config, &why);

	if (status < 0 && class != NULL)
		return error_set(error, status, "class \"%s\": %s", class, why.text);
	if (status < 0)
		return error_set(error, status, "%s", why.text);
	child->host = host;
	child->program = PROGRAM_NONE;
	child->last_words[0] = '\0';
	child->bell_fd = -1;
	lines_init(&child->out, host->line_max);
	lines_init(&child->err, ERR_LINE_MAX);
	return 0;
}

/* ---- stderr ---- */

static void log_line(struct exec_child *child, const char *line, size_t length)
{
	if (length == 0)
		return;
	child->host->log(child->host->context, line, length);
	(void)snprintf(child->last_words, sizeof child->last_words, "%.*s", (int)length, line);
}

static void log_lines(struct exec_child *child)
{
	const char *line;
	size_t length;

	while (lines_next(&child->err, &line, &length))
		log_line(child, line, length);
}

static void log_rest(struct exec_child *child)
{
	const char *line;
	size_t length;

	if (lines_rest(&child->err, &line, &length))
		log_line(child, line, length);
}

/* One read. False: no more can come for now. */
static bool log_stderr(struct exec_child *child)
{
	if (child->program.err < 0)
		return false;
	int count = lines_fill(&child->err, child->program.err);
	if (count == -EMSGSIZE) { /* a line without an end */
		log_rest(child);
		return true;
	}
	if (count == 0)
		io_close(&child->program.err);
	log_lines(child);
	return count > 0;
}

void exec_child_log_last(struct exec_child *child)
{
	for (int i = 0; i < LAST_READS_MAX && log_stderr(child); i++)
		continue;
	log_rest(child);
}

/* ---- its life ---- */

int exec_child_start(struct exec_child *child, const char *const *variables, struct error *error)
{
	lines_clear(&child->out);
	lines_clear(&child->err);
	child->last_words[0] = '\0';
	child->took = false;
	return program_start(&child->program, child->plan, variables, error);
}

void exec_child_note_end(struct exec_child *child, size_t written)
{
	const int64_t now = clock_mono_ns();
	int unread = 0;

	if (child->program.in >= 0 && ioctl(child->program.in, FIONREAD, &unread) == 0)
		child->took |= (size_t)unread < written;
	const bool young = !child->took && now - child->program.started_mono_ns < BACKOFF_YOUNG_MS * CLOCK_NS_PER_MS;
	child->streak = young ? child->streak + 1 : 0;
	child->next_mono_ns = young ? now + backoff_restart_ns(child->streak, id_chance()) : 0;
}

void exec_child_end(struct exec_child *child)
{
	exec_child_log_last(child);
	(void)program_close(&child->program);
	lines_clear(&child->out);
	lines_clear(&child->err);
}

void exec_child_leave(struct exec_child *child)
{
	const struct handler_host *host = child->host;

	host->beat(host->context, host->kill_grace_ms + LEAVE_MS);
	io_close(&child->program.in);
	(void)program_wait(&child->program, clock_mono_after(host->kill_grace_ms));
	exec_child_end(child);
}

void exec_child_fini(struct exec_child *child)
{
	exec_child_end(child);
	lines_fini(&child->out);
	lines_fini(&child->err);
	program_plan_free(child->plan);
}

/* ---- talking ---- */

unsigned exec_child_wait(struct exec_child *child, bool wants_room, int64_t until_mono_ns)
{
	struct pollfd entries[] = {
		{.fd = child->program.out, .events = POLLIN},
		{.fd = child->program.err, .events = POLLIN},
		{.fd = child->program.pidfd, .events = POLLIN},
		{.fd = wants_room ? child->program.in : -1, .events = POLLOUT},
		{.fd = child->bell_fd, .events = POLLIN},
	};
	unsigned events = 0;

	if (io_poll(entries, sizeof entries / sizeof *entries, until_mono_ns) <= 0)
		return 0;
	if (entries[1].revents != 0) /* before its answer: it was written before */
		(void)log_stderr(child);
	if (entries[0].revents != 0)
		events |= EXEC_SAYS;
	if (entries[2].revents != 0)
		events |= EXEC_OVER;
	if (entries[3].revents != 0)
		events |= EXEC_HAS_ROOM;
	if (entries[4].revents != 0)
		events |= EXEC_RUNG;
	return events;
}

bool exec_child_write(struct exec_child *child, const struct buffer *bytes, size_t *written)
{
	while (*written < bytes->length) {
		ssize_t count = write(child->program.in, bytes->data + *written, bytes->length - *written);
		if (count >= 0)
			*written += (size_t)count;
		else if (errno == EAGAIN)
			return true;
		else if (errno != EINTR)
			return false;
	}
	return true;
}

static enum exec_heard hear_lines(struct exec_child *child, struct exec_talk *talk, struct error *error)
{
	enum exec_heard heard = EXEC_GOES_ON;
	const char *line;
	size_t length;

	while (heard == EXEC_GOES_ON && lines_next(&child->out, &line, &length))
		heard = exec_message_hear(talk, line, length, error);
	return heard;
}

enum exec_heard exec_child_read(struct exec_child *child, struct error *error)
{
	if (child->program.out < 0)
		return EXEC_CLOSED;
	int count = lines_fill(&child->out, child->program.out);
	if (count == -EAGAIN)
		return EXEC_GOES_ON;
	if (count == -EMSGSIZE) {
		(void)error_set(error, -EMSGSIZE, "the handler's program wrote a line of more than %zu bytes",
			child->out.maximum);
		return EXEC_WRONG;
	}
	if (count <= 0) {
		io_close(&child->program.out);
		return EXEC_CLOSED;
	}
	return EXEC_GOES_ON;
}

enum exec_heard exec_child_hear(struct exec_child *child, struct exec_talk *talk, struct error *error)
{
	enum exec_heard heard = exec_child_read(child, error);

	return heard == EXEC_GOES_ON ? hear_lines(child, talk, error) : heard;
}

enum exec_heard exec_child_hear_last(struct exec_child *child, struct exec_talk *talk, struct error *error)
{
	struct pollfd entry = {.events = POLLIN};
	enum exec_heard heard = EXEC_GOES_ON;

	for (int i = 0; i < LAST_READS_MAX && heard == EXEC_GOES_ON; i++) {
		entry.fd = child->program.out;
		if (entry.fd < 0 || io_poll(&entry, 1, 0) <= 0)
			return EXEC_CLOSED;
		heard = exec_child_hear(child, talk, error);
	}
	return heard;
}

bool exec_child_has_rest(const struct exec_child *child)
{
	return child->out.start < child->out.end;
}
