#include "core/config.h"

#include "core/buffer.h"
#include "core/config_internal.h"
#include "core/io.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX = 1024 * 1024, DETAILS_MAX = 64 * 1024 };

/* What a load has in hand. */
struct loading {
	const char *path;
	const char *text; /* the file's, when it was read before; NULL: it is read from `path` */
	size_t length;
	const struct config *now; /* what it follows; NULL: nothing */
	json_t *value;            /* of the file and, over it, the environment */
	json_t *lines;            /* pointer → line of the file, or name of the environment variable */
	char *directory;
	struct schema_faults faults, warnings;
};

static void loading_fini(struct loading *loading)
{
	json_decref(loading->value);
	json_decref(loading->lines);
	free(loading->directory);
	schema_faults_fini(&loading->faults);
	schema_faults_fini(&loading->warnings);
}

/* ---- the file ---- */

int config_read(const char *path, char **ret_text, size_t *ret_length, struct error *error)
{
	int status = io_read_file(path, FILE_MAX, ret_text, ret_length);

	return status < 0 ? error_set(error, status, "%s: %s", path, strerror(-status)) : 0;
}

/* The directory was found before; perhaps it cannot be looked at any more. */
static int keep_directory(struct loading *loading, struct error *error)
{
	const char *path = loading->path;

	assert(path != NULL && path[0] == '/');
	const char *slash = strrchr(path, '/');
	loading->directory = strndup(path, slash > path ? (size_t)(slash - path) : 1);
	return loading->directory != NULL ? 0 : error_set(error, -ENOMEM, "no memory");
}

static int find_directory(struct loading *loading, struct error *error)
{
	if (loading->now != NULL)
		return keep_directory(loading, error);
	const char *slash = loading->path != NULL ? strrchr(loading->path, '/') : NULL;
	char *copy = slash != NULL ? strndup(loading->path, (size_t)(slash - loading->path) + 1) : strdup(".");

	if (copy == NULL)
		return error_set(error, -ENOMEM, "no memory");
	loading->directory = realpath(copy, NULL);
	free(copy);
	if (loading->directory == NULL)
		return error_set(error, -errno, "%s: its directory: %s",
			loading->path != NULL ? loading->path : "no file", strerror(errno));
	return 0;
}

static int read_file(struct loading *loading, struct error *error)
{
	size_t length = loading->length;
	char *text = NULL;
	int status = loading->text == NULL ? config_read(loading->path, &text, &length, error) : 0;

	if (status < 0)
		return status;
	status = config_yaml_read(
		loading->path, text != NULL ? text : loading->text, length, &loading->value, &loading->lines, error);
	free(text);
	if (status == 0 && json_is_null(loading->value)) { /* nothing but comments */
		json_decref(loading->value);
		loading->value = json_object();
	}
	return status;
}

static int gather(struct loading *loading, struct error *error)
{
	int status = 0;

	if (loading->path != NULL) {
		status = read_file(loading, error);
	} else {
		loading->value = json_object();
		loading->lines = json_object();
	}
	if (status < 0)
		return status;
	if (loading->value == NULL || loading->lines == NULL)
		return error_set(error, -ENOMEM, "no memory");
	return find_directory(loading, error);
}

/* ---- the environment ---- */

static json_t *split_commas(const char *text)
{
	json_t *list = json_array();

	while (list != NULL && *text != '\0') {
		size_t length = strcspn(text, ",");

		if (json_array_append_new(list, json_stringn(text, length)) < 0) {
			json_decref(list);
			return NULL;
		}
		text += length + (text[length] == ',');
	}
	return list;
}

static json_t *as_text(const char *text)
{
	return json_string(text);
}

static json_t *as_path(const char *text)
{
	char *here = text[0] == '/' ? strdup("") : getcwd(NULL, 0);
	json_t *value = here != NULL ? json_sprintf("%s%s%s", here, text[0] == '/' ? "" : "/", text) : NULL;

	free(here);
	return value;
}

