/* What runs, how it ends, and what is refused before it runs. */
#include "core/handler.h"

#include "tests/unit/one_worker.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>

static const char ENDS[] = "tests/modules/ends.so";

static int set_up(void **state)
{
	struct one_worker *worker = malloc(sizeof *worker);

	worker_init(worker);
	worker_add(worker, "Probe", "tests/modules/probe.so");
	worker_add(worker, "TestEnds", ENDS);
	worker_add(worker, "BadAbi", "tests/modules/bad_abi.so");
	worker_add(worker, "RefuseStart", "tests/modules/refuse_start.so");
	worker_open(worker);
	*state = worker;
	return 0;
}

static int tear_down(void **state)
{
	worker_close(*state);
	free(*state);
	return 0;
}

/* ---- how a task ends ---- */

static void expect_end(
	struct one_worker *worker, const char *method, enum task_verdict verdict, const char *kind, const char *message)
{
	struct handler_result result;

	assert_int_equal(worker_run(worker, "TestEnds", method, "[]", &result, NULL), 0);
	assert_string_equal(result.message, message);
	assert_int_equal(result.verdict, verdict);
	if (kind == NULL)
		assert_null(result.kind);
	else
		assert_string_equal(result.kind, kind);
	assert_null(result.result);
	assert_int_equal(result.delay_ms, -1);
	handler_result_fini(&result);
}

static void test_the_return_value_and_the_helper_agree(void **state)
{
	expect_end(*state, "ok_null", TASK_VERDICT_OK, NULL, "");
	expect_end(*state, "ok_silent", TASK_VERDICT_OK, NULL, "");
	expect_end(*state, "retry_silent", TASK_VERDICT_RETRY, "retry", "no message");
	expect_end(*state, "fail_silent", TASK_VERDICT_FAIL, "exception", "no message");
	expect_end(*state, "fail_empty", TASK_VERDICT_FAIL, "exception", "no message");
}

static void test_a_method_that_contradicts_itself_has_failed(void **state)
{
	expect_end(*state, "fail_but_ok", TASK_VERDICT_FAIL, "exception",
		"the method \"fail_but_ok\" returned ok but had said fail: the disk is full");
	expect_end(*state, "ok_but_retry", TASK_VERDICT_FAIL, "exception",
		"the method \"ok_but_retry\" returned retry but had said ok");
	expect_end(*state, "rubbish", TASK_VERDICT_FAIL, "exception",
		"the method \"rubbish\" returned 7, which is no enum muster_end");
}

static void test_the_last_word_counts(void **state)
{
	json_t *value = worker_expect(*state, "TestEnds", "changes_its_mind", "[]", TASK_VERDICT_OK, "");

	assert_string_equal(json_string_value(value), "yes");
	json_decref(value);
}

static void test_a_retry_can_ask_for_a_delay(void **state)
{
	struct handler_result result;

	assert_int_equal(worker_run(*state, "TestEnds", "retry_after", "[1500]", &result, NULL), 0);
	assert_int_equal(result.verdict, TASK_VERDICT_RETRY);
	assert_int_equal(result.delay_ms, 1500);
	assert_string_equal(result.message, "in a while");
	assert_int_equal(worker_run(*state, "TestEnds", "retry_after", "[-5]", &result, NULL), 0);
	assert_int_equal(result.delay_ms, 0);
	assert_int_equal(worker_run(*state, "TestEnds", "retry_after", "[9223372036854775807]", &result, NULL), 0);
	assert_int_equal(result.delay_ms, INT64_C(365) * 24 * 3600 * 1000);
}

static void test_messages_are_utf8_and_bounded(void **state)
{
	struct handler_result result;

	expect_end(*state, "not_utf8", TASK_VERDICT_FAIL, "exception", "gr\xc3\xbc? ?\?\?!");
	assert_int_equal(worker_run(*state, "TestEnds", "long_message", "[]", &result, NULL), 0);
	assert_int_equal(strlen(result.message), sizeof result.message - 1);
}

static void test_a_result_is_bounded(void **state)
{
	json_decref(worker_expect(*state, "Probe", "result", "[998]", TASK_VERDICT_OK, ""));
	assert_null(worker_expect(*state, "Probe", "result", "[999]", TASK_VERDICT_FAIL,
		"the result has 1001 bytes, and limits.result is 1000"));
	expect_end(*state, "ok_but_no_utf8", TASK_VERDICT_FAIL, "exception", "the result cannot be written as JSON");
}

