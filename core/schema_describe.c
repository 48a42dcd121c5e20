#include "core/schema.h"

#include <string.h>

/* What is written "10s" and "64KiB" (core/units.h). */
static const char duration_pattern[] = "^[0-9]+(\\.[0-9]+)?(ms|s|m|h|d)$";
static const char size_pattern[] = "^[0-9]+(\\.[0-9]+)?(B|KiB|MiB|GiB|TiB)$";

static bool may_be_null(const struct schema_member *member)
{
	return !member->required && member->fallback == NULL;
}

static bool is_bounded(const struct schema_member *member)
{
	return member->minimum != 0 || member->maximum != 0;
}

static json_t *whole(double value)
{
	return json_integer((json_int_t)value);
}

/* Both bounds under the names that they have for this type. */
static void set_bounds(json_t *object, const struct schema_member *member, const char *minimum, const char *maximum)
{
	json_t *(*const number)(double value) = member->type == SCHEMA_REAL ? json_real : whole;

	if (!is_bounded(member))
		return;
	(void)json_object_set_new(object, minimum, number(member->minimum));
	if (member->maximum > 0)
		(void)json_object_set_new(object, maximum, number(member->maximum));
}

static json_t *describe_words(const struct schema_member *member)
{
	json_t *words = json_array();

	for (size_t i = 0; member->words[i] != NULL; i++)
		(void)json_array_append_new(words, json_string(member->words[i]));
	if (may_be_null(member))
		(void)json_array_append_new(words, json_null());
	return json_pack("{s:o}", "enum", words);
}

/* {"type": …} of one or two types, and null where it is allowed. */
static json_t *describe_types(const struct schema_member *member, const char *type, const char *other)
{
	json_t *types = json_pack("[s]", type);

	if (other != NULL)
		(void)json_array_append_new(types, json_string(other));
	if (may_be_null(member))
		(void)json_array_append_new(types, json_string("null"));
	if (json_array_size(types) > 1)
		return json_pack("{s:o}", "type", types);
	json_decref(types);
	return json_pack("{s:s}", "type", type);
}

static json_t *describe_number(const struct schema_member *member)
{
	json_t *object = describe_types(
		member, member->type == SCHEMA_REAL ? "number" : "integer", member->digits ? "string" : NULL);

	set_bounds(object, member, "minimum", "maximum");
	if (member->digits)
		(void)json_object_set_new(object, "pattern", json_string("^[0-9]+$"));
	return object;
}

static json_t *describe_text(const struct schema_member *member, const char *pattern, const char *other)
{
	json_t *object = describe_types(member, "string", other);

	if (pattern != NULL)
		(void)json_object_set_new(object, "pattern", json_string(pattern));
	else
		set_bounds(object, member, "minLength", "maxLength");
	return object;
}

static json_t *describe_list(const struct schema_member *member, json_t *items)
{
	json_t *object = describe_types(member, "array", NULL);

	(void)json_object_set_new(object, "items", items);
	set_bounds(object, member, "minItems", "maxItems");
	return object;
}

/* Nothing but the default. */
static json_t *describe_later(const struct schema_member *member)
{
	if (member->fallback == NULL)
		return json_pack("{s:s}", "type", "null");
	return json_pack("{s:o}", "const", json_loads(member->fallback, JSON_DECODE_ANY, NULL));
}

static json_t *describe_type(const struct schema_member *member)
{
	if (member->later)
		return describe_later(member);
	if (member->words != NULL)
		return describe_words(member);
	switch (member->type) {
	case SCHEMA_BOOLEAN: return describe_types(member, "boolean", NULL);
	case SCHEMA_INTEGER:
	case SCHEMA_REAL: return describe_number(member);
	case SCHEMA_DURATION: return describe_text(member, duration_pattern, NULL);
	case SCHEMA_SIZE: return describe_text(member, size_pattern, "integer");
	case SCHEMA_STRING: return describe_text(member, NULL, NULL);
	case SCHEMA_STRINGS: return describe_list(member, json_pack("{s:s}", "type", "string"));
	case SCHEMA_OBJECT: return schema_describe(member->nested);
	case SCHEMA_OBJECTS: return describe_list(member, schema_describe(member->nested));
	case SCHEMA_ENUM:
	case SCHEMA_VALUE: return json_object();
	}
	__builtin_unreachable();
}

static json_t *describe_member(const struct schema_member *member)
{
	json_t *object = describe_type(member);

	if (member->described != NULL && !member->later) {
		json_t *more = json_loads(member->described, 0, NULL);
		(void)json_object_update(object, more);
		json_decref(more);
	}
	if (member->fallback != NULL)
		(void)json_object_set_new(object, "default", json_loads(member->fallback, JSON_DECODE_ANY, NULL));
	if (member->help != NULL)
		(void)json_object_set_new(object, "description",
			json_sprintf("%s%s", member->help, member->later ? " (Not available yet.)" : ""));
	return object;
}

json_t *schema_describe(const struct schema *schema)
{
	json_t *members = json_object(), *required = json_array();

	for (const struct schema_member *member = schema->members; member->name != NULL; member++) {
		(void)json_object_set_new(members, member->name, describe_member(member));
		if (member->required)
			(void)json_array_append_new(required, json_string(member->name));
	}
	return json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties", members, "required", required,
		"additionalProperties", 0);
}
