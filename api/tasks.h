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
/* Executions that the document allows, for a task that neither its head nor its record says it of. */
int tasks_max_attempts(const struct config *config, const struct task_head *head);
/* Submits request->single, whose document stays where it is until the request is answered. */
void tasks_submit_single(struct request *request);

/* The {id} of the path, into request->id. Returns false, and answers 404, for what can be no id. */
bool tasks_read_id(struct request *request);
/* Tells whoever runs the task, if it is a worker of this node, that it is cancelled; force: that it is to be ended at once.
 * Another node's scheduler hears of it from the broker, as does ours if the supervisor is behind just now. */
void tasks_tell_worker(const struct api *api, const char *id, bool force);

/* For waits: looks a waiting request's task up again, in the turn's trip. */
void tasks_look(struct request *request);
/* For waits: the task that the request waits for has ended, with this record. */
void tasks_ended(struct request *request, struct bytes record);

/* Whether a worker of another node runs it, as far as the broker can tell (look->runner). */
bool tasks_runs_elsewhere(const struct api *api, const struct broker_look *look);

/* The task as the API shows it. `state` is the broker's; `active` is seen on the scoreboard, or else what
 * tasks_runs_elsewhere says: then its start and its progress are not known here. Owned by the caller; NULL
 * when what is stored cannot be read. */
json_t *tasks_view(const struct api *api, const struct broker_look *look);

#endif