static const struct variable {
	const char *name, *part, *member; /* part: the object that holds the member; NULL: the whole */
	json_t *(*read)(const char *text);
} variables[] = {
	{"MUSTER_LISTEN", NULL, "listen", split_commas},
	{"MUSTER_BROKER", NULL, "broker", as_text},
	{"MUSTER_STATE_DIR", NULL, "state_dir", as_path},
	{"MUSTER_USER", NULL, "user", as_text},
	{"MUSTER_NAMESPACE", NULL, "namespace", as_text},
	{"MUSTER_LOG_LEVEL", "log", "level", as_text},
};

/* From now on faults at the pointer, or below it, are the variable's. */
static int note_variable(struct loading *loading, const struct variable *variable)
{
	char pointer[64];
	size_t length;
	const char *other;
	json_t *line;
	void *next;

	length = (size_t)snprintf(pointer, sizeof pointer, "%s%s/%s", variable->part != NULL ? "/" : "",
		variable->part != NULL ? variable->part : "", variable->member);
	json_object_foreach_safe(loading->lines, next, other, line)
	{
		if (strncmp(other, pointer, length) == 0 && other[length] == '/')
			(void)json_object_del(loading->lines, other);
	}
	return json_object_set_new(loading->lines, pointer, json_string(variable->name));
}

/* Returns 0, -EINVAL (not UTF-8) or -ENOMEM. */
static int apply_variable(struct loading *loading, const struct variable *variable, const char *text)
{
	json_t *whole = loading->value, *value;

	if (variable->part != NULL) {
		if (!json_is_object(json_object_get(whole, variable->part)) &&
			json_object_set_new(whole, variable->part, json_object()) < 0)
			return -ENOMEM;
		whole = json_object_get(whole, variable->part);
	}
	errno = 0;
	value = variable->read(text);
	if (value == NULL)
		return errno == ENOMEM ? -ENOMEM : -EINVAL;
	if (json_object_set_new(whole, variable->member, value) < 0 || note_variable(loading, variable) < 0)
		return -ENOMEM;
	return 0;
}

static int apply_environment(struct loading *loading, struct error *error)
{
	if (!json_is_object(loading->value))
		return 0; /* a fault of its own, found soon */
	for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
		const char *text = getenv(variables[i].name);
		int status = text != NULL && *text != '\0' ? apply_variable(loading, &variables[i], text) : 0;

		if (status == -ENOMEM)
			return error_set(error, status, "no memory");
		if (status < 0)
			return error_set(error, status, "%s: its value is not UTF-8", variables[i].name);
	}
	return 0;
}

/* ---- faults and warnings as lines ---- */

/* The innermost thing around the pointer of which it is known where it stands; NULL: none. */
static const json_t *find_origin(const struct loading *loading, const char *pointer)
{
	char around[sizeof((struct schema_fault *)0)->pointer];
	const json_t *origin;
	char *slash;

	(void)snprintf(around, sizeof around, "%s", pointer);
	while ((origin = json_object_get(loading->lines, around)) == NULL) {
		slash = strrchr(around, '/');
		if (slash == NULL)
			return NULL;
		*slash = '\0';
	}
	return origin;
}

static void append_origin(struct buffer *text, const struct loading *loading, const char *pointer)
{
	const json_t *origin = find_origin(loading, pointer);

	if (json_is_string(origin))
		buffer_append_format(text, "%s: ", json_string_value(origin));
	else if (json_is_integer(origin))
		buffer_append_format(text, "%s:%d: ", loading->path, (int)json_integer_value(origin));
}

static void append_line(struct buffer *text, const struct loading *loading, const struct schema_fault *fault)
{
	append_origin(text, loading, fault->pointer);
	buffer_append_text(text, fault->detail);
}

/* All faults but the first, one line each. NULL: there are none (or no memory to say them). */
static char *make_details(const struct loading *loading)
{
	_cleanup_(buffer_fini) struct buffer text;

	buffer_init(&text, DETAILS_MAX);
	for (size_t i = 1; i < loading->faults.count; i++) {
		buffer_append(&text, "\n", i > 1);
		append_line(&text, loading, &loading->faults.items[i]);
	}
	return text.status == 0 ? buffer_take(&text) : NULL;
}

