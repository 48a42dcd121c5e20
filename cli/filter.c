#include "cli/filter.h"

#include <stdio.h>
#include <string.h>

static const struct {
	enum option_id option;
	const char *member;
} members[] = {{OPTION_QUEUE, "queue"}, {OPTION_STATE, "state"}, {OPTION_CLASS, "class"}, {OPTION_METHOD, "method"},
	{OPTION_ERROR_KIND, "error_kind"}, {OPTION_ERROR, "error"}, {OPTION_CREATED_AFTER, "created_after"},
	{OPTION_CREATED_BEFORE, "created_before"}, {OPTION_FINISHED_AFTER, "finished_after"},
	{OPTION_FINISHED_BEFORE, "finished_before"}};

enum { MEMBERS = sizeof members / sizeof members[0] };

static const char *value_of(const struct call *call, const char *queue, size_t member)
{
	return member == 0 && queue ? queue : call->options[members[member].option];
}

void filter_query(const struct call *call, const char *queue, struct path *path)
{
	for (size_t i = 0; i < MEMBERS; i++)
		if (value_of(call, queue, i))
			path_query(path, members[i].member, value_of(call, queue, i));
}

json_t *filter_json(const struct call *call, const char *queue)
{
	json_t *filter = json_object();

	for (size_t i = 0; i < MEMBERS; i++)
		if (value_of(call, queue, i))
			(void)json_object_set_new(filter, members[i].member, json_string(value_of(call, queue, i)));
	return filter;
}

bool filter_given(const struct call *call)
{
	for (size_t i = 0; i < MEMBERS; i++)
		if (call->options[members[i].option])
			return true;
	return false;
}

void filter_words(const struct call *call, const char *queue, char *text, size_t size)
{
	size_t used = 0;

	(void)snprintf(text, size, "all");
	for (size_t i = 0; i < MEMBERS && used < size; i++)
		if (value_of(call, queue, i))
			used += (size_t)snprintf(text + used, size - used, "%s%s %s", used > 0 ? ", " : "",
				option_rows[members[i].option].name, value_of(call, queue, i));
}
