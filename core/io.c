#include "core/io.h"

#include "core/buffer.h"
#include "core/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 16 * 1024 };

int io_poll(struct pollfd *entries, size_t count, int64_t until_mono_ns)
{
	for (;;) {
		int64_t now = clock_mono_ns();
		int64_t left = until_mono_ns > now ? until_mono_ns - now : 0;
		struct timespec timeout = {.tv_sec = left / CLOCK_NS_PER_S, .tv_nsec = left % CLOCK_NS_PER_S};
		int ready = ppoll(entries, count, until_mono_ns == INT64_MAX ? NULL : &timeout, NULL);
		if (ready >= 0)
			return ready;
		if (errno != EINTR)
			return -errno;
	}
}

ssize_t io_read(int fd, void *bytes, size_t length)
{
	size_t done = 0;
	while (done < length) {
		ssize_t count = read(fd, (char *)bytes + done, length - done);
		if (count == 0)
			break;
		if (count > 0)
			done += (size_t)count;
		else if (errno != EINTR)
			return -errno;
	}
	return (ssize_t)done;
}

int io_write(int fd, const void *bytes, size_t length)
{
	size_t done = 0;
	while (done < length) {
		ssize_t count = write(fd, (const char *)bytes + done, length - done);
		if (count >= 0)
			done += (size_t)count;
		else if (errno != EINTR)
			return -errno;
	}
	return 0;
}

/* Not by the file's size: what is not a plain file has none. */
static int read_all(int fd, struct buffer *content)
{
	char chunk[CHUNK];
	ssize_t count;
	do {
		count = io_read(fd, chunk, sizeof chunk);
		if (count < 0)
			return (int)count;
		buffer_append(content, chunk, (size_t)count);
	} while (count == sizeof chunk && content->status == 0);
	return content->status == -E2BIG ? -EFBIG : content->status;
}

int io_read_file(const char *path, size_t maximum, char **ret_bytes, size_t *ret_length)
{
	_cleanup_(io_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	_cleanup_(buffer_fini) struct buffer content;
	buffer_init(&content, maximum);
	int status = read_all(fd, &content);
	if (status < 0)
		return status;
	*ret_length = content.length;
	*ret_bytes = buffer_take(&content);
	return 0;
}

/* A rename is on disk when its directory is. */
static int sync_directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	char directory[PATH_MAX] = ".";
	if (slash)
		snprintf(directory, sizeof directory, "%.*s", (int)(slash - path) + 1, path);
	_cleanup_(io_close) int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int write_and_rename(const char *path, const char *beside, int fd, const void *bytes, size_t length)
{
	int status = io_write(fd, bytes, length);
	if (status < 0)
		return status;
	if (fsync(fd) < 0 || rename(beside, path) < 0)
		return -errno;
	return 0;
}

int io_replace_file(const char *path, const void *bytes, size_t length)
{
	char beside[PATH_MAX];
	if (snprintf(beside, sizeof beside, "%s.XXXXXX", path) >= PATH_MAX)
		return -ENAMETOOLONG;
	_cleanup_(io_close) int fd = mkostemp(beside, O_CLOEXEC);
	int status = fd < 0 ? -errno : write_and_rename(path, beside, fd, bytes, length);
	if (fd >= 0 && status < 0)
		(void)unlink(beside); /* the failure above is what there is to tell */
	return status < 0 ? status : sync_directory_of(path);
}

int io_bell_new(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

void io_bell_ring(int fd)
{
	(void)eventfd_write(fd, 1); /* fails only where the count is full: it is ringing then */
}

void io_bell_clear(int fd)
{
	eventfd_t rings;
	(void)eventfd_read(fd, &rings); /* fails only where nobody rang */
}

void io_close(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd); /* never again after EINTR: Linux has closed it */
	*fd = -1;
}
