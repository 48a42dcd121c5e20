/* bench_module: a handler that says on CLOCK_MONOTONIC when it was started. Class Bench. */
#include <muster.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Appends "NANOSECONDS\n" to the file that the first parameter names. */
static void stamp(const struct muster_task *task, int64_t at_ns)
{
	char line[32];
	const char *path = json_string_value(json_array_get(muster_param(task), 0));
	int length = snprintf(line, sizeof(line), "%lld\n", (long long)at_ns);
	int fd = path != NULL ? open(path, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	ssize_t written = write(fd, line, (size_t)length);
	(void)written; /* the bench misses the line and says so */
	close(fd);
}

static enum muster_end start(struct muster_task *task)
{
	stamp(task, now_ns());
	return muster_ok(task, NULL);
}

/* stay(path): stamps, then beats until it is told to stop. */
static enum muster_end stay(struct muster_task *task)
{
	stamp(task, now_ns());
	struct timespec pause = {0, 1000000};
	while (!muster_stopping(task)) {
		muster_beat(task);
		nanosleep(&pause, NULL);
	}
	return muster_ok(task, NULL);
}

static volatile bool forever = true;

/* hang(path): stamps, then loops with every signal blocked. */
static enum muster_end hang(struct muster_task *task)
{
	stamp(task, now_ns());
	sigset_t all;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	while (forever)
		continue;
	return muster_ok(task, NULL);
}

static const struct muster_method methods[] = {{"start", start}, {"stay", stay}, {"hang", hang}, {NULL, NULL}};

MUSTER_EXPORT const struct muster_module muster_module = {MUSTER_ABI, "Bench", methods, NULL, NULL};
