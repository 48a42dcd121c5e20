#include "core/schema.h"

#include "core/units.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The field of a type, out of the struct; by copy, since the struct's own type is not known here. */
#define FIELD(type, target, member)                                                                                    \
	({                                                                                                             \
		type value_;                                                                                           \
		memcpy(&value_, (const char *)(target) + (member)->offset, sizeof value_);                             \
		value_;                                                                                                \
	})

/* ---- freeing ---- */

static void fini_strings(struct schema_strings strings)
{
	for (size_t i = 0; i < strings.count && strings.items != NULL; i++)
		free(strings.items[i]);
	free(strings.items);
}

static void fini_objects(const struct schema *nested, struct schema_list list)
{
	for (size_t i = 0; i < list.count && list.items != NULL; i++)
		schema_fini(nested, (char *)list.items + i * nested->size);
	free(list.items);
}

static void fini_member(const struct schema_member *member, void *target)
{
	void *field = (char *)target + member->offset;

	switch (member->type) {
	case SCHEMA_STRING:
		free(FIELD(char *, target, member));
		memset(field, 0, sizeof(char *));
		return;
	case SCHEMA_STRINGS:
		fini_strings(FIELD(struct schema_strings, target, member));
		memset(field, 0, sizeof(struct schema_strings));
		return;
	case SCHEMA_OBJECTS:
		fini_objects(member->nested, FIELD(struct schema_list, target, member));
		memset(field, 0, sizeof(struct schema_list));
		return;
	case SCHEMA_VALUE:
		json_decref(FIELD(json_t *, target, member));
		memset(field, 0, sizeof(json_t *));
		return;
	case SCHEMA_OBJECT: schema_fini(member->nested, field); return;
	case SCHEMA_BOOLEAN:
	case SCHEMA_INTEGER:
	case SCHEMA_REAL:
	case SCHEMA_DURATION:
	case SCHEMA_SIZE:
	case SCHEMA_ENUM: return; /* own nothing */
	}
}

void schema_fini(const struct schema *schema, void *target)
{
	for (const struct schema_member *member = schema->members; member->name != NULL; member++)
		if (!member->later)
			fini_member(member, target);
}

/* ---- writing ---- */

static json_t *dump_number(int64_t value)
{
	return value == SCHEMA_NONE ? json_null() : json_integer(value);
}

static json_t *dump_units(int64_t value, void (*format)(char text[UNITS_TEXT_SIZE], int64_t value))
{
	char text[UNITS_TEXT_SIZE];

	if (value == SCHEMA_NONE)
		return json_null();
	format(text, value);
	return json_string(text);
}

static json_t *dump_text(const struct schema_member *member, const char *text)
{
	if (text == NULL)
		return json_null();
	return json_string(member->secret ? "********" : text);
}

/* Appends or sets what was just made, and frees the whole when there was no memory for it. */
static json_t *append(json_t *list, json_t *element)
{
	if (json_array_append_new(list, element) == 0)
		return list;
	json_decref(list);
	return NULL;
}

static json_t *set(json_t *object, const char *name, json_t *value)
{
	if (json_object_set_new(object, name, value) == 0)
		return object;
	json_decref(object);
	return NULL;
}

static json_t *dump_strings(const struct schema_member *member, struct schema_strings strings)
{
	/* None at all, where a list must have some, was null. */
	json_t *list = strings.count == 0 && member->minimum > 0 ? json_null() : json_array();

	for (size_t i = 0; i < strings.count && list != NULL; i++)
		list = append(list, dump_text(member, strings.items[i]));
	return list;
}

static json_t *dump_objects(const struct schema *nested, struct schema_list list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list.count && array != NULL; i++)
		array = append(array, schema_dump(nested, (char *)list.items + i * nested->size));
	return array;
}

static json_t *dump_boolean(const struct schema_member *member, bool value)
{
	return member->words != NULL ? json_string(member->words[value]) : json_boolean(value);
}

static json_t *dump_member(const struct schema_member *member, const void *target)
{
	switch (member->type) {
	case SCHEMA_BOOLEAN: return dump_boolean(member, FIELD(bool, target, member));
	case SCHEMA_INTEGER: return dump_number(FIELD(int64_t, target, member));
	case SCHEMA_REAL:
		return isnan(FIELD(double, target, member)) ? json_null() : json_real(FIELD(double, target, member));
	case SCHEMA_DURATION: return dump_units(FIELD(int64_t, target, member), units_format_duration);
	case SCHEMA_SIZE: return dump_units(FIELD(int64_t, target, member), units_format_size);
	case SCHEMA_STRING: return dump_text(member, FIELD(char *, target, member));
	case SCHEMA_ENUM:
		return FIELD(int, target, member) < 0 ? json_null()
						      : json_string(member->words[FIELD(int, target, member)]);
	case SCHEMA_STRINGS: return dump_strings(member, FIELD(struct schema_strings, target, member));
	case SCHEMA_OBJECT: return schema_dump(member->nested, (const char *)target + member->offset);
	case SCHEMA_OBJECTS: return dump_objects(member->nested, FIELD(struct schema_list, target, member));
	case SCHEMA_VALUE:
		return FIELD(json_t *, target, member) == NULL ? json_null()
							       : json_incref(FIELD(json_t *, target, member));
	}
	__builtin_unreachable();
}

json_t *schema_dump(const struct schema *schema, const void *target)
{
	json_t *object = json_object();

	for (const struct schema_member *member = schema->members; member->name != NULL && object != NULL; member++) {
		if (!member->later)
			object = set(object, member->name, dump_member(member, target));
		else if (member->fallback != NULL)
			object = set(object, member->name, json_loads(member->fallback, JSON_DECODE_ANY, NULL));
	}
	return object;
}
