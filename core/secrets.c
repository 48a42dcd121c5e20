#include "core/secrets.h"

#include "core/buffer.h"
#include "core/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SECRETS_MAX = 1024, PART_MAX = 1024 * 1024 };

struct secret {
	char *path, *text; /* owned */
	size_t length;
};

struct secrets {
	struct secret items[SECRETS_MAX];
	size_t count;
	bool handed_over;
};

struct header { /* before each secret in the memfd, followed by path and text */
	uint32_t path_length, length;
};

struct secrets *secrets_new(void)
{
	return calloc(1, sizeof(struct secrets));
}

void secrets_wipe(struct secrets *secrets)
{
	for (size_t i = 0; i < secrets->count; i++) {
		explicit_bzero(secrets->items[i].text, secrets->items[i].length);
		free(secrets->items[i].text);
		free(secrets->items[i].path);
	}
	secrets->count = 0;
}

void secrets_free(struct secrets *secrets)
{
	if (!secrets)
		return;
	secrets_wipe(secrets);
	free(secrets);
}

bool secrets_are_handed_over(const struct secrets *secrets)
{
	return secrets->handed_over;
}

static const struct secret *find(const struct secrets *secrets, const char *path)
{
	for (size_t i = 0; i < secrets->count; i++)
		if (strcmp(secrets->items[i].path, path) == 0)
			return &secrets->items[i];
	return NULL;
}

/* Into one piece of memory and nowhere else: no copy that is only freed, or left on the stack, outlives a wipe. */
static int read_file(const char *path, size_t maximum, char **ret_text, size_t *ret_length)
{
	_cleanup_(io_close) int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	char *text = calloc(1, maximum + 2);
	if (!text)
		return -ENOMEM;
	ssize_t length = io_read(fd, text, maximum + 1);
	if (length < 0 || length > (ssize_t)maximum) {
		explicit_bzero(text, maximum + 1);
		free(text);
		return length < 0 ? (int)length : -EFBIG;
	}
	*ret_text = text;
	*ret_length = (size_t)length;
	return 0;
}

/* Reads the file into the next place. */
static int read_secret(struct secrets *secrets, const char *path, size_t maximum)
{
	struct secret *secret = &secrets->items[secrets->count];

	if (secrets->handed_over)
		return -ENOENT;
	if (secrets->count == SECRETS_MAX)
		return -E2BIG;
	char *copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	int status = read_file(path, maximum, &secret->text, &secret->length);
	if (status < 0) {
		free(copy);
		return status;
	}
	secret->path = copy;
	secrets->count++;
	return 0;
}

int secrets_get(struct secrets *secrets, const char *path, size_t maximum, const char **ret_text, size_t *ret_length,
	struct error *error)
{
	const struct secret *secret = find(secrets, path);

	if (!secret) {
		int status = read_secret(secrets, path, maximum);
		if (status < 0)
			return error_set(error, status, "%.256s cannot be read: %s", path, strerror(-status));
		secret = &secrets->items[secrets->count - 1];
	}
	*ret_text = secret->text;
	*ret_length = secret->length;
	return 0;
}

static int write_secret(const struct secret *secret, int memfd)
{
	const struct header header = {(uint32_t)strlen(secret->path), (uint32_t)secret->length};

	int status = io_write(memfd, &header, sizeof header);
	if (status == 0)
		status = io_write(memfd, secret->path, header.path_length);
	return status == 0 ? io_write(memfd, secret->text, secret->length) : status;
}

int secrets_write(const struct secrets *secrets, int memfd)
{
	int status = 0;

	if (ftruncate(memfd, 0) != 0 || lseek(memfd, 0, SEEK_SET) != 0)
		return -errno;
	for (size_t i = 0; i < secrets->count && status == 0; i++)
		status = write_secret(&secrets->items[i], memfd);
	return status;
}

/* Each reader has the memfd's one offset in common with all others: it reads by position. */
static int read_part(int memfd, off_t *at, size_t length, char **ret_part)
{
	char *part = length <= PART_MAX ? calloc(1, length + 1) : NULL;

	if (!part)
		return length <= PART_MAX ? -ENOMEM : -EINVAL;
	if (pread(memfd, part, length, *at) != (ssize_t)length) {
		free(part);
		return -EIO;
	}
	*at += (off_t)length;
	*ret_part = part;
	return 0;
}

static int read_next(struct secrets *secrets, int memfd, off_t *at, const struct header *header)
{
	struct secret *secret = &secrets->items[secrets->count];
	char *path;

	int status = read_part(memfd, at, header->path_length, &path);
	if (status < 0)
		return status;
	status = read_part(memfd, at, header->length, &secret->text);
	if (status < 0) {
		free(path);
		return status;
	}
	secret->path = path;
	secret->length = header->length;
	secrets->count++;
	return 0;
}

int secrets_read(struct secrets **ret_secrets, int memfd)
{
	struct secrets *secrets = secrets_new();
	struct header header;
	off_t at = 0;
	int status = secrets ? 0 : -ENOMEM;

	while (status == 0 && secrets->count < SECRETS_MAX &&
		pread(memfd, &header, sizeof header, at) == (ssize_t)sizeof header) {
		at += (off_t)sizeof header;
		status = read_next(secrets, memfd, &at, &header);
	}
	if (status < 0) {
		secrets_free(secrets);
		return status;
	}
	secrets->handed_over = true;
	*ret_secrets = secrets;
	return 0;
}
