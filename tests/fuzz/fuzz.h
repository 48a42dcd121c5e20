/* fuzz: what the targets share. A target is one function that libFuzzer calls with bytes; it aborts when a promise of the
 * code under test does not hold. The sanitizers see the rest. */
#ifndef MUSTER_TESTS_FUZZ_H
#define MUSTER_TESTS_FUZZ_H

#include "core/config.h"
#include "core/task.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *count, char ***arguments);

enum { FUZZ_NOW_MS = 1764000000 }; /* some wall time, the same in each run */

/* A copy with a NUL behind it, as long as the bytes up to their first NUL: to read beyond it is seen. Owned. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);

	assert(text != NULL);
	return text;
}

/* The bytes up to the first line break, which is skipped; *data and *size become what follows. Owned. */
static inline char *fuzz_line(const uint8_t **data, size_t *size)
{
	const uint8_t *end = *size > 0 ? memchr(*data, '\n', *size) : NULL;
	size_t length = end != NULL ? (size_t)(end - *data) : *size;
	char *line = fuzz_text(*data, length);

	*data += length + (end != NULL);
	*size -= length + (end != NULL);
	return line;
}

/* The first byte, which is taken away; 0 when there is none. */
static inline uint8_t fuzz_byte(const uint8_t **data, size_t *size)
{
	if (*size == 0)
		return 0;
	(*size)--;
	return *(*data)++;
}

/* Two queues, as a configuration would have them. */
static inline const struct config *fuzz_config(void)
{
	static char first[] = "default", second[] = "mail";
	static struct config_queue queues[] = {
		{.name = first, .retry = 2, .timeout_ms = SCHEMA_NONE, .max_crashes = 3},
		{.name = second,
			.retry = 5,
			.timeout_ms = 1000,
			.max_crashes = 1,
			.backoff = {.base_ms = 100, .max_ms = 60000, .factor = 2, .jitter = 0.5}},
	};
	static const struct config config = {.queues = queues, .queue_count = 2};

	return &config;
}

/* The record survives its own writing; and the task can be shown. */
void fuzz_record(const struct task_head *head, const struct task_record *record);

#endif
