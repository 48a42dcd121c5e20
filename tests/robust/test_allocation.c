/* Each step here is taken with its first allocation failing, then its second, and so on until it needs no more; and again
 * with all that follow failing, too. It must come to its end, say -ENOMEM (or be right in spite of it), leave its outputs
 * alone, and lose nothing. */
#include "tests/robust/starve.h"

#include "core/buffer.h"
#include "core/config.h"
#include "core/document.h"
#include "core/handler.h"
#include "core/task.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { ALLOCATIONS_MAX = 20000, NOW = 1764000000 };

/* What is tried, and what must be true afterwards; `check` also gives back what came of it. */
struct step {
	const char *name;
	int (*take)(void);
	void (*check)(int status);
};

static void starve(void **context)
{
	const struct step *step = *context;

	int first = step->take();

	if (step->check != NULL)
		step->check(first); /* what libraries keep for ever, they have now */
	for (int mode = STARVE_ONCE; mode <= STARVE_FOR_GOOD; mode++) {
		bool enough = false;
		for (long n = 1; !enough; n++) {
			long before = starve_live();
			starve_begin(n, (enum starve_mode)mode);
			int status = step->take();
			enough = starve_end() < n;
			if (status != 0 && (enough || status == 1))
				fail_msg("%s: allocation %ld: %d", step->name, n, status);
			if (step->check != NULL)
				step->check(status);
			if (starve_live() != before)
				fail_msg("%s: allocation %ld: %ld are lost", step->name, n, starve_live() - before);
			assert_true(n < ALLOCATIONS_MAX);
		}
	}
}

static void assert_done_or_no_memory(int status)
{
	if (status != 0)
		assert_int_equal(status, -ENOMEM);
}

/* ---- configuration ---- */

static char directory[] = "/tmp/muster-robust-XXXXXX";
static char good_file[64], faulty_file[64], module_file[64];
static struct config *config, *printed;
static struct error error;
static char *details, *text, *expected;

