#include "core/redact.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static char *paths[] = {
	"/param/0/password", "/param/2", "/meta/a~1b/~0", "/meta/none", "/param/x", "/param/0/password/deeper"};
static char *paths_of_others[] = {"/meta"};
static char class_a[] = "A", class_others[] = "*", class_plain[] = "Plain";

static struct config_handler handlers[] = {
	{.class = class_others, .redact = {paths_of_others, 1}},
	{.class = class_a, .redact = {paths, sizeof paths / sizeof *paths}},
	{.class = class_plain},
};
static const struct config config = {.handlers = handlers, .handler_count = 3};
static const struct config open_config = {.handlers = handlers + 2, .handler_count = 1};

static void assert_seen(const struct config *with, const char *document, size_t most, const char *expected)
{
	_cleanup_(buffer_fini) struct buffer text;

	buffer_init(&text, 4096);
	redact_append(&text, with, (struct bytes){document, strlen(document)}, most);
	assert_string_equal(text.data != NULL ? text.data : "", expected);
}

static void hides_what_is_named(void **state)
{
	(void)state;
	assert_seen(&config, "{\"class\":\"A\",\"param\":[{\"password\":\"x\",\"user\":\"u\"},1,[2]]}", 4096,
		"{\"class\":\"A\",\"param\":[{\"password\":\"[redacted]\",\"user\":\"u\"},1,\"[redacted]\"]}");
	assert_seen(&config, "{\"class\":\"A\",\"meta\":{\"a/b\":{\"~\":1,\"c\":2}}}", 4096,
		"{\"class\":\"A\",\"meta\":{\"a/b\":{\"~\":\"[redacted]\",\"c\":2}}}");
}

static void knows_whose_document_it_is(void **state)
{
	(void)state;
	assert_seen(&config, "{\"class\":\"Else\",\"meta\":1}", 4096, "{\"class\":\"Else\",\"meta\":\"[redacted]\"}");
	assert_seen(&config, "{\"class\":\"Plain\",\"meta\":1}", 4096, "{\"class\":\"Plain\",\"meta\":1}");
}

static void leaves_bytes_alone_where_nothing_is_named(void **state)
{
	(void)state;
	assert_seen(&open_config, "{ \"class\" : \"A\" }", 4096, "{ \"class\" : \"A\" }");
	assert_seen(&open_config, "{ \"class\" : \"A\" }", 5, "{ \"cl");
	assert_seen(&config, "no document", 4096, "no document");
	assert_seen(&config, "[1]", 4096, "[1]");
}

static void cuts_after_hiding(void **state)
{
	(void)state;
	assert_seen(&config, "{\"class\":\"Else\",\"meta\":\"secret\"}", 24, "{\"class\":\"Else\",\"meta\":\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hides_what_is_named),
		cmocka_unit_test(knows_whose_document_it_is),
		cmocka_unit_test(leaves_bytes_alone_where_nothing_is_named),
		cmocka_unit_test(cuts_after_hiding),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
