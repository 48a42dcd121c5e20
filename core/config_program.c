#include "core/config_internal.h"
#include "core/program.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { POINTER_MAX = 128, UMASK_DIGITS = 4 };

int config_check_env(const json_t *value, struct error *error)
{
	const char *name;
	json_t *text;

	if (!json_is_object(value))
		return error_set(error, -EINVAL, "must be names with their values, as in {APP_ENV: prod}");
	json_object_foreach((json_t *)value, name, text)
	{
		if (*name == '\0' || strchr(name, '=') != NULL)
			return error_set(error, -EINVAL, "has a name that no variable can have: \"%.64s\"", name);
		if (!json_is_string(text) && !json_is_integer(text))
			return error_set(error, -EINVAL,
				"has under \"%.64s\" neither a text nor a whole number: put it in quotes", name);
		if (json_is_string(text) && strlen(json_string_value(text)) != json_string_length(text))
			return error_set(error, -EINVAL, "has NUL in the value of \"%.64s\"", name);
	}
	return 0;
}

int config_check_umask(const json_t *value, struct error *error)
{
	const char *digits = json_string_value(value);
	size_t length = strspn(digits, "01234567");

	if (length > 0 && length <= UMASK_DIGITS && digits[length] == '\0')
		return 0;
	return error_set(error, -EINVAL, "must be octal digits, as in \"0027\"");
}

int config_check_rlimits(const json_t *value, struct error *error)
{
	struct program_rlimit limit;
	const char *name;
	json_t *bound;
	int status = 0;

	if (!json_is_object(value))
		return error_set(error, -EINVAL, "must be names with their bounds, as in {nofile: 1024, as: 1GiB}");
	json_object_foreach((json_t *)value, name, bound)
	{
		if (status == 0)
			status = program_read_rlimit(name, bound, &limit, error);
	}
	return status;
}

static void place_directory(struct config_context *context, struct config_program *program)
{
	char *path;

	if (program->cwd != NULL && program->cwd[0] == '/')
		return;
	if (asprintf(&path, "%s%s%s", context->directory, program->cwd != NULL ? "/" : "",
		    program->cwd != NULL ? program->cwd : "") < 0)
		path = NULL;
	free(program->cwd);
	program->cwd = path;
	if (path == NULL)
		context->status = -ENOMEM;
}

/* Only root becomes somebody else. */
static void check_user(struct config_context *context, const struct config_program *program, const char *pointer)
{
	const char *ours = context->config->user; /* NULL: we are not root, and stay who we are */
	const struct passwd *entry = getpwnam(program->user);

	if (entry == NULL)
		schema_fault(context->faults, pointer, "\"user\": there is no account \"%.64s\"", program->user);
	else if (ours == NULL ? entry->pw_uid != geteuid()
			      : strcmp(ours, "root") != 0 && strcmp(ours, program->user) != 0)
		schema_fault(context->faults, pointer,
			"\"user\": a program can run as \"%.64s\" only where musterd's own \"user\" is root",
			program->user);
}

void config_check_program(struct config_context *context, struct config_program *program, const char *pointer)
{
	char place[POINTER_MAX];

	if (program->argv.count == 0)
		return;
	(void)snprintf(place, sizeof place, "%s/exec", pointer);
	if (program->argv.items[0][0] == '\0')
		schema_fault(context->faults, place, "\"exec\" must begin with a program");
	place_directory(context, program);
	(void)snprintf(place, sizeof place, "%s/user", pointer);
	if (program->user != NULL)
		check_user(context, program, place);
}

/* ---- services ---- */

/* The module of the handler that has that class. */
static void find_module(struct config_context *context, struct config_pool *pool, const char *pointer)
{
	const struct config *config = context->config;
	size_t i = 0;

	while (i < config->handler_count && strcmp(config->handlers[i].class, pool->service) != 0)
		i++;
	if (i == config->handler_count || config->handlers[i].module == NULL) {
		schema_fault(context->faults, pointer, "\"service\": no handler has the class \"%.128s\" and a module",
			pool->service);
		return;
	}
	pool->service_module = strdup(config->handlers[i].module);
	if (pool->service_module == NULL)
		context->status = -ENOMEM;
}

static bool is_anything_of_a_service(const struct config_pool *pool)
{
	return pool->service != NULL || pool->program.argv.count > 0;
}

void config_check_service(struct config_context *context, struct config_pool *pool, const char *pointer)
{
	char place[POINTER_MAX];

	(void)snprintf(place, sizeof place, "%s/kind", pointer);
	if (pool->kind != CONFIG_KIND_SERVICE && is_anything_of_a_service(pool))
		schema_fault(context->faults, place, "\"kind\" must be service where there is \"service\" or \"exec\"");
	if (pool->kind != CONFIG_KIND_SERVICE)
		return;
	if (!is_anything_of_a_service(pool))
		schema_fault(context->faults, place, "pool of kind service needs \"service\" or \"exec\"");
	else if (pool->service != NULL && pool->program.argv.count > 0)
		schema_fault(context->faults, place, "pool has both \"service\" and \"exec\"");
	(void)snprintf(place, sizeof place, "%s/service", pointer);
	if (pool->service != NULL)
		find_module(context, pool, place);
	config_check_program(context, &pool->program, pointer);
}