static void expect_refused(
	struct one_worker *worker, const char *class, const char *method, const char *kind, const char *message)
{
	struct handler_result result;

	assert_int_equal(worker_run(worker, class, method, "[]", &result, NULL), 0);
	assert_int_equal(result.verdict, TASK_VERDICT_REFUSED);
	assert_string_equal(result.kind, kind);
	assert_string_equal(result.message, message);
	handler_result_fini(&result);
}

static void test_names_are_matched_exactly(void **state)
{
	expect_refused(*state, "Nobody", "ok_null", "unknown_class", "no handler has the class \"Nobody\"");
	expect_refused(*state, "testends", "ok_null", "unknown_class", "no handler has the class \"testends\"");
	expect_refused(
		*state, "TestEnds", "OK_null", "unknown_method", "the class \"TestEnds\" has no method \"OK_null\"");
	expect_refused(*state, "TestEnds", "", "unknown_method", "the class \"TestEnds\" has no method \"\"");
	expect_end(*state, "ok_null", TASK_VERDICT_OK, NULL, "");
	expect_refused(
		*state, "TestEnds", "ok_nul", "unknown_method", "the class \"TestEnds\" has no method \"ok_nul\"");
}

/* ---- what a method sees ---- */

static void test_a_method_sees_its_task(void **state)
{
	json_t *about = worker_expect(*state, "Probe", "about", "[]", TASK_VERDICT_OK, "");
	json_t *expected = json_pack("{s:s, s:s, s:s, s:s, s:i, s:i}", "id", "task-1", "class", "Probe", "method",
		"about", "queue", "mail", "attempt", 2, "deadline_ms", 4321);

	assert_true(json_equal(about, expected));
	json_decref(about);
	json_decref(expected);

	json_t *document = worker_expect(*state, "Probe", "document", "[1]", TASK_VERDICT_OK, "");
	assert_int_equal(json_integer_value(json_array_get(json_object_get(document, "param"), 0)), 1);
	json_decref(document);
}

static void test_a_method_reaches_its_worker(void **state)
{
	struct one_worker *worker = *state;
	char long_note[300];

	worker_expect(worker, "Probe", "beat_for", "[700, 0]", TASK_VERDICT_OK, "");
	assert_int_equal(worker->beats, 1);
	assert_int_equal(worker->beat_for_ms, 700);
	worker_expect(worker, "Probe", "beat_once", "[0]", TASK_VERDICT_OK, "");
	assert_int_equal(worker->beat_for_ms, 0);
	worker_expect(worker, "Probe", "note", "[140, \"half\", 0]", TASK_VERDICT_OK, "");
	assert_int_equal(worker->percent, 100);
	assert_string_equal(worker->note, "half");
	assert_true(snprintf(long_note, sizeof long_note, "[1, \"%s%0*d\", 0]", "\xc3\xbc", 200, 0) > 0);
	worker_expect(worker, "Probe", "note", long_note, TASK_VERDICT_OK, "");
	assert_int_equal(strlen(worker->note), 127);
	worker_expect(worker, "Probe", "say", "[\"hello\"]", TASK_VERDICT_OK, "");
	assert_string_equal(worker->log, "hello");
	worker_expect(worker, "Probe", "push", "[{\"class\": \"A\"}]", TASK_VERDICT_OK, "");
	assert_string_equal(json_string_value(json_object_get(worker->pushed, "class")), "A");
	worker->push_error = "the queue is not there";
	worker_expect(worker, "Probe", "push", "[{}]", TASK_VERDICT_FAIL, "push: the queue is not there");
}

/* ---- loading ---- */

static void expect_start_count(struct one_worker *worker)
{
	json_t *starts = worker_expect(worker, "TestEnds", "count_starts", "[]", TASK_VERDICT_OK, "");

	assert_int_equal(json_integer_value(starts), 1);
	json_decref(starts);
}

static void test_a_module_starts_once(void **state)
{
	struct one_worker worker;

	(void)state;
	worker_init(&worker);
	/* dlopen counts references to one copy of a file: its counter must not be that of the tests before. */
	char *source = build_path(ENDS), *copy, command[2 * PATH_MAX];
	assert_true(asprintf(&copy, "/tmp/muster-ends-%d.so", getpid()) > 0);
	assert_true(snprintf(command, sizeof command, "install -m 0600 '%s' '%s'", source, copy) > 0);
	assert_int_equal(system(command), 0); /* NOLINT: a test's own names */
	worker_add(&worker, "TestEnds", copy);
	worker_open(&worker);
	assert_int_equal(handlers_load(worker.handlers, "TestEnds", NULL), 0);
	assert_int_equal(handlers_load(worker.handlers, "TestEnds", NULL), 0);
	expect_start_count(&worker);
	expect_start_count(&worker);
	worker_close(&worker);
	assert_int_equal(unlink(copy), 0);
	free(copy);
	free(source);
}

