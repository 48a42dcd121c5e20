/* What a foreign producer pushed into a plain list: a worker takes it, whatever it is, and the API shows it. The first
 * bytes say how its executions go. */
#include "tests/fuzz/fuzz.h"

#include <errno.h>

static struct task_execution execution_of(uint8_t choice, const struct task_order *order)
{
	static const enum task_verdict verdicts[] = {TASK_VERDICT_OK, TASK_VERDICT_RETRY, TASK_VERDICT_FAIL,
		TASK_VERDICT_REFUSED, TASK_VERDICT_TIMEOUT, TASK_VERDICT_CRASH, TASK_VERDICT_CANCELLED,
		TASK_VERDICT_RETRY};
	struct task_execution execution = {
		.verdict = verdicts[choice % 8],
		.kind = choice & 8 ? "exception" : NULL,
		.message = choice & 16 ? "caf\xc3 \xff" : NULL,
		.worker = "node/pool/0",
		.started_ms = FUZZ_NOW_MS,
		.ended_ms = FUZZ_NOW_MS + choice,
		.delay_ms = choice & 32 ? choice : -1,
		.max_attempts = order->max_attempts,
		.random = choice / 256.0,
	};

	if (execution.verdict == TASK_VERDICT_OK)
		execution.result = order->param;
	return execution;
}

static void run(const struct task_head *head, const struct task_order *order, uint8_t queue, uint64_t choices)
{
	struct task_record record;

	assert(task_record_read((struct bytes){0}, &record) == 0);
	for (int i = 0; i < 8 && !task_state_ended(record.state); i++) {
		struct task_execution execution = execution_of((uint8_t)(choices >> 8 * i), order);
		int executions = record.executions;

		assert(task_record_apply(&record, &fuzz_config()->queues[queue], &execution) == 0);
		assert(record.executions == executions + 1);
		assert(record.attempts + record.crashes <= record.executions);
		fuzz_record(head, &record);
	}
	task_record_fini(&record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct task_head head = {.created_ms = FUZZ_NOW_MS, .source = TASK_SOURCE_LIST, .queue = "mail"};
	struct error error = {""};
	struct task_order order;
	uint64_t choices = 0;
	uint8_t queue = fuzz_byte(&data, &size) % 2;

	for (int i = 0; i < 4; i++)
		choices = choices << 8 | fuzz_byte(&data, &size);
	head.document = (struct bytes){(const char *)data, size};
	int status = task_order_read(&head, &fuzz_config()->queues[queue], &order, &error);
	assert(status == 0 || (status == -EINVAL && error.text[0] != '\0'));
	if (status == 0)
		assert(order.class[0] != '\0' && order.method[0] != '\0' && order.max_attempts >= 1 &&
			(json_is_array(order.param) || json_is_object(order.param)));
	run(&head, &order, queue, choices << 32 | choices);
	task_order_fini(&order);
	return 0;
}