static int report(const struct loading *loading, struct error *error, char **ret_details)
{
	_cleanup_(buffer_fini) struct buffer text;

	buffer_init(&text, DETAILS_MAX);
	append_line(&text, loading, &loading->faults.items[0]);
	if (text.status < 0)
		return error_set(error, -ENOMEM, "no memory");
	*ret_details = make_details(loading);
	return error_set(error, -EINVAL, "%s", text.data);
}

static int keep_warnings(const struct loading *loading, struct config *config)
{
	if (loading->warnings.count == 0)
		return 0;
	config->warnings = calloc(loading->warnings.count, sizeof *config->warnings);
	if (config->warnings == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < loading->warnings.count; i++) {
		_cleanup_(buffer_fini) struct buffer text;

		buffer_init(&text, DETAILS_MAX);
		append_line(&text, loading, &loading->warnings.items[i]);
		if (text.status < 0)
			return -ENOMEM;
		config->warnings[config->warning_count++] = buffer_take(&text);
	}
	return 0;
}

/* For what is found out about code later. */
static int keep_origin(
	const struct loading *loading, const char *list, size_t index, const char *member, char **ret_origin)
{
	_cleanup_(buffer_fini) struct buffer text;
	char pointer[64];

	buffer_init(&text, DETAILS_MAX);
	(void)snprintf(pointer, sizeof pointer, "/%s/%zu/%s", list, index, member);
	append_origin(&text, loading, pointer);
	if (text.status == 0 && text.length > 0)
		*ret_origin = buffer_take(&text);
	return text.status;
}

static int keep_origins(const struct loading *loading, struct config *config)
{
	int status = 0;

	for (size_t i = 0; status == 0 && i < config->handler_count; i++) {
		struct config_handler *handler = &config->handlers[i];
		status = keep_origin(
			loading, "handlers", i, handler->program.argv.count > 0 ? "exec" : "module", &handler->origin);
	}
	for (size_t i = 0; status == 0 && i < config->pool_count; i++) {
		struct config_pool *pool = &config->pools[i];
		status = keep_origin(
			loading, "pools", i, pool->program.argv.count > 0 ? "exec" : "service", &pool->origin);
	}
	return status;
}

/* ---- loading ---- */

static int resolve(struct loading *loading, const char *module_dir, struct config *config)
{
	struct config_context context = {
		.config = config,
		.directory = loading->directory,
		.module_dir = module_dir,
		.now = loading->now,
		.faults = &loading->faults,
		.warnings = &loading->warnings,
	};
	int status = schema_read(&config_schema, loading->value, "", config, &loading->faults);

	if (status < 0)
		return status;
	if (loading->path != NULL &&
		asprintf(&config->path, "%s/%s", loading->directory, basename(loading->path)) < 0) {
		config->path = NULL;
		return -ENOMEM;
	}
	config_check_places(&context);
	config_check_queues(&context);
	config_check_auth(&context);
	if (context.status < 0)
		return context.status;
	if (loading->faults.lost || loading->warnings.lost)
		return -ENOMEM;
	if (loading->faults.count > 0)
		return -EINVAL;
	status = keep_warnings(loading, config);
	return status == 0 ? keep_origins(loading, config) : status;
}

static int load(
	struct loading *loading, const char *module_dir, struct config *config, struct error *error, char **ret_details)
{
	int status = gather(loading, error);

	if (status == 0)
		status = apply_environment(loading, error);
	if (status < 0)
		return status;
	status = resolve(loading, module_dir, config);
	if (status == -ENOMEM)
		return error_set(error, -ENOMEM, "no memory");
	return status < 0 ? report(loading, error, ret_details) : 0;
}

/* Takes the secrets; ends the loading. */
static int load_with(struct loading *loading, struct secrets *secrets, const char *module_dir,
	struct config **ret_config, struct error *error, char **ret_details)
{
	struct config *config = calloc(1, sizeof *config);
	int status;

	*ret_details = NULL;
	if (config == NULL || secrets == NULL) {
		free(config);
		secrets_free(secrets);
		loading_fini(loading);
		return error_set(error, -ENOMEM, "no memory");
	}
	config->secrets = secrets;
	status = load(loading, module_dir, config, error, ret_details);
	loading_fini(loading);
	if (status < 0)
		config_free(config);
	else
		*ret_config = config;
	return status;
}

