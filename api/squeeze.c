#include "api/squeeze.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Whether what stands behind a coding's name takes it: nothing, or a weight that is not zero. */
static bool has_weight(const char *parameters)
{
	parameters += strspn(parameters, " \t");
	if (*parameters != ';')
		return true;
	parameters += 1 + strspn(parameters + 1, " \t");
	if (strncasecmp(parameters, "q=", 2) != 0)
		return true;
	return parameters[2 + strspn(parameters + 2, "0.")] >= '1' &&
	       parameters[2 + strspn(parameters + 2, "0.")] <= '9';
}

bool squeeze_is_accepted(const char *accept_encoding)
{
	static const char *const names[] = {"gzip", "x-gzip", "*"};

	for (const char *at = accept_encoding; at && *at != '\0'; at += strcspn(at, ","), at += *at == ',') {
		at += strspn(at, " \t");
		for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
			size_t length = strlen(names[i]);
			if (strncasecmp(at, names[i], length) == 0 && strchr(" \t;,", at[length]))
				return has_weight(at + length);
		}
	}
	return false;
}

#ifdef MUSTER_NO_ZLIB

char *squeeze(const char *bytes, size_t length, size_t *ret_length)
{
	(void)bytes;
	(void)length;
	(void)ret_length;
	return NULL;
}

#else

#include <zlib.h>

enum {
	LEVEL = 1,             /* half the time of the usual 6, and JSON becomes a tenth all the same */
	GZIP_WINDOW = 15 + 16, /* the largest window, with gzip's head */
	MEMORY = 8,
};

char *squeeze(const char *bytes, size_t length, size_t *ret_length)
{
	z_stream stream = {0};
	char *squeezed = length <= UINT32_MAX ? malloc(length) : NULL;

	if (!squeezed)
		return NULL;
	if (deflateInit2(&stream, LEVEL, Z_DEFLATED, GZIP_WINDOW, MEMORY, Z_DEFAULT_STRATEGY) != Z_OK) {
		free(squeezed);
		return NULL;
	}
	stream.next_in = (Bytef *)(uintptr_t)bytes;
	stream.avail_in = (uInt)length;
	stream.next_out = (Bytef *)squeezed;
	stream.avail_out = (uInt)length;
	int status = deflate(&stream, Z_FINISH);
	*ret_length = length - stream.avail_out;
	(void)deflateEnd(&stream);
	if (status == Z_STREAM_END)
		return squeezed;
	free(squeezed);
	return NULL;
}

#endif
