#include "core/log.h"

#include "core/clock.h"
#include "core/io.h"
#include "core/utf8.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	LINE_SIZE = PIPE_BUF, /* a pipe takes a line of this length whole or not at all, whoever else writes to it */
	LINE_TAIL = 64,       /* kept free for the mark of a cut and for what closes the line */
	NAME_SIZE = 256,
	ESCAPE_SIZE = 16, /* of one character, escaped */
};

#define CUT_MARK "\u2026"

/* How a descriptor is written to without waiting. */
enum way {
	WAY_OWN,    /* a description of our own: O_NONBLOCK, or a file */
	WAY_SOCKET, /* cannot be opened anew; each call says MSG_DONTWAIT */
	WAY_SHARED, /* others write through the same description, which must stay as it is: asked before whether there is room */
};

/* Set up while the process has one thread. The descriptor's number stays the same when the file is opened anew, so that
 * a thread that is about to write to it never writes to something else. */
static struct {
	int fd; /* -1: stderr as it is */
	enum way way;
	int level, format;
	char file[PATH_MAX]; /* "": stderr */
	char name[NAME_SIZE];
	_Atomic uint64_t *dropped;
	const _Atomic uint32_t *generation;
	_Atomic uint32_t opened_for; /* the generation */
	atomic_bool torn;            /* the last line was written in part: the next one starts with a line break */
} sink = {.fd = -1, .way = WAY_SHARED, .level = CONFIG_LOG_INFO, .format = CONFIG_LOG_TEXT, .name = "musterd"};

/* ---- opening ---- */

static int open_file(const char *file)
{
	int fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
	return fd < 0 ? -errno : fd;
}

