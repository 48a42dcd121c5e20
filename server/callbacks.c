#include "server/callbacks.h"

#include "core/clock.h"
#include "core/document.h"
#include "core/log.h"
#include "core/redact.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	CALL_MS = 1000,
	ROUNDS = 8, /* at a time; the others the next time */
	EXECUTIONS = 10,
};

static const char secret[] = "callback"; /* the name in http.secrets of what callbacks are signed with */

/* The ended task as the API shows it. Owned; NULL: no memory, or what is stored cannot be read. */
static json_t *view_of(const struct config *config, const struct broker_callback *call, const struct task_head *head)
{
	struct task_record record;

	if (task_record_read(call->record, &record) < 0)
		return NULL;
	const struct task_facts facts = {
		.id = call->task,
		.head = head,
		.record = &record,
		.state = record.state,
		.max_attempts = record.max_attempts,
		.progress = -1,
	};
	json_t *view = task_view(&facts);
	task_record_fini(&record);
	if (view && redact_value(config, view) == 0)
		return view;
	json_decref(view);
	return NULL;
}

/* The document of the callback. Owned; NULL as above. */
static json_t *document_of(const struct config *config, const struct broker_callback *call)
{
	struct task_head head;
	json_t *document = NULL, *callback = NULL;

	if (task_head_read(call->stored, &head) < 0 ||
		document_parse(head.document.data, head.document.length, DOCUMENT_LENIENT, &document, NULL) < 0)
		return NULL;
	json_t *url = json_object_get(document, "callback");
	json_t *view = json_is_string(url) ? view_of(config, call, &head) : NULL;
	const bool is_known = config_find_queue(config, head.queue, strlen(head.queue)) >= 0;
	if (view)
		callback = json_pack("{s:s, s:s, s:[O, O, {s:s*}], s:s, s:s, s:i, s:{s:s}}", "class", "Http", "method",
			"push", "param", url, view, "secret",
			json_object_get(config->http.secrets, secret) ? secret : NULL, "id", call->id, "queue",
			is_known ? head.queue : "default", "retry", EXECUTIONS, "meta", "callback_of", call->task);
	json_decref(view);
	json_decref(document);
	return callback;
}

/* -EINVAL: it cannot be submitted, whenever it is tried. -EDQUOT: its queue is full now. */
static int submit(struct broker *broker, const struct config *config, const struct broker_callback *call,
	struct scoreboard_area *area, struct error *error)
{
	struct task_submission submission = {0};
	struct schema_faults faults = {0};
	struct broker_submission item = {.task = &submission};
	struct broker_batch batch = {.submissions = &item,
		.submission_count = 1,
		.created_ms = clock_wall_ms(),
		.source = TASK_SOURCE_HANDLER};
	json_auto_t *document = document_of(config, call);
	char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;

	if (!text)
		return error_set(error, -EINVAL, "what is stored of it cannot be read");
	int status = task_submission_read(
		config, document, (struct bytes){text, strlen(text)}, "", batch.created_ms, &submission, &faults);
	if (status == -EINVAL)
		(void)error_set(error, -EINVAL, "%s", faults.count > 0 ? faults.items[0].detail : "not a task");
	schema_faults_fini(&faults);
	if (status == 0)
		status = broker_batch(broker, &batch, clock_mono_after(CALL_MS), error);
	if (status == 0 && item.stored == BROKER_OVERFLOW)
		status = -EDQUOT;
	if (status == 0 && item.stored == BROKER_STORED)
		scoreboard_count(area, submission.queue)->submitted_handler++;
	broker_batch_fini(&batch);
	free(text);
	return status;
}

static int submit_one(struct broker *broker, const struct config *config, const struct broker_callback *call,
	struct scoreboard_area *area, struct error *error)
{
	int status = submit(broker, config, call, area, error);

	if (status == -EINVAL)
		log_error("a task's end cannot be told to its callback, it is dropped", LOG_TEXT("task", call->task),
			LOG_TEXT("error", error->text));
	if (status == -EDQUOT)
		return 0; /* its note stays */
	if (status < 0 && status != -EINVAL)
		return status;
	return broker_callback_done(broker, call->id, clock_mono_after(CALL_MS), error);
}

int callbacks_submit(struct broker *broker, const struct node *node, struct scoreboard_area *area, struct error *error)
{
	struct broker_callbacks callbacks;
	size_t found = 1;
	int status = 0;

	for (int round = 0; round < ROUNDS && found > 0 && status >= 0; round++) {
		status = broker_callbacks(broker, clock_mono_after(CALL_MS), &callbacks, error);
		if (status < 0)
			return status;
		found = callbacks.count;
		for (size_t i = 0; i < found && status >= 0; i++)
			status = submit_one(broker, node->config, &callbacks.items[i], area, error);
		broker_callbacks_fini(&callbacks);
	}
	return status < 0 ? status : 0;
}
