/* Demo, method by method: what each answers, and what it says to params that it does not understand. */
#include "core/clock.h"
#include "core/handler.h"

#include "tests/unit/one_worker.h"

#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* A sanitizer's allocator dies in its own way, and its shadow memory does not fit below a limit. */
#ifdef __SANITIZE_ADDRESS__
enum { OWN_ALLOCATOR = 1 };
#elif defined(__has_feature)
enum { OWN_ALLOCATOR = __has_feature(address_sanitizer) };
#else
enum { OWN_ALLOCATOR = 0 };
#endif

static char directory[] = "/tmp/muster-demo-XXXXXX";

static int set_up(void **state)
{
	struct one_worker *worker = malloc(sizeof *worker);

	(void)strcpy(directory, "/tmp/muster-demo-XXXXXX");
	assert_non_null(mkdtemp(directory));
	worker_init(worker);
	worker_add(worker, "Demo", "modules/demo.so");
	worker->host.demo_dir = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	worker_open(worker);
	*state = worker;
	return 0;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
	(void)status, (void)type, (void)place;
	return remove(path);
}

static int tear_down(void **state)
{
	struct one_worker *worker = *state;

	(void)close(worker->host.demo_dir);
	worker_close(worker);
	free(worker);
	return nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* Demo.method(param) succeeds with that result (JSON). */
static void expect_ok(struct one_worker *worker, const char *method, const char *param, const char *result)
{
	json_t *expected = json_loads(result, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	json_t *value = worker_expect(worker, "Demo", method, param, TASK_VERDICT_OK, "");

	assert_non_null(expected);
	assert_true(json_equal(value != NULL ? value : json_null(), expected));
	json_decref(value);
	json_decref(expected);
}

static void expect_fail(struct one_worker *worker, const char *method, const char *param, const char *message)
{
	assert_null(worker_expect(worker, "Demo", method, param, TASK_VERDICT_FAIL, message));
}

/* ---- those that end well ---- */

static void test_noop_and_echo(void **state)
{
	expect_ok(*state, "noop", "[]", "null");
	expect_ok(*state, "noop", "[1, {\"any\": \"thing\"}]", "null");
	expect_ok(*state, "echo", "[]", "[]");
	expect_ok(*state, "echo", "{}", "{}");
	expect_ok(*state, "echo", "[1, 1.0, \"\\u0000\xc3\xbc\", null, [[]]]",
		"[1, 1.0, \"\\u0000\xc3\xbc\", null, [[]]]");
	expect_ok(*state, "echo", "{\"a\": {\"b\": 9223372036854775807}}", "{\"a\": {\"b\": 9223372036854775807}}");
}

static void test_add_is_exact(void **state)
{
	static const char wants[] = "add wants two numbers: [a, b] or {\"a\": \xe2\x80\xa6, \"b\": \xe2\x80\xa6}";

	expect_ok(*state, "add", "[1, 2]", "3");
	expect_ok(*state, "add", "{\"b\": 2, \"a\": -5}", "-3");
	expect_ok(*state, "add", "[9007199254740993, 2]", "9007199254740995");
	expect_ok(*state, "add", "[9223372036854775806, 1]", "9223372036854775807");
	expect_ok(*state, "add", "[0.5, 1]", "1.5");
	expect_ok(*state, "add", "[1.0, 2.0]", "3.0");
	expect_fail(*state, "add", "[9223372036854775807, 1]", "add: the sum does not fit into 64 bits");
	expect_fail(*state, "add", "[-9223372036854775807, -2]", "add: the sum does not fit into 64 bits");
	expect_fail(*state, "add", "[1e308, 1e308]", "add: the sum is beyond a double");
	for (const char *const *param = (const char *const[]){"[]", "[1]", "[1, 2, 3]", "[1, \"2\"]", "[1, null]",
		     "{\"a\": 1}", "{\"a\": 1, \"b\": 2, \"c\": 3}", NULL};
		*param != NULL; param++)
		expect_fail(*state, "add", *param, wants);
}

/* ---- those that take their time ---- */

static void test_sleep_sleeps_and_does_not_beat(void **state)
{
	struct one_worker *worker = *state;
	int64_t start = clock_mono_ns();

	expect_ok(worker, "sleep", "[23]", "null");
	assert_true(clock_mono_ns() - start >= 23 * CLOCK_NS_PER_MS);
	expect_ok(worker, "sleep", "{\"ms\": 0}", "null");
	assert_int_equal(worker->beats, 0);
	for (const char *const *param = (const char *const[]){"[]", "[-1]", "[1.5]", "[\"1\"]", "[1, 2]", "{\"s\": 1}",
		     "[9223372036854775807]", NULL};
		*param != NULL; param++)
		expect_fail(worker, "sleep", *param,
			"sleep wants one integer, milliseconds up to a year: [ms] or {\"ms\": \xe2\x80\xa6}");
}

static void test_sleep_ends_when_told(void **state)
{
	struct one_worker *worker = *state;

	worker->stopping = true;
	expect_fail(worker, "sleep", "[3600000]", "told to stop after 0 ms");
}

static void test_work_beats_and_shows_how_far_it_is(void **state)
{
	struct one_worker *worker = *state;

	expect_ok(worker, "work", "[30]", "null");
	assert_true(worker->beats >= 3);
	assert_int_equal(worker->percent, 100);
	worker->percent = 0;
	expect_ok(worker, "work", "{\"ms\": 0}", "null");
	assert_int_equal(worker->percent, 100);
	expect_fail(worker, "work", "[]", NULL);
}

static void test_work_ends_when_told(void **state)
{
	struct one_worker *worker = *state;

	worker->stop_after_beats = 3;
	expect_fail(worker, "work", "[3600000]", NULL);
	assert_int_equal(worker->beats, 3);
	assert_int_equal(worker->percent, 0);
}

/* ---- those that end badly ---- */

static void test_fail_and_retry(void **state)
{
	struct one_worker *worker = *state;

	expect_fail(worker, "fail", "[\"100% %s\"]", "100% %s");
	expect_fail(worker, "fail", "{\"message\": \"why\"}", "why");
	expect_fail(worker, "fail", "[]", "no message");
	expect_fail(worker, "fail", "[7]", "fail wants a text, or nothing: [message] or {\"message\": \xe2\x80\xa6}");
	assert_null(worker_expect(worker, "Demo", "retry", "[\"later\"]", TASK_VERDICT_RETRY, "later"));
	assert_null(worker_expect(worker, "Demo", "retry", "{}", TASK_VERDICT_RETRY, "no message"));
	expect_fail(worker, "retry", "[\"a\", \"b\"]", NULL);
}

/* Runs Demo.method(param) in a child with at most `memory` bytes. */
static pid_t run_in_child(struct one_worker *worker, const char *method, const char *param, rlim_t memory)
{
	const struct rlimit limit = {memory, memory}, no_core = {0, 0};
	struct handler_result result;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child > 0)
		return child;
	(void)setrlimit(RLIMIT_CORE, &no_core);
	(void)setrlimit(RLIMIT_AS, &limit);
	(void)worker_run(worker, "Demo", method, param, &result, NULL);
	_exit(99);
}

static void expect_death(struct one_worker *worker, const char *method, const char *param, rlim_t memory, int number)
{
	pid_t child = run_in_child(worker, method, param, memory);
	int status;

	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), number);
}