/* A plain file is not opened anew: what handlers print to stderr shares its offset, and would be written over. */
static int open_stderr(enum way *ret_way)
{
	struct stat status;
	if (fstat(STDERR_FILENO, &status) < 0)
		return -errno;
	int fd = -1;
	if (!S_ISSOCK(status.st_mode) && !S_ISREG(status.st_mode))
		fd = open("/proc/self/fd/2", O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	*ret_way = S_ISSOCK(status.st_mode) ? WAY_SOCKET : fd >= 0 ? WAY_OWN : WAY_SHARED;
	if (fd < 0)
		fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	return fd < 0 ? -errno : fd;
}

/* Returns 0 with a description of this process's own, or a negative errno with nothing changed. */
static int open_own(int *ret_fd, enum way *ret_way)
{
	enum way way = WAY_OWN;
	int fd = sink.file[0] ? open_file(sink.file) : open_stderr(&way);
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	*ret_way = way;
	return 0;
}

static void replace(int fd)
{
	(void)dup3(fd, sink.fd, O_CLOEXEC); /* both are open: cannot fail */
	io_close(&fd);
}

int log_open(const char *file, int level, int format)
{
	sink.level = level;
	sink.format = format;
	io_close(&sink.fd);
	sink.way = WAY_SHARED;
	sink.file[0] = '\0';
	if (file && strlen(file) >= sizeof sink.file)
		return -ENAMETOOLONG;
	snprintf(sink.file, sizeof sink.file, "%s", file ? file : "");
	int status = open_own(&sink.fd, &sink.way);
	if (status < 0)
		sink.file[0] = '\0';
	return status;
}

/* What is inherited goes on to be used where it cannot be opened anew: after a change of user, a pipe that the old one
 * made cannot, nor can /proc/self. */
static void become_owner(void)
{
	int fd;
	enum way way;
	if (sink.fd < 0 || open_own(&fd, &way) < 0)
		return;
	if (way == sink.way)
		replace(fd);
	else
		io_close(&fd);
}

void log_become(const char *name, _Atomic uint64_t *dropped, const _Atomic uint32_t *generation)
{
	snprintf(sink.name, sizeof sink.name, "%s", name);
	sink.dropped = dropped;
	sink.generation = generation;
	if (generation)
		atomic_store(&sink.opened_for, atomic_load(generation)); /* before the file is opened, not after */
	become_owner();
}

int log_descriptor(void)
{
	return sink.fd;
}

/* Of two threads that see the new generation, one opens the file. When it cannot be opened, the old one is the best
 * there is, until the next order. */
static void reopen_when_told(void)
{
	if (!sink.generation || !sink.file[0])
		return;
	uint32_t told = atomic_load(sink.generation);
	uint32_t opened_for = atomic_load(&sink.opened_for);
	if (told == opened_for || !atomic_compare_exchange_strong(&sink.opened_for, &opened_for, told))
		return;
	int fd = open_file(sink.file);
	if (fd >= 0)
		replace(fd);
}

/* ---- a line ---- */

/* No memory is asked for and no lock is taken: another thread may hold malloc's for ever. */
struct line {
	bool json;
	bool cut; /* nothing from outside is added any more */
	size_t length;
	char text[LINE_SIZE];
};

/* Adds text of our own. There is always room: LINE_TAIL is more than all of it that follows a cut. */
static void put(struct line *line, const char *text)
{
	size_t length = strlen(text);
	assert(length <= LINE_SIZE - line->length);
	memcpy(line->text + line->length, text, length);
	line->length += length;
}

/* Where text from outside stands. A message stands without quotes: the ancestor's users grep for documents in it. */
enum place { PLACE_JSON, PLACE_QUOTES, PLACE_MESSAGE };

/* Writes one character as it may stand in that place; returns how many bytes it was. */
static size_t escape(char out[ESCAPE_SIZE], enum place place, const char *bytes, size_t length)
{
	const bool json = place == PLACE_JSON;
	uint32_t point;
	size_t step = utf8_decode(bytes, length, &point);
	bool readable = step > 0 && !utf8_is_unprintable(point);
	if (readable && (place == PLACE_MESSAGE || (point != '"' && point != '\\')))
		*(char *)mempcpy(out, bytes, step) = '\0';
	else if (readable)
		snprintf(out, ESCAPE_SIZE, "\\%c", *bytes);
	else if (json && step > 0)
		snprintf(out, ESCAPE_SIZE, "\\u%04x", (unsigned)point);
	else if (json)
		snprintf(out, ESCAPE_SIZE, "\\\\x%02x", (unsigned char)*bytes);
	else
		for (size_t i = 0; i < step || i == 0; i++)
			snprintf(out + 4 * i, ESCAPE_SIZE - 4 * i, "\\x%02x", (unsigned char)bytes[i]);
	return step > 0 ? step : 1;
}

/* How many bytes need no escaping, by far the most: these are taken as they are. */
static size_t plain_length(const char *bytes, size_t length)
{
	size_t plain = 0;
	while (plain < length && bytes[plain] >= ' ' && bytes[plain] <= '~' && bytes[plain] != '"' &&
		bytes[plain] != '\\')
		plain++;
	return plain;
}

/* Adds text from outside, whatever it is. */
static void put_escaped(struct line *line, enum place place, const char *bytes, size_t length)
{
	char escaped[ESCAPE_SIZE];
	for (size_t i = 0; i < length && !line->cut;) {
		size_t room = LINE_SIZE - LINE_TAIL > line->length ? LINE_SIZE - LINE_TAIL - line->length : 0;
		size_t plain = plain_length(bytes + i, room < length - i ? room : length - i);
		memcpy(line->text + line->length, bytes + i, plain);
		line->length += plain;
		i += plain;
		if (i == length)
			break;
		i += escape(escaped, place, bytes + i, length - i);
		line->cut = line->length + strlen(escaped) > LINE_SIZE - LINE_TAIL;
		put(line, line->cut ? CUT_MARK : escaped);
	}
}

/* Can stand without quotes in a line of text. */
static bool is_bare(const char *bytes, size_t length)
{
	if (length == 0 || length >= LINE_SIZE)
		return false;
	for (size_t i = 0; i < length; i++)
		if (bytes[i] <= ' ' || bytes[i] > '~' || bytes[i] == '"' || bytes[i] == '=' || bytes[i] == '\\')
			return false;
	return true;
}

static void put_value(struct line *line, const char *bytes, size_t length)
{
	const char *quote = line->json || !is_bare(bytes, length) ? "\"" : "";
	put(line, quote);
	put_escaped(line, line->json ? PLACE_JSON : PLACE_QUOTES, bytes, length);
	put(line, quote);
}

static void put_number(struct line *line, int64_t number)
{
	char text[24];
	snprintf(text, sizeof text, "%" PRId64, number);
	put(line, text);
}

static void put_field(struct line *line, const struct log_field *field)
{
	put_escaped(line, line->json ? PLACE_JSON : PLACE_QUOTES, field->key, strlen(field->key));
	put(line, line->json ? "\":" : "=");
	if (field->text)
		put_value(line, field->text, field->length);
	else
		put_number(line, field->number);
}

static void put_text_line(struct line *line, const char *head[3], const char *message, const struct log_field *fields)
{
	put(line, head[0]);
	put(line, " ");
	put(line, head[1]);
	put(line, " ");
	put_value(line, head[2], strlen(head[2]));
	put(line, " ");
	put_escaped(line, PLACE_MESSAGE, message, strlen(message));
	for (; fields->key && !line->cut; fields++) {
		put(line, " ");
		put_field(line, fields);
	}
	put(line, "\n");
}

static void put_json_line(struct line *line, const char *head[3], const char *message, const struct log_field *fields)
{
	put(line, "{\"ts\":\"");
	put(line, head[0]);
	put(line, "\",\"level\":\"");
	put(line, head[1]);
	put(line, "\",\"process\":");
	put_value(line, head[2], strlen(head[2]));
	put(line, ",\"msg\":");
	put_value(line, message, strlen(message));
	put(line, ",\"fields\":{");
	for (const char *before = "\""; fields->key && !line->cut; fields++, before = ",\"") {
		put(line, before);
		put_field(line, fields);
	}
	put(line, "}}\n");
}

/* ---- writing it ---- */

static ssize_t write_now(const char *bytes, size_t length)
{
	int fd = sink.fd >= 0 ? sink.fd : STDERR_FILENO;
	struct pollfd room = {.fd = fd, .events = POLLOUT};
	if (sink.way == WAY_SOCKET)
		return send(fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sink.way == WAY_SHARED && io_poll(&room, 1, 0) != 1)
		return -1;
	return write(fd, bytes, length);
}

/* The line starts with a line break that is only needed behind a torn one. */
static void deliver(const struct line *line)
{
	size_t skip = atomic_load(&sink.torn) ? 0 : 1;
	ssize_t written = write_now(line->text + skip, line->length - skip);
	bool whole = written == (ssize_t)(line->length - skip);
	if (written > 0)
		atomic_store(&sink.torn, !whole);
	if (!whole && sink.dropped)
		atomic_fetch_add(sink.dropped, 1);
}

struct log_field log_field_text(const char *key, const char *text)
{
	if (!text)
		text = "-";
	return (struct log_field){key, text, strlen(text), 0};
}

void log_write(enum config_log_level level, const char *message, const struct log_field *fields)
{
	static const char *const names[] = {
		[CONFIG_LOG_DEBUG] = "debug",
		[CONFIG_LOG_INFO] = "info",
		[CONFIG_LOG_WARN] = "warn",
		[CONFIG_LOG_ERROR] = "error",
	};
	if ((int)level < sink.level)
		return;
	reopen_when_told();
	char now[CLOCK_TEXT_SIZE];
	clock_format(now, clock_wall_ms());
	struct line line;
	line.json = sink.format == CONFIG_LOG_JSON;
	line.cut = false;
	line.length = 0;
	put(&line, "\n");
	(line.json ? put_json_line : put_text_line)(
		&line, (const char *[]){now, names[level], sink.name}, message, fields);
	deliver(&line);
}
