#include "core/schema.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A schema with one member of every type. */

struct wheel {
	char *maker;
	int64_t spokes;
};

struct cart {
	bool covered;
	bool locked;
	int64_t seats, age_ms, load;
	double height;
	char *name, *key;
	int colour;
	struct schema_strings tags;
	struct wheel spare;
	struct schema_list wheels;
	json_t *extra;
};

static int check_even(const json_t *value, struct error *error)
{
	return json_integer_value(value) % 2 == 0 ? 0 : error_set(error, -EINVAL, "must be even");
}

static const char *const colours[] = {"red", "green", NULL};
static const char *const locks[] = {"open", "locked", NULL};

static const struct schema_member wheel_members[] = {
	{.name = "maker",
		.type = SCHEMA_STRING,
		.offset = offsetof(struct wheel, maker),
		.required = true,
		.maximum = 8},
	{.name = "spokes",
		.type = SCHEMA_INTEGER,
		.offset = offsetof(struct wheel, spokes),
		.fallback = "12",
		.check = check_even},
	{0},
};
static const struct schema wheel_schema = {"wheel", wheel_members, sizeof(struct wheel)};

static const struct schema_member spare_members[] = {
	{.name = "maker", .type = SCHEMA_STRING, .offset = offsetof(struct wheel, maker), .fallback = "\"nobody\""},
	{.name = "spokes", .type = SCHEMA_INTEGER, .offset = offsetof(struct wheel, spokes)},
	{0},
};
static const struct schema spare_schema = {"spare", spare_members, sizeof(struct wheel)};

#define CART(field) offsetof(struct cart, field)

static const struct schema_member cart_members[] = {
	{.name = "covered", .type = SCHEMA_BOOLEAN, .offset = CART(covered), .fallback = "true"},
	{.name = "lock", .type = SCHEMA_BOOLEAN, .offset = CART(locked), .fallback = "\"open\"", .words = locks},
	{.name = "seats", .type = SCHEMA_INTEGER, .offset = CART(seats), .minimum = 1, .maximum = 8, .digits = true},
	{.name = "age",
		.type = SCHEMA_DURATION,
		.offset = CART(age_ms),
		.fallback = "\"1m\"",
		.minimum = 1,
		.maximum = 3600000},
	{.name = "load", .type = SCHEMA_SIZE, .offset = CART(load), .fallback = "\"1KiB\""},
	{.name = "height", .type = SCHEMA_REAL, .offset = CART(height), .fallback = "1.5", .minimum = 0, .maximum = 9},
	{.name = "name", .type = SCHEMA_STRING, .offset = CART(name), .fallback = "\"cart\""},
	{.name = "key", .type = SCHEMA_STRING, .offset = CART(key), .maximum = 6, .secret = true},
	{.name = "colour", .type = SCHEMA_ENUM, .offset = CART(colour), .fallback = "\"green\"", .words = colours},
	{.name = "tags", .type = SCHEMA_STRINGS, .offset = CART(tags), .fallback = "[\"old\"]", .maximum = 3},
	{.name = "spare", .type = SCHEMA_OBJECT, .offset = CART(spare), .nested = &spare_schema},
	{.name = "wheels", .type = SCHEMA_OBJECTS, .offset = CART(wheels), .fallback = "[]", .nested = &wheel_schema},
	{.name = "extra", .type = SCHEMA_VALUE, .offset = CART(extra)},
	{.name = "motor", .type = SCHEMA_VALUE, .later = true, .fallback = "[]"},
	{.name = "speed", .type = SCHEMA_SIZE, .later = true, .fallback = "\"1KiB\"", .minimum = 0, .maximum = 9999},
	{0},
};
static const struct schema cart_schema = {"cart", cart_members, sizeof(struct cart)};

struct reading {
	struct cart cart;
	struct schema_faults faults;
	int status;
};

