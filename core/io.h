/* io: where EINTR, short reads and short writes are dealt with, once for all.
 *
 * All return 0 or more, or a negative errno. Deadlines are absolute CLOCK_MONOTONIC nanoseconds; INT64_MAX: none. */
#ifndef MUSTER_CORE_IO_H
#define MUSTER_CORE_IO_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* poll(2) until something is ready or the deadline has passed, taken up again after EINTR with what is left.
 * Returns the number of ready entries; 0 at the deadline. */
int io_poll(struct pollfd *entries, size_t count, int64_t until_mono_ns);

/* Reads until the buffer is full or the file ends; returns the bytes read. */
ssize_t io_read(int fd, void *bytes, size_t length);

/* Writes everything. The descriptor blocks, or has room. */
int io_write(int fd, const void *bytes, size_t length);

/* The whole file at path, at most `maximum` bytes (more: -EFBIG). *ret_bytes is owned by the caller, NUL behind it. */
int io_read_file(const char *path, size_t maximum, char **ret_bytes, size_t *ret_length);

/* Replaces the file atomically: written beside it (mode 0600), synced, renamed. */
int io_replace_file(const char *path, const void *bytes, size_t length);

/* An eventfd (EFD_CLOEXEC | EFD_NONBLOCK). ring: wakes whoever polls it; clear: takes back all rings so far. */
int io_bell_new(void);
void io_bell_ring(int fd);
void io_bell_clear(int fd);

/* Closes *fd unless it is negative, and makes it -1: for _cleanup_ and for fields. */
void io_close(int *fd);

#endif
