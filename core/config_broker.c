#include "core/config_internal.h"

#include "core/io.h"
#include "core/units.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	REDIS_PORT = 6379,
	SENTINEL_PORT = 26379,
	DATABASE_MAX = 65535,
	PLACES_MAX = 32,
};

#define TCP_SCHEME      "redis://"
#define TLS_SCHEME      "rediss://"
#define SENTINEL_SCHEME "redis-sentinel://"
#define UNIX_SCHEME     "unix://"

#define TLS_SENTINEL_SCHEME "rediss-sentinel://"

#ifdef HAVE_HIREDIS_SSL
static const bool has_tls = true;
#else
static const bool has_tls = false;
#endif

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

static int parse_port(const char *text, size_t length, struct config_place *place, struct error *error)
{
	char digits[8] = "";
	int64_t port = place->port;

	if (length < sizeof digits)
		memcpy(digits, text, length);
	if (length > 0 && units_parse_integer(digits, 1, 65535, &port) < 0)
		return error_set(error, -EINVAL, "must have a port from 1 to 65535, not \"%.*s\"", (int)length, text);
	place->port = (int)port;
	return 0;
}

/* "host:port" or "[address]:port" in the length bytes; place->port holds the port that is meant by none. */
static int parse_host(const char *at, size_t length, struct config_place *place, struct error *error)
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
	place->host = strndup(host, (size_t)(host_end - host));
	if (place->host == NULL)
		return -ENOMEM;
	if (behind == end)
		return 0;
	if (behind + 1 == end)
		return error_set(error, -EINVAL, "must have a port behind the colon");
	return parse_port(behind + 1, (size_t)(end - behind - 1), place, error);
}

/* One or more hosts with a comma between them: the first into host and port, the others into others. */
static int parse_hosts(const char *at, size_t length, int port, struct config_broker *broker, struct error *error)
{
	struct config_place first = {.port = port};
	size_t size = strcspn(at, ",");
	int status = parse_host(at, size < length ? size : length, &first, error);

	broker->host = first.host;
	broker->port = first.port;
	for (size_t start = size; status == 0 && start < length; start += 1 + size) {
		struct config_place *others = reallocarray(broker->others, broker->other_count + 1, sizeof *others);
		const char *host = at + start + 1;
		size_t left = length - start - 1;

		if (others == NULL)
			return -ENOMEM;
		broker->others = others;
		others[broker->other_count] = (struct config_place){.port = port};
		if (broker->other_count == PLACES_MAX)
			return error_set(error, -EINVAL, "may not have more than %d hosts", PLACES_MAX + 1);
		size = strcspn(host, ",");
		size = size < left ? size : left;
		status = parse_host(host, size, &others[broker->other_count++], error);
	}
	return status;
}

/* Leaves behind the hosts: the slash, or the end. */
static int parse_credentials_and_hosts(const char **at, int port, struct config_broker *broker, struct error *error)
{
	const char *credentials = credentials_end(*at);
	int status = 0;

	if (credentials != NULL) {
		status = parse_credentials(*at, credentials, broker, error);
		*at = credentials + 1;
	}
	size_t length = strcspn(*at, "/");
	if (status == 0)
		status = parse_hosts(*at, length, port, broker, error);
	*at += length;
	return status;
}

static int parse_tcp(const char *at, struct config_broker *broker, struct error *error)
{
	broker->kind = CONFIG_BROKER_TCP;
	int status = parse_credentials_and_hosts(&at, REDIS_PORT, broker, error);
	if (status == 0 && at[0] == '/' && at[1] != '\0')
		status = parse_database(at + 1, broker, error);
	return status;
}

/* The sentinels, "/", the master's name, and perhaps "/" and its database. */
static int parse_sentinel(const char *at, struct config_broker *broker, struct error *error)
{
	broker->kind = CONFIG_BROKER_SENTINEL;
	int status = parse_credentials_and_hosts(&at, SENTINEL_PORT, broker, error);
	if (status < 0)
		return status;
	size_t length = at[0] == '/' ? strcspn(at + 1, "/") : 0;
	if (length == 0)
		return error_set(error, -EINVAL,
			"must name the sentinels' master, as in "
			"redis-sentinel://10.0.0.1:26379,10.0.0.2:26379/mymaster");
	broker->master = strndup(at + 1, length);
	if (broker->master == NULL)
		return -ENOMEM;
	at += 1 + length;
	if (at[0] == '/' && at[1] != '\0')
		return parse_database(at + 1, broker, error);
	return 0;
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

static int parse_encrypted(const char *url, struct config_broker *broker, struct error *error)
{
	if (!has_tls)
		return error_set(error, -EINVAL,
			"with rediss:// cannot be: this musterd's way to Redis has no TLS (it was built without "
			"hiredis_ssl); put a tunnel (stunnel, a sidecar) before Redis and name its local end with "
			"redis:// or unix://");
	broker->tls = true;
	if (has_prefix(url, TLS_SCHEME))
		return parse_tcp(url + strlen(TLS_SCHEME), broker, error);
	return parse_sentinel(url + strlen(TLS_SENTINEL_SCHEME), broker, error);
}

static int parse(const char *url, struct config_broker *broker, struct error *error)
{
	if (strcmp(url, "embedded") == 0)
		return 0;
	if (has_prefix(url, TCP_SCHEME))
		return parse_tcp(url + strlen(TCP_SCHEME), broker, error);
	if (has_prefix(url, UNIX_SCHEME))
		return parse_unix(url + strlen(UNIX_SCHEME), broker, error);
	if (has_prefix(url, SENTINEL_SCHEME))
		return parse_sentinel(url + strlen(SENTINEL_SCHEME), broker, error);
	if (has_prefix(url, TLS_SCHEME) || has_prefix(url, TLS_SENTINEL_SCHEME))
		return parse_encrypted(url, broker, error);
	return error_set(error, -EINVAL,
		"must be embedded, redis://[user:pass@]host:port/db, unix:///path or "
		"redis-sentinel://[user:pass@]host:port,…/name/db");
}

int config_parse_password(const char *path, const char *text, size_t length, char **ret_password, struct error *error)
{
	length -= length > 0 && text[length - 1] == '\n';
	if (length == 0 || strnlen(text, length) != length)
		return error_set(error, -EINVAL, "%.256s holds no password", path);
	*ret_password = strndup(text, length);
	return *ret_password ? 0 : error_set(error, -ENOMEM, "no memory");
}

int config_read_password(const char *path, char **ret_password, struct error *error)
{
	size_t length;
	char *text;
	int status = io_read_file(path, CONFIG_PASSWORD_MAX, &text, &length);

	if (status < 0)
		return error_set(error, status, "%.256s cannot be read: %s", path, strerror(-status));
	status = config_parse_password(path, text, length, ret_password, error);
	explicit_bzero(text, length);
	free(text);
	return status;
}

void config_free_password(char *password)
{
	if (password != NULL)
		explicit_bzero(password, strlen(password));
	free(password);
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
	for (size_t i = 0; i < broker->other_count; i++)
		free(broker->others[i].host);
	free(broker->others);
	free(broker->master);
	free(broker->path);
	free(broker->user);
	free(broker->ca);
	free(broker->certificate);
	config_free_password(broker->key);
	config_free_password(broker->password);
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