/* Loading `module` for `class` must fail with a sentence that holds all of `culprit`. */
static void expect_no_load(const char *class, const char *module, const char *culprit)
{
	struct one_worker worker;
	struct handler_result result;
	struct error error = {""};

	worker_init(&worker);
	worker_add(&worker, class, module);
	worker_open(&worker);
	int status = handlers_load(worker.handlers, class, &error);
	assert_true(status < 0 && status != -ENOENT);
	if (strstr(error.text, culprit) == NULL || strstr(error.text, class) == NULL)
		fail_msg("\"%s\" has no \"%s\"", error.text, culprit);
	assert_int_equal(worker_run(&worker, class, "nothing", "[]", &result, &error), status);
	worker_close(&worker);
}

static void test_what_cannot_be_loaded_says_why(void **state)
{
	struct one_worker *worker = *state;
	struct error error;

	expect_no_load("Gone", "/no/such/file.so", "/no/such/file.so cannot be read: No such file or directory");
	expect_no_load("Folder", "tests", "is not a file");
	expect_no_load("Text", "/etc/passwd", "/etc/passwd cannot be loaded: ");
	expect_no_load("TestUndefinedSymbol", "tests/modules/undefined_symbol.so", "test_symbol_of_no_library");
	expect_no_load("NoTable", "tests/modules/no_table.so", "has no table `muster_module`");
	expect_no_load("BadAbi", "tests/modules/bad_abi.so", "is built for ABI 1001, this is ABI 1: build it again");
	expect_no_load("Other", ENDS, "holds the class \"TestEnds\"");
	expect_no_load("testends", ENDS, "holds the class \"TestEnds\"");
	expect_no_load("TestBadMethod", "tests/modules/bad_method.so", "a method that no task can name: \"no thing\"");
	expect_no_load("TestNoFunction", "tests/modules/no_function.so", "no function for its method \"nothing\"");
	expect_no_load("RefuseStart", "tests/modules/refuse_start.so", "does not start: the moon is wrong");
	assert_int_equal(handlers_load(worker->handlers, "Nobody", &error), -ENOENT);
	assert_string_equal(error.text, "no handler has the class \"Nobody\"");
}

static void test_a_fault_of_one_class_is_not_anothers(void **state)
{
	assert_true(handlers_load(((struct one_worker *)*state)->handlers, "BadAbi", NULL) < 0);
	expect_end(*state, "ok_null", TASK_VERDICT_OK, NULL, "");
}

static void test_a_module_that_others_may_change_is_not_loaded(void **state)
{
	char path[] = "/tmp/muster-module-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, 0660), 0);
	expect_no_load("Any", path, "can be written by others than its owner (mode 0660)");
	assert_int_equal(fchmod(fd, 0602), 0);
	expect_no_load("Any", path, "can be written by others than its owner (mode 0602)");
	assert_int_equal(fchmod(fd, 0600), 0);
	expect_no_load("Any", path, "cannot be loaded: ");
	if (geteuid() == 0) {
		assert_int_equal(fchown(fd, 4711, 0), 0);
		expect_no_load("Any", path, "belongs to uid 4711");
	}
	(void)close(fd);
	assert_int_equal(unlink(path), 0);
}

/* ---- --check ---- */

static void test_check_finds_nothing_wrong(void **state)
{
	struct one_worker worker;
	struct error error = {"untouched"};

	(void)state;
	worker_init(&worker);
	worker_add(&worker, "Demo", "modules/demo.so");
	worker_add(&worker, "RefuseStart", "tests/modules/refuse_start.so");
	worker_add(&worker, "TestHangOnStart", "tests/modules/hang_on_start.so");
	assert_int_equal(handlers_check(&worker.config, &error), 0); /* it loads and starts nothing */
	assert_string_equal(error.text, "untouched");
	worker_close(&worker);
}

static void expect_fault(const char *class, const char *module, const char *sentence)
{
	struct one_worker worker;
	struct error error = {""};
	char expected[ERROR_TEXT_MAX];

	worker_init(&worker);
	worker_add(&worker, class, module);
	assert_int_equal(handlers_check(&worker.config, &error), -EINVAL);
	(void)snprintf(expected, sizeof expected, "class \"%s\": %s %s", class, worker.rows[0].module, sentence);
	assert_string_equal(error.text, expected);
	worker_close(&worker);
}

