#include "core/config_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { POINTER_MAX = 128, URL_MAX = 8000 };

static const char class[] = "Http", module[] = "http.so";

int config_check_secrets(const json_t *value, struct error *error)
{
	const char *name;
	json_t *path;

	if (json_is_null(value))
		return 0;
	if (!json_is_object(value))
		return error_set(
			error, -EINVAL, "must be names with their files, as in {billing: /etc/muster/billing.key}");
	json_object_foreach((json_t *)value, name,
		path) if (!json_is_string(path) || json_string_length(path) == 0) return error_set(error, -EINVAL,
		"must name a file for \"%.64s\"", name);
	return 0;
}

int config_check_url(const json_t *value, struct error *error)
{
	const char *url = json_string_value(value);
	const size_t scheme = strncmp(url, "https://", 8) == 0 ? 8 : strncmp(url, "http://", 7) == 0 ? 7 : 0;
	const char *host = url + scheme;

	if (scheme == 0 || host[0] == '\0' || host[0] == '/' || strlen(url) > URL_MAX ||
		url[strcspn(url, " \r\n\t")] != '\0')
		return error_set(error, -EINVAL, "must be a URL, as in https://billing.example/tasks");
	if (memchr(host, '@', strcspn(host, "/?#")) != NULL)
		return error_set(
			error, -EINVAL, "must hold no password: what is called can tell us by \"secret_file\"");
	return 0;
}

/* A host's name, an address, or an address and how many of its bits count. */
static bool is_place(const char *text)
{
	char address[INET6_ADDRSTRLEN], bytes[16], *end;
	const char *slash = strchr(text, '/');

	if (slash == NULL)
		return text[0] != '\0' && text[strcspn(text, " []\t")] == '\0';
	if (slash - text >= (ptrdiff_t)sizeof address)
		return false;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	const bool is_v4 = inet_pton(AF_INET, address, bytes) == 1;
	if (!is_v4 && inet_pton(AF_INET6, address, bytes) != 1)
		return false;
	unsigned long bits = strtoul(slash + 1, &end, 10);
	return slash[1] >= '0' && slash[1] <= '9' && *end == '\0' && bits <= (is_v4 ? 32 : 128);
}

static void check_allow(struct config_context *context)
{
	const struct schema_strings *allow = &context->config->http.allow;
	char pointer[POINTER_MAX];

	for (size_t i = 0; i < allow->count; i++) {
		(void)snprintf(pointer, sizeof pointer, "/http/allow/%zu", i);
		if (!is_place(allow->items[i]))
			schema_fault(context->faults, pointer,
				"\"allow\": \"%.128s\" is neither a host nor a network like 10.0.0.0/8",
				allow->items[i]);
	}
}

/* Each task that signs reads its secret anew: a file that is replaced holds at once. */
static void check_secrets(struct config_context *context)
{
	const char *name;
	json_t *value;
	void *next;

	json_object_foreach_safe(context->config->http.secrets, next, name, value)
	{
		char *path = strdup(json_string_value(value));
		if (path == NULL) {
			context->status = -ENOMEM;
			return;
		}
		config_make_absolute(context, &path);
		if (path != NULL && access(path, F_OK) < 0)
			schema_fault(
				context->faults, "/http/secrets", "\"secrets\": %.256s: %s", path, strerror(errno));
		if (path != NULL && json_object_set_new(context->config->http.secrets, name, json_string(path)) < 0)
			context->status = -ENOMEM;
		free(path);
	}
}

static void check_ca_file(struct config_context *context)
{
	char **path = &context->config->http.ca_file;

	config_make_absolute(context, path);
	if (*path != NULL && access(*path, F_OK) < 0)
		schema_fault(context->faults, "/http/ca_file", "\"ca_file\": %.256s: %s", *path, strerror(errno));
}

