#include "core/config_internal.h"

#include <errno.h>
#include <string.h>

/* Milliseconds, and bytes, as doubles: ranges of rows. */
#define SECOND 1e3
#define HOUR   (3600 * SECOND)
#define DAY    (24 * HOUR)
#define KIB    1024.0
#define MIB    (1024 * KIB)
#define GIB    (1024 * MIB)
#define TIB    (1024 * GIB)

static const char *const levels[] = {[CONFIG_LOG_DEBUG] = "debug",
	[CONFIG_LOG_INFO] = "info",
	[CONFIG_LOG_WARN] = "warn",
	[CONFIG_LOG_ERROR] = "error",
	NULL};
static const char *const formats[] = {[CONFIG_LOG_TEXT] = "text", [CONFIG_LOG_JSON] = "json", NULL};
static const char *const durabilities[] = {
	[CONFIG_DURABILITY_PROCESS] = "process", [CONFIG_DURABILITY_POWER] = "power", NULL};
static const char *const roles[] = {
	[CONFIG_ROLE_READ] = "read", [CONFIG_ROLE_SUBMIT] = "submit", [CONFIG_ROLE_ADMIN] = "admin", NULL};
static const char *const evictions[] = {"refuse", "accept", NULL};
static const char *const kinds[] = {"tasks", "service", NULL};
static const char *const modes[] = {"persistent", "once", NULL};

bool config_name_is_valid(const char *name)
{
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");

	return length > 0 && length <= CONFIG_NAME_MAX && name[length] == '\0';
}

/* ---- checks of one value ---- */

static int check_name(const json_t *value, struct error *error)
{
	if (config_name_is_valid(json_string_value(value)))
		return 0;
	return error_set(error, -EINVAL, "must be 1 to %d letters, digits, `_`, `.` or `-`, not \"%.*s\"",
		CONFIG_NAME_MAX, CONFIG_NAME_MAX, json_string_value(value));
}

static int check_not_empty(const json_t *value, struct error *error)
{
	return json_string_length(value) > 0 ? 0 : error_set(error, -EINVAL, "must not be empty");
}

static int check_title_prefix(const json_t *value, struct error *error)
{
	for (const char *at = json_string_value(value); *at != '\0'; at++)
		if (*at <= ' ' || *at > '~')
			return error_set(error, -EINVAL, "must be printable ASCII without blanks");
	return 0;
}

static int check_list(const json_t *value, struct error *error)
{
	if (json_is_null(value) || json_is_object(value) || json_string_length(value) > 0)
		return 0;
	return error_set(error, -EINVAL, "must be the key of a Redis list, or {key, db}");
}

static int check_pointers(const json_t *value, struct error *error)
{
	const json_t *pointer;
	size_t index;

	json_array_foreach((json_t *)value, index, pointer)
	{
		if (json_string_value(pointer)[0] != '/')
			return error_set(error, -EINVAL,
				"must be JSON pointers, as in \"/param/0/password\", not \"%.64s\"",
				json_string_value(pointer));
	}
	return 0;
}

static int check_concurrency(const json_t *value, struct error *error)
{
	return json_integer_value(value) == 1 ? 0 : error_set(error, -EINVAL, "above 1 is not available yet");
}

static int check_object(const json_t *value, struct error *error)
{
	if (json_is_null(value) || json_is_object(value))
		return 0;
	return error_set(error, -EINVAL, "must be an object");
}

static int check_weights(const json_t *value, struct error *error)
{
	if (json_is_object(value) || json_is_array(value))
		return 0;
	return error_set(error, -EINVAL, "must be names of queues with their weights, as in {mail: 2, default: 1}");
}

/* ---- the tables ---- */