static void test_crash_is_a_crash_whatever_was_done_about_it(void **state)
{
	sigset_t all, before;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, &before);
	(void)signal(SIGTERM, SIG_IGN);
	expect_death(*state, "crash", "[]", RLIM_INFINITY, SIGSEGV);
	expect_death(*state, "crash", "[9]", RLIM_INFINITY, SIGKILL);
	expect_death(*state, "crash", "{\"signal\": 15}", RLIM_INFINITY, SIGTERM);
	expect_death(*state, "crash", "{\"signal\": 6}", RLIM_INFINITY, SIGABRT);
	(void)signal(SIGTERM, SIG_DFL);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	expect_fail(*state, "crash", "[28]", "crash: signal 28 does not end a process");
	expect_fail(*state, "crash", "[0]", NULL);
	expect_fail(*state, "crash", "[65]",
		"crash wants a signal's number, 1 to 64, or nothing: [signal] or {\"signal\": \xe2\x80\xa6}");
}

static void test_leak_keeps_what_it_took_or_dies(void **state)
{
	expect_ok(*state, "leak", "[3000000]", "null");
	expect_ok(*state, "leak", "{\"bytes\": 1}", "null");
	expect_ok(*state, "leak", "[0]", "null");
	expect_fail(*state, "leak", "[-1]", NULL);
	if (OWN_ALLOCATOR)
		return;
	expect_death(*state, "leak", "[]", 200 << 20, SIGABRT);
	expect_death(*state, "leak", "[300000000]", 200 << 20, SIGABRT);
}

/* Waits until the process has blocked every signal that can be blocked. */
static void wait_for_blocked_signals(pid_t pid)
{
	char path[64], line[256];
	unsigned long long blocked = 0;

	(void)snprintf(path, sizeof path, "/proc/%d/status", pid);
	while ((blocked & 0x7fff) != (0x7fff & ~(1ULL << (SIGKILL - 1)))) {
		FILE *file = fopen(path, "re");
		assert_non_null(file);
		while (fgets(line, sizeof line, file) != NULL)
			(void)sscanf(line, "SigBlk: %llx", &blocked);
		(void)fclose(file);
		(void)sched_yield();
	}
}

