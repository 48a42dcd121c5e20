/* schema: the one validator. A table of members, one row each, says what a JSON object may hold.
 *
 * The same rows fill a C struct, make the errors (a JSON pointer and a sentence), print the effective values, and
 * describe the object to people (manual page) and programs (JSON Schema). Configuration, task documents and bodies of
 * requests are all read this way. Adding an option is adding a row.
 *
 * A struct is filled at the row's offset, by type:
 *   BOOLEAN bool · INTEGER int64_t · REAL double · DURATION int64_t ms · SIZE int64_t bytes · STRING char * (owned,
 *   NULL for null) · ENUM int · STRINGS struct schema_strings · OBJECT the nested struct in place ·
 *   OBJECTS struct schema_list of nested structs · VALUE json_t * (a reference of its own, NULL when absent).
 * Null is SCHEMA_NONE, NaN for a REAL, -1 for an ENUM, false, NULL or empty for the others, all defaults for an OBJECT.
 * An absent member gets its default; `null` is allowed where the default is null, and means it. A row that is `later`
 * fills nothing: its offset does not count, and its type is a number's, BOOLEAN, ENUM or VALUE. */
#ifndef MUSTER_CORE_SCHEMA_H
#define MUSTER_CORE_SCHEMA_H

#include "core/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCHEMA_NONE INT64_MIN /* an INTEGER, DURATION or SIZE that is null */

enum schema_type {
	SCHEMA_BOOLEAN, /* true or false; with `words`: one of these two, the second means true */
	SCHEMA_INTEGER,
	SCHEMA_REAL,
	SCHEMA_DURATION, /* "10s"; a bare number is refused, naming the units */
	SCHEMA_SIZE,     /* "64KiB", or a bare number of bytes */
	SCHEMA_STRING,
	SCHEMA_ENUM, /* one of `words`, stored as its index */
	SCHEMA_STRINGS,
	SCHEMA_OBJECT,
	SCHEMA_OBJECTS,
	SCHEMA_VALUE, /* anything; `check` looks at it */
};

struct schema_strings {
	char **items; /* owned */
	size_t count;
};

struct schema_list {
	void *items; /* owned: count structs of the nested schema's size */
	size_t count;
};

/* One thing that is wrong. pointer: RFC 6901, "" for the whole. */
struct schema_fault {
	char pointer[256];
	char detail[ERROR_TEXT_MAX];
};

struct schema_faults {
	struct schema_fault *items; /* owned */
	size_t count;
	size_t maximum; /* more are counted in `count` no further; 0 means 32 */
	bool lost; /* one could not be noted, for lack of memory: no fault in `items` does not mean that there is none */
};

struct schema;

struct schema_member {
	const char *name;
	enum schema_type type;
	size_t offset;
	bool required;
	bool later; /* in the contract, not built yet: any value but null and the default is refused with words */
	const char *fallback; /* the default as JSON text; NULL: null */
	/* INTEGER, REAL: value; DURATION: ms; SIZE: bytes; STRING: length; STRINGS, OBJECTS: count; both 0: unbounded */
	double minimum, maximum;
	bool digits;                 /* INTEGER: a string of digits will do */
	const char *const *words;    /* ENUM, BOOLEAN: NULL-terminated */
	const struct schema *nested; /* OBJECT, OBJECTS */
	/* Further check of a present, well-typed value; NULL: none. Returns 0, or -EINVAL with the sentence, whose subject
	 * (the member's name) is put before it: "must be …". */
	int (*check)(const json_t *value, struct error *error);
	const char *
		described; /* what `check` allows: members of a JSON Schema, as JSON text; NULL: the type says it all */
	bool secret;       /* masked by schema_dump, never shown in faults */
	const char *help;  /* one sentence for the manual */
};

struct schema {
	const char *title;                   /* what such an object is called in errors: "pool", "task" */
	const struct schema_member *members; /* at most 64, ends with a row whose name is NULL */
	size_t size;                         /* of the struct that is filled */
};

/* Validates `value` and fills `target` (zeroed by the caller). Finds all faults, not just the first; returns 0, -EINVAL
 * (faults has the list; target is in a state that schema_fini frees) or -ENOMEM. `prefix` is put before all pointers. */
int schema_read(const struct schema *schema, const json_t *value, const char *prefix, void *target,
	struct schema_faults *faults);

/* Adds one fault (for checks across members, made by the caller). */
void schema_fault(struct schema_faults *faults, const char *pointer, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void schema_faults_fini(struct schema_faults *faults);

/* Frees what schema_read put into *target. */
void schema_fini(const struct schema *schema, void *target);

/* What holds, defaults included, secrets as "********"; durations and sizes in their written form. Owned by the caller;
 * NULL: no memory. */
json_t *schema_dump(const struct schema *schema, const void *target);

/* The table as a JSON Schema (2020-12, as OpenAPI 3.1 has it): what schema_read takes, but for the bounds of durations and
 * sizes, and checks that no row describes. Owned by the caller; NULL: no memory. */
json_t *schema_describe(const struct schema *schema);

#endif
