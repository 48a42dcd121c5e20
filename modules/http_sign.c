#include "modules/http_sign.h"

#include <errno.h>
#include <nettle/base64.h>
#include <nettle/hmac.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

bool http_secret_read(const char *path, char secret[HTTP_SECRET_MAX], const char **ret_why)
{
	FILE *file = fopen(path, "re");

	if (!file) {
		*ret_why = strerror(errno);
		return false;
	}
	size_t length = fread(secret, 1, HTTP_SECRET_MAX - 1, file);
	(void)fclose(file);
	secret[length] = '\0';
	secret[strcspn(secret, "\r\n")] = '\0';
	*ret_why = "its file is empty";
	return secret[0] != '\0';
}

static bool set_key(struct hmac_sha256_ctx *hmac, const char *secret)
{
	static const char prefix[] = "whsec_";
	struct base64_decode_ctx base64;
	uint8_t key[HTTP_SECRET_MAX];
	size_t length = strlen(secret);

	if (strncmp(secret, prefix, sizeof prefix - 1) != 0) {
		hmac_sha256_set_key(hmac, length, (const uint8_t *)secret);
		return true;
	}
	secret += sizeof prefix - 1;
	length = strlen(secret);
	if (BASE64_DECODE_LENGTH(length) > sizeof key)
		return false;
	base64_decode_init(&base64);
	if (!base64_decode_update(&base64, &length, key, length, secret) || !base64_decode_final(&base64))
		return false;
	hmac_sha256_set_key(hmac, length, key);
	return true;
}

bool http_sign(
	struct http_signature *ret_signature, const char *secret, const char *id, const char *body, size_t length)
{
	struct hmac_sha256_ctx hmac;
	struct http_signature signature = {.text = "v1,"};
	uint8_t digest[SHA256_DIGEST_SIZE];

	(void)snprintf(signature.timestamp, sizeof signature.timestamp, "%lld", (long long)time(NULL));
	if (!set_key(&hmac, secret))
		return false;
	hmac_sha256_update(&hmac, strlen(id), (const uint8_t *)id);
	hmac_sha256_update(&hmac, 1, (const uint8_t *)".");
	hmac_sha256_update(&hmac, strlen(signature.timestamp), (const uint8_t *)signature.timestamp);
	hmac_sha256_update(&hmac, 1, (const uint8_t *)".");
	hmac_sha256_update(&hmac, length, (const uint8_t *)(body ? body : ""));
	hmac_sha256_digest(&hmac, sizeof digest, digest);
	_Static_assert(sizeof signature.text > 3 + BASE64_ENCODE_RAW_LENGTH(sizeof digest), "room for it");
	base64_encode_raw(signature.text + 3, sizeof digest, digest);
	*ret_signature = signature;
	return true;
}

char *http_base64(const char *bytes, size_t length)
{
	char *text = malloc(BASE64_ENCODE_RAW_LENGTH(length) + 1);

	if (!text)
		return NULL;
	base64_encode_raw(text, length, (const uint8_t *)bytes);
	text[BASE64_ENCODE_RAW_LENGTH(length)] = '\0';
	return text;
}
