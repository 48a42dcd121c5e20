/* What stands in Redis: values of :tasks and :runs, maybe spoilt by somebody else. Two lines (head and record), each
 * followed by what belongs to it; the byte 1 between them. */
#include "tests/fuzz/fuzz.h"

#include <errno.h>

static const struct task_head some_head = {
	.created_ms = FUZZ_NOW_MS, .source = TASK_SOURCE_HTTP, .max_attempts = 3, .queue = "default"};

static void check_head(const struct task_head *head, struct bytes stored)
{
	char line[TASK_HEAD_MAX];
	struct task_head again;
	size_t length = task_head_format(line, head);

	assert(head->document.data + head->document.length == stored.data + stored.length);
	assert(task_head_read((struct bytes){line, length}, &again) == 0);
	assert(again.created_ms == head->created_ms && again.run_at_ms == head->run_at_ms &&
		again.source == head->source && again.max_attempts == head->max_attempts &&
		strcmp(again.queue, head->queue) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *mark = size > 0 ? memchr(data, 1, size) : NULL;
	struct bytes first = {(const char *)data, mark != NULL ? (size_t)(mark - data) : size};
	struct bytes second = {
		mark != NULL ? (const char *)mark + 1 : NULL, mark != NULL ? size - first.length - 1 : 0};
	struct task_head head = some_head;
	struct task_record record;

	if (first.length > 0 && task_head_read(first, &head) == 0)
		check_head(&head, first);
	if (task_record_read(second, &record) < 0)
		return 0;
	fuzz_record(&head, &record);
	task_record_fini(&record);
	return 0;
}
