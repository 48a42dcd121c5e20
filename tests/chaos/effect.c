/* effect: a handler module for the chaos driver, whose tasks leave a line behind and can be hit before and after it.
 * Not installed. */
#include <muster.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static void nap_ms(json_int_t ms)
{
	struct timespec pause = {(time_t)(ms / 1000), (long)(ms % 1000 * 1000000)};

	while (nanosleep(&pause, &pause) != 0 && errno == EINTR)
		continue;
}

static void beat_for_ms(struct muster_task *task, json_int_t ms)
{
	for (; ms > 0; ms -= 5) {
		muster_beat(task);
		nap_ms(ms < 5 ? ms : 5);
	}
}

/* The whole line in one call: with O_APPEND it lands whole, and is there though the process dies right behind it. */
static int append_line(const char *path, const char *text)
{
	struct iovec parts[] = {{(void *)(uintptr_t)text, strlen(text)}, {(char[]){'\n'}, 1}};
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);

	if (fd < 0)
		return -1;
	ssize_t written = writev(fd, parts, 2);
	close(fd);
	return written == (ssize_t)parts[0].iov_len + 1 ? 0 : -1;
}

/* run(path, text, before_ms, after_ms, retries): works, leaves its line, works on; the first `retries` executions ask for
 * another one. */
static enum muster_end run(struct muster_task *task)
{
	const char *path, *text;
	json_int_t before_ms, after_ms, retries;

	if (json_unpack((json_t *)(uintptr_t)muster_param(task), "[s, s, I, I, I]", &path, &text, &before_ms, &after_ms,
		    &retries) != 0)
		return muster_fail(task, "run wants [path, text, before_ms, after_ms, retries]");
	beat_for_ms(task, before_ms);
	if (append_line(path, text) != 0)
		return muster_fail(task, "run: %s: %s", path, strerror(errno));
	beat_for_ms(task, after_ms);
	if (muster_attempt(task) <= retries)
		return muster_retry(task, "once more");
	return muster_ok(task, NULL);
}

static const struct muster_method methods[] = {{"run", run}, {NULL, NULL}};

const struct muster_module muster_module = {.abi = MUSTER_ABI, .class_name = "Effect", .methods = methods};
