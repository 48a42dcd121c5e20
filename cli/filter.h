/* filter: which tasks are meant, from options to what the API takes. */
#ifndef MUSTER_CLI_FILTER_H
#define MUSTER_CLI_FILTER_H

#include "cli/call.h"
#include "cli/path.h"

/* As a query of a path; `queue` NULL: as --queue says. The limit is not part of it. */
void filter_query(const struct call *call, const char *queue, struct path *path);

/* As a document. The caller owns it. */
json_t *filter_json(const struct call *call, const char *queue);

/* Whether any of it was given. */
bool filter_given(const struct call *call);

/* In words, for a question: "state dead, queue mail"; "all" for none. */
void filter_words(const struct call *call, const char *queue, char *text, size_t size);

#endif