/* Apostrophes stand for quotes in `text`. */
static struct reading read_under(const char *text, const char *prefix)
{
	struct reading reading = {0};
	char *copy = strdup(text);
	for (char *at = copy; *at != '\0'; at++)
		*at = *at == '\'' ? '"' : *at;
	json_t *value = json_loads(copy, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	assert_non_null(value);
	reading.status = schema_read(&cart_schema, value, prefix, &reading.cart, &reading.faults);
	json_decref(value);
	free(copy);
	return reading;
}

static void drop(struct reading *reading)
{
	schema_fini(&cart_schema, &reading->cart);
	schema_faults_fini(&reading->faults);
}

static void assert_fault(const char *text, const char *pointer, const char *part)
{
	struct reading reading = read_under(text, "");
	assert_int_equal(reading.status, -EINVAL);
	assert_int_equal(reading.faults.count, 1);
	assert_string_equal(reading.faults.items[0].pointer, pointer);
	if (strstr(reading.faults.items[0].detail, part) == NULL)
		fail_msg("%s: \"%s\" is not in \"%s\"", text, part, reading.faults.items[0].detail);
	drop(&reading);
}

static void fills_defaults(void **state)
{
	(void)state;
	struct reading reading = read_under("{}", "");
	const struct cart *cart = &reading.cart;
	assert_int_equal(reading.status, 0);
	assert_int_equal(reading.faults.count, 0);
	assert_true(cart->covered);
	assert_false(cart->locked);
	assert_true(cart->seats == SCHEMA_NONE);
	assert_int_equal(cart->age_ms, 60000);
	assert_int_equal(cart->load, 1024);
	assert_true(cart->height == 1.5);
	assert_string_equal(cart->name, "cart");
	assert_null(cart->key);
	assert_int_equal(cart->colour, 1);
	assert_int_equal(cart->tags.count, 1);
	assert_string_equal(cart->tags.items[0], "old");
	assert_string_equal(cart->spare.maker, "nobody");
	assert_true(cart->spare.spokes == SCHEMA_NONE);
	assert_int_equal(cart->wheels.count, 0);
	assert_null(cart->extra);
	drop(&reading);
}

static void fills_what_is_given(void **state)
{
	(void)state;
	struct reading reading =
		read_under("{'covered':false,'lock':'locked','seats':3,'age':'500ms','load':7,'height':2,"
			   "'name':'','key':'secret','colour':'red','tags':[],'spare':{'spokes':3},"
			   "'wheels':[{'maker':'a'},{'maker':'b','spokes':4}],'extra':[1,{}]}",
			"");
	const struct cart *cart = &reading.cart;
	assert_int_equal(reading.status, 0);
	assert_false(cart->covered);
	assert_true(cart->locked);
	assert_int_equal(cart->seats, 3);
	assert_int_equal(cart->age_ms, 500);
	assert_int_equal(cart->load, 7);
	assert_true(cart->height == 2.0);
	assert_string_equal(cart->name, "");
	assert_string_equal(cart->key, "secret");
	assert_int_equal(cart->colour, 0);
	assert_int_equal(cart->tags.count, 0);
	assert_string_equal(cart->spare.maker, "nobody");
	assert_int_equal(cart->spare.spokes, 3);
	const struct wheel *wheels = cart->wheels.items;
	assert_int_equal(cart->wheels.count, 2);
	assert_int_equal(wheels[0].spokes, 12);
	assert_string_equal(wheels[1].maker, "b");
	assert_int_equal(wheels[1].spokes, 4);
	assert_int_equal(json_array_size(cart->extra), 2);
	drop(&reading);
}

static void null_is_a_null_default(void **state)
{
	(void)state;
	struct reading reading = read_under("{'seats':null,'key':null,'spare':null,'extra':null,'motor':null}", "");
	assert_int_equal(reading.status, 0);
	assert_true(reading.cart.seats == SCHEMA_NONE);
	assert_string_equal(reading.cart.spare.maker, "nobody");
	assert_true(json_is_null(reading.cart.extra)); /* said, unlike an absent one */
	drop(&reading);
	assert_fault("{'covered':null}", "/covered", "\"covered\" must be true or false, not null");
	assert_fault("{'wheels':[{'maker':null}]}", "/wheels/0/maker", "\"maker\" must be a string");
}

static void says_what_is_wrong(void **state)
{
	(void)state;
	static const struct {
		const char *text, *pointer, *part;
	} rows[] = {
		{"[]", "", "cart must be an object"},
		{"{'covered':1}", "/covered", "\"covered\" must be true or false, not 1"},
		{"{'lock':true}", "/lock", "\"lock\" must be one of open, locked, not true"},
		{"{'seats':0}", "/seats", "\"seats\" must be a whole number, 1 to 8, not 0"},
		{"{'seats':9}", "/seats", "1 to 8"},
		{"{'seats':2.0}", "/seats", "a whole number"},
		{"{'seats':'many'}", "/seats", "not \"many\""},
		{"{'age':10}", "/age", "a duration with its unit (500ms 10s 5m 1h 7d), 1ms to 1h, not 10"},
		{"{'age':'2h'}", "/age", "not \"2h\""},
		{"{'age':'1m\\u00001'}", "/age", "a duration"},
		{"{'load':-1}", "/load", "a size"},
		{"{'load':'1 KiB'}", "/load", "a size"},
		{"{'height':'1'}", "/height", "a number, 0 to 9, not \"1\""},
		{"{'height':9.5}", "/height", "not 9.5"},
		{"{'name':true}", "/name", "a string, not true"},
		{"{'name':'a\\u0000b'}", "/name", "must not contain NUL"},
		{"{'colour':'blue'}", "/colour", "one of red, green, not \"blue\""},
		{"{'colour':1}", "/colour", "one of red, green, not 1"},
		{"{'tags':'a'}", "/tags", "a list of strings, 0 to 3 entries, not \"a\""},
		{"{'tags':['a','b','c','d']}", "/tags", "not a list of 4"},
		{"{'tags':['a',2]}", "/tags/1", "a string, not 2"},
		{"{'spare':[]}", "/spare", "an object of keys and values"},
		{"{'spare':{'spokes':'x'}}", "/spare/spokes", "a whole number"},
		{"{'wheels':{}}", "/wheels", "a list of objects, not an object"},
		{"{'wheels':[1]}", "/wheels/0", "wheel must be an object"},
		{"{'wheels':[{'maker':'a'},{}]}", "/wheels/1", "wheel needs \"maker\""},
		{"{'wheels':[{'maker':'123456789'}]}", "/wheels/0/maker", "0 to 8 bytes"},
		{"{'wheels':[{'maker':'a','spokes':3}]}", "/wheels/0/spokes", "\"spokes\" must be even"},
		{"{'motor':[1]}", "/motor", "\"motor\" is not available yet"},
		{"{'motor':false}", "/motor", "is not available yet"},
		{"{'speed':'2KiB'}", "/speed", "is not available yet"},
		{"{'speed':'fast'}", "/speed", "a size"},
		{"{'a/b~c':1}", "/a~1b~0c", "unknown key \"a/b~c\" in cart; it has covered lock seats"},
		{"{'wheals':[]}", "/wheals", "did you mean \"wheels\"?"},
		{"{'spare':{'mak':1}}", "/spare/mak", "unknown key \"mak\" in spare; did you mean \"maker\"?"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_fault(rows[i].text, rows[i].pointer, rows[i].part);
}

static void a_later_default_is_no_fault(void **state)
{
	(void)state;
	struct reading reading = read_under("{'motor':[],'speed':1024}", "");
	assert_int_equal(reading.status, 0);
	drop(&reading);
}

static void digits_are_a_number_where_the_row_says_so(void **state)
{
	(void)state;
	struct reading reading = read_under("{'seats':'7'}", "");
	assert_int_equal(reading.status, 0);
	assert_int_equal(reading.cart.seats, 7);
	drop(&reading);
	assert_fault("{'spare':{'spokes':'7'}}", "/spare/spokes", "a whole number");
}

static void finds_all_faults(void **state)
{
	(void)state;
	struct reading reading =
		read_under("{'seats':99,'colour':'blue','wheels':[{},{'maker':'a','spokes':3}]}", "/3");
	assert_int_equal(reading.status, -EINVAL);
	assert_int_equal(reading.faults.count, 4);
	assert_string_equal(reading.faults.items[0].pointer, "/3/seats");
	assert_string_equal(reading.faults.items[1].pointer, "/3/colour");
	assert_string_equal(reading.faults.items[2].pointer, "/3/wheels/0");
	assert_string_equal(reading.faults.items[3].pointer, "/3/wheels/1/spokes");
	drop(&reading);
}

static void counts_faults_up_to_the_maximum(void **state)
{
	(void)state;
	json_t *value = json_object();
	for (int i = 0; i < 100; i++) {
		char name[32];
		(void)snprintf(name, sizeof name, "unknown_%d", i);
		assert_int_equal(json_object_set_new(value, name, json_null()), 0);
	}
	for (size_t maximum = 0; maximum <= 2; maximum++) {
		struct cart cart = {0};
		struct schema_faults faults = {.maximum = maximum};
		assert_int_equal(schema_read(&cart_schema, value, "", &cart, &faults), -EINVAL);
		assert_int_equal(faults.count, maximum > 0 ? maximum : 32);
		schema_fini(&cart_schema, &cart);
		schema_faults_fini(&faults);
	}
	json_decref(value);
}

static void assert_is_clean(const char *text, size_t size)
{
	assert_true(strlen(text) < size);
	json_t *string = json_string(text);
	assert_non_null(string); /* it is UTF-8 */
	json_decref(string);
	for (; *text != '\0'; text++)
		assert_true((unsigned char)*text >= ' ' && *text != 0x7f);
}

static void what_it_shows_is_one_line_of_utf8(void **state)
{
	(void)state;
	char name[700];
	for (size_t length = 200; length < 600; length++) {
		memset(name, 'x', sizeof name);
		for (size_t i = 1; i + 2 < length; i += 2)
			memcpy(name + i, "ü", 2);
		memcpy(name + length - 1, "\n", 2);
		struct cart cart = {0};
		struct schema_faults faults = {0};
		json_t *value = json_pack("{s:s, s:i}", "colour", name, name, 1);
		assert_int_equal(schema_read(&cart_schema, value, "/prefix", &cart, &faults), -EINVAL);
		assert_int_equal(faults.count, 2);
		for (size_t i = 0; i < faults.count; i++) {
			assert_is_clean(faults.items[i].pointer, sizeof faults.items[i].pointer);
			assert_is_clean(faults.items[i].detail, sizeof faults.items[i].detail);
		}
		json_decref(value);
		schema_fini(&cart_schema, &cart);
		schema_faults_fini(&faults);
	}
}

static void keeps_secrets(void **state)
{
	(void)state;
	struct reading reading = read_under("{'key':'hunter22'}", "");
	assert_int_equal(reading.faults.count, 1);
	assert_null(strstr(reading.faults.items[0].detail, "hunter"));
	drop(&reading);
	reading = read_under("{'key':'hunter'}", "");
	json_t *dump = schema_dump(&cart_schema, &reading.cart);
	assert_string_equal(json_string_value(json_object_get(dump, "key")), "********");
	json_decref(dump);
	drop(&reading);
}

static void dumps_what_holds(void **state)
{
	(void)state;
	struct reading reading = read_under("{'seats':2,'wheels':[{'maker':'a'}],'extra':{'a':1},'age':'90s'}", "");
	json_t *dump = schema_dump(&cart_schema, &reading.cart);
	json_t *expected =
		json_pack("{s:b,s:s,s:i,s:s,s:s,s:f,s:s,s:n,s:s,s:[s],s:{s:s,s:n},s:[{s:s,s:i}],s:{s:i},s:[],s:s}",
			"covered", 1, "lock", "open", "seats", 2, "age", "90s", "load", "1KiB", "height", 1.5, "name",
			"cart", "key", "colour", "green", "tags", "old", "spare", "maker", "nobody", "spokes", "wheels",
			"maker", "a", "spokes", 12, "extra", "a", 1, "motor", "speed", "1KiB");
	assert_non_null(expected);
	if (!json_equal(dump, expected))
		fail_msg("%s", json_dumps(dump, 0));
	struct cart again = {0};
	assert_int_equal(schema_read(&cart_schema, dump, "", &again, &reading.faults), 0);
	json_t *second = schema_dump(&cart_schema, &again);
	assert_true(json_equal(dump, second));
	json_decref(second);
	json_decref(expected);
	json_decref(dump);
	schema_fini(&cart_schema, &again);
	drop(&reading);
}

static void fini_twice_is_harmless(void **state)
{
	(void)state;
	struct reading reading = read_under("{'wheels':[{'maker':'a'}],'extra':[]}", "");
	drop(&reading);
	drop(&reading);
}

static void faults_across_members(void **state)
{
	(void)state;
	struct schema_faults faults = {0};
	schema_fault(&faults, "/a", "%s and %s exclude each other", "a", "b");
	assert_int_equal(faults.count, 1);
	assert_string_equal(faults.items[0].pointer, "/a");
	assert_string_equal(faults.items[0].detail, "a and b exclude each other");
	schema_faults_fini(&faults);
	assert_int_equal(faults.count, 0);
}

static void is_described(const char *member, const char *expected)
{
	json_t *description = schema_describe(&cart_schema);
	char *text = json_dumps(
		json_object_get(json_object_get(description, "properties"), member), JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(text, expected);
	free(text);
	json_decref(description);
}

static void describes_what_it_takes(void **state)
{
	(void)state;
	is_described("covered", "{\"default\":true,\"type\":\"boolean\"}");
	is_described("lock", "{\"default\":\"open\",\"enum\":[\"open\",\"locked\"]}");
	is_described("seats",
		"{\"maximum\":8,\"minimum\":1,\"pattern\":\"^[0-9]+$\",\"type\":[\"integer\",\"string\",\"null\"]}");
	is_described("height", "{\"default\":1.5,\"maximum\":9.0,\"minimum\":0.0,\"type\":\"number\"}");
	is_described("key", "{\"maxLength\":6,\"minLength\":0,\"type\":[\"string\",\"null\"]}");
	is_described("tags", "{\"default\":[\"old\"],\"items\":{\"type\":\"string\"},\"maxItems\":3,\"minItems\":0,"
			     "\"type\":\"array\"}");
	is_described("extra", "{}");
	is_described("motor", "{\"const\":[],\"default\":[]}");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(fills_defaults),
		cmocka_unit_test(fills_what_is_given),
		cmocka_unit_test(null_is_a_null_default),
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(a_later_default_is_no_fault),
		cmocka_unit_test(digits_are_a_number_where_the_row_says_so),
		cmocka_unit_test(finds_all_faults),
		cmocka_unit_test(counts_faults_up_to_the_maximum),
		cmocka_unit_test(what_it_shows_is_one_line_of_utf8),
		cmocka_unit_test(keeps_secrets),
		cmocka_unit_test(dumps_what_holds),
		cmocka_unit_test(fini_twice_is_harmless),
		cmocka_unit_test(faults_across_members),
		cmocka_unit_test(describes_what_it_takes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
