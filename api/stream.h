/* stream: tasks handed over as NDJSON, one document a line, in a body without end.
 *
 * Lines are read and stored in batches while the body still arrives; no more of it is kept than one line and a piece.
 * A line that is no valid task is counted and named in the answer, and stops nothing; a broker that is away stops it: from
 * that line on nothing more is stored, the rest of the body is read and thrown away, and the answer says where to go on.
 * Called by exchange.c for the body, by tasks_submit for its end and by the loop for lines that wait. One thread. */
#ifndef MUSTER_API_STREAM_H
#define MUSTER_API_STREAM_H

#include "api/request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct api;

/* Whether a body of this Content-Type (NULL: absent) is such a stream. */
bool stream_is_meant(const char *type);

/* Makes request->stream, or answers why not. */
void stream_begin(struct request *request);
/* A piece of the body. */
void stream_receive(struct request *request, const char *bytes, size_t length);
/* Bytes of the body that it holds now. */
size_t stream_held(const struct request *request);
/* The body is complete: stores what is left and answers. */
void stream_end(struct request *request);
/* Frees request->stream, if there is one. */
void stream_free(struct request *request);

/* From the loop: stores lines whose sender has paused. Returns when to be called next, INT64_MAX: nothing waits. */
int64_t stream_turn(struct api *api, int64_t now_mono_ns);

#endif
