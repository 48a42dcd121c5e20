/* terminal: what stdout is, colours by meaning, and text from elsewhere made harmless.
 *
 * Colours are off when stdout is no terminal, with NO_COLOR set or TERM=dumb. What a server says may hold anything: all of it
 * is printed by terminal_text, so that nothing of it commands the terminal. */
#ifndef MUSTER_CLI_TERMINAL_H
#define MUSTER_CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum paint { PAINT_PLAIN, PAINT_GOOD, PAINT_BUSY, PAINT_WARN, PAINT_BAD, PAINT_FAINT, PAINT_STRONG, PAINTS };

struct terminal {
	bool is_terminal; /* stdout */
	bool asks;        /* stdin and stderr are a terminal as well: somebody can answer */
	bool colours;
	int columns; /* 0: no bound */
};

void terminal_look(struct terminal *terminal);

/* Prints at most `columns` columns (negative: all of them), "…" last when it was cut; returns how many it took. Control
 * characters become "?". */
int terminal_text(FILE *out, const char *text, int columns);

/* How many columns that would take. */
int terminal_width(const char *text);

/* The sequences before and after painted text; "" without colours. */
const char *terminal_begin(const struct terminal *terminal, enum paint paint);
const char *terminal_end(const struct terminal *terminal, enum paint paint);

/* What a task's or worker's state means. */
enum paint terminal_paint_state(const char *state);

#endif