int config_load(
	const char *path, const char *module_dir, struct config **ret_config, struct error *error, char **ret_details)
{
	return config_load_text(path, NULL, 0, module_dir, ret_config, error, ret_details);
}

int config_load_text(const char *path, const char *text, size_t length, const char *module_dir,
	struct config **ret_config, struct error *error, char **ret_details)
{
	struct loading loading = {.path = path, .text = text, .length = length};

	return load_with(&loading, secrets_new(), module_dir, ret_config, error, ret_details);
}

int config_load_handed_over(const struct config *now, const char *text, size_t length, const char *module_dir,
	struct secrets *secrets, struct config **ret_config, struct error *error, char **ret_details)
{
	struct loading loading = {.path = now->path, .text = text, .length = length, .now = now};

	return load_with(&loading, secrets, module_dir, ret_config, error, ret_details);
}

void config_free(struct config *config)
{
	if (config == NULL)
		return;
	for (size_t i = 0; i < config->pool_count; i++) {
		free(config->pools[i].queues);
		free(config->pools[i].service_module);
		free(config->pools[i].origin);
	}
	for (size_t i = 0; i < config->queue_count; i++)
		free(config->queues[i].list);
	for (size_t i = 0; i < config->handler_count; i++) {
		free(config->handlers[i].caller);
		free(config->handlers[i].origin);
		json_decref(config->handlers[i].caller_options);
	}
	for (size_t i = 0; i < config->warning_count; i++)
		free(config->warnings[i]);
	free(config->warnings);
	config_broker_fini(&config->address);
	secrets_free(config->secrets);
	free(config->path);
	schema_fini(&config_schema, config);
	free(config);
}

/* ---- using it ---- */

json_t *config_dump(const struct config *config)
{
	json_t *value = schema_dump(&config_schema, config);
	char *broker = config_broker_mask(config->broker);

	if (value == NULL || broker == NULL || json_object_set_new(value, "broker", json_string(broker)) < 0) {
		json_decref(value);
		value = NULL;
	}
	free(broker);
	return value;
}

char *config_print(const struct config *config)
{
	json_t *value = config_dump(config);
	char *text = value != NULL ? config_yaml_write(value) : NULL;

	json_decref(value);
	return text;
}

int config_find_queue(const struct config *config, const char *name, size_t length)
{
	for (size_t i = 0; i < config->queue_count; i++)
		if (!config->queues[i].removed && strlen(config->queues[i].name) == length &&
			memcmp(config->queues[i].name, name, length) == 0)
			return (int)i;
	return -1;
}

void config_name_queues(const struct config *config, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < config->queue_count; i++) {
		const struct config_queue *queue = &config->queues[i];
		if (queue->removed)
			continue;
		bool fits = used + strlen(queue->name) + sizeof ", ..." < size;
		used += (size_t)snprintf(
			text + used, size - used, "%s%s", used > 0 ? ", " : "", fits ? queue->name : "...");
		if (!fits)
			return;
	}
}

int config_find_pool(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->pool_count; i++)
		if (!config->pools[i].removed && strcmp(config->pools[i].name, name) == 0)
			return (int)i;
	return -1;
}

/* base to the exponent by squaring; a libm in every worker would be dear for this. */
static double power(double base, int64_t exponent)
{
	double result = 1;

	for (; exponent > 0; exponent /= 2) {
		if (exponent % 2 == 1)
			result *= base;
		base *= base;
	}
	return result;
}

int64_t config_backoff_ms(const struct config_backoff *backoff, int64_t execution, double random)
{
	double wait;

	if (backoff->base_ms == 0)
		return 0; /* times an infinite factor it would be no number */
	wait = (double)backoff->base_ms * power(backoff->factor, execution - 1);
	if (wait > (double)backoff->max_ms)
		wait = (double)backoff->max_ms;
	return (int64_t)(wait * (1 + backoff->jitter * (2 * random - 1)) + 0.5);
}
