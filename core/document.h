/* document: JSON that came from outside, made into a jansson value with nothing lost and nothing guessed.
 *
 * One scanner runs before jansson: it bounds the depth (jansson recurses) and gives integers beyond 64 bits a fraction,
 * so that jansson reads them as reals (it refuses them otherwise). The bytes themselves are not changed: they are what
 * is stored and what handlers get. Any process may call this; nothing is kept between calls. */
#ifndef MUSTER_CORE_DOCUMENT_H
#define MUSTER_CORE_DOCUMENT_H

#include "core/error.h"

#include <jansson.h>
#include <stddef.h>

enum { DOCUMENT_DEPTH_MAX = 512 };

enum document_manners {
	DOCUMENT_STRICT,  /* the API: a duplicate key is an error */
	DOCUMENT_LENIENT, /* a plain list: the last of two equal keys counts */
};

/* Parses length bytes as one JSON value of any type. *ret_value is owned by the caller (json_decref).
 * Returns 0; -EBADMSG (not JSON, bad UTF-8, too deep, BOM, raw NUL: malformed); -EINVAL (well formed, but with a
 * duplicate key, a number beyond a double, or NUL in a member's name); -ENOMEM. */
int document_parse(
	const char *bytes, size_t length, enum document_manners manners, json_t **ret_value, struct error *error);

#endif
