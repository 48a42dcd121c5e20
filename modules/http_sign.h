/* http_sign: requests signed as Standard Webhooks says, https://www.standardwebhooks.com: HMAC-SHA256 over
 * "id.timestamp.body". One thread. */
#ifndef MUSTER_MODULES_HTTP_SIGN_H
#define MUSTER_MODULES_HTTP_SIGN_H

#include <stdbool.h>
#include <stddef.h>

enum { HTTP_SECRET_MAX = 256 };

struct http_signature {
	char timestamp[32]; /* webhook-timestamp: now */
	char text[48];      /* webhook-signature */
};

/* The first line of a file. Each request reads it anew, so that a file that is replaced holds at once. Returns false with
 * why there is none, static text. */
bool http_secret_read(const char *path, char secret[HTTP_SECRET_MAX], const char **ret_why);

/* Signs a body, NULL: none. A secret that begins with "whsec_" is base64 behind that; any other is taken as it is. Returns
 * false when it should be base64 and is not. */
bool http_sign(
	struct http_signature *ret_signature, const char *secret, const char *id, const char *body, size_t length);

/* Owned by the caller, free(); NULL: no memory. */
char *http_base64(const char *bytes, size_t length);

#endif
