/* shape: what answers look like, for /openapi.json: a table for each kind of object, a row for each of its members.
 *
 * Types are written as in a sentence:
 *     "string" "integer" "number" "boolean" "object" "any" "time"     RFC 3339 in UTC, with milliseconds
 *     "Task"                                                          another shape, or a table of the validator
 *     "Task[]" "integer{}" "time?"                                    a list, a map from names, or null as well
 *     "Submitted | SubmittedMany"                                     one of these
 * All members are always there, but for those whose row says `optional`.
 *
 * These tables are held against the real answers: each one that the system tests see is checked by the description, in which
 * a member without a row is a failure. */
#ifndef MUSTER_API_SHAPE_H
#define MUSTER_API_SHAPE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct schema;

struct shape_member {
	const char *name; /* NULL ends the table */
	const char *type;
	const char *help;
	bool optional;
};

/* Either an object's members, or a string's words, or what the validator has a table for. */
struct shape {
	const char *name;
	const char *help;
	const struct shape_member *members;
	const char *(*word)(int index); /* NULL after the last one */
	const struct schema *schema;
};

/* shapes.c: all of them; the last row has no name. */
extern const struct shape shapes[];

const struct shape *shape_find(const char *name, size_t length);

/* Whether the type is well written, and every name in it known. */
bool shape_type_is_known(const char *type);

/* A type as a JSON Schema that refers to #/components/schemas. Owned by the caller; NULL: no memory, or not known. */
json_t *shape_type_describe(const char *type);

/* What stands below #/components/schemas. */
json_t *shape_describe_all(void);

#endif
