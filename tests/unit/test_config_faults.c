#include "tests/unit/config_file.h"

static void says_where_and_what(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int line;
		const char *part;
	} rows[] = {
		{"# x\nwrokers: 2\n", 2, "unknown key \"wrokers\" in configuration"},
		{"pools:\n- name: a\n  wrokers: 2\n", 3, "did you mean \"workers\"?"},
		{"log:\n  level: loud\n", 2, "\"level\" must be one of debug, info, warn, error, not \"loud\""},
		{"listen: 7077\n", 1, "\"listen\" must be a list of strings"},
		{"listen: []\n", 1, "1 to 16 entries"},
		{"shutdown_grace: 30\n", 1, "\"shutdown_grace\" must be a duration with its unit"},
		{"pools:\n- {name: a, workers: 0}\n", 2, "\"workers\" must be a whole number, 1 to 4000, not 0"},
		{"pools:\n- {name: a, workers: many}\n", 2, "\"workers\""},
		{"pools:\n- {workers: 1}\n", 2, "pool needs \"name\""},
		{"pools:\n- {name: \"a b\"}\n", 2, "\"name\" must be 1 to 64 letters"},
		{"pools:\n- {name: a}\n- {name: b}\n- workers: 1\n  name: a\n", 5, "the pool \"a\" is there twice"},
		{"pools:\n- {name: a, workers: 2001}\n- {name: b, workers: 2000}\n", 1, "4000 at most, not 4001"},
		{"pools: []\n", 1, "\"pools\" must be a list of objects, 1 to 64 entries"},
		{"pools:\n- name: a\n  queues: {}\n", 3, "needs at least one queue"},
		{"pools:\n- name: a\n  queues: []\n", 3, "needs at least one queue"},
		{"pools:\n- name: a\n  queues:\n", 3, "\"queues\" must be"},
		{"pools:\n- name: a\n  queues: mail\n", 3, "must be names of queues with their weights"},
		{"pools:\n- name: a\n  queues: {default: 0}\n", 3,
			"weight of \"default\" must be a whole number from 1 to 1000"},
		{"pools:\n- name: a\n  queues: {default: 1, \"a/b\": 1}\n", 3, "\"a/b\" is not"},
		{"pools:\n- name: a\n  queues: [default, default]\n", 3, "twice"},
		{"pools:\n- {name: a, preload: [Demo, Nobody]}\n", 2, "\"Nobody\", which no handler has"},
		{"pools:\n- {name: a, title_prefix: \"a b\"}\n", 2, "\"title_prefix\" must be printable"},
		{"queues:\n- name: a\n- name: a\npools: [{name: p, queues: [a, default]}]\n", 3,
			"the queue \"a\" is there twice"},
		{"queues:\n- {name: default, retry: 1001}\n", 2, "\"retry\""},
		{"queues:\n- {name: default, backoff: {factor: 0.5}}\n", 2,
			"\"factor\" must be a number, 1 to 1000, not 0.5"},
		{"queues:\n- name: default\n  list: [a]\n", 3, "\"list\" must be the key of a Redis list"},
		{"queues:\n- name: default\n  list: {db: 1}\n", 3, "list needs \"key\""},
		{"queues:\n- name: default\n  list: \"{muster}:tasks\"\n", 3, "Muster's own"},
		{"handlers:\n- {class: Demo, module: demo.so}\n- {class: Demo, module: demo.so}\n", 3,
			"the class \"Demo\" is there twice"},
		{"handlers:\n- {class: \"De mo\", module: demo.so}\n", 2, "\"class\" must be"},
		{"handlers:\n- {class: A}\n", 2, "handler needs \"module\", \"exec\" or \"http\""},
		{"handlers:\n- class: A\n  module: no.so\n", 3, "modules/no.so: No such file"},
		{"handlers:\n- class: A\n  module: ./modules\n", 3, "is not a file"},
		{"handlers:\n- class: A\n  module: ./open.so\n", 3,
			"can be written by others than its owner (mode 0664)"},
		{"user: nobody-of-that-name\n", 1, "\"user\""},
		{"namespace: \"{a}\"\n", 1, "\"namespace\" must be"},
		{"state_dir: ./own.so\n", 1, "is not a directory"},
		{"state_dir: \"\"\n", 1, "\"state_dir\" must not be empty"},
		{"42\n", 1, "configuration must be an object"},
		{"http: {allow: [10.0.0.0/33]}\n", 1, "neither a host nor a network"},
		{"http: {allow: ['http://x y']}\n", 1, "neither a host nor a network"},
		{"http: {secrets: [a]}\n", 1, "names with their files"},
		{"http: {secrets: {a: /no/such.key}}\n", 1, "/no/such.key: No such file"},
		{"handlers: [{class: Demo, module: demo.so, options: 5}]\n", 1, "must be an object"},
	};
	write_modules();
	write_file(in_directory("open.so"), "", 0664);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_refused(rows[i].text, rows[i].line, rows[i].part);
	/* the clash is noticed at the later of the two, which no line declares */
	assert_refused("queues:\n- name: default\n  list: async_task_queue\n", 1, "has the list");
}