static void test_only_sigkill_ends_a_hang(void **state)
{
	pid_t child = run_in_child(*state, "hang", "[]", RLIM_INFINITY);
	int status;

	wait_for_blocked_signals(child);
	assert_int_equal(kill(child, SIGTERM), 0);
	assert_int_equal(waitpid(child, &status, WNOHANG), 0);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

/* ---- record ---- */

static void expect_file(const char *name, const char *text)
{
	char path[256], found[512];
	(void)snprintf(path, sizeof path, "%s/%s", directory, name);
	FILE *file = fopen(path, "re");

	assert_non_null(file);
	found[fread(found, 1, sizeof found - 1, file)] = '\0';
	(void)fclose(file);
	assert_string_equal(found, text);
}

static void test_record_appends_lines(void **state)
{
	expect_ok(*state, "record", "[\"log\", \"one\"]", "null");
	expect_ok(*state, "record", "{\"text\": \"zw\xc3\xb6lf\", \"path\": \"log\"}", "null");
	expect_ok(*state, "record", "[\"log\", \"\"]", "null");
	expect_file("log", "one\nzw\xc3\xb6lf\n\n");
	expect_ok(*state, "record", "[\"a/b/c..d/.e\", \"deep\"]", "null");
	expect_ok(*state, "record", "[\"a/b/other\", \"beside\"]", "null");
	expect_file("a/b/c..d/.e", "deep\n");
	expect_file("a/b/other", "beside\n");
}

static void test_record_reaches_nothing_outside(void **state)
{
	static const char wants[] = "record wants a relative path without empty parts, `.` and `..`";
	struct one_worker *worker = *state;
	char link[256];

	for (const char *const *path = (const char *const[]){"", "/etc/passwd", "/", "..", ".", "../x", "a/../../x",
		     "a/./x", "a//x", "a/", "./x", "x/..", "nul\\u0000l", NULL};
		*path != NULL; path++) {
		char param[128];
		(void)snprintf(param, sizeof param, "[\"%s\", \"text\"]", *path);
		expect_fail(worker, "record", param, wants);
	}
	(void)snprintf(link, sizeof link, "%s/link", directory);
	assert_int_equal(symlink("/tmp", link), 0);
	expect_fail(worker, "record", "[\"link\", \"text\"]",
		"record: link cannot be opened: Too many levels of symbolic links");
	expect_fail(worker, "record", "[\"link/muster-x\", \"text\"]", NULL);
	expect_fail(worker, "record", "[\"link/muster-x/y\", \"text\"]", NULL);
	assert_int_equal(access("/tmp/muster-x", F_OK), -1);
}

static void test_record_is_particular(void **state)
{
	struct one_worker *worker = *state;
	char path[256], long_name[400];

	expect_fail(
		worker, "record", "[\"log\", \"two\\nlines\"]", "record wants one line: a text without line breaks");
	expect_fail(worker, "record", "[\"log\", \"two\\rlines\"]", NULL);
	expect_fail(worker, "record", "[\"log\"]",
		"record wants two texts: [path, text] or {\"path\": \xe2\x80\xa6, \"text\": \xe2\x80\xa6}");
	expect_fail(worker, "record", "[\"log\", 5]", NULL);
	(void)snprintf(path, sizeof path, "%s/fifo", directory);
	assert_int_equal(mkfifo(path, 0600), 0);
	expect_fail(
		worker, "record", "[\"fifo\", \"text\"]", "record: fifo cannot be opened: No such device or address");
	(void)snprintf(path, sizeof path, "%s/folder", directory);
	assert_int_equal(mkdir(path, 0700), 0);
	expect_fail(worker, "record", "[\"folder\", \"text\"]", "record: folder cannot be opened: Is a directory");
	(void)snprintf(long_name, sizeof long_name, "[\"%0*d\", \"text\"]", 300, 0);
	expect_fail(worker, "record", long_name, NULL);
	(void)close(worker->host.demo_dir);
	worker->host.demo_dir = -1;
	expect_fail(worker, "record", "[\"log\", \"text\"]", "record: this node has no demo directory");
}

#define WITH_WORKER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_WORKER(test_noop_and_echo),
		WITH_WORKER(test_add_is_exact),
		WITH_WORKER(test_sleep_sleeps_and_does_not_beat),
		WITH_WORKER(test_sleep_ends_when_told),
		WITH_WORKER(test_work_beats_and_shows_how_far_it_is),
		WITH_WORKER(test_work_ends_when_told),
		WITH_WORKER(test_fail_and_retry),
		WITH_WORKER(test_crash_is_a_crash_whatever_was_done_about_it),
		WITH_WORKER(test_leak_keeps_what_it_took_or_dies),
		WITH_WORKER(test_only_sigkill_ends_a_hang),
		WITH_WORKER(test_record_appends_lines),
		WITH_WORKER(test_record_reaches_nothing_outside),
		WITH_WORKER(test_record_is_particular),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
