#include "tests/fuzz/fuzz.h"

#include "core/buffer.h"

static void write_again(const struct task_record *record)
{
	_cleanup_(buffer_fini) struct buffer first, second;
	struct task_record again;

	buffer_init(&first, 1 << 24);
	buffer_init(&second, 1 << 24);
	assert(task_record_format(&first, record) == 0);
	assert(task_record_read((struct bytes){first.data, first.length}, &again) == 0);
	assert(again.state == record->state && again.executions == record->executions &&
		again.due_ms == record->due_ms && strcmp(again.worker, record->worker) == 0);
	assert(task_record_format(&second, &again) == 0);
	assert(first.length == second.length && memcmp(first.data, second.data, first.length) == 0);
	task_record_fini(&again);
}

static void show(const struct task_head *head, const struct task_record *record, int64_t started_ms)
{
	const struct task_facts facts = {
		.id = "01",
		.head = head,
		.record = record,
		.state = record->state,
		.started_ms = started_ms,
		.worker = "node/pool/0",
		.progress = -1,
	};
	json_t *view = task_view(&facts);
	char *text;

	assert(view != NULL && json_object_size(view) == 24);
	text = json_dumps(view, JSON_COMPACT);
	assert(text != NULL);
	free(text);
	json_decref(view);
}

void fuzz_record(const struct task_head *head, const struct task_record *record)
{
	write_again(record);
	show(head, record, 0);
	show(head, record, FUZZ_NOW_MS);
}