/* {allow, secrets, ca_file}: what the module sees of this section. */
static json_t *options_of(const struct config *config)
{
	json_t *allow = json_array();

	for (size_t i = 0; i < config->http.allow.count; i++)
		(void)json_array_append_new(allow, json_string(config->http.allow.items[i]));
	return json_pack(
		"{s:o, s:O?, s:s?}", "allow", allow, "secrets", config->http.secrets, "ca_file", config->http.ca_file);
}

/* {allow, ca_file, url, secret_file, max_bytes}: what the module sees of a handler that is a URL. */
static json_t *caller_options_of(const struct config *config, const struct config_handler *handler)
{
	json_t *options = options_of(config);

	if (options == NULL || json_object_set_new(options, "url", json_string(handler->url)) < 0 ||
		json_object_set_new(options, "max_bytes", json_integer(config->limits.result)) < 0 ||
		(handler->secret_file != NULL &&
			json_object_set_new(options, "secret_file", json_string(handler->secret_file)) < 0)) {
		json_decref(options);
		return NULL;
	}
	(void)json_object_del(options, "secrets");
	return options;
}

void config_check_caller(struct config_context *context, struct config_handler *handler, const char *pointer)
{
	char place[POINTER_MAX];

	config_make_absolute(context, &handler->secret_file);
	(void)snprintf(place, sizeof place, "%s/secret_file", pointer);
	if (handler->secret_file != NULL && access(handler->secret_file, F_OK) < 0)
		schema_fault(
			context->faults, place, "\"secret_file\": %.256s: %s", handler->secret_file, strerror(errno));
	if (asprintf(&handler->caller, "%s/%s", context->module_dir, module) < 0)
		handler->caller = NULL;
	handler->caller_options = caller_options_of(context->config, handler);
	if (handler->caller == NULL || handler->caller_options == NULL) {
		context->status = -ENOMEM;
		return;
	}
	(void)snprintf(place, sizeof place, "%s/http", pointer);
	if (access(handler->caller, F_OK) < 0)
		schema_fault(context->faults, place, "\"http\": %.256s: %s (it is not built without libcurl)",
			handler->caller, strerror(errno));
}

/* {class: Http, concurrency: 256} is the bundled one. */
static void give_module(struct config_context *context, struct config_handler *handler)
{
	if (handler->module != NULL || handler->url != NULL || handler->program.argv.count > 0)
		return;
	handler->module = strdup(module);
	if (handler->module == NULL)
		context->status = -ENOMEM;
}

static void give_options(struct config_context *context, struct config_handler *handler)
{
	if (handler->module == NULL || handler->options != NULL)
		return;
	handler->options = options_of(context->config);
	if (handler->options == NULL)
		context->status = -ENOMEM;
}

static void add_handler(struct config_context *context)
{
	struct config *config = context->config;
	struct config_handler *grown = reallocarray(config->handlers, config->handler_count + 1, sizeof *grown);
	struct config_handler *added;

	if (grown == NULL) {
		context->status = -ENOMEM;
		return;
	}
	config->handlers = grown;
	added = &grown[config->handler_count++];
	*added = (struct config_handler){.class = strdup(class), .module = strdup(module), .concurrency = 1};
	added->program.nice = SCHEMA_NONE;
	if (added->class == NULL || added->module == NULL)
		context->status = -ENOMEM;
	else
		give_options(context, added);
}

void config_check_http(struct config_context *context)
{
	struct config *config = context->config;
	char path[PATH_MAX];

	check_allow(context);
	check_secrets(context);
	check_ca_file(context);
	for (size_t i = 0; i < config->handler_count; i++)
		if (strcmp(config->handlers[i].class, class) == 0) {
			give_module(context, &config->handlers[i]);
			give_options(context, &config->handlers[i]);
			return;
		}
	(void)snprintf(path, sizeof path, "%s/%s", context->module_dir, module);
	if (access(path, F_OK) == 0) /* not where it was built without libcurl */
		add_handler(context);
}