/* The rows of a struct config_program that lies at `base` in another struct. */
#define PROGRAM(base, field) ((base) + offsetof(struct config_program, field))
#define PROGRAM_MEMBERS(base, what)                                                                                    \
	{.name = "exec", .type = SCHEMA_STRINGS, .offset = PROGRAM(base, argv), .maximum = 1024, .help = (what)},      \
		{.name = "env",                                                                                        \
			.type = SCHEMA_VALUE,                                                                          \
			.offset = PROGRAM(base, env),                                                                  \
			.check = config_check_env,                                                                     \
			.help = "Its environment, beside PATH, HOME, USER, LANG, LC_*, TZ and TMPDIR of musterd's."},  \
		{.name = "cwd",                                                                                        \
			.type = SCHEMA_STRING,                                                                         \
			.offset = PROGRAM(base, cwd),                                                                  \
			.check = check_not_empty,                                                                      \
			.help = "Its working directory; null: that of the configuration file."},                       \
		{.name = "umask",                                                                                      \
			.type = SCHEMA_STRING,                                                                         \
			.offset = PROGRAM(base, umask),                                                                \
			.check = config_check_umask,                                                                   \
			.help = "Its umask, in octal digits."},                                                        \
		{.name = "nice",                                                                                       \
			.type = SCHEMA_INTEGER,                                                                        \
			.offset = PROGRAM(base, nice),                                                                 \
			.minimum = -20,                                                                                \
			.maximum = 19,                                                                                 \
			.help = "Its nice value."},                                                                    \
		{.name = "user",                                                                                       \
			.type = SCHEMA_STRING,                                                                         \
			.offset = PROGRAM(base, user),                                                                 \
			.check = check_not_empty,                                                                      \
			.help = "Who it runs as; another one than musterd's workers only where these are root's."},    \
	{                                                                                                              \
		.name = "rlimits", .type = SCHEMA_VALUE, .offset = PROGRAM(base, rlimits),                             \
		.check = config_check_rlimits,                                                                         \
		.help = "Its resource limits, as in {nofile: 1024, as: 1GiB, cpu: unlimited}."                         \
	}

#define LOG(field)    (offsetof(struct config, log.field) - offsetof(struct config, log))
#define HTTP(field)   (offsetof(struct config, http.field) - offsetof(struct config, http))
#define LIMITS(field) (offsetof(struct config, limits.field) - offsetof(struct config, limits))

static const struct schema_member log_members[] = {
	{.name = "level",
		.type = SCHEMA_ENUM,
		.offset = LOG(level),
		.fallback = "\"info\"",
		.words = levels,
		.help = "What is logged: lines of this level and graver ones."},
	{.name = "format",
		.type = SCHEMA_ENUM,
		.offset = LOG(format),
		.fallback = "\"text\"",
		.words = formats,
		.help = "Lines of key=value, or a JSON object a line."},
	{.name = "file",
		.type = SCHEMA_STRING,
		.offset = LOG(file),
		.check = check_not_empty,
		.help = "Where the log goes; null: standard error."},
	{0},
};
static const struct schema log_schema = {"log", log_members, 0};

#define TOKEN(field) offsetof(struct config_token, field)
#define AUTH(field)  (offsetof(struct config, auth.field) - offsetof(struct config, auth))

