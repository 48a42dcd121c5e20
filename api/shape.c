#include "api/shape.h"

#include "core/schema.h"

#include <string.h>

static const struct {
	const char *name, *schema;
} plain_types[] = {
	{"string", "{\"type\":\"string\"}"},
	{"integer", "{\"type\":\"integer\"}"},
	{"number", "{\"type\":\"number\"}"},
	{"boolean", "{\"type\":\"boolean\"}"},
	{"object", "{\"type\":\"object\"}"},
	{"any", "{}"},
	{"time", "{\"type\":\"string\",\"format\":\"date-time\"}"},
};

const struct shape *shape_find(const char *name, size_t length)
{
	for (const struct shape *shape = shapes; shape->name; shape++)
		if (strlen(shape->name) == length && memcmp(shape->name, name, length) == 0)
			return shape;
	return NULL;
}

static json_t *describe_name(const char *name, size_t length)
{
	for (size_t i = 0; i < sizeof plain_types / sizeof plain_types[0]; i++)
		if (strlen(plain_types[i].name) == length && memcmp(plain_types[i].name, name, length) == 0)
			return json_loads(plain_types[i].schema, 0, NULL);
	if (!shape_find(name, length))
		return NULL;
	return json_pack("{s:o}", "$ref", json_sprintf("#/components/schemas/%.*s", (int)length, name));
}

static json_t *or_null(json_t *schema)
{
	json_t *type = json_object_get(schema, "type");

	if (!json_is_string(type))
		return json_pack("{s:[o, {s:s}]}", "anyOf", schema, "type", "null");
	(void)json_object_set_new(schema, "type", json_pack("[O, s]", type, "null"));
	return schema;
}

/* One alternative: a name and what follows it. */
static json_t *describe_one(const char *type, size_t length)
{
	size_t name = strcspn(type, "[{?|");
	json_t *schema = describe_name(type, name < length ? name : length);

	for (size_t at = name; at < length && schema; at++) {
		switch (type[at]) {
		case '[': schema = json_pack("{s:s, s:o}", "type", "array", "items", schema); break;
		case '{': schema = json_pack("{s:s, s:o}", "type", "object", "additionalProperties", schema); break;
		case '?': schema = or_null(schema); break;
		default: break; /* the other bracket */
		}
	}
	return schema;
}

json_t *shape_type_describe(const char *type)
{
	static const char separator[] = " | ";
	json_t *choices = json_array();

	while (true) {
		const char *next = strstr(type, separator);
		json_t *one = describe_one(type, next ? (size_t)(next - type) : strlen(type));
		if (!one || json_array_append_new(choices, one) < 0) {
			json_decref(choices);
			return NULL;
		}
		if (!next)
			break;
		type = next + sizeof separator - 1;
	}
	if (json_array_size(choices) > 1)
		return json_pack("{s:o}", "anyOf", choices);
	json_t *only = json_incref(json_array_get(choices, 0));
	json_decref(choices);
	return only;
}

bool shape_type_is_known(const char *type)
{
	json_t *schema = shape_type_describe(type);
	const bool known = schema != NULL;

	json_decref(schema);
	return known;
}

static json_t *describe_words(const struct shape *shape)
{
	json_t *words = json_array();

	for (int i = 0; shape->word(i); i++)
		(void)json_array_append_new(words, json_string(shape->word(i)));
	return json_pack("{s:s, s:o}", "type", "string", "enum", words);
}

static json_t *describe_members(const struct shape *shape)
{
	json_t *members = json_object(), *required = json_array();

	for (const struct shape_member *member = shape->members; member->name; member++) {
		json_t *schema = shape_type_describe(member->type);
		if (member->help)
			(void)json_object_set_new(schema, "description", json_string(member->help));
		(void)json_object_set_new(members, member->name, schema);
		if (!member->optional)
			(void)json_array_append_new(required, json_string(member->name));
	}
	return json_pack("{s:s, s:o, s:o}", "type", "object", "properties", members, "required", required);
}

static json_t *describe(const struct shape *shape)
{
	json_t *schema;

	if (shape->schema)
		schema = schema_describe(shape->schema);
	else
		schema = shape->word ? describe_words(shape) : describe_members(shape);
	(void)json_object_set_new(schema, "description", json_string(shape->help));
	return schema;
}

json_t *shape_describe_all(void)
{
	json_t *all = json_object();

	for (const struct shape *shape = shapes; shape->name; shape++)
		(void)json_object_set_new(all, shape->name, describe(shape));
	return all;
}