static void test_check_survives_what_it_checks(void **state)
{
	(void)state;
	expect_fault("TestSegfaultOnLoad", "tests/modules/segfault_on_load.so", "crashes while loading (signal 11)");
	expect_fault("CrashOnLoad", "tests/modules/crash_on_load.so", "crashes while loading (signal 6)");
	expect_fault(
		"TestExitOnLoad", "tests/modules/exit_on_load.so", "ends its process while loading (exit status 3)");
	expect_fault("TestHangOnLoad", "tests/modules/hang_on_load.so", "still loads after 5 s");
	expect_fault("NoTable", "tests/modules/no_table.so", "has no table `muster_module`");
}

static void test_check_tells_all_faults_that_fit(void **state)
{
	struct one_worker worker;
	struct error error = {""};
	char long_path[200];
	const char *start = "class \"A\": /no/a.so cannot be read: No such file or directory\n"
			    "class \"B\": /no/b.so cannot be read: No such file or directory\n"
			    "class \"Long\"";

	(void)state;
	worker_init(&worker);
	(void)snprintf(long_path, sizeof long_path, "/%0*d", 150, 0);
	worker_add(&worker, "A", "/no/a.so");
	worker_add(&worker, "Demo", "modules/demo.so");
	worker_add(&worker, "B", "/no/b.so");
	for (int i = 0; i < 6; i++)
		worker_add(&worker, "Long", long_path);
	assert_int_equal(handlers_check(&worker.config, &error), -EINVAL);
	assert_memory_equal(error.text, start, strlen(start));
	assert_string_equal(error.text + strlen(error.text) - 9, "directory");
	assert_int_equal(handlers_check(&worker.config, NULL), -EINVAL);
	worker_close(&worker);
}

/* ---- the hook ---- */

static void *run_stuck(void *worker)
{
	return worker_expect(worker, "TestEnds", "stuck", "[]", TASK_VERDICT_OK, "");
}

static void test_the_hook_runs_beside_a_stuck_method(void **state)
{
	struct one_worker *worker = *state;
	const struct timespec turn = {0, 1000000};
	pthread_t first;
	void *value;

	assert_int_equal(pthread_create(&first, NULL, run_stuck, worker), 0);
	while (worker->beats == 0) /* until it is in the method */
		(void)nanosleep(&turn, NULL);
	handlers_exiting(worker->handlers);
	assert_int_equal(pthread_join(first, &value), 0);
	assert_string_equal(json_string_value(value), "unstuck"); /* what the hook said is not what the method said */
	json_decref(value);
	assert_string_equal(worker->log, "task-1 stuck 1 0: an exiting hook cannot push tasks");
	assert_int_equal(worker->beats, 1);
	assert_int_equal(worker->percent, 0);
	assert_null(worker->pushed);
}

static void test_no_task_no_hook(void **state)
{
	struct one_worker *worker = *state;

	handlers_exiting(worker->handlers);
	expect_end(worker, "ok_null", TASK_VERDICT_OK, NULL, "");
	handlers_exiting(worker->handlers);
	assert_string_equal(worker->log, "");
	handlers_close(NULL);
}

#define WITH_WORKER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_WORKER(test_the_return_value_and_the_helper_agree),
		WITH_WORKER(test_a_method_that_contradicts_itself_has_failed),
		WITH_WORKER(test_the_last_word_counts),
		WITH_WORKER(test_a_retry_can_ask_for_a_delay),
		WITH_WORKER(test_messages_are_utf8_and_bounded),
		WITH_WORKER(test_a_result_is_bounded),
		WITH_WORKER(test_names_are_matched_exactly),
		WITH_WORKER(test_a_method_sees_its_task),
		WITH_WORKER(test_a_method_reaches_its_worker),
		cmocka_unit_test(test_a_module_starts_once),
		WITH_WORKER(test_what_cannot_be_loaded_says_why),
		WITH_WORKER(test_a_fault_of_one_class_is_not_anothers),
		cmocka_unit_test(test_a_module_that_others_may_change_is_not_loaded),
		cmocka_unit_test(test_check_finds_nothing_wrong),
		cmocka_unit_test(test_check_survives_what_it_checks),
		cmocka_unit_test(test_check_tells_all_faults_that_fit),
		WITH_WORKER(test_the_hook_runs_beside_a_stuck_method),
		WITH_WORKER(test_no_task_no_hook),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
