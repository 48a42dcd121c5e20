#include "core/schema_internal.h"

#include "core/units.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FAULTS_MAX = 32, SHOWN_MAX = 48, NAME_COMPARED_MAX = 40, NAME_SHOWN_MAX = 64 };

/* ---- the list ---- */

static struct schema_fault *add_fault(struct schema_faults *faults)
{
	size_t maximum = faults->maximum > 0 ? faults->maximum : FAULTS_MAX;

	if (faults->items == NULL) {
		faults->items = calloc(maximum, sizeof *faults->items);
		if (faults->items == NULL) {
			faults->lost = true;
			return NULL;
		}
		faults->maximum = maximum;
	}
	return faults->count < maximum ? &faults->items[faults->count++] : NULL;
}

void schema_fault(struct schema_faults *faults, const char *pointer, const char *format, ...)
{
	struct schema_fault *fault = add_fault(faults);
	char text[ERROR_TEXT_MAX];
	struct error clean; /* what came from outside may hold anything, and may have been cut in a character */
	va_list arguments;

	if (fault == NULL)
		return;
	(void)error_set(&clean, -EINVAL, "%.*s", (int)sizeof fault->pointer - 1, pointer);
	memcpy(fault->pointer, clean.text, strlen(clean.text) + 1);
	va_start(arguments, format);
	(void)vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	(void)error_set(&clean, -EINVAL, "%s", text);
	memcpy(fault->detail, clean.text, sizeof fault->detail);
}

void schema_faults_fini(struct schema_faults *faults)
{
	free(faults->items);
	*faults = (struct schema_faults){.maximum = faults->maximum};
}

/* ---- sentences ---- */

static void format_number(char text[UNITS_TEXT_SIZE], int64_t value)
{
	(void)snprintf(text, UNITS_TEXT_SIZE, "%lld", (long long)value);
}

static void describe_words(const struct schema_member *member, struct error *text)
{
	size_t used = (size_t)snprintf(text->text, sizeof text->text, "one of");

	for (size_t i = 0; member->words[i] != NULL && used < sizeof text->text; i++)
		used += (size_t)snprintf(
			text->text + used, sizeof text->text - used, "%s %s", i > 0 ? "," : "", member->words[i]);
}

struct wording {
	const char *kind;
	void (*format)(char text[UNITS_TEXT_SIZE], int64_t value); /* of its range */
	const char *counted;                                       /* what the range counts */
};

static const struct wording wordings[] = {
	[SCHEMA_BOOLEAN] = {"true or false", format_number, ""},
	[SCHEMA_INTEGER] = {"a whole number", format_number, ""},
	[SCHEMA_REAL] = {"a number", format_number, ""},
	[SCHEMA_DURATION] = {"a duration with its unit (500ms 10s 5m 1h 7d)", units_format_duration, ""},
	[SCHEMA_SIZE] = {"a size (65536 64KiB 1MiB)", units_format_size, ""},
	[SCHEMA_STRING] = {"a string", format_number, " bytes"},
	[SCHEMA_ENUM] = {"a word", format_number, ""},
	[SCHEMA_STRINGS] = {"a list of strings", format_number, " entries"},
	[SCHEMA_OBJECT] = {"an object of keys and values", format_number, ""},
	[SCHEMA_OBJECTS] = {"a list of objects", format_number, " entries"},
	[SCHEMA_VALUE] = {"a value", format_number, ""},
};

/* What the member takes, fit to follow "must be". */
static void describe_member(const struct schema_member *member, struct error *text)
{
	const struct wording *wording = &wordings[member->type];
	char low[UNITS_TEXT_SIZE], high[UNITS_TEXT_SIZE];

	if (member->words != NULL) {
		describe_words(member, text);
		return;
	}
	if (member->minimum == 0 && member->maximum == 0) {
		(void)snprintf(text->text, sizeof text->text, "%s", wording->kind);
		return;
	}
	wording->format(low, (int64_t)member->minimum);
	wording->format(high, (int64_t)member->maximum);
	(void)snprintf(text->text, sizeof text->text, "%s, %s to %s%s", wording->kind, low, high, wording->counted);
}

static void describe_value(const json_t *value, char *text, size_t size)
{
	size_t length = json_string_length(value);

	switch (json_typeof(value)) {
	case JSON_OBJECT: (void)snprintf(text, size, "an object"); return;
	case JSON_ARRAY: (void)snprintf(text, size, "a list of %zu", json_array_size(value)); return;
	case JSON_TRUE: (void)snprintf(text, size, "true"); return;
	case JSON_FALSE: (void)snprintf(text, size, "false"); return;
	case JSON_NULL: (void)snprintf(text, size, "null"); return;
	case JSON_INTEGER: (void)snprintf(text, size, "%lld", (long long)json_integer_value(value)); return;
	case JSON_REAL: (void)snprintf(text, size, "%.15g", json_real_value(value)); return;
	case JSON_STRING: break;
	}
	(void)snprintf(text, size, "\"%.*s%s\"", SHOWN_MAX, json_string_value(value), length > SHOWN_MAX ? "..." : "");
}

void schema_say_mistyped(char text[ERROR_TEXT_MAX], const struct schema_member *member, const json_t *value)
{
	struct error expected = {""};
	char shown[SHOWN_MAX + 8];

	describe_member(member, &expected);
	describe_value(value, shown, sizeof shown);
	(void)snprintf(text, ERROR_TEXT_MAX, "\"%s\" must be %.400s%s%s", member->name, expected.text,
		member->secret ? "" : ", not ", member->secret ? "" : shown);
}

/* ---- unknown members ---- */

static size_t smallest(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

/* Insertions, deletions and replacements that make one name of the other; big for names that are too long to ask. */
static size_t distance(const char *a, const char *b)
{
	size_t row[NAME_COMPARED_MAX + 1], length = strlen(b);

	if (strlen(a) > NAME_COMPARED_MAX || length > NAME_COMPARED_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= length; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1] != '\0'; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= length; j++) {
			size_t above = row[j];

			row[j] = smallest(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[length];
}

static const char *nearest_name(const struct schema *schema, const char *name)
{
	const char *nearest = NULL;
	size_t least = 3;

	for (const struct schema_member *member = schema->members; member->name != NULL; member++) {
		size_t changes = distance(name, member->name);

		if (changes < least && changes * 2 < strlen(member->name)) {
			nearest = member->name;
			least = changes;
		}
	}
	return nearest;
}

/* " class method …": the members that exist, as far as they fit. */
static void list_members(const struct schema *schema, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (const struct schema_member *member = schema->members; member->name != NULL; member++) {
		if (!member->later && used + strlen(member->name) + 2 < size)
			used += (size_t)snprintf(text + used, size - used, " %s", member->name);
	}
}

void schema_say_unknown(char text[ERROR_TEXT_MAX], const struct schema *schema, const char *name)
{
	const char *nearest = nearest_name(schema, name);
	char known[320];

	if (nearest != NULL) {
		(void)snprintf(text, ERROR_TEXT_MAX, "unknown key \"%s\" in %s; did you mean \"%s\"?", name,
			schema->title, nearest);
		return;
	}
	list_members(schema, known, sizeof known);
	(void)snprintf(text, ERROR_TEXT_MAX, "unknown key \"%.*s\" in %s; it has%s", NAME_SHOWN_MAX, name,
		schema->title, known);
}
