/* sse: server-sent events, as they come in pieces: lines `event: …`, `id: …`, `data: …`, and an empty one at the end of each. */
#ifndef MUSTER_CLI_SSE_H
#define MUSTER_CLI_SSE_H

#include "core/buffer.h"

#include <jansson.h>
#include <stddef.h>

struct sse {
	struct buffer line, data; /* what has come of the next one; bounded: one that is too large is not told */
	char type[32], last_id[128];
	void (*tell)(void *context, const char *type, json_t *data); /* data: borrowed */
	void *context;
};

void sse_init(struct sse *sse, void (*tell)(void *context, const char *type, json_t *data), void *context);
void sse_fini(struct sse *sse);

void sse_take(struct sse *sse, const char *bytes, size_t length);
/* The stream has ended, perhaps in the midst of an event; last_id stays. */
void sse_begin_again(struct sse *sse);

#endif
