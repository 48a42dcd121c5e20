/* follow: GET /v1/tasks/{id}/log, what a task has printed and logged, once or until its end (?follow=1).
 *
 * Lines of text with their times, or of JSON where the client accepts application/x-ndjson. Who follows is served by asking the
 * broker four times a second for what is new, whatever happens meanwhile: a bounded cost, for a bounded number of them. */
#ifndef MUSTER_API_FOLLOW_H
#define MUSTER_API_FOLLOW_H

#include "api/request.h"

#include <stdint.h>

struct api;

void follow_get(struct request *request);
/* The client has gone. */
void follow_leave(struct request *request);

/* From the loop. Returns when it is to be called next, INT64_MAX: not before somebody follows. */
int64_t follow_turn(struct api *api, int64_t now_mono_ns);
/* Ends all that is followed. */
void follow_stop(struct api *api);

#endif
