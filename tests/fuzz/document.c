/* A body of POST /v1/tasks: what the API accepts, a worker can read, and the API can show. */
#include "tests/fuzz/fuzz.h"

#include "api/split.h"
#include "core/document.h"

#include <errno.h>

static struct bytes stored_as(char *stored, const struct task_submission *task)
{
	struct task_head head = {
		.created_ms = FUZZ_NOW_MS,
		.run_at_ms = task->run_at_ms,
		.source = TASK_SOURCE_HTTP,
		.max_attempts = task->max_attempts,
	};
	size_t length;

	strcpy(head.queue, fuzz_config()->queues[task->queue].name);
	length = task_head_format(stored, &head);
	memcpy(stored + length, task->document.data, task->document.length);
	return (struct bytes){stored, length + task->document.length};
}

static void run(const struct task_submission *task)
{
	char *stored = malloc(TASK_HEAD_MAX + task->document.length);
	struct task_record record;
	struct task_order order;
	struct task_head head;

	assert(task_head_read(stored_as(stored, task), &head) == 0);
	assert(head.document.length == task->document.length && head.run_at_ms == task->run_at_ms);
	assert(task_order_read(&head, &fuzz_config()->queues[task->queue], &order, NULL) == 0);
	assert(order.max_attempts == task->max_attempts && !order.retry_invalid);
	assert(task_name_is_valid(order.class, strlen(order.class)));
	assert(task_record_read((struct bytes){0}, &record) == 0);
	fuzz_record(&head, &record);
	task_order_fini(&order);
	free(stored);
}

static void submit(const json_t *value, struct bytes text)
{
	struct task_submission task = {.queue = -1};
	struct schema_faults faults = {0};
	int status = task_submission_read(fuzz_config(), value, text, "", FUZZ_NOW_MS, &task, &faults);

	assert((status == 0 && faults.count == 0) || (status == -EINVAL && faults.count > 0 && task.queue == -1));
	if (status == 0) {
		assert(id_is_valid(task.id, strlen(task.id)) && task.document.data == text.data);
		assert(task.max_attempts >= 1 && task.max_attempts <= TASK_RETRY_MAX && task.run_at_ms >= 0);
		run(&task);
	}
	schema_faults_fini(&faults);
}

/* Each element is found again in the text. */
static void submit_each(const json_t *array, struct bytes text)
{
	struct bytes element;
	json_t *value;
	size_t count = 0;

	for (; split_next(&text, &element); count++) {
		assert(document_parse(element.data, element.length, DOCUMENT_STRICT, &value, NULL) == 0);
		assert(json_equal(value, json_array_get(array, count)));
		submit(value, element);
		json_decref(value);
	}
	assert(count == json_array_size(array));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes text = split_trim((struct bytes){(const char *)data, size});
	struct error error = {""};
	json_t *strict = NULL, *lenient = NULL;
	int status = document_parse(text.data, text.length, DOCUMENT_STRICT, &strict, &error);
	int second = document_parse(text.data, text.length, DOCUMENT_LENIENT, &lenient, NULL);

	assert(status == 0 || ((status == -EINVAL || status == -EBADMSG) && strict == NULL && error.text[0] != '\0'));
	assert(status < 0 ? second <= 0 : second == 0 && json_equal(strict, lenient));
	assert(second != -EBADMSG || status == -EBADMSG);
	if (json_is_array(strict))
		submit_each(strict, text);
	else if (strict != NULL)
		submit(strict, text);
	json_decref(strict);
	json_decref(lenient);
	return 0;
}
