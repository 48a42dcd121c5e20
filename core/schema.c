#include "core/schema.h"

#include "core/schema_internal.h"
#include "core/units.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MEMBERS_MAX = 64, POINTER_MAX = sizeof((struct schema_fault *)0)->pointer };

/* Where in the document the reader is. Made into a pointer only when there is something to say about it. */
struct place {
	const struct place *above; /* NULL: the whole */
	const char *name;          /* of a member; NULL: an element of a list */
	size_t index;
};

struct reading {
	struct schema_faults *faults;
	const char *prefix;
	int status; /* 0, -EINVAL (there are faults) or -ENOMEM; the first one stays */
};

static void fail(struct reading *reading, int code)
{
	if (reading->status == 0 || code == -ENOMEM)
		reading->status = code;
}

/* ---- faults ---- */

/* Writes the reference token with RFC 6901's two escapes; what does not fit is cut. Returns the new end. */
static char *write_token(char *at, const char *end, const char *name)
{
	for (; *name != '\0'; name++) {
		bool escaped = *name == '~' || *name == '/';

		if (end - at < (escaped ? 2 : 1))
			break;
		if (escaped)
			*at++ = '~';
		*at++ = *name == '~' ? '0' : *name == '/' ? '1' : *name;
	}
	return at;
}

static char *write_place(char *at, const char *end, const struct place *place)
{
	char number[24];

	if (place == NULL)
		return at;
	at = write_place(at, end, place->above);
	if (at < end)
		*at++ = '/';
	if (place->name != NULL)
		return write_token(at, end, place->name);
	(void)snprintf(number, sizeof number, "%zu", place->index);
	return write_token(at, end, number);
}

__attribute__((format(printf, 3, 4))) static void fault_at(
	struct reading *reading, const struct place *place, const char *format, ...)
{
	char pointer[POINTER_MAX + 8], detail[ERROR_TEXT_MAX];
	size_t prefix = strnlen(reading->prefix, POINTER_MAX);
	va_list arguments;

	memcpy(pointer, reading->prefix, prefix);
	*write_place(pointer + prefix, pointer + sizeof pointer - 1, place) = '\0';
	va_start(arguments, format);
	(void)vsnprintf(detail, sizeof detail, format, arguments);
	va_end(arguments);
	schema_fault(reading->faults, pointer, "%s", detail);
	/* Without a fault in the list nobody could say what is wrong. */
	fail(reading, reading->faults->count > 0 ? -EINVAL : -ENOMEM);
}

static void fault_value(
	struct reading *reading, const struct place *place, const struct schema_member *member, const json_t *value)
{
	char text[ERROR_TEXT_MAX];

	schema_say_mistyped(text, member, value);
	fault_at(reading, place, "%s", text);
}

static void fault_unknown(struct reading *reading, const struct place *place, const struct schema *schema)
{
	char text[ERROR_TEXT_MAX];

	schema_say_unknown(text, schema, place->name);
	fault_at(reading, place, "%s", text);
}

/* ---- scalars: they fill the field, or return false and leave it ---- */

static bool in_range(const struct schema_member *member, double value)
{
	bool bounded = member->minimum != 0 || member->maximum != 0;

	return !bounded || (value >= member->minimum && value <= member->maximum);
}

static bool read_boolean(const struct schema_member *member, const json_t *value, void *field)
{
	bool on = json_is_true(value);

	if (member->words == NULL && !json_is_boolean(value))
		return false;
	if (member->words != NULL) {
		const char *word = json_string_value(value);

		on = word != NULL && strcmp(word, member->words[1]) == 0;
		if (!on && (word == NULL || strcmp(word, member->words[0]) != 0))
			return false;
	}
	memcpy(field, &on, sizeof on);
	return true;
}

static bool read_integer(const struct schema_member *member, const json_t *value, void *field)
{
	int64_t number = json_integer_value(value);

	if (!json_is_integer(value)) {
		const char *text = member->digits ? json_string_value(value) : NULL;

		if (text == NULL || units_parse_integer(text, INT64_MIN + 1, INT64_MAX, &number) < 0)
			return false;
	}
	if (!in_range(member, (double)number))
		return false;
	memcpy(field, &number, sizeof number);
	return true;
}

static bool read_real(const struct schema_member *member, const json_t *value, void *field)
{
	double number = json_number_value(value);

	if (!json_is_number(value) || !in_range(member, number))
		return false;
	memcpy(field, &number, sizeof number);
	return true;
}

static bool read_duration(const struct schema_member *member, const json_t *value, void *field)
{
	int64_t ms;

	if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value) ||
		units_parse_duration(json_string_value(value), &ms) < 0 || !in_range(member, (double)ms))
		return false;
	memcpy(field, &ms, sizeof ms);
	return true;
}

static bool read_size(const struct schema_member *member, const json_t *value, void *field)
{
	int64_t bytes = json_integer_value(value);

	if (json_is_string(value) && (strlen(json_string_value(value)) != json_string_length(value) ||
					     units_parse_size(json_string_value(value), &bytes) < 0))
		return false;
	if ((!json_is_string(value) && !json_is_integer(value)) || bytes < 0 || !in_range(member, (double)bytes))
		return false;
	memcpy(field, &bytes, sizeof bytes);
	return true;
}