static const struct schema_member token_members[] = {
	{.name = "name",
		.type = SCHEMA_STRING,
		.offset = TOKEN(name),
		.required = true,
		.check = check_name,
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
		.check = check_not_empty,
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
static const struct schema auth_schema = {"auth", auth_members, 0};

#define TLS(field) (offsetof(struct config, tls.field) - offsetof(struct config, tls))

static const struct schema_member tls_members[] = {
	{.name = "certificate",
		.type = SCHEMA_STRING,
		.offset = TLS(certificate),
		.check = check_not_empty,
		.help = "File (PEM) of the API's certificate and, behind it, those between it and its root; null: no "
			"TLS. "
			"Unix sockets stay plain. Read again at each reload."},
	{.name = "key",
		.type = SCHEMA_STRING,
		.offset = TLS(key),
		.check = check_not_empty,
		.help = "File (PEM, without a passphrase) of its private key."},
	{0},
};
static const struct schema tls_schema = {"tls", tls_members, 0};

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
static const struct schema http_schema = {"http", http_members, 0};

static const struct schema_member limits_members[] = {
	{.name = "document",
		.type = SCHEMA_SIZE,
		.offset = LIMITS(document),
		.fallback = "\"1MiB\"",
		.minimum = 64,
		.maximum = 256 * MIB,
		.help = "One task document."},
	{.name = "body",
		.type = SCHEMA_SIZE,
		.offset = LIMITS(body),
		.fallback = "\"16MiB\"",
		.minimum = 64,
		.maximum = GIB,
		.help = "The body of one request."},
	{.name = "connections",
		.type = SCHEMA_INTEGER,
		.offset = LIMITS(connections),
		.fallback = "1024",
		.minimum = 1,
		.maximum = 1000000,
		.help = "HTTP connections at a time."},
	{.name = "batch",
		.type = SCHEMA_INTEGER,
		.offset = LIMITS(batch),
		.fallback = "10000",
		.minimum = 1,
		.maximum = 1000000,
		.help = "Documents in one request."},
	{.name = "result",
		.type = SCHEMA_SIZE,
		.offset = LIMITS(result),
		.fallback = "\"64KiB\"",
		.minimum = 16,
		.maximum = 64 * MIB,
		.help = "What one task may return; more is a failure that says so."},
	{.name = "log",
		.type = SCHEMA_SIZE,
		.later = true,
		.fallback = "\"64KiB\"",
		.help = "What is kept of one task's log."},
	{.name = "broker_memory",
		.type = SCHEMA_SIZE,
		.offset = LIMITS(broker_memory),
		.minimum = MIB,
		.maximum = 64 * TIB,
		.help = "The embedded broker's bound; null: a quarter of the machine's memory."},
	{0},
};
static const struct schema limits_schema = {"limits", limits_members, 0};

static const struct schema_member backoff_members[] = {
	{.name = "base",
		.type = SCHEMA_DURATION,
		.offset = offsetof(struct config_backoff, base_ms),
		.fallback = "\"0s\"",
		.minimum = 0,
		.maximum = 365 * DAY,
		.help = "The first wait."},
	{.name = "factor",
		.type = SCHEMA_REAL,
		.offset = offsetof(struct config_backoff, factor),
		.fallback = "2",
		.minimum = 1,
		.maximum = 1000,
		.help = "Each further wait is so many times the one before."},
	{.name = "max",
		.type = SCHEMA_DURATION,
		.offset = offsetof(struct config_backoff, max_ms),
		.fallback = "\"1h\"",
		.minimum = 0,
		.maximum = 365 * DAY,
		.help = "The longest wait."},
	{.name = "jitter",
		.type = SCHEMA_REAL,
		.offset = offsetof(struct config_backoff, jitter),
		.fallback = "0.1",
		.minimum = 0,
		.maximum = 1,
		.help = "Each wait is made longer or shorter at random by up to this part of it."},
	{0},
};
static const struct schema backoff_schema = {"backoff", backoff_members, sizeof(struct config_backoff)};

static const struct schema_member retention_members[] = {
	{.name = "succeeded",
		.type = SCHEMA_DURATION,
		.offset = offsetof(struct config_retention, succeeded_ms),
		.fallback = "\"10m\"",
		.minimum = 0,
		.maximum = 3650 * DAY,
		.help = "How long a succeeded task can be looked up."},
	{.name = "dead",
		.type = SCHEMA_DURATION,
		.offset = offsetof(struct config_retention, dead_ms),
		.fallback = "\"7d\"",
		.minimum = 0,
		.maximum = 3650 * DAY,
		.help = "How long a dead one."},
	{.name = "cancelled",
		.type = SCHEMA_DURATION,
		.offset = offsetof(struct config_retention, cancelled_ms),
		.fallback = "\"10m\"",
		.minimum = 0,
		.maximum = 3650 * DAY,
		.help = "How long a cancelled one."},
	{.name = "max",
		.type = SCHEMA_INTEGER,
		.offset = offsetof(struct config_retention, max),
		.fallback = "100000",
		.minimum = 0,
		.maximum = 1e9,
		.help = "How many of each state at most."},
	{0},
};
static const struct schema retention_schema = {"retention", retention_members, sizeof(struct config_retention)};

static const struct schema_member list_members[] = {
	{.name = "key",
		.type = SCHEMA_STRING,
		.offset = offsetof(struct config_list, key),
		.required = true,
		.check = check_not_empty,
		.help = "The list's key, prefix included."},
	{.name = "db",
		.type = SCHEMA_INTEGER,
		.offset = offsetof(struct config_list, db),
		.minimum = 0,
		.maximum = 65535,
		.help = "Its database; null: the broker's."},
	{0},
};
const struct schema config_list_schema = {"list", list_members, sizeof(struct config_list)};

#define QUEUE(field) offsetof(struct config_queue, field)

static const struct schema_member queue_members[] = {
	{.name = "name",
		.type = SCHEMA_STRING,
		.offset = QUEUE(name),
		.required = true,
		.check = check_name,
		.help = "The queue's name."},
	{.name = "list",
		.type = SCHEMA_VALUE,
		.offset = QUEUE(list_value),
		.check = check_list,
		.help = "A plain Redis list that foreign producers LPUSH to: its key, or {key, db}."},
	{.name = "retry",
		.type = SCHEMA_INTEGER,
		.offset = QUEUE(retry),
		.fallback = "1",
		.minimum = 1,
		.maximum = 1000,
		.help = "Executions in all, where the task does not say."},
	{.name = "backoff",
		.type = SCHEMA_OBJECT,
		.offset = QUEUE(backoff),
		.nested = &backoff_schema,
		.help = "How long a task waits before it runs again."},
	{.name = "timeout",
		.type = SCHEMA_DURATION,
		.offset = QUEUE(timeout_ms),
		.minimum = 1,
		.maximum = 365 * DAY,
		.help = "The most that one execution may take, where the task does not say."},
	{.name = "max_crashes",
		.type = SCHEMA_INTEGER,
		.offset = QUEUE(max_crashes),
		.fallback = "3",
		.minimum = 1,
		.maximum = 1000000,
		.help = "Deaths of its worker that one task may cause before it is dead."},
	{.name = "retention",
		.type = SCHEMA_OBJECT,
		.offset = QUEUE(retention),
		.nested = &retention_schema,
		.help = "How long, and how many, ended tasks are kept, per state."},
	{.name = "max_active",
		.type = SCHEMA_INTEGER,
		.offset = QUEUE(max_active),
		.minimum = 1,
		.maximum = 1e6,
		.help = "Tasks of the queue that may run at a time, over all nodes; workers take such tasks one at a "
			"time."},
	{.name = "max_depth",
		.type = SCHEMA_INTEGER,
		.offset = QUEUE(max_depth),
		.minimum = 1,
		.maximum = 1e12,
		.help = "Tasks that may wait in the queue; submissions beyond are refused (429) until some were taken. "
			"What comes "
			"through a plain list counts and is not refused."},
	{0},
};
const struct schema config_queue_schema = {"queue", queue_members, sizeof(struct config_queue)};

#define POOL(field) offsetof(struct config_pool, field)

static const struct schema_member pool_members[] = {
	{.name = "name",
		.type = SCHEMA_STRING,
		.offset = POOL(name),
		.required = true,
		.check = check_name,
		.help = "The pool's name."},
	{.name = "kind",
		.type = SCHEMA_ENUM,
		.offset = POOL(kind),
		.fallback = "\"tasks\"",
		.words = kinds,
		.help = "What its workers do: run tasks, or a loop of their own."},
	{.name = "workers",
		.type = SCHEMA_INTEGER,
		.offset = POOL(workers),
		.minimum = 1,
		.maximum = CONFIG_WORKERS_MAX,
		.digits = true,
		.help = "How many worker processes; null: the number of processors."},
	{.name = "queues",
		.type = SCHEMA_VALUE,
		.offset = POOL(queues_value),
		.fallback = CONFIG_POOL_QUEUES,
		.check = check_weights,
		.help = "The queues it takes from, with their weights, 1 to 1000."},
	{.name = "strict",
		.type = SCHEMA_BOOLEAN,
		.offset = POOL(strict),
		.fallback = "false",
		.help = "Take from a queue only while those before it are empty."},
	{.name = "heartbeat_timeout",
		.type = SCHEMA_DURATION,
		.offset = POOL(heartbeat_timeout_ms),
		.fallback = "\"10s\"",
		.minimum = 50,
		.maximum = 7 * DAY,
		.help = "A worker that is silent for so long is ended and replaced."},
	{.name = "kill_grace",
		.type = SCHEMA_DURATION,
		.offset = POOL(kill_grace_ms),
		.fallback = "\"500ms\"",
		.minimum = 0,
		.maximum = HOUR,
		.help = "What a worker that is to end gets before SIGKILL."},
	{.name = "preload",
		.type = SCHEMA_STRINGS,
		.offset = POOL(preload),
		.fallback = "[]",
		.help = "Classes to load at a worker's start, not at their first task."},
	{.name = "title_prefix",
		.type = SCHEMA_STRING,
		.offset = POOL(title_prefix),
		.fallback = "\"\"",
		.minimum = 0,
		.maximum = 32,
		.check = check_title_prefix,
		.help = "Put before the processes' titles."},
	{.name = "max_tasks",
		.type = SCHEMA_INTEGER,
		.offset = POOL(max_tasks),
		.minimum = 1,
		.maximum = 1e15,
		.help = "A worker is recycled after so many tasks."},
	{.name = "max_memory",
		.type = SCHEMA_SIZE,
		.offset = POOL(max_memory),
		.minimum = MIB,
		.maximum = 64 * TIB,
		.help = "Above it between tasks a worker is recycled; during a task it is ended."},
	{.name = "max_age",
		.type = SCHEMA_DURATION,
		.offset = POOL(max_age_ms),
		.minimum = 100,
		.maximum = 3650 * DAY,
		.help = "A worker is recycled after so long."},
	{.name = "roll_share",
		.type = SCHEMA_INTEGER,
		.offset = POOL(roll_share),
		.fallback = "1",
		.minimum = 1,
		.maximum = 100,
		.help = "Percent of its workers, at least one, that HUP replaces at a time."},
	{.name = "service",
		.type = SCHEMA_STRING,
		.offset = POOL(service),
		.check = check_not_empty,
		.help = "Kind service: the class of a handler whose module has this service."},
	PROGRAM_MEMBERS(POOL(program), "Kind service: a program that is one, and its arguments."),
	{0},
};
static const struct schema pool_schema = {"pool", pool_members, sizeof(struct config_pool)};

static const struct schema_member handler_members[] = {
	{.name = "class",
		.type = SCHEMA_STRING,
		.offset = offsetof(struct config_handler, class),
		.required = true,
		.help = "The class, as tasks name it."},
	{.name = "module",
		.type = SCHEMA_STRING,
		.offset = offsetof(struct config_handler, module),
		.check = check_not_empty,
		.help = "Its shared object: a name in the module directory, or a path."},
	{.name = "options",
		.type = SCHEMA_VALUE,
		.offset = offsetof(struct config_handler, options),
		.check = check_object,
		.help = "An object for the module's own use."},
	{.name = "mode",
		.type = SCHEMA_ENUM,
		.offset = offsetof(struct config_handler, mode),
		.fallback = "\"persistent\"",
		.words = modes,
		.help = "One child for many tasks, or one a task."},
	{.name = "concurrency",
		.type = SCHEMA_INTEGER,
		.offset = offsetof(struct config_handler, concurrency),
		.fallback = "1",
		.minimum = 1,
		.maximum = 1000,
		.check = check_concurrency,
		.help = "Tasks that one child runs at a time."},
	{.name = "redact",
		.type = SCHEMA_STRINGS,
		.offset = offsetof(struct config_handler, redact),
		.fallback = "[]",
		.maximum = 256,
		.check = check_pointers,
		.help = "Parts of the document that no log shows, as JSON pointers: /param/0/password."},
	PROGRAM_MEMBERS(offsetof(struct config_handler, program),
		"A program that speaks the exec protocol, and its arguments."),
	{.name = "http",
		.type = SCHEMA_STRING,
		.offset = offsetof(struct config_handler, url),
		.check = config_check_url,
		.help = "A URL that its tasks are posted to; what a 2xx answer holds, as JSON, is a task's result."},
	{.name = "secret_file",
		.type = SCHEMA_STRING,
		.offset = offsetof(struct config_handler, secret_file),
		.check = check_not_empty,
		.help = "File with the secret that these requests are signed with (Standard Webhooks), read for each."},
	{0},
};
static const struct schema handler_schema = {"handler", handler_members, sizeof(struct config_handler)};

#define CONFIG(field) offsetof(struct config, field)

/* An OBJECTS row fills a pointer and a count that stand side by side, as in struct schema_list. */
_Static_assert(CONFIG(queue_count) - CONFIG(queues) == offsetof(struct schema_list, count), "queues are a schema_list");
_Static_assert(CONFIG(pool_count) - CONFIG(pools) == offsetof(struct schema_list, count), "pools are a schema_list");
_Static_assert(CONFIG(handler_count) - CONFIG(handlers) == offsetof(struct schema_list, count), "so are handlers");

static const struct schema_member config_members[] = {
	{.name = "listen",
		.type = SCHEMA_STRINGS,
		.offset = CONFIG(listen),
		.fallback = "[\"127.0.0.1:7077\"]",
		.minimum = 1,
		.maximum = CONFIG_LISTEN_MAX,
		.help = "Where the API listens: address:port, [address]:port or unix:/path."},
	{.name = "user",
		.type = SCHEMA_STRING,
		.offset = CONFIG(user),
		.check = check_not_empty,
		.help = "Started as root: who everything below the guardian runs as; null: muster if it exists, else "
			"nobody."},
	{.name = "broker",
		.type = SCHEMA_STRING,
		.offset = CONFIG(broker),
		.fallback = "\"embedded\"",
		.help = "embedded, redis://[user:pass@]host:port/db (of a cluster: any nodes, with commas between), "
			"unix:///path or "
			"redis-sentinel://[user:pass@]host:port,…/name/db."},
	{.name = "broker_password_file",
		.type = SCHEMA_STRING,
		.offset = CONFIG(broker_password_file),
		.check = check_not_empty,
		.help = "File with the broker's password, kept out of this one."},
	{.name = "broker_eviction",
		.type = SCHEMA_BOOLEAN,
		.offset = CONFIG(broker_evicts_accepted),
		.fallback = "\"refuse\"",
		.words = evictions,
		.help = "accept: take a broker whose maxmemory-policy may evict keys, and with them tasks."},
	{.name = "durability",
		.type = SCHEMA_ENUM,
		.offset = CONFIG(durability),
		.fallback = "\"process\"",
		.words = durabilities,
		.help = "What accepted tasks survive: the death of any process, or a power cut as well. power: an "
			"external "
			"Redis must have `appendfsync always`, or replicas, of which one then confirms each "
			"submission."},
	{.name = "namespace",
		.type = SCHEMA_STRING,
		.offset = CONFIG(namespace),
		.fallback = "\"muster\"",
		.check = check_name,
		.help = "One deployment's keys in the broker."},
	{.name = "node_timeout",
		.type = SCHEMA_DURATION,
		.offset = CONFIG(node_timeout_ms),
		.fallback = "\"15s\"",
		.minimum = SECOND,
		.maximum = DAY,
		.help = "A node not heard of for so long is dead: its tasks go to others."},
	{.name = "state_dir",
		.type = SCHEMA_STRING,
		.offset = CONFIG(state_dir),
		.check = check_not_empty,
		.help = "null: /var/lib/muster for root, else $XDG_STATE_HOME/muster or ~/.local/state/muster."},
	{.name = "shutdown_grace",
		.type = SCHEMA_DURATION,
		.offset = CONFIG(shutdown_grace_ms),
		.fallback = "\"30s\"",
		.minimum = 0,
		.maximum = 7 * DAY,
		.help = "An ordered stop is over within this."},
	{.name = "log", .type = SCHEMA_OBJECT, .offset = CONFIG(log), .nested = &log_schema, .help = "The log."},
	{.name = "auth",
		.type = SCHEMA_OBJECT,
		.offset = CONFIG(auth),
		.nested = &auth_schema,
		.help = "Who may call the API."},
	{.name = "tls",
		.type = SCHEMA_OBJECT,
		.offset = CONFIG(tls),
		.nested = &tls_schema,
		.help = "Encryption of the API."},
	{.name = "limits",
		.type = SCHEMA_OBJECT,
		.offset = CONFIG(limits),
		.nested = &limits_schema,
		.help = "Bounds of what comes from outside."},
	{.name = "http",
		.type = SCHEMA_OBJECT,
		.offset = CONFIG(http),
		.nested = &http_schema,
		.help = "Bounds of HTTP in and out."},
	{.name = "queues",
		.type = SCHEMA_OBJECTS,
		.offset = CONFIG(queues),
		.fallback = "[]",
		.nested = &config_queue_schema,
		.maximum = CONFIG_QUEUES_MAX,
		.help = "Queues; one exists when it is declared here or named by a pool."},
	{.name = "pools",
		.type = SCHEMA_OBJECTS,
		.offset = CONFIG(pools),
		.fallback = "[{\"name\": \"default\"}]",
		.nested = &pool_schema,
		.minimum = 1,
		.maximum = CONFIG_POOLS_MAX,
		.help = "Sets of identical workers."},
	{.name = "handlers",
		.type = SCHEMA_OBJECTS,
		.offset = CONFIG(handlers),
		.fallback = "[{\"class\": \"Demo\", \"module\": \"demo.so\"}]",
		.nested = &handler_schema,
		.maximum = 4096,
		.help = "The classes and what runs them; absent: the bundled ones."},
	{0},
};
const struct schema config_schema = {"configuration", config_members, sizeof(struct config)};
