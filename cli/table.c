#include "cli/table.h"

#include "cli/memory.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS_MAX = 20, GAP = 2 };

struct cell {
	char *text; /* owned */
	enum paint paint;
	int width;
};

struct table {
	const struct column *columns;
	size_t column_count;
	struct cell *cells;
	size_t cell_count, capacity;
};

struct layout {
	int width[COLUMNS_MAX];
	bool dropped[COLUMNS_MAX];
	size_t last; /* of those that are shown */
	int total;
};

struct table *table_new(const struct column *columns)
{
	struct table *table = memory_or_end(calloc(1, sizeof *table));

	table->columns = columns;
	while (columns[table->column_count].title)
		table->column_count++;
	assert(table->column_count > 0 && table->column_count <= COLUMNS_MAX);
	return table;
}

void table_free(struct table *table)
{
	for (size_t i = 0; i < table->cell_count; i++)
		free(table->cells[i].text);
	free(table->cells);
	free(table);
}

void table_cell(struct table *table, enum paint paint, const char *format, ...)
{
	va_list arguments;
	char *text;

	if (table->cell_count == table->capacity) {
		table->capacity = table->capacity * 2 + 64;
		table->cells = memory_or_end(reallocarray(table->cells, table->capacity, sizeof *table->cells));
	}
	va_start(arguments, format);
	int length = vasprintf(&text, format, arguments);
	va_end(arguments);
	(void)memory_or_end(length < 0 ? NULL : text);
	table->cells[table->cell_count++] = (struct cell){text, paint, terminal_width(text)};
}

static void measure(const struct table *table, struct layout *layout)
{
	assert(table->column_count > 0);
	for (size_t i = 0; i < table->column_count; i++)
		layout->width[i] = terminal_width(table->columns[i].title);
	for (size_t i = 0; i < table->cell_count; i++)
		if (table->cells[i].width > layout->width[i % table->column_count])
			layout->width[i % table->column_count] = table->cells[i].width;
}

static void add_up(const struct table *table, struct layout *layout)
{
	layout->total = -GAP;
	for (size_t i = 0; i < table->column_count; i++)
		if (!layout->dropped[i]) {
			layout->total += layout->width[i] + GAP;
			layout->last = i;
		}
}

/* The column that goes next; the number of columns: none. */
static size_t most_dispensable(const struct table *table, const struct layout *layout)
{
	size_t found = table->column_count;
	unsigned most = 0;

	for (size_t i = 0; i < table->column_count; i++)
		if (!layout->dropped[i] && table->columns[i].dispensable > most) {
			most = table->columns[i].dispensable;
			found = i;
		}
	return found;
}

/* What is left is cut where most is to be had. */
static void cut_widest(const struct table *table, int columns, struct layout *layout)
{
	while (layout->total > columns) {
		size_t widest = layout->last;
		for (size_t i = 0; i < table->column_count; i++)
			if (!layout->dropped[i] && layout->width[i] > layout->width[widest])
				widest = i;
		if (layout->width[widest] <= 1)
			return;
		layout->width[widest]--;
		layout->total--;
	}
}

static void fit(const struct table *table, int columns, struct layout *layout)
{
	measure(table, layout);
	add_up(table, layout);
	while (columns > 0 && layout->total > columns) {
		size_t next = most_dispensable(table, layout);
		if (next == table->column_count) {
			cut_widest(table, columns, layout);
			return;
		}
		layout->dropped[next] = true;
		add_up(table, layout);
	}
}

static void print_cell(const struct table *table, const struct layout *layout, const struct terminal *terminal,
	size_t column, const char *text, enum paint paint)
{
	const int width = layout->width[column];
	const int spare = width - terminal_width(text);
	const bool right = table->columns[column].right;

	if (right && spare > 0)
		(void)printf("%*s", spare, "");
	(void)fputs(terminal_begin(terminal, paint), stdout);
	(void)terminal_text(stdout, text, width);
	(void)fputs(terminal_end(terminal, paint), stdout);
	if (column == layout->last) {
		(void)putchar('\n');
		return;
	}
	(void)printf("%*s", (right || spare < 0 ? 0 : spare) + GAP, "");
}

void table_print(const struct table *table, const struct terminal *terminal)
{
	struct layout layout = {0};

	assert(table->column_count > 0);
	fit(table, terminal->columns, &layout);
	for (size_t i = 0; i < table->column_count; i++)
		if (!layout.dropped[i])
			print_cell(table, &layout, terminal, i, table->columns[i].title, PAINT_FAINT);
	for (size_t i = 0; i < table->cell_count; i++)
		if (!layout.dropped[i % table->column_count])
			print_cell(table, &layout, terminal, i % table->column_count, table->cells[i].text,
				table->cells[i].paint);
}