static void says_who_runs_one_task_at_a_time(void **state)
{
	(void)state;
	assert_refused("handlers: [{class: A, exec: [cat], mode: once, concurrency: 2}]\n", 1, "for mode persistent");
	assert_refused("handlers: [{class: A, exec: [php, x/muster.php, a.php], concurrency: 2}]\n", 1, "not for PHP");
	assert_refused("handlers: [{class: A, exec: [cat], concurrency: 513}]\n", 1, "\"concurrency\" must be");
	assert_refused("handlers: [{class: A, exec: [cat], concurrency: 0}]\n", 1, "\"concurrency\" must be");
}

static void tokens_are_checked(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int line;
		const char *part;
	} rows[] = {
		{"http: {origins: ['*']}\n", 1, "is no origin such as"},
		{"http: {origins: ['https://a.example/']}\n", 1, "is no origin such as"},
		{"http: {requests_per_second: 0}\n", 1, "\"requests_per_second\" must be"},
		{"tls: {certificate: ./a}\n", 1, "\"tls\" needs both: certificate and key"},
		{"tls: {key: ./a}\n", 1, "\"tls\" needs both"},
		{"tls: {certificate: ./none, key: ./a}\n", 1, "/none cannot be read: No such"},
		{"tls: {certificate: ./a, key: ./b}\n", 1, "/a: holds no certificate in PEM that can be used"},
		{"auth:\n  tokens:\n  - {role: read, token_file: ./a}\n", 3, "token needs \"name\""},
		{"auth:\n  tokens:\n  - {name: a, token_file: ./a}\n", 3, "token needs \"role\""},
		{"auth:\n  tokens:\n  - {name: a, role: read}\n", 3, "token needs \"token_file\""},
		{"auth:\n  tokens:\n  - {name: a, role: god, token_file: ./a}\n", 3, "\"role\" must be"},
		{"auth:\n  tokens:\n  - {name: 'a b', role: read, token_file: ./a}\n", 3, "\"name\" must be"},
		{"auth:\n  tokens:\n  - {name: a, role: read, token_file: ./none}\n", 3,
			"/none cannot be read: No such"},
		{"auth:\n  tokens:\n  - {name: a, role: read, token_file: ./empty}\n", 3, "/empty must hold one token"},
		{"auth:\n  tokens:\n  - {name: a, role: read, token_file: ./two}\n", 3, "/two must hold one token"},
		{"auth:\n  tokens:\n  - {name: a, role: read, token_file: ./open}\n", 3,
			"can be written by others than its owner (mode 0620)"},
		{"auth:\n  tokens:\n  - {name: a, role: read, token_file: ./a, queues: [none]}\n", 3,
			"there is no queue \"none\""},
		{"auth:\n  tokens:\n  - {name: a, role: read, token_file: ./a, queues: []}\n", 3, "\"queues\""},
		{"auth:\n  tokens:\n  - {name: a, role: read, token_file: ./a}\n"
		 "  - {name: a, role: read, token_file: ./b}\n",
			4, "the token \"a\" is there twice"},
		{"auth:\n  tokens:\n  - {name: a, role: read, token_file: ./a}\n"
		 "  - {name: b, role: read, token_file: ./a}\n",
			4, "have the same token"},
	};
	write_file(in_directory("a"), "first-token-of-the-test\n", 0600);
	write_file(in_directory("b"), "second-token-of-the-test", 0600);
	write_file(in_directory("empty"), "\n", 0600);
	write_file(in_directory("two"), "one\ntwo\n", 0600);
	write_file(in_directory("open"), "first-token-of-the-test\n", 0620);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_refused(rows[i].text, rows[i].line, rows[i].part);
	static const char *const files[] = {"a", "b", "empty", "two", "open"};
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		assert_int_equal(unlink(in_directory(files[i])), 0);
}

