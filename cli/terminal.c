#include "cli/terminal.h"

#include "core/utf8.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

enum { COLUMNS_DEFAULT = 80, COLUMNS_MIN = 20 };

static const char *const sequences[PAINTS] = {
	[PAINT_PLAIN] = "",
	[PAINT_GOOD] = "\033[32m",
	[PAINT_BUSY] = "\033[36m",
	[PAINT_WARN] = "\033[33m",
	[PAINT_BAD] = "\033[31m",
	[PAINT_FAINT] = "\033[2m",
	[PAINT_STRONG] = "\033[1m",
};

static int find_columns(void)
{
	struct winsize size;
	int columns = COLUMNS_DEFAULT;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		columns = size.ws_col;
	return columns < COLUMNS_MIN ? COLUMNS_MIN : columns;
}

void terminal_look(struct terminal *terminal)
{
	const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");

	terminal->is_terminal = isatty(STDOUT_FILENO);
	terminal->asks = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
	terminal->colours =
		terminal->is_terminal && (!no_colour || no_colour[0] == '\0') && term && strcmp(term, "dumb") != 0;
	terminal->columns = terminal->is_terminal ? find_columns() : 0;
}

/* One character: how many bytes it has, how many columns it takes; what cannot be shown is a "?". */
static size_t next_character(const char *text, const char **ret_shown, size_t *ret_shown_length, int *ret_columns)
{
	uint32_t point;
	size_t length = utf8_decode(text, strlen(text), &point);
	int columns = length > 0 && !utf8_is_unprintable(point) ? wcwidth((wchar_t)point) : -1;

	*ret_shown = columns < 0 ? "?" : text;
	*ret_shown_length = columns < 0 ? 1 : length;
	*ret_columns = columns < 0 ? 1 : columns;
	return length > 0 ? length : 1;
}

int terminal_width(const char *text)
{
	const char *shown;
	size_t length;
	int columns, total = 0;

	for (; *text != '\0'; total += columns)
		text += next_character(text, &shown, &length, &columns);
	return total;
}

int terminal_text(FILE *out, const char *text, int columns)
{
	const int room = columns < 0 || terminal_width(text) <= columns ? INT_MAX : columns - 1;
	int used = 0;

	while (*text != '\0') {
		const char *shown;
		size_t length;
		int wide;
		text += next_character(text, &shown, &length, &wide);
		if (used + wide > room) {
			if (room >= 0)
				used += fputs("…", out) >= 0 ? 1 : 0;
			break;
		}
		(void)fwrite(shown, 1, length, out);
		used += wide;
	}
	return used;
}

const char *terminal_begin(const struct terminal *terminal, enum paint paint)
{
	return terminal->colours ? sequences[paint] : "";
}

const char *terminal_end(const struct terminal *terminal, enum paint paint)
{
	return terminal->colours && paint != PAINT_PLAIN ? "\033[0m" : "";
}

enum paint terminal_paint_state(const char *state)
{
	static const struct {
		const char *state;
		enum paint paint;
	} paints[] = {{"succeeded", PAINT_GOOD}, {"idle", PAINT_GOOD}, {"active", PAINT_BUSY}, {"busy", PAINT_BUSY},
		{"retrying", PAINT_WARN}, {"backoff", PAINT_WARN}, {"draining", PAINT_WARN}, {"starting", PAINT_WARN},
		{"dead", PAINT_BAD}, {"parked", PAINT_BAD}, {"cancelled", PAINT_FAINT}, {"scheduled", PAINT_FAINT}};

	for (size_t i = 0; state && i < sizeof paints / sizeof paints[0]; i++)
		if (strcmp(state, paints[i].state) == 0)
			return paints[i].paint;
	return PAINT_PLAIN;
}
