#include "core/config_rows.h"

#include <errno.h>
#include <string.h>

static const char *const levels[] = {[CONFIG_LOG_DEBUG] = "debug",
	[CONFIG_LOG_INFO] = "info",
	[CONFIG_LOG_WARN] = "warn",
	[CONFIG_LOG_ERROR] = "error",
	NULL};
static const char *const formats[] = {[CONFIG_LOG_TEXT] = "text", [CONFIG_LOG_JSON] = "json", NULL};
static const char *const durabilities[] = {
	[CONFIG_DURABILITY_PROCESS] = "process", [CONFIG_DURABILITY_POWER] = "power", NULL};
static const char *const evictions[] = {"refuse", "accept", NULL};

bool config_name_is_valid(const char *name)
{
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");

	return length > 0 && length <= CONFIG_NAME_MAX && name[length] == '\0';
}

int config_check_name(const json_t *value, struct error *error)
{
	if (config_name_is_valid(json_string_value(value)))
		return 0;
	return error_set(error, -EINVAL, "must be 1 to %d letters, digits, `_`, `.` or `-`, not \"%.*s\"",
		CONFIG_NAME_MAX, CONFIG_NAME_MAX, json_string_value(value));
}

int config_check_not_empty(const json_t *value, struct error *error)
{
	return json_string_length(value) > 0 ? 0 : error_set(error, -EINVAL, "must not be empty");
}

#define LOG(field)    (offsetof(struct config, log.field) - offsetof(struct config, log))
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
		.check = config_check_not_empty,
		.help = "Where the log goes; null: standard error."},
	{0},
};
static const struct schema log_schema = {"log", log_members, 0};

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
		.offset = LIMITS(log),
		.fallback = "\"64KiB\"",
		.minimum = KIB,
		.maximum = 16 * MIB,
		.help = "What is kept of one task's log: its last lines."},
	{.name = "broker_memory",
		.type = SCHEMA_SIZE,
		.offset = LIMITS(broker_memory),
		.minimum = MIB,
		.maximum = 64 * TIB,
		.help = "The embedded broker's bound; null: a quarter of the machine's memory."},
	{0},
};
static const struct schema limits_schema = {"limits", limits_members, 0};

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
		.check = config_check_not_empty,
		.help = "Started as root: who everything below the guardian runs as; null: muster if it exists, else "
			"nobody."},
	{.name = "broker",
		.type = SCHEMA_STRING,
		.offset = CONFIG(broker),
		.fallback = "\"embedded\"",
		.help = "embedded, redis://[user:pass@]host:port/db (of a cluster: any nodes, with commas between), "
			"unix:///path or "
			"redis-sentinel://[user:pass@]host:port,…/name/db; encrypted: rediss://, rediss-sentinel:// "
			"(if built so)."},
	{.name = "broker_password_file",
		.type = SCHEMA_STRING,
		.offset = CONFIG(broker_password_file),
		.check = config_check_not_empty,
		.help = "File with the broker's password, kept out of this one."},
	{.name = "broker_tls",
		.type = SCHEMA_OBJECT,
		.offset = CONFIG(broker_tls),
		.nested = &config_broker_tls_schema,
		.help = "Encryption on the way to the broker, for rediss://, which always verifies certificate and "
			"name."},
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
		.check = config_check_name,
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
		.check = config_check_not_empty,
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
		.nested = &config_auth_schema,
		.help = "Who may call the API."},
	{.name = "tls",
		.type = SCHEMA_OBJECT,
		.offset = CONFIG(tls),
		.nested = &config_tls_schema,
		.help = "Encryption of the API."},
	{.name = "limits",
		.type = SCHEMA_OBJECT,
		.offset = CONFIG(limits),
		.nested = &limits_schema,
		.help = "Bounds of what comes from outside."},
	{.name = "http",
		.type = SCHEMA_OBJECT,
		.offset = CONFIG(http),
		.nested = &config_http_schema,
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
		.nested = &config_pool_schema,
		.minimum = 1,
		.maximum = CONFIG_POOLS_MAX,
		.help = "Sets of identical workers."},
	{.name = "handlers",
		.type = SCHEMA_OBJECTS,
		.offset = CONFIG(handlers),
		.fallback = "[{\"class\": \"Demo\", \"module\": \"demo.so\"}]",
		.nested = &config_handler_schema,
		.maximum = 4096,
		.help = "The classes and what runs them; absent: the bundled ones."},
	{0},
};
const struct schema config_schema = {"configuration", config_members, sizeof(struct config)};
