#include "core/task.h"

#include "core/task_internal.h"
#include "core/utf8.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

bool task_name_is_valid(const char *name, size_t length)
{
	if (length == 0 || length > TASK_NAME_MAX)
		return false;
	for (size_t i = 0; i < length; i++) {
		char c = name[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
			    c == '.' || c == '\\' || c == '-'))
			return false;
	}
	return true;
}

const char *task_state_name(enum task_state state)
{
	switch (state) {
	case TASK_PENDING: return "pending";
	case TASK_SCHEDULED: return "scheduled";
	case TASK_ACTIVE: return "active";
	case TASK_RETRYING: return "retrying";
	case TASK_SUCCEEDED: return "succeeded";
	case TASK_DEAD: return "dead";
	case TASK_CANCELLED: return "cancelled";
	}
	__builtin_unreachable();
}

bool task_state_ended(enum task_state state)
{
	return state == TASK_SUCCEEDED || state == TASK_DEAD || state == TASK_CANCELLED;
}

void task_element_format(char element[TASK_ELEMENT_MAX], const char *id, int executions)
{
	int length = executions == 0 ? snprintf(element, TASK_ELEMENT_MAX, "%s", id)
				     : snprintf(element, TASK_ELEMENT_MAX, "%s~%d", id, executions);

	assert(length > 0 && length < TASK_ELEMENT_MAX);
}

size_t task_element_id_length(struct bytes element)
{
	const char *mark = element.length > 0 ? memchr(element.data, '~', element.length) : NULL;

	return mark != NULL ? (size_t)(mark - element.data) : element.length;
}

void task_clean_text(char *text, size_t size, const char *raw)
{
	size_t left = strlen(raw), used = 0;

	while (left > 0) {
		uint32_t point;
		size_t step = utf8_decode(raw, left, &point);
		size_t taken = step > 0 ? step : 1;

		if (used + taken >= size)
			break;
		memcpy(text + used, step > 0 ? raw : "?", taken);
		used += taken;
		raw += taken;
		left -= taken;
	}
	text[used] = '\0';
}
