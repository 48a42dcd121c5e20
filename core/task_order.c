#include "core/document.h"
#include "core/task.h"
#include "core/units.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* ---- the ancestor's `retry`: PHP's arithmetic, of which producers may rely on any part ---- */

/* How often 1 can be taken away until nothing is left; at least once. */
static int count_executions(double retry)
{
	int whole;

	if (retry >= INT_MAX)
		return INT_MAX;
	if (!(retry > 1))
		return 1;
	whole = (int)retry;
	return whole + (retry > whole);
}

/* A string that PHP takes for a number: decimal, with blanks around it. */
static bool read_numeric(const char *text, size_t length, double *ret_number)
{
	static const char blanks[] = " \t\n\r\v\f";
	size_t digits;
	char *end;

	if (strlen(text) != length)
		return false;
	text += strspn(text, blanks);
	digits = strspn(text, "+-0123456789.eE"); /* no hexadecimal, infinity or nan, which strtod knows */
	if (digits == 0 || text[digits + strspn(text + digits, blanks)] != '\0')
		return false;
	*ret_number = strtod(text, &end);
	return end == text + digits;
}

/* Returns false when `retry` is no number, and no way to make one of it is known. */
static bool read_seed_retry(const json_t *retry, int *ret_executions)
{
	double number = 1; /* absent, null, true or false */

	if (json_is_array(retry) || json_is_object(retry))
		return false;
	if (json_is_string(retry) && !read_numeric(json_string_value(retry), json_string_length(retry), &number))
		return false;
	if (json_is_number(retry))
		number = json_number_value(retry);
	*ret_executions = count_executions(number);
	return true;
}

/* ---- members ---- */

static int find_name(const json_t *document, const char *member, const char **ret_name, struct error *error)
{
	const json_t *value = json_object_get(document, member);

	if (value == NULL)
		return error_set(error, -EINVAL, "\"%s\" is missing", member);
	if (!json_is_string(value))
		return error_set(error, -EINVAL, "\"%s\" is not a string", member);
	if (json_string_length(value) == 0)
		return error_set(error, -EINVAL, "\"%s\" is empty", member);
	if (strlen(json_string_value(value)) != json_string_length(value))
		return error_set(error, -EINVAL, "\"%s\" contains NUL", member);
	*ret_name = json_string_value(value);
	return 0;
}

static int find_param(json_t *document, json_t **ret_param, struct error *error)
{
	json_t *param = json_object_get(document, "param");

	if (param == NULL) {
		param = json_array();
		if (json_object_set_new(document, "param", param) < 0)
			return error_set(error, -ENOMEM, "no memory");
	}
	if (!json_is_array(param) && !json_is_object(param))
		return error_set(error, -EINVAL, "\"param\" is neither an array nor an object");
	*ret_param = param;
	return 0;
}

static void find_retry(const struct task_head *head, const struct config_queue *queue, struct task_order *order)
{
	if (head->max_attempts > 0)
		order->max_attempts = head->max_attempts;
	else if (head->source != TASK_SOURCE_LIST)
		order->max_attempts = (int)queue->retry;
	else
		order->retry_invalid =
			!read_seed_retry(json_object_get(order->document, "retry"), &order->max_attempts);
}

/* In a plain list's document `timeout` has no meaning. */
static void find_timeout(const struct task_head *head, const struct config_queue *queue, struct task_order *order)
{
	const char *timeout = json_string_value(json_object_get(order->document, "timeout"));

	order->timeout_ms = queue->timeout_ms;
	if (head->source != TASK_SOURCE_LIST && timeout != NULL)
		(void)units_parse_duration(timeout, &order->timeout_ms); /* was checked at the door */
}

static int read_members(
	const struct task_head *head, const struct config_queue *queue, struct task_order *order, struct error *error)
{
	const char *class = NULL, *method = NULL;
	int status;

	if (!json_is_object(order->document))
		return error_set(error, -EINVAL, "the document is not an object");
	find_retry(head, queue, order);
	find_timeout(head, queue, order);
	status = find_name(order->document, "class", &class, error);
	if (status == 0)
		status = find_name(order->document, "method", &method, error);
	if (status == 0)
		status = find_param(order->document, &order->param, error);
	if (status < 0)
		return status;
	order->class = class;
	order->method = method;
	return 0;
}

int task_order_read(const struct task_head *head, const struct config_queue *queue, struct task_order *ret_order,
	struct error *error)
{
	int status;

	*ret_order = (struct task_order){.max_attempts = 1, .timeout_ms = queue->timeout_ms};
	/* What came through the API has been looked at strictly there. */
	status = document_parse(
		head->document.data, head->document.length, DOCUMENT_LENIENT, &ret_order->document, error);
	if (status == 0)
		status = read_members(head, queue, ret_order, error);
	return status < 0 && status != -ENOMEM ? -EINVAL : status;
}

void task_order_fini(struct task_order *order)
{
	json_decref(order->document);
	*order = (struct task_order){0};
}
