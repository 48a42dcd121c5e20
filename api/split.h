/* split: where the elements of a JSON array stand in its text, so that each document is kept as its own bytes.
 *
 * The text has been parsed before and is valid JSON: nothing is checked here. Pure.
 *
 *     struct bytes rest = text, element;
 *     while (split_next(&rest, &element)) … */
#ifndef MUSTER_API_SPLIT_H
#define MUSTER_API_SPLIT_H

#include "core/task.h"

#include <stdbool.h>

/* The next element; *rest is what follows it. Before the first call *rest is the whole array. Returns false behind the
 * last one. */
bool split_next(struct bytes *rest, struct bytes *ret_element);

/* The text without white space around it. */
struct bytes split_trim(struct bytes text);

#endif
