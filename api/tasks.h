/* tasks: submission, look-up with and without waiting, and cancellation (/v1/tasks). */
#ifndef MUSTER_API_TASKS_H
#define MUSTER_API_TASKS_H

#include "api/request.h"

/* Routes. */
void tasks_submit(struct request *request);
void tasks_get(struct request *request);
void tasks_cancel(struct request *request);

/* Answers with the task that was looked up, or waits for its end first (request->wait_until_mono_ns). */
void tasks_follow(struct request *request, const struct broker_look *look);
/* Makes the request one that waits so long, 60 s at most. Returns false when it is answered: the broker is away. */
bool tasks_wait(struct request *request, int64_t wait_ms);

/* For waits: looks a waiting request's task up again, in the turn's trip. */
void tasks_look(struct request *request);
/* For waits: the task that the request waits for has ended, with this record. */
void tasks_ended(struct request *request, struct bytes record);

/* The task as the API shows it. `state` is the broker's; `active` is seen on the scoreboard. Owned by the caller; NULL
 * when what is stored cannot be read. */
json_t *tasks_view(const struct api *api, const struct broker_look *look);

#endif
