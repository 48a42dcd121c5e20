/* tag: ETag of what dashboards ask for again and again, so that nothing is sent when nothing has changed.
 *
 * The tag is weak: ages and sizes that grow by themselves do not count, for they would change it with each look. Who keeps a
 * list knows how old it is. */
#ifndef MUSTER_API_TAG_H
#define MUSTER_API_TAG_H

#include "api/request.h"

/* After an answer of 200: gives it its tag; one that the client has already (If-None-Match) becomes a 304. */
void tag_answer(struct request *request);

enum { TAG_MAX = 40 };

/* The tag of a JSON text, as the header says it. Pure. */
void tag_of(const char *text, size_t length, char tag[TAG_MAX]);
/* Whether an If-None-Match header names it. Pure. */
bool tag_is_named(const char *if_none_match, const char *tag);

#endif
