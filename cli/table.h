/* table: rows of text in aligned columns that fit the terminal.
 *
 * When it does not fit, whole columns are dropped, the most dispensable first; when only indispensable ones are left, the
 * widest of them are cut. Nothing ever wraps. */
#ifndef MUSTER_CLI_TABLE_H
#define MUSTER_CLI_TABLE_H

#include "cli/terminal.h"

struct column {
	const char *title;
	unsigned dispensable; /* 0: never dropped; the highest goes first */
	bool right;           /* numbers */
};

struct table;

/* Borrows the columns, which end with a title of NULL. Ends the program when there is no memory. */
struct table *table_new(const struct column *columns);
void table_free(struct table *table);

/* The next cell of the row, left to right; the row after the last column begins anew. */
void table_cell(struct table *table, enum paint paint, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Prints it, head first. */
void table_print(const struct table *table, const struct terminal *terminal);

#endif
