#include "core/config_internal.h"

#include "core/units.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { REDIS_PORT = 6379, DATABASE_MAX = 65535 };

#define TCP_SCHEME  "redis://"
#define UNIX_SCHEME "unix://"

static bool has_prefix(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* The '@' that ends user and password, or NULL. They may not hold a '/' unless it is written %2F. */
static const char *credentials_end(const char *at)
{
	return memrchr(at, '@', strcspn(at, "/"));
}

static int hex_digit(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	digit |= 0x20;
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* Undoes %XX. Returns 0, -EINVAL (no hexadecimal digits, or %00) or -ENOMEM. */
static int decode(const char *text, size_t length, char **ret_decoded)
{
	char *decoded = malloc(length + 1);
	size_t used = 0;

	if (decoded == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < length; i++) {
		int high = 0, low = 0;

		if (text[i] != '%') {
			decoded[used++] = text[i];
			continue;
		}
		high = length - i > 2 ? hex_digit(text[i + 1]) : -1;
		low = high >= 0 ? hex_digit(text[i + 2]) : -1;
		if (low < 0 || high + low == 0) {
			free(decoded);
			return -EINVAL;
		}
		decoded[used++] = (char)(high << 4 | low);
		i += 2;
	}
	decoded[used] = '\0';
	*ret_decoded = decoded;
	return 0;
}

/* "user:password" before the '@' at end; either may be empty, which is none. */
static int parse_credentials(const char *at, const char *end, struct config_broker *broker, struct error *error)
{
	const char *colon = memchr(at, ':', (size_t)(end - at));
	size_t user = (size_t)((colon != NULL ? colon : end) - at);
	int status = 0;

	if (user > 0)
		status = decode(at, user, &broker->user);
	if (status == 0 && colon != NULL && colon + 1 < end)
		status = decode(colon + 1, (size_t)(end - colon - 1), &broker->password);
	if (status == -EINVAL)
		return error_set(error, -EINVAL, "must have other characters in user and password written as %%XX");
	return status;
}

static int parse_database(const char *text, struct config_broker *broker, struct error *error)
{
	int64_t db;

	if (units_parse_integer(text, 0, DATABASE_MAX, &db) < 0)
		return error_set(error, -EINVAL, "must name its database by a number from 0 to %d, not \"%s\"",
			DATABASE_MAX, text);
	broker->db = (int)db;
	return 0;
}

static int parse_port(const char *text, size_t length, struct config_broker *broker, struct error *error)
{
	char digits[8] = "";
	int64_t port = REDIS_PORT;

	if (length < sizeof digits)
		memcpy(digits, text, length);
	if (length > 0 && units_parse_integer(digits, 1, 65535, &port) < 0)
		return error_set(error, -EINVAL, "must have a port from 1 to 65535, not \"%.*s\"", (int)length, text);
	broker->port = (int)port;
	return 0;
}

/* "host:port" or "[address]:port" in the length bytes. */
static int parse_host(const char *at, size_t length, struct config_broker *broker, struct error *error)
{
	const char *end = at + length;
	const char *host_end = at[0] == '[' ? memchr(at, ']', length) : memchr(at, ':', length);
	const char *host = at[0] == '[' ? at + 1 : at;
	const char *behind; /* the colon before the port, or the end */

	if (host_end == NULL && at[0] != '[')
		host_end = end;
	behind = host_end != NULL && at[0] == '[' ? host_end + 1 : host_end;
	if (host_end == NULL || host_end == host || (behind < end && *behind != ':'))
		return error_set(error, -EINVAL, "must name a host, as in redis://127.0.0.1:6379/0");
	broker->host = strndup(host, (size_t)(host_end - host));
	if (broker->host == NULL)
		return -ENOMEM;
	if (behind == end)
		return parse_port("", 0, broker, error);
	if (behind + 1 == end)
		return error_set(error, -EINVAL, "must have a port behind the colon");
	return parse_port(behind + 1, (size_t)(end - behind - 1), broker, error);
}

static int parse_tcp(const char *at, struct config_broker *broker, struct error *error)
{
	const char *credentials = credentials_end(at);
	size_t length;
	int status = 0;

	broker->kind = CONFIG_BROKER_TCP;
	if (credentials != NULL) {
		status = parse_credentials(at, credentials, broker, error);
		at = credentials + 1;
	}
	length = strcspn(at, "/");
	if (status == 0)
		status = parse_host(at, length, broker, error);
	if (status == 0 && at[length] == '/' && at[length + 1] != '\0')
		status = parse_database(at + length + 1, broker, error);
	return status;
}

static int parse_unix(const char *at, struct config_broker *broker, struct error *error)
{
	const char *credentials = credentials_end(at);
	size_t length;
	int status = 0;

	broker->kind = CONFIG_BROKER_UNIX;
	if (credentials != NULL) {
		status = parse_credentials(at, credentials, broker, error);
		at = credentials + 1;
	}
	if (status < 0)
		return status;
	length = strcspn(at, "?");
	if (at[0] != '/' || length < 2)
		return error_set(
			error, -EINVAL, "must name a socket by its absolute path, as in unix:///run/redis.sock");
	if (length > CONFIG_SOCKET_PATH_MAX)
		return error_set(
			error, -EINVAL, "must not name a socket by more than %d bytes", CONFIG_SOCKET_PATH_MAX);
	broker->path = strndup(at, length);
	if (broker->path == NULL)
		return -ENOMEM;
	if (at[length] == '\0')
		return 0;
	if (!has_prefix(at + length, "?db="))
		return error_set(error, -EINVAL, "may have ?db=N behind the path, and nothing else");
	return parse_database(at + length + strlen("?db="), broker, error);
}

static int parse(const char *url, struct config_broker *broker, struct error *error)
{
	if (strcmp(url, "embedded") == 0)
		return 0;
	if (has_prefix(url, TCP_SCHEME))
		return parse_tcp(url + strlen(TCP_SCHEME), broker, error);
	if (has_prefix(url, UNIX_SCHEME))
		return parse_unix(url + strlen(UNIX_SCHEME), broker, error);
	if (has_prefix(url, "redis-sentinel://"))
		return error_set(error, -EINVAL, "with redis-sentinel:// is not available yet");
	return error_set(error, -EINVAL, "must be embedded, redis://[user:pass@]host:port/db or unix:///path");
}

int config_broker_parse(const char *url, struct config_broker *ret_broker, struct error *error)
{
	struct config_broker broker = {.kind = CONFIG_BROKER_EMBEDDED};
	int status = parse(url, &broker, error);

	if (status < 0)
		config_broker_fini(&broker);
	else
		*ret_broker = broker;
	return status;
}

void config_broker_fini(struct config_broker *broker)
{
	free(broker->host);
	free(broker->path);
	free(broker->user);
	if (broker->password != NULL)
		explicit_bzero(broker->password, strlen(broker->password));
	free(broker->password);
	*broker = (struct config_broker){.kind = CONFIG_BROKER_EMBEDDED};
}

char *config_broker_mask(const char *url)
{
	const char *at = strstr(url, "://");
	const char *end = at != NULL ? credentials_end(at + 3) : NULL;
	const char *colon = end != NULL ? memchr(at + 3, ':', (size_t)(end - at - 3)) : NULL;
	char *masked;

	if (colon == NULL || colon + 1 == end)
		return strdup(url);
	return asprintf(&masked, "%.*s********%s", (int)(colon + 1 - url), url, end) < 0 ? NULL : masked;
}
