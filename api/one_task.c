#include "api/one_task.h"

#include "api/problem.h"
#include "api/state.h"
#include "api/tasks.h"

#include <string.h>

/* Does one thing to the task that the path names. Returns what came of it (enum broker_said), -1 when it has answered. */
static int act(struct request *request, enum broker_act act)
{
	struct link *link = &request->api->link;
	struct error error = {""};
	char ids[1][ID_MAX + 1], said = BROKER_SAID_UNKNOWN;
	int64_t until;

	if (!tasks_read_id(request))
		return -1;
	memcpy(ids[0], request->id, sizeof ids[0]);
	int status = link_begin(link, &until, &error);
	if (status == 0)
		status = link_end(link,
			broker_act(link->broker, act, (const char(*)[ID_MAX + 1]) ids, 1, &said, until, &error),
			&error);
	if (status < 0) {
		problem_broker(request, status, &error);
		return -1;
	}
	return said;
}

void one_task_retry(struct request *request)
{
	switch (act(request, BROKER_ACT_RETRY)) {
	case BROKER_SAID_UNKNOWN: problem(request, 404, "there is no task %s", request->id); break;
	case BROKER_SAID_DONE: tasks_look(request); break;
	case BROKER_SAID_HELD:
		problem(request, 409, "task %s has not ended: it will run by itself", request->id);
		break;
	case BROKER_SAID_OVER:
		problem(request, 409, "task %s has succeeded: to run it again, submit it again", request->id);
		break;
	default: break;
	}
}
