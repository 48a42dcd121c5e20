/* schema_internal: the sentences of faults, between schema.c and schema_fault.c alone. */
#ifndef MUSTER_CORE_SCHEMA_INTERNAL_H
#define MUSTER_CORE_SCHEMA_INTERNAL_H

#include "core/schema.h"

/* `"workers" must be a whole number from 1 to 4000, not "many"` */
void schema_say_mistyped(char text[ERROR_TEXT_MAX], const struct schema_member *member, const json_t *value);

/* `unknown key "wrokers" in pool; did you mean "workers"?` */
void schema_say_unknown(char text[ERROR_TEXT_MAX], const struct schema *schema, const char *name);

#endif
