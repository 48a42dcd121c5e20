#include "core/config_internal.h"

#include "core/io.h"
#include "core/task.h"
#include "core/units.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { POINTER_MAX = 64 };

/* Replaces an owned text; the new one may be NULL for lack of memory. */
static void replace(struct config_context *context, char **text, char *by)
{
	free(*text);
	*text = by;
	if (by == NULL)
		context->status = -ENOMEM;
}

static char *join(const char *directory, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", strcmp(directory, "/") == 0 ? "" : directory, name) < 0 ? NULL : path;
}

void config_make_absolute(struct config_context *context, char **path)
{
	if (*path != NULL && (*path)[0] != '/')
		replace(context, path, join(context->directory, *path));
}

/* ---- listen ---- */

static int check_unix_address(const char *path, struct error *error)
{
	if (path[0] != '/')
		return error_set(
			error, -EINVAL, "a socket needs an absolute path, as in \"unix:/run/muster/api.sock\"");
	if (strlen(path) > CONFIG_SOCKET_PATH_MAX)
		return error_set(error, -EINVAL, "a socket's path has at most %d bytes", CONFIG_SOCKET_PATH_MAX);
	return 0;
}

static bool is_loopback(const char *host, bool *ret_is_address)
{
	struct in_addr v4;
	struct in6_addr v6;

	*ret_is_address = true;
	if (inet_pton(AF_INET, host, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET;
	if (inet_pton(AF_INET6, host, &v6) == 1)
		return IN6_IS_ADDR_LOOPBACK(&v6);
	*ret_is_address = *host == '\0' || strcmp(host, "*") == 0; /* all of them, as other servers have it */
	return false;
}

static int check_host(const char *host, bool has_tokens, struct error *error)
{
	bool is_address, is_private = is_loopback(host, &is_address);

	if (!is_address)
		return error_set(error, -EINVAL,
			"an address is written as \"127.0.0.1:7077\", \"[::1]:7077\" or \"unix:/path\"");
	if (is_private || has_tokens)
		return 0;
	return error_set(error, -EINVAL,
		"a public address needs auth.tokens: without them only 127.0.0.1, [::1] and unix sockets are served");
}

bool config_is_public(const char *address)
{
	const char *colon = strrchr(address, ':');
	bool is_address, bracketed = address[0] == '[';
	char host[64];

	if (strncmp(address, "unix:", strlen("unix:")) == 0 || colon == NULL || colon - address < 2 * bracketed)
		return false;
	(void)snprintf(host, sizeof host, "%.*s", (int)(colon - address) - 2 * bracketed, address + bracketed);
	return !is_loopback(host, &is_address);
}

static int check_address(const char *address, bool has_tokens, struct error *error)
{
	const char *colon = strrchr(address, ':');
	bool bracketed = address[0] == '[';
	char host[64] = "";
	size_t length;
	int64_t port;

	if (strncmp(address, "unix:", strlen("unix:")) == 0)
		return check_unix_address(address + strlen("unix:"), error);
	if (colon == NULL || (bracketed && (colon == address || colon[-1] != ']')))
		return error_set(error, -EINVAL, "an address ends in a colon and a port, as in \"127.0.0.1:7077\"");
	if (units_parse_integer(colon + 1, 0, 65535, &port) < 0)
		return error_set(error, -EINVAL, "a port is a number from 0 (any that is free) to 65535");
	length = (size_t)(colon - address) - (bracketed ? 2 : 0);
	if (length >= sizeof host || (!bracketed && memchr(address, ':', length) != NULL))
		return error_set(error, -EINVAL, "an address is written as \"127.0.0.1:7077\" or \"[::1]:7077\"");
	memcpy(host, address + bracketed, length);
	return check_host(host, has_tokens, error);
}

static bool is_repeated(const struct schema_strings *strings, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (strcmp(strings->items[i], strings->items[index]) == 0)
			return true;
	return false;
}

static void check_listen(struct config_context *context)
{
	const struct schema_strings *listen = &context->config->listen;
	char pointer[POINTER_MAX];
	struct error error;

	for (size_t i = 0; i < listen->count; i++) {
		(void)snprintf(pointer, sizeof pointer, "/listen/%zu", i);
		if (check_address(listen->items[i], context->config->auth.token_count > 0, &error) < 0)
			schema_fault(
				context->faults, pointer, "\"listen\": \"%.128s\": %s", listen->items[i], error.text);
		else if (is_repeated(listen, i))
			schema_fault(
				context->faults, pointer, "\"listen\": \"%.128s\" is there twice", listen->items[i]);
	}
}

/* ---- user ---- */

static void check_user_as_root(struct config_context *context)
{
	struct config *config = context->config;

	if (config->user == NULL)
		replace(context, &config->user, strdup(getpwnam("muster") != NULL ? "muster" : "nobody"));
	if (config->user != NULL && getpwnam(config->user) == NULL)
		schema_fault(context->faults, "/user", "\"user\": there is no account \"%.64s\"", config->user);
}

static void check_user(struct config_context *context)
{
	struct config *config = context->config;
	const struct passwd *self;

	if (context->now != NULL && context->now->user != NULL)
		replace(context, &config->user, strdup(context->now->user));
	if (context->now != NULL)
		return;
	if (geteuid() == 0) {
		check_user_as_root(context);
		return;
	}
	self = getpwuid(geteuid());
	if (config->user != NULL && (self == NULL || strcmp(self->pw_name, config->user) != 0))
		schema_fault(context->faults, "/user",
			"\"user\": only root can run as \"%.64s\"; started by uid %u it must be null", config->user,
			(unsigned)geteuid());
	free(config->user);
	config->user = NULL;
}

/* ---- state_dir ---- */

static const char *home_directory(void)
{
	const char *home = getenv("HOME");
	const struct passwd *self;

	if (home != NULL && home[0] == '/')
		return home;
	self = getpwuid(geteuid());
	return self != NULL && self->pw_dir[0] == '/' ? self->pw_dir : NULL;
}

static void default_state_dir(struct config_context *context)
{
	char **state_dir = &context->config->state_dir;
	const char *state_home = getenv("XDG_STATE_HOME");

	if (geteuid() == 0)
		replace(context, state_dir, strdup("/var/lib/muster"));
	else if (state_home != NULL && state_home[0] == '/')
		replace(context, state_dir, join(state_home, "muster"));
	else if (home_directory() != NULL)
		replace(context, state_dir, join(home_directory(), ".local/state/muster"));
	else
		schema_fault(context->faults, "/state_dir",
			"\"state_dir\" must be given: there is no home directory to put it in");
}

static void look_at_state_dir(struct config_context *context)
{
	const char *path = context->config->state_dir;
	struct stat file;

	if (stat(path, &file) < 0)
		return; /* made at the start */
	if (!S_ISDIR(file.st_mode))
		schema_fault(context->faults, "/state_dir", "\"state_dir\": %.256s is not a directory", path);
	else if ((file.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		schema_fault(context->warnings, "/state_dir",
			"\"state_dir\": %.256s has mode %04o and is open to others; 0700 is meant", path,
			(unsigned)(file.st_mode & 07777));
}

static void check_state_dir(struct config_context *context)
{
	char **state_dir = &context->config->state_dir;

	if (*state_dir == NULL && context->now != NULL)
		replace(context, state_dir, strdup(context->now->state_dir));
	if (*state_dir == NULL)
		default_state_dir(context);
	config_make_absolute(context, state_dir);
	if (*state_dir == NULL)
		return;
	for (size_t length = strlen(*state_dir); length > 1 && (*state_dir)[length - 1] == '/'; length--)
		(*state_dir)[length - 1] = '\0';
	look_at_state_dir(context);
}

/* Whether it may be written to is for the user to find out who opens it; a folder that is missing is a slip of the pen. */
static void check_log_file(struct config_context *context)
{
	char **path = &context->config->log.file;
	struct stat folder;

	config_make_absolute(context, path);
	if (*path == NULL)
		return;
	const size_t length = (size_t)(strrchr(*path, '/') - *path);
	char *parent = length > 0 ? strndup(*path, length) : strdup("/");
	if (parent == NULL)
		context->status = -ENOMEM;
	else if (stat(parent, &folder) < 0 && (errno == ENOENT || errno == ENOTDIR))
		schema_fault(context->faults, "/log/file", "\"file\": there is no folder %.256s", parent);
	else if (stat(*path, &folder) == 0 && S_ISDIR(folder.st_mode))
		schema_fault(context->faults, "/log/file", "\"file\": %.256s is a folder", *path);
	free(parent);
}

/* ---- broker ---- */

static void check_password_file(struct config_context *context)
{
	struct config *config = context->config;
	const char *pointer = "/broker_password_file";
	const char *text;
	size_t length;
	struct error error;

	config_make_absolute(context, &config->broker_password_file);
	if (config->broker_password_file == NULL)
		return;
	if (config->address.kind == CONFIG_BROKER_EMBEDDED)
		schema_fault(context->faults, pointer, "\"broker_password_file\": the embedded broker has no password");
	else if (config->address.password != NULL)
		schema_fault(context->faults, pointer, "\"broker_password_file\": \"broker\" holds a password already");
	else if (secrets_get(config->secrets, config->broker_password_file, CONFIG_PASSWORD_MAX, &text, &length,
			 &error) < 0 ||
		 config_parse_password(config->broker_password_file, text, length, &config->address.password, &error) <
			 0)
		schema_fault(context->faults, pointer, "\"broker_password_file\": %s", error.text);
}

static void read_pem(struct config_context *context, const char *member, char **path, char **ret_pem)
{
	const char *text;
	char pointer[32];
	size_t length;
	struct error error;

	config_make_absolute(context, path);
	if (*path == NULL)
		return;
	(void)snprintf(pointer, sizeof pointer, "/broker_tls/%s", member);
	if (!context->config->address.tls)
		schema_fault(context->faults, pointer, "\"%s\" is of use with rediss:// alone", member);
	else if (secrets_get(context->config->secrets, *path, CONFIG_PEM_MAX, &text, &length, &error) < 0)
		schema_fault(context->faults, pointer, "\"%s\": %s", member, error.text);
	else if (length == 0)
		schema_fault(context->faults, pointer, "\"%s\": %.256s is empty", member, *path);
	else
		replace(context, ret_pem, strdup(text));
}

static void read_certificates(struct config_context *context)
{
	struct config *config = context->config;

	if (!config->broker_tls.certificate != !config->broker_tls.key)
		schema_fault(context->faults, config->broker_tls.key ? "/broker_tls/key" : "/broker_tls/certificate",
			"\"broker_tls\" needs both or none: certificate and key");
	read_pem(context, "ca", &config->broker_tls.ca, &config->address.ca);
	read_pem(context, "certificate", &config->broker_tls.certificate, &config->address.certificate);
	read_pem(context, "key", &config->broker_tls.key, &config->address.key);
}

static void place_embedded(struct config_context *context)
{
	struct config *config = context->config;

	if (config->state_dir == NULL)
		return;
	replace(context, &config->address.path, join(config->state_dir, "redis.sock"));
	if (config->address.path != NULL && strlen(config->address.path) > CONFIG_SOCKET_PATH_MAX)
		schema_fault(context->faults, "/state_dir",
			"\"state_dir\" is too long: the broker's socket in it may have a path of %d bytes at most, not "
			"%zu",
			CONFIG_SOCKET_PATH_MAX, strlen(config->address.path));
}

static void check_broker(struct config_context *context)
{
	struct config *config = context->config;
	struct error error;
	int status = config_broker_parse(config->broker, &config->address, &error);

	if (status == -ENOMEM)
		context->status = -ENOMEM;
	if (status == -EINVAL)
		schema_fault(context->faults, "/broker", "\"broker\" %s", error.text);
	if (status < 0)
		return;
	check_password_file(context);
	read_certificates(context);
	if (config->address.kind == CONFIG_BROKER_EMBEDDED)
		place_embedded(context);
	if (config->address.user != NULL && config->address.password == NULL)
		schema_fault(context->faults, "/broker", "\"broker\" names a user, but there is no password");
}

/* ---- handlers ---- */

/* As execvp would: a name is looked for in its place, a path is taken as it is. */
static void place_module(struct config_context *context, struct config_handler *handler)
{
	if (strchr(handler->module, '/') == NULL)
		replace(context, &handler->module, join(context->module_dir, handler->module));
	else
		config_make_absolute(context, &handler->module);
}

static void check_module(struct config_context *context, struct config_handler *handler, const char *pointer)
{
	struct stat file;

	place_module(context, handler);
	if (handler->module == NULL)
		return;
	if (stat(handler->module, &file) < 0)
		schema_fault(context->faults, pointer, "\"module\": %.256s: %s", handler->module, strerror(errno));
	else if (!S_ISREG(file.st_mode))
		schema_fault(context->faults, pointer, "\"module\": %.256s is not a file", handler->module);
	else if ((file.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		schema_fault(context->faults, pointer,
			"\"module\": %.256s can be written by others than its owner (mode %04o)", handler->module,
			(unsigned)(file.st_mode & 07777));
}

static bool is_class(const struct config_handler *handler)
{
	return task_name_is_valid(handler->class, strlen(handler->class)) ||
	       (strcmp(handler->class, "*") == 0 && handler->module == NULL);
}

/* What runs the class: one thing. */
static void check_code(struct config_context *context, size_t index)
{
	struct config_handler *handler = &context->config->handlers[index];
	char pointer[POINTER_MAX];

	(void)snprintf(pointer, sizeof pointer, "/handlers/%zu/module", index);
	if (handler->module != NULL && handler->program.argv.count > 0)
		schema_fault(context->faults, pointer, "handler has both \"module\" and \"exec\"");
	else if (handler->url != NULL && (handler->module != NULL || handler->program.argv.count > 0))
		schema_fault(context->faults, pointer, "handler has \"http\" beside \"module\" or \"exec\"");
	else if (handler->module != NULL)
		check_module(context, handler, pointer);
	else if (handler->program.argv.count == 0 && handler->url == NULL)
		schema_fault(context->faults, pointer, "handler needs \"module\", \"exec\" or \"http\"");
	if (handler->secret_file != NULL && handler->url == NULL)
		schema_fault(context->faults, pointer, "handler has \"secret_file\" without \"http\"");
	pointer[strlen(pointer) - strlen("/module")] = '\0';
	config_check_program(context, &handler->program, pointer);
	if (handler->url != NULL)
		config_check_caller(context, handler, pointer);
}

static bool is_php_adapter(const char *argument)
{
	static const char name[] = "muster.php";
	const char *last = strrchr(argument, '/');

	return strcmp(last != NULL ? last + 1 : argument, name) == 0;
}

/* Several tasks at a time: who cannot, and why. NULL: it can, or it is to be seen when it is loaded. */
static const char *refuses_several(const struct config_handler *handler)
{
	if (handler->program.argv.count == 0)
		return NULL; /* a module says so itself */
	if (handler->mode == CONFIG_MODE_ONCE)
		return "above 1 is for mode persistent: with mode once there is a process for each task, in as many "
		       "workers as "
		       "the pool has";
	for (size_t i = 0; i < handler->program.argv.count; i++)
		if (is_php_adapter(handler->program.argv.items[i]))
			return "above 1 is not for PHP, which runs one task at a time: let the pool have more workers";
	return NULL;
}

static void check_concurrency(struct config_context *context, size_t index)
{
	const struct config_handler *handler = &context->config->handlers[index];
	const char *why = handler->concurrency > 1 ? refuses_several(handler) : NULL;
	char pointer[POINTER_MAX];

	(void)snprintf(pointer, sizeof pointer, "/handlers/%zu/concurrency", index);
	if (why != NULL)
		schema_fault(context->faults, pointer, "\"concurrency\" %s", why);
}

static void check_handler(struct config_context *context, size_t index)
{
	struct config_handler *handlers = context->config->handlers;
	char pointer[POINTER_MAX];

	(void)snprintf(pointer, sizeof pointer, "/handlers/%zu/class", index);
	if (!is_class(&handlers[index]))
		schema_fault(context->faults, pointer,
			"\"class\" must be 1 to %d letters, digits, `_`, `.`, `\\` or `-`, or of a program or URL "
			"\"*\"",
			TASK_NAME_MAX);
	for (size_t i = 0; i < index; i++)
		if (strcmp(handlers[i].class, handlers[index].class) == 0)
			schema_fault(context->faults, pointer, "\"class\": the class \"%.128s\" is there twice",
				handlers[i].class);
	check_code(context, index);
	check_concurrency(context, index);
}

/* ---- all together ---- */

static void check_limits(struct config_context *context)
{
	if (context->config->limits.document > context->config->limits.body)
		schema_fault(context->warnings, "/limits/document",
			"\"document\" is larger than \"body\": by HTTP no document of that size can come in");
}

void config_check_places(struct config_context *context)
{
	assert(context->directory[0] == '/');
	check_listen(context);
	check_user(context);
	check_state_dir(context);
	check_log_file(context);
	check_broker(context);
	check_limits(context);
	const bool none = context->config->handler_count == 0;
	config_check_http(context);
	for (size_t i = 0; i < context->config->handler_count; i++)
		check_handler(context, i);
	if (none)
		schema_fault(context->warnings, "/handlers",
			"\"handlers\" is empty: all but Http's tasks will end dead as unknown_class");
}
