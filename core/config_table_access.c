#include "core/config_rows.h"

static const char *const roles[] = {
	[CONFIG_ROLE_READ] = "read", [CONFIG_ROLE_SUBMIT] = "submit", [CONFIG_ROLE_ADMIN] = "admin", NULL};

#define TOKEN(field) offsetof(struct config_token, field)
#define AUTH(field)  (offsetof(struct config, auth.field) - offsetof(struct config, auth))

static const struct schema_member token_members[] = {
	{.name = "name",
		.type = SCHEMA_STRING,
		.offset = TOKEN(name),
		.required = true,
		.check = config_check_name,
		.help = "What the log and the audit call its bearer."},
	{.name = "role",
		.type = SCHEMA_ENUM,
		.offset = TOKEN(role),
		.required = true,
		.words = roles,
		.help = "What it allows: read looks; submit posts, cancels and retries single tasks as well; admin "
			"does "
			"everything."},
	{.name = "token_file",
		.type = SCHEMA_STRING,
		.offset = TOKEN(token_file),
		.required = true,
		.check = config_check_not_empty,
		.help = "File with the token, read again at each reload; a newline at its end does not count."},
	{.name = "queues",
		.type = SCHEMA_STRINGS,
		.offset = TOKEN(queues),
		.minimum = 1,
		.maximum = CONFIG_QUEUES_MAX,
		.help = "The only queues that it is good for; null: all."},
	{0},
};
static const struct schema token_schema = {"token", token_members, sizeof(struct config_token)};

_Static_assert(AUTH(token_count) - AUTH(tokens) == offsetof(struct schema_list, count), "tokens are a schema_list");

static const struct schema_member auth_members[] = {
	{.name = "tokens",
		.type = SCHEMA_OBJECTS,
		.offset = AUTH(tokens),
		.fallback = "[]",
		.nested = &token_schema,
		.maximum = CONFIG_TOKENS_MAX,
		.help = "Who may call the API with which token; none: whoever reaches it, on this machine alone."},
	{0},
};
const struct schema config_auth_schema = {"auth", auth_members, 0};

#define TLS(field) (offsetof(struct config, tls.field) - offsetof(struct config, tls))

static const struct schema_member tls_members[] = {
	{.name = "certificate",
		.type = SCHEMA_STRING,
		.offset = TLS(certificate),
		.check = config_check_not_empty,
		.help = "File (PEM) of the API's certificate and, behind it, those between it and its root; null: no "
			"TLS. "
			"Unix sockets stay plain. Read again at each reload."},
	{.name = "key",
		.type = SCHEMA_STRING,
		.offset = TLS(key),
		.check = config_check_not_empty,
		.help = "File (PEM, without a passphrase) of its private key."},
	{0},
};
const struct schema config_tls_schema = {"tls", tls_members, 0};

#define BROKER_TLS(field) (offsetof(struct config, broker_tls.field) - offsetof(struct config, broker_tls))

static const struct schema_member broker_tls_members[] = {
	{.name = "ca",
		.type = SCHEMA_STRING,
		.offset = BROKER_TLS(ca),
		.check = config_check_not_empty,
		.help = "File (PEM) of the authorities that its certificate may come from; null: the system's."},
	{.name = "certificate",
		.type = SCHEMA_STRING,
		.offset = BROKER_TLS(certificate),
		.check = config_check_not_empty,
		.help = "File (PEM) of our own certificate, where the broker asks for one."},
	{.name = "key",
		.type = SCHEMA_STRING,
		.offset = BROKER_TLS(key),
		.check = config_check_not_empty,
		.help = "File (PEM, without a passphrase) of its private key."},
	{0},
};
const struct schema config_broker_tls_schema = {"broker_tls", broker_tls_members, 0};

#define HTTP(field) (offsetof(struct config, http.field) - offsetof(struct config, http))

static const struct schema_member http_members[] = {
	{.name = "allow",
		.type = SCHEMA_STRINGS,
		.offset = HTTP(allow),
		.fallback = "[]",
		.maximum = 1024,
		.help = "Private hosts or networks (10.0.0.0/8) that the class Http may reach."},
	{.name = "secrets",
		.type = SCHEMA_VALUE,
		.offset = HTTP(secrets),
		.check = config_check_secrets,
		.help = "Name and file of each secret that the class Http may sign with."},
	{.name = "ca_file",
		.type = SCHEMA_STRING,
		.offset = HTTP(ca_file),
		.help = "Certificates (PEM) that the class Http trusts beside the system's."},
	{.name = "origins",
		.type = SCHEMA_STRINGS,
		.offset = HTTP(origins),
		.fallback = "[]",
		.help = "Other sites whose pages may call the API, as in https://ops.example; none: no CORS."},
	{.name = "requests_per_second",
		.type = SCHEMA_INTEGER,
		.offset = HTTP(requests_per_second),
		.minimum = 1,
		.maximum = 1e6,
		.help = "Of one client address (an IPv6 client's /64), health aside; more are answered 429; null: any "
			"number."},
	{.name = "connections_per_address",
		.type = SCHEMA_INTEGER,
		.offset = HTTP(connections_per_address),
		.minimum = 1,
		.maximum = 1e6,
		.help = "At a time; null: a quarter of limits.connections on public addresses, all of them on "
			"loopback."},
	{.name = "timeout",
		.type = SCHEMA_DURATION,
		.offset = HTTP(timeout_ms),
		.fallback = "\"60s\"",
		.minimum = 100,
		.maximum = HOUR,
		.help = "A client that has not sent a request's headers within this, or 1 KiB of a body for each "
			"second of it, "
			"is cut off."},
	{0},
};
const struct schema config_http_schema = {"http", http_members, 0};