static void write_file(char path[64], const char *name, const char *content)
{
	(void)snprintf(path, 64, "%s/%s", directory, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	assert_int_equal(close(fd), 0);
}

static int load(const char *path)
{
	config = NULL;
	details = NULL;
	error.text[0] = '\0';
	return config_load(path, directory, &config, &error, &details);
}

static int load_good(void)
{
	return load(good_file);
}

static void check_good(int status)
{
	if (status != 0 && status != -ENOMEM)
		fail_msg("%d: %s", status, error.text);
	assert_null(details);
	if (status < 0) {
		assert_null(config);
		assert_true(error.text[0] != '\0');
		return;
	}
	assert_int_equal(config->pool_count, 2);
	assert_int_equal(config->warning_count, 1);
	text = config_print(config);
	if (expected == NULL)
		expected = strdup(text); /* of the first time, when there was enough of everything */
	assert_string_equal(text, expected);
	free(text);
	config_free(config);
}

static int load_faulty(void)
{
	return load(faulty_file);
}

static void check_faulty(int status)
{
	assert_true(status == -EINVAL || status == -ENOMEM);
	assert_null(config);
	assert_true(error.text[0] != '\0');
	free(details);
}

static int take_faulty(void)
{
	int status = load_faulty();

	return status == -EINVAL ? 0 : status == 0 ? 1 : status;
}

static void check_taken_faulty(int status)
{
	check_faulty(status == 0 ? -EINVAL : status);
}

static int print(void)
{
	text = config_print(printed);
	return text != NULL ? 0 : -ENOMEM;
}

static void check_printed(int status)
{
	if (status == 0)
		assert_string_equal(text, expected);
	free(text);
}

/* ---- documents ---- */

/* No number in it has more than 15 characters: for a longer one jansson 2.14 asks for memory without looking whether it
 * comes, and aborts by an assertion of its own when it does not. */
static const char document[] =
	"{\"class\":\"A\",\"method\":\"b\",\"retry\":3,\"timeout\":\"5s\",\"id\":\"x\",\"delay\":\"1s\","
	"\"meta\":{\"a\":[1,-1.5e3,\"\\u00e4\"]}}";
static json_t *value, *parsed;

static int parse(void)
{
	value = NULL;
	return document_parse(document, sizeof document - 1, DOCUMENT_STRICT, &value, &error);
}

static void check_parsed(int status)
{
	assert_done_or_no_memory(status);
	if (status < 0)
		assert_null(value);
	else
		assert_int_equal(json_object_size(value), 7);
	json_decref(value);
}

/* Well formed, but not a document of ours: it is read twice. */
static int parse_twice(void)
{
	static const char twice[] = "{\"a\":1,\"b\":{\"c\":[]},\"a\":2}";
	int status = document_parse(twice, sizeof twice - 1, DOCUMENT_STRICT, &value, &error);

	return status == -EINVAL ? 0 : status == -ENOMEM ? status : 1;
}

static struct task_submission submission;
static struct schema_faults faults;

static int submit(void)
{
	submission = (struct task_submission){.queue = 77};
	return task_submission_read(
		printed, parsed, (struct bytes){document, sizeof document - 1}, "", NOW, &submission, &faults);
}

static void check_submitted(int status)
{
	assert_done_or_no_memory(status);
	if (faults.count > 0)
		fail_msg("%s: %s", faults.items[0].pointer, faults.items[0].detail);
	assert_int_equal(submission.queue, status == 0 ? config_find_queue(printed, "default", 7) : 77);
	schema_faults_fini(&faults);
	faults = (struct schema_faults){0};
}

static json_t *wrong;

static int submit_wrong(void)
{
	int status = task_submission_read(printed, wrong, (struct bytes){"", 0}, "/3", NOW, &submission, &faults);

	return status == -EINVAL ? 0 : status == -ENOMEM ? status : 1;
}

static void check_refused(int status)
{
	if (status == 0)
		assert_true(faults.count > 0 && strncmp(faults.items[0].pointer, "/3", 2) == 0);
	schema_faults_fini(&faults);
	faults = (struct schema_faults){0};
}

/* ---- a worker's steps ---- */

static const struct task_head head = {.created_ms = NOW,
	.source = TASK_SOURCE_HTTP,
	.max_attempts = 3,
	.queue = "default",
	.document = {document, sizeof document - 1}};
static struct task_order order;

static int read_order(void)
{
	return task_order_read(&head, &printed->queues[0], &order, &error);
}

static void check_order(int status)
{
	assert_done_or_no_memory(status);
	if (status == 0)
		assert_string_equal(order.method, "b");
	task_order_fini(&order);
}

static struct task_record record;
static const char stored[] = "R 2 2 0 5 1 2 3 w\n{\"history\":[{\"started_ms\":1,\"ended_ms\":2,\"worker\":\"w\","
			     "\"kind\":\"retry\",\"message\":\"why\"}]}";

static int read_record(void)
{
	record = (struct task_record){.executions = 77};
	return task_record_read((struct bytes){stored, sizeof stored - 1}, &record);
}

static void check_record(int status)
{
	assert_done_or_no_memory(status);
	assert_int_equal(record.executions, status == 0 ? 2 : 77);
	task_record_fini(&record);
}

static struct task_execution execution = {
	.message = "why \xff", .worker = "n/p/0", .started_ms = 1, .ended_ms = 2, .max_attempts = 3};

/* The starving part starts behind the reading, which has its own step. */
static int apply(void)
{
	return task_record_apply(&record, &printed->queues[0], &execution);
}

static void apply_each(void **context)
{
	(void)context;
	for (int verdict = TASK_VERDICT_OK; verdict <= TASK_VERDICT_CANCELLED; verdict++) {
		bool enough = false;
		execution.verdict = (enum task_verdict)verdict;
		execution.result = verdict == TASK_VERDICT_OK ? parsed : NULL;
		for (long n = 1; !enough; n++) {
			long before = starve_live();
			assert_int_equal(read_record(), 0);
			struct task_record old = record;
			starve_begin(n, STARVE_ONCE);
			int status = apply();
			enough = starve_end() < n;
			assert_true(enough ? status == 0 : status == -ENOMEM);
			if (status < 0)
				assert_memory_equal(&old, &record, sizeof old);
			task_record_fini(&record);
			assert_int_equal(starve_live(), before);
		}
	}
}

static struct buffer line;

static int format(void)
{
	buffer_init(&line, 4096);
	return task_record_format(&line, &record);
}

static void check_formatted(int status)
{
	assert_done_or_no_memory(status);
	if (status == 0)
		assert_string_equal(line.data, stored);
	buffer_fini(&line);
}

static void format_it(void **context)
{
	static const struct step step = {"format", format, check_formatted};
	void *argument = (void *)(uintptr_t)&step;

	(void)context;
	assert_int_equal(read_record(), 0);
	starve(&argument);
	task_record_fini(&record);
}

static int view(void)
{
	const struct task_facts facts = {.id = "x",
		.head = &head,
		.record = &record,
		.state = TASK_ACTIVE,
		.started_ms = 5,
		.progress = 3,
		.note = "note",
		.worker = "n/p/0"};

	value = task_view(&facts);
	return value != NULL ? 0 : -ENOMEM;
}

static void check_view(int status)
{
	if (status == 0)
		assert_int_equal(json_array_size(json_object_get(value, "history")), 1);
	json_decref(value);
}

static void view_it(void **context)
{
	static const struct step step = {"view", view, check_view};
	void *argument = (void *)(uintptr_t)&step;

	(void)context;
	assert_int_equal(read_record(), 0);
	starve(&argument);
	task_record_fini(&record);
}

/* ---- all together ---- */

static int set_up(void **context)
{
	(void)context;
	(void)setenv("MUSTER_LISTEN", "127.0.0.1:1,unix:/tmp/x", 1);
	(void)setenv("MUSTER_LOG_LEVEL", "warn", 1);
	if (mkdtemp(directory) == NULL)
		return -1;
	write_file(module_file, "demo.so", "");
	write_file(good_file, "good.yaml",
		"broker: \"redis://me:p%41ss@[::1]:6379/3\"\nstate_dir: here\nlog: {file: l}\n"
		"limits: {body: 1MiB, document: 2MiB}\n"
		"queues:\n- {name: mail, list: {key: k, db: 2}, backoff: {base: 1s}}\n- {name: plain, list: l}\n"
		"pools:\n- {name: a, workers: 2, queues: {mail: 2, default: 1}, preload: [Demo]}\n"
		"- {name: b, queues: {plain: 1}, max_memory: 64MiB}\n"
		"handlers: [{class: Demo, module: demo.so}]\n");
	write_file(faulty_file, "faulty.yaml",
		"listen: [\"nowhere\"]\nbroker: \"http://x\"\nunknown: 1\nqueues:\n- {name: \"a b\", retry: x}\n"
		"pools:\n- {name: a, queues: {none: 1}}\n- {name: a}\nhandlers: [{class: \"!\", module: none.so}]\n");
	if (load_good() < 0) {
		(void)fprintf(stderr, "%s\n", error.text);
		return -1;
	}
	printed = config;
	if (document_parse(document, sizeof document - 1, DOCUMENT_STRICT, &parsed, NULL) < 0)
		return -1;
	wrong = json_pack("{s:i, s:s, s:s, s:s}", "class", 1, "queue", "none", "nothing", "x", "run_at", "soon");
	return wrong != NULL ? 0 : -1;
}

static int tear_down(void **context)
{
	(void)context;
	json_decref(parsed);
	json_decref(wrong);
	config_free(printed);
	free(expected);
	return unlink(good_file) | unlink(faulty_file) | unlink(module_file) | rmdir(directory);
}

int main(void)
{
	static struct step steps[] = {
		{"a configuration", load_good, check_good},
		{"a faulty configuration", take_faulty, check_taken_faulty},
		{"a configuration in print", print, check_printed},
		{"a document", parse, check_parsed},
		{"a document that is read twice", parse_twice, NULL},
		{"a submission", submit, check_submitted},
		{"a wrong submission", submit_wrong, check_refused},
		{"an order", read_order, check_order},
		{"a record", read_record, check_record},
	};
	enum { STEPS = sizeof steps / sizeof *steps };
	struct CMUnitTest tests[STEPS + 3];

	for (size_t i = 0; i < STEPS; i++)
		tests[i] = (struct CMUnitTest){steps[i].name, starve, NULL, NULL, &steps[i]};
	tests[STEPS] = (struct CMUnitTest)cmocka_unit_test(apply_each);
	tests[STEPS + 1] = (struct CMUnitTest)cmocka_unit_test(format_it);
	tests[STEPS + 2] = (struct CMUnitTest)cmocka_unit_test(view_it);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