static bool read_enum(const struct schema_member *member, const json_t *value, void *field)
{
	const char *word = json_string_value(value);

	for (int i = 0; word != NULL && member->words[i] != NULL; i++) {
		if (strcmp(word, member->words[i]) == 0) {
			memcpy(field, &i, sizeof i);
			return true;
		}
	}
	return false;
}

/* NULL: the member's values are made of others, and read by read_value itself. */
static bool (*const read_scalar[])(const struct schema_member *member, const json_t *value, void *field) = {
	[SCHEMA_BOOLEAN] = read_boolean,
	[SCHEMA_INTEGER] = read_integer,
	[SCHEMA_REAL] = read_real,
	[SCHEMA_DURATION] = read_duration,
	[SCHEMA_SIZE] = read_size,
	[SCHEMA_ENUM] = read_enum,
	[SCHEMA_VALUE] = NULL,
};

static void store_null(const struct schema_member *member, void *field)
{
	const int64_t none = SCHEMA_NONE;
	const double no_number = NAN;
	const int no_word = -1;

	if (member->type == SCHEMA_INTEGER || member->type == SCHEMA_DURATION || member->type == SCHEMA_SIZE)
		memcpy(field, &none, sizeof none);
	if (member->type == SCHEMA_REAL)
		memcpy(field, &no_number, sizeof no_number);
	if (member->type == SCHEMA_ENUM)
		memcpy(field, &no_word, sizeof no_word);
	/* the others' null is all bits zero, which the field already is */
}

/* ---- values made of others ---- */

static char *copy_text(struct reading *reading, const char *text, size_t length)
{
	char *copy = strndup(text, length);

	if (copy == NULL)
		fail(reading, -ENOMEM);
	return copy;
}

static void read_string(struct reading *reading, const struct place *place, const struct schema_member *member,
	const json_t *value, void *field)
{
	size_t length = json_string_length(value);
	char *copy;

	if (!json_is_string(value) || !in_range(member, (double)length)) {
		fault_value(reading, place, member, value);
		return;
	}
	if (strlen(json_string_value(value)) != length) {
		fault_at(reading, place, "\"%s\" must not contain NUL", member->name);
		return;
	}
	copy = copy_text(reading, json_string_value(value), length);
	memcpy(field, &copy, sizeof copy);
}

static void read_strings(struct reading *reading, const struct place *place, const struct schema_member *member,
	const json_t *value, void *field)
{
	static const struct schema_member element = {.name = "entry", .type = SCHEMA_STRING};
	struct schema_strings strings = {.count = json_array_size(value)};

	if (!json_is_array(value) || !in_range(member, (double)strings.count)) {
		fault_value(reading, place, member, value);
		return;
	}
	if (strings.count == 0)
		return;
	strings.items = calloc(strings.count, sizeof *strings.items);
	if (strings.items == NULL) {
		fail(reading, -ENOMEM);
		return;
	}
	memcpy(field, &strings, sizeof strings);
	for (size_t i = 0; i < strings.count; i++) {
		const struct place inner = {.above = place, .index = i};

		read_string(reading, &inner, &element, json_array_get(value, i), &strings.items[i]);
	}
}

static void read_object(struct reading *reading, const struct place *place, const struct schema *schema,
	const json_t *object, void *target);

static void read_objects(struct reading *reading, const struct place *place, const struct schema_member *member,
	const json_t *value, void *field)
{
	struct schema_list list = {.count = json_array_size(value)};

	if (!json_is_array(value) || !in_range(member, (double)list.count)) {
		fault_value(reading, place, member, value);
		return;
	}
	if (list.count == 0)
		return;
	list.items = calloc(list.count, member->nested->size);
	if (list.items == NULL) {
		fail(reading, -ENOMEM);
		return;
	}
	memcpy(field, &list, sizeof list);
	for (size_t i = 0; i < list.count; i++) {
		const struct place inner = {.above = place, .index = i};
		const json_t *element = json_array_get(value, i);

		if (!json_is_object(element))
			fault_at(reading, &inner, "%s must be an object of keys and values", member->nested->title);
		else
			read_object(reading, &inner, member->nested, element,
				(char *)list.items + i * member->nested->size);
	}
}

static void read_value(struct reading *reading, const struct place *place, const struct schema_member *member,
	const json_t *value, void *field)
{
	switch (member->type) {
	case SCHEMA_STRING: read_string(reading, place, member, value, field); return;
	case SCHEMA_STRINGS: read_strings(reading, place, member, value, field); return;
	case SCHEMA_OBJECTS: read_objects(reading, place, member, value, field); return;
	case SCHEMA_OBJECT:
		if (json_is_object(value))
			read_object(reading, place, member->nested, value, field);
		else
			fault_value(reading, place, member, value);
		return;
	case SCHEMA_VALUE:
		value = json_incref((json_t *)value);
		memcpy(field, &value, sizeof value);
		return;
	case SCHEMA_BOOLEAN:
	case SCHEMA_INTEGER:
	case SCHEMA_REAL:
	case SCHEMA_DURATION:
	case SCHEMA_SIZE:
	case SCHEMA_ENUM:
		if (!read_scalar[member->type](member, value, field))
			fault_value(reading, place, member, value);
		return;
	}
}

