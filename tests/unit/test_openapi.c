#include "api/openapi.h"
#include "api/shape.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void each_route_is_described(void **state)
{
	(void)state;
	for (const struct route *route = routes; route < route_other; route++) {
		assert_true(route->summary != NULL && route->summary[0] != '\0');
		if (route->answers && !openapi_knows(route))
			fail_msg("%s %s: an answer, a type or a parameter of its row is not known", route->method,
				route->pattern);
	}
}

static void a_row_that_takes_a_body_says_which(void **state)
{
	(void)state;
	for (const struct route *route = routes; route < route_other; route++)
		if (route->answers && (route->body == ROUTE_BODY_NONE) != (route->takes == NULL))
			fail_msg("%s %s: its body has no type, or its type no body", route->method, route->pattern);
}

static void a_row_that_is_wrong_is_noticed(void **state)
{
	struct route route = {
		"GET", "/v1/tasks/{id}", ROUTE_READ, NULL, ROUTE_BODY_NONE, "wait", NULL, "200 Task", "Look"};

	(void)state;
	assert_true(openapi_knows(&route));
	route.answers = "200 Tusk";
	assert_false(openapi_knows(&route));
	route.answers = "2000 Task";
	assert_false(openapi_knows(&route));
	route.answers = "200 Task, 418";
	assert_false(openapi_knows(&route));
	route.answers = "200 Task";
	route.query = "wait weight";
	assert_false(openapi_knows(&route));
	route.query = NULL;
	route.pattern = "/v1/tasks/{idea}";
	assert_false(openapi_knows(&route));
	route.pattern = "/v1/tasks/{id}";
	route.takes = "NewTusk";
	assert_false(openapi_knows(&route));
}

static void operation_ids_differ(void **state)
{
	char id[OPENAPI_ID_MAX], other_id[OPENAPI_ID_MAX];

	(void)state;
	openapi_operation_id(&routes[1], id);
	assert_string_equal(id, "getTasksId");
	for (const struct route *route = routes; route < route_other; route++) {
		openapi_operation_id(route, id);
		for (const struct route *other = routes; other < route; other++) {
			openapi_operation_id(other, other_id);
			assert_string_not_equal(id, other_id);
		}
	}
}

static void each_member_of_each_shape_has_a_type(void **state)
{
	(void)state;
	for (const struct shape *shape = shapes; shape->name; shape++) {
		assert_ptr_equal(shape_find(shape->name, strlen(shape->name)), shape);
		assert_non_null(shape->help);
		assert_int_equal((shape->members != NULL) + (shape->word != NULL) + (shape->schema != NULL), 1);
		for (const struct shape_member *member = shape->members; member && member->name; member++)
			if (!shape_type_is_known(member->type))
				fail_msg(
					"%s.%s: the type \"%s\" is not known", shape->name, member->name, member->type);
	}
}

/* Types as JSON, without a space. */
static void assert_type(const char *type, const char *expected)
{
	json_t *schema = shape_type_describe(type);
	char *text = json_dumps(schema, JSON_COMPACT);

	assert_string_equal(text, expected);
	free(text);
	json_decref(schema);
}

static void types_are_written_as_schemas(void **state)
{
	(void)state;
	assert_type("string", "{\"type\":\"string\"}");
	assert_type("time?", "{\"type\":[\"string\",\"null\"],\"format\":\"date-time\"}");
	assert_type("integer{}", "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"integer\"}}");
	assert_type("Task[]", "{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/Task\"}}");
	assert_type("Usage?", "{\"anyOf\":[{\"$ref\":\"#/components/schemas/Usage\"},{\"type\":\"null\"}]}");
	assert_type("integer | string", "{\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"string\"}]}");
	assert_false(shape_type_is_known("Tusk"));
	assert_false(shape_type_is_known("integer | Tusk[]"));
}

static void the_description_is_whole(void **state)
{
	json_t *description = openapi_describe();
	json_t *paths = json_object_get(description, "paths");

	(void)state;
	assert_non_null(description);
	for (const struct route *route = routes; route < route_other; route++)
		if (route->answers)
			assert_non_null(json_object_get(paths, route->pattern));
	assert_null(json_object_get(paths, route_other->pattern));
	json_decref(description);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_route_is_described),
		cmocka_unit_test(a_row_that_takes_a_body_says_which),
		cmocka_unit_test(a_row_that_is_wrong_is_noticed),
		cmocka_unit_test(operation_ids_differ),
		cmocka_unit_test(each_member_of_each_shape_has_a_type),
		cmocka_unit_test(types_are_written_as_schemas),
		cmocka_unit_test(the_description_is_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
