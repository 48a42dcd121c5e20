/* A service, beside a class: what a test wants it to do stands in a file, below the working directory of nobody: its path
 * is the value of FEEDER_PLAN. The file's first word is what a hook does: tick, spin, block, done. */
#include <muster.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *path(void)
{
	return getenv("FEEDER_PLAN");
}

static void note(const char *word)
{
	char beside[512];

	(void)snprintf(beside, sizeof beside, "%s.notes", path());
	FILE *file = fopen(beside, "ae");
	if (file == NULL)
		return;
	(void)fprintf(file, "%s %d\n", word, getpid());
	(void)fclose(file);
}

static int start(const char **why)
{
	note("start");
	if (path() != NULL && access(path(), R_OK) == 0)
		return 0;
	*why = "there is no plan";
	return -1;
}

static void read_plan(char word[16])
{
	FILE *file = fopen(path(), "re");

	if (file == NULL || fscanf(file, "%15s", word) != 1)
		(void)strcpy(word, "tick");
	if (file != NULL)
		(void)fclose(file);
}

static int hook(struct muster_task *service)
{
	static int ticks;
	static bool pushed;
	char word[16];

	read_plan(word);
	if (strcmp(word, "done") == 0)
		return 1;
	if (strcmp(word, "push") == 0 && !pushed) {
		json_t *task = json_pack("{s:s, s:s, s:[i,i], s:s}", "class", "Demo", "method", "add", "param", 1, 2,
			"id", "from-the-feeder");
		const char *why = NULL;
		pushed = muster_push(service, task, &why) == 0;
		if (!pushed) /* at the start the broker may not be there yet */
			muster_log(service, "not pushed: %s", why);
		json_decref(task);
	}
	if (ticks++ == 0)
		muster_log(service, "I am %s.%s", muster_class(service), muster_method(service));
	while (strcmp(word, "spin") == 0)
		continue;
	if (strcmp(word, "block") == 0)
		(void)sleep(1000);
	while (strcmp(word, "wait") == 0 && !muster_stopping(service)) {
		muster_beat(service);
		(void)usleep(10000);
	}
	(void)usleep(10000);
	return 0;
}

static void exiting(struct muster_task *service)
{
	(void)service;
	note("exiting");
}

const struct muster_service muster_service = {MUSTER_ABI, "Feeder", start, hook, exiting};