/* ---- members ---- */

static json_t *load_fallback(const struct schema_member *member)
{
	return json_loads(member->fallback, JSON_DECODE_ANY, NULL);
}

static void read_default(
	struct reading *reading, const struct place *place, const struct schema_member *member, void *field)
{
	json_t *value;

	if (member->type == SCHEMA_OBJECT) {
		read_object(reading, place, member->nested, NULL, field);
		return;
	}
	if (member->fallback == NULL || member->type == SCHEMA_VALUE) {
		store_null(member, field);
		return;
	}
	if (member->type ==
		SCHEMA_STRING) { /* often wanted, and never with escapes: its JSON text without the quotes */
		char *copy = copy_text(reading, member->fallback + 1, strlen(member->fallback) - 2);

		memcpy(field, &copy, sizeof copy);
		return;
	}
	value = load_fallback(member);
	if (value == NULL)
		fail(reading, -ENOMEM);
	else
		read_value(reading, place, member, value, field);
	json_decref(value);
}

/* Is the value the one that holds anyway? */
static bool is_default(const struct schema_member *member, const json_t *value)
{
	int64_t given = 0, fallback = 0; /* any scalar fits */
	json_t *other;
	bool same;

	if (json_is_null(value) || member->fallback == NULL)
		return json_is_null(value);
	other = load_fallback(member);
	if (other == NULL)
		return false;
	if (member->type == SCHEMA_VALUE)
		same = json_equal(value, other);
	else
		same = read_scalar[member->type](member, value, &given) &&
		       read_scalar[member->type](member, other, &fallback) && given == fallback;
	json_decref(other);
	return same;
}

static void read_later(
	struct reading *reading, const struct place *place, const struct schema_member *member, const json_t *value)
{
	int64_t scratch;

	assert(member->type == SCHEMA_VALUE || read_scalar[member->type] != NULL);
	if (is_default(member, value))
		return;
	if (member->type != SCHEMA_VALUE && !read_scalar[member->type](member, value, &scratch))
		fault_value(reading, place, member, value);
	else
		fault_at(reading, place, "\"%s\" is not available yet", member->name);
}

static void read_member(struct reading *reading, const struct place *place, const struct schema_member *member,
	const json_t *value, void *field)
{
	struct error error;
	size_t faults;

	if (member->later) {
		read_later(reading, place, member, value);
		return;
	}
	if (json_is_null(value) && member->type == SCHEMA_OBJECT) {
		read_default(reading, place, member, field);
		return;
	}
	if (json_is_null(value) && !member->required && member->fallback == NULL) {
		if (member->type == SCHEMA_VALUE)
			read_value(reading, place, member, value, field); /* was said, unlike an absent one */
		else
			store_null(member, field);
		return;
	}
	if (json_is_null(value) && member->type != SCHEMA_VALUE) {
		fault_value(reading, place, member, value);
		return;
	}
	faults = reading->faults->count;
	read_value(reading, place, member, value, field);
	if (member->check != NULL && reading->faults->count == faults && member->check(value, &error) < 0)
		fault_at(reading, place, "\"%s\" %s", member->name, error.text);
}

static void read_absent(struct reading *reading, const struct place *place, const struct schema *schema,
	const struct schema_member *member, void *target)
{
	const struct place inner = {.above = place, .name = member->name};

	if (member->later)
		return;
	if (member->required)
		fault_at(reading, place, "%s needs \"%s\"", schema->title, member->name);
	else
		read_default(reading, &inner, member, (char *)target + member->offset);
}

/* object NULL: everything is absent. */
static void read_object(struct reading *reading, const struct place *place, const struct schema *schema,
	const json_t *object, void *target)
{
	uint64_t seen = 0; /* rows whose member is there */
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)object, name, value)
	{
		const struct place inner = {.above = place, .name = name};
		size_t row = 0;

		while (schema->members[row].name != NULL && strcmp(schema->members[row].name, name) != 0)
			row++;
		if (schema->members[row].name == NULL) {
			fault_unknown(reading, &inner, schema);
			continue;
		}
		seen |= UINT64_C(1) << row;
		read_member(
			reading, &inner, &schema->members[row], value, (char *)target + schema->members[row].offset);
	}
	for (size_t row = 0; schema->members[row].name != NULL; row++) {
		assert(row < MEMBERS_MAX);
		if ((seen & UINT64_C(1) << row) == 0)
			read_absent(reading, place, schema, &schema->members[row], target);
	}
}

int schema_read(const struct schema *schema, const json_t *value, const char *prefix, void *target,
	struct schema_faults *faults)
{
	struct reading reading = {.faults = faults, .prefix = prefix};

	if (!json_is_object(value))
		fault_at(&reading, NULL, "%s must be an object of keys and values", schema->title);
	else
		read_object(&reading, NULL, schema, value, target);
	return reading.status;
}
