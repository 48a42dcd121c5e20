#include "core/config_rows.h"

#include <errno.h>

static const char *const kinds[] = {"tasks", "service", NULL};
static const char *const modes[] = {"persistent", "once", NULL};

static int check_title_prefix(const json_t *value, struct error *error)
{
	for (const char *at = json_string_value(value); *at != '\0'; at++)
		if (*at <= ' ' || *at > '~')
			return error_set(error, -EINVAL, "must be printable ASCII without blanks");
	return 0;
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
			.check = config_check_not_empty,                                                               \
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
			.check = config_check_not_empty,                                                               \
			.help = "Who it runs as; another one than musterd's workers only where these are root's."},    \
	{                                                                                                              \
		.name = "rlimits", .type = SCHEMA_VALUE, .offset = PROGRAM(base, rlimits),                             \
		.check = config_check_rlimits,                                                                         \
		.help = "Its resource limits, as in {nofile: 1024, as: 1GiB, cpu: unlimited}."                         \
	}

#define POOL(field) offsetof(struct config_pool, field)

static const struct schema_member pool_members[] = {
	{.name = "name",
		.type = SCHEMA_STRING,
		.offset = POOL(name),
		.required = true,
		.check = config_check_name,
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
		.check = config_check_not_empty,
		.help = "Kind service: the class of a handler whose module has this service."},
	PROGRAM_MEMBERS(POOL(program), "Kind service: a program that is one, and its arguments."),
	{0},
};
const struct schema config_pool_schema = {"pool", pool_members, sizeof(struct config_pool)};

static const struct schema_member handler_members[] = {
	{.name = "class",
		.type = SCHEMA_STRING,
		.offset = offsetof(struct config_handler, class),
		.required = true,
		.help = "The class, as tasks name it."},
	{.name = "module",
		.type = SCHEMA_STRING,
		.offset = offsetof(struct config_handler, module),
		.check = config_check_not_empty,
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
		.maximum = CONFIG_CONCURRENCY_MAX,
		.help = "Tasks that one worker runs at a time: of Http, URLs, modules made for it, and programs (mode "
			"persistent), which tell them apart by their ids."},
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
		.check = config_check_not_empty,
		.help = "File with the secret that these requests are signed with (Standard Webhooks), read for each."},
	{0},
};
const struct schema config_handler_schema = {"handler", handler_members, sizeof(struct config_handler)};