static void listens_on_this_machine_alone(void **state)
{
	(void)state;
	static const struct {
		const char *address, *part;
	} rows[] = {
		{"0.0.0.0:7077", "needs auth.tokens: without them"},
		{"192.168.1.1:7077", "needs auth.tokens"},
		{"[::]:7077", "needs auth.tokens"},
		{"[2001:db8::1]:7077", "needs auth.tokens"},
		{":7077", "needs auth.tokens"},
		{"*:7077", "needs auth.tokens"},
		{"localhost:7077", "is written as"},
		{"::1:7077", "is written as"},
		{"7077", "ends in a colon and a port"},
		{"127.0.0.1", "ends in a colon and a port"},
		{"[::1]", "ends in a colon and a port"},
		{"127.0.0.1:", "from 0 (any that is free) to 65535"},
		{"127.0.0.1:65536", "from 0"},
		{"127.0.0.1:-1", "from 0"},
		{"127.0.0.1:80 ", "from 0"},
		{"unix:x.sock", "absolute path"},
		{"", "ends in a colon"},
		{"]:1", "is written as"},
		{"[]:1", "needs auth.tokens"},
		{"[:1", "ends in a colon"},
	};
	char text[256];
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		(void)snprintf(text, sizeof text, "listen:\n- '127.9.9.9:0'\n- '%s'\n", rows[i].address);
		assert_refused(text, 3, rows[i].part);
	}
	assert_refused("listen: ['127.0.0.1:1', '127.0.0.1:1']\n", 1, "twice");
}

static void refuses_what_is_no_plain_yaml(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int line;
		const char *part;
	} rows[] = {
		{"a: [1\nb: 2\n", 2, ""},
		{"a: b: c\n", 1, "mapping values are not allowed"},
		{"\n\ta: 1\n", 2, ""},
		{"a: \"x\n", 2, "end of stream"},
		{"user: x\nuser: y\n", 2, "the key \"user\" is there twice"},
		{"log: {level: info, level: debug}\n", 1, "the key \"level\" is there twice"},
		{"log: &l {level: info}\n", 1, "anchors (&l) are not supported"},
		{"user: *x\n", 1, "aliases (*x) are not supported"},
		{"user: !!str x\n", 1, "tags (tag:yaml.org,2002:str) are not supported"},
		{"? [a]\n: b\n", 1, "a key must be a plain word"},
		{"user: null\n---\nuser: null\n", 2, "a second document"},
		{"user: \xff\n", 1, "UTF-8"},
		{"#\n#\nuser: \x01\n", 0, ""},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_refused(rows[i].text, rows[i].line, rows[i].part);
	char *deep = malloc(20001);
	assert_non_null(deep);
	memset(deep, '[', 20000);
	deep[20000] = '\0';
	assert_refused(deep, 1, "");
	free(deep);
}

static void finds_all_faults(void **state)
{
	(void)state;
	struct error error;
	char *details = NULL, expected[2 * PATH_MAX];
	assert_int_equal(refuse("nmaespace: a\nlog: {level: x}\nnode_timeout: 1\n", &error, &details), -EINVAL);
	(void)snprintf(expected, sizeof expected, "%s:1: unknown key", file);
	assert_int_equal(strncmp(error.text, expected, strlen(expected)), 0);
	assert_non_null(details);
	char *second = strchr(details, '\n');
	assert_non_null(second);
	(void)snprintf(expected, sizeof expected, "%s:2: \"level\"", file);
	assert_int_equal(strncmp(details, expected, strlen(expected)), 0);
	(void)snprintf(expected, sizeof expected, "%s:3: \"node_timeout\"", file);
	assert_int_equal(strncmp(second + 1, expected, strlen(expected)), 0);
	free(details);
}

static void names_a_file_that_cannot_be_read(void **state)
{
	(void)state;
	struct config *config = NULL;
	struct error error;
	char *details;
	assert_int_equal(config_load(file, modules, &config, &error, &details), -ENOENT);
	assert_non_null(strstr(error.text, file));
	assert_int_equal(config_load(modules, modules, &config, &error, &details), -EISDIR);
	assert_non_null(strstr(error.text, modules));
	assert_null(config);
}

static void needs_the_bundled_module(void **state)
{
	(void)state;
	struct config *config = NULL;
	struct error error;
	char *details;
	assert_int_equal(config_load(NULL, directory, &config, &error, &details), -EINVAL);
	assert_non_null(strstr(error.text, "demo.so: No such file"));
	assert_null(details);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(says_where_and_what),
		TEST(says_who_runs_one_task_at_a_time),
		TEST(tokens_are_checked),
		TEST(listens_on_this_machine_alone),
		TEST(refuses_what_is_no_plain_yaml),
		TEST(finds_all_faults),
		TEST(names_a_file_that_cannot_be_read),
		TEST(needs_the_bundled_module),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
