/* spans: tasks whose beginning and end are on record, with the time, so that a test sees which ran side by side. */
#include <muster.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 512, BEAT_MS = 5 };

static int64_t wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int append(const char *path, const char *name, const char *what)
{
	char line[LINE_MAX_BYTES];
	int length = snprintf(line, sizeof line, "%s %s %" PRId64 " %d\n", name, what, wall_ms(), getpid());
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);

	if (fd < 0)
		return -1;
	ssize_t written = write(fd, line, (size_t)length);
	close(fd);
	return written == length ? 0 : -1;
}

/* run(path, name, ms) */
static enum muster_end run(struct muster_task *task)
{
	const struct timespec pause = {.tv_nsec = BEAT_MS * 1000000};
	const char *path, *name;
	json_int_t ms;

	if (json_unpack((json_t *)(uintptr_t)muster_param(task), "[s, s, I]", &path, &name, &ms) != 0)
		return muster_fail(task, "run wants [path, name, ms]");
	const int64_t end = wall_ms() + ms;
	if (append(path, name, "begin") != 0)
		return muster_fail(task, "%s: %s", path, strerror(errno));
	while (wall_ms() < end) {
		muster_beat(task);
		nanosleep(&pause, NULL);
	}
	if (append(path, name, "end") != 0)
		return muster_fail(task, "%s: %s", path, strerror(errno));
	return muster_ok(task, NULL);
}

static const struct muster_method methods[] = {{"run", run}, {NULL, NULL}};

const struct muster_module muster_module = {.abi = MUSTER_ABI, .class_name = "Spans", .methods = methods};
