/* ends: every way in which a method can end, right or wrong. */
#include <muster.h>

#include <stdatomic.h>
#include <string.h>

static int starts;              /* how often this module was started: once, whatever happens */
static atomic_bool hook_called; /* writer: the second thread */

static enum muster_end count_starts(struct muster_task *task)
{
	return muster_ok(task, json_integer(starts));
}

static enum muster_end ok_null(struct muster_task *task)
{
	return muster_ok(task, NULL);
}

static enum muster_end ok_silent(struct muster_task *task)
{
	(void)task;
	return MUSTER_OK;
}

static enum muster_end retry_silent(struct muster_task *task)
{
	(void)task;
	return MUSTER_RETRY;
}

static enum muster_end fail_silent(struct muster_task *task)
{
	(void)task;
	return MUSTER_FAIL;
}

static enum muster_end fail_empty(struct muster_task *task)
{
	return muster_fail(task, "%s", "");
}

/* retry_after(ms) */
static enum muster_end retry_after(struct muster_task *task)
{
	return muster_retry_after(task, json_integer_value(json_array_get(muster_param(task), 0)), "in a while");
}

static enum muster_end fail_but_ok(struct muster_task *task)
{
	(void)muster_fail(task, "the disk is full");
	return MUSTER_OK;
}

static enum muster_end ok_but_retry(struct muster_task *task)
{
	(void)muster_ok(task, json_string("a result"));
	return MUSTER_RETRY;
}

static enum muster_end changes_its_mind(struct muster_task *task)
{
	(void)muster_retry_after(task, 1000, "no");
	(void)muster_fail(task, "perhaps");
	(void)muster_ok(task, json_string("a first result"));
	return muster_ok(task, json_string("yes"));
}

static enum muster_end rubbish(struct muster_task *task)
{
	(void)muster_ok(task, json_string("a result"));
	return (enum muster_end)7;
}

static enum muster_end not_utf8(struct muster_task *task)
{
	return muster_fail(task, "%s", "gr\xc3\xbc\xdf \xed\xa0\x80!");
}

static enum muster_end long_message(struct muster_task *task)
{
	char text[3000];

	memset(text, 'x', sizeof text);
	text[sizeof text - 1] = '\0';
	return muster_fail(task, "%s", text);
}

/* ok_but_no_utf8(): a result that is no JSON. */
static enum muster_end ok_but_no_utf8(struct muster_task *task)
{
	return muster_ok(task, json_string_nocheck("\xff"));
}

/* stuck(): until the hook is called. */
static enum muster_end stuck(struct muster_task *task)
{
	muster_beat(task); /* tells the test that it is in here */
	while (!atomic_load(&hook_called))
		continue;
	return muster_ok(task, json_string("unstuck"));
}

static int start(const char **why)
{
	(void)why;
	starts++;
	return 0;
}

static void exiting(struct muster_task *task)
{
	const char *why = "";

	muster_beat(task);
	muster_progress(task, 50, NULL);
	(void)muster_fail(task, "nobody reads this");
	(void)muster_push(task, muster_document(task), &why);
	muster_log(task, "%s %s %d %lld: %s", muster_id(task), muster_method(task), muster_stopping(task),
		(long long)muster_deadline_ms(task), why);
	atomic_store(&hook_called, true);
}

static const struct muster_method methods[] = {
	{"count_starts", count_starts},
	{"ok_null", ok_null},
	{"ok_silent", ok_silent},
	{"retry_silent", retry_silent},
	{"fail_silent", fail_silent},
	{"fail_empty", fail_empty},
	{"retry_after", retry_after},
	{"fail_but_ok", fail_but_ok},
	{"ok_but_retry", ok_but_retry},
	{"changes_its_mind", changes_its_mind},
	{"rubbish", rubbish},
	{"not_utf8", not_utf8},
	{"long_message", long_message},
	{"ok_but_no_utf8", ok_but_no_utf8},
	{"stuck", stuck},
	{NULL, NULL},
};

const struct muster_module muster_module = {MUSTER_ABI, "TestEnds", methods, start, exiting};
