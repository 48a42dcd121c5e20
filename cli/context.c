#include "cli/context.h"

#include "core/io.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 1024 * 1024 };

static const char *const blanks = " \t\r";

void context_path(char path[PATH_MAX])
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	path[0] = '\0';
	if (config && config[0] == '/')
		(void)snprintf(path, PATH_MAX, "%s/muster/contexts", config);
	else if (home && home[0] == '/')
		(void)snprintf(path, PATH_MAX, "%s/.config/muster/contexts", home);
}

static void copy(char to[CONTEXT_TEXT_MAX], const char *from)
{
	(void)snprintf(to, CONTEXT_TEXT_MAX, "%s", from);
}

/* ---- token files ---- */

static int read_token_file(const char *path, char token[CONTEXT_TEXT_MAX], struct error *error)
{
	struct stat facts;
	char *text;
	size_t length;

	int status = io_read_file(path, CONTEXT_TEXT_MAX - 1, &text, &length);
	if (status < 0)
		return error_set(error, status, "the token file %.200s cannot be read: %s", path, strerror(-status));
	if (stat(path, &facts) == 0 && (facts.st_mode & 0007) != 0) {
		free(text);
		return error_set(error, -EPERM, "the token file %.200s is open to everybody: chmod 600 it", path);
	}
	text[strcspn(text, "\r\n")] = '\0';
	copy(token, text);
	free(text);
	return 0;
}

/* ---- the file of contexts ---- */

static int check_mode(const char *path, bool has_token, struct error *error)
{
	struct stat facts;

	if (stat(path, &facts) < 0)
		return error_set(error, -errno, "%.200s cannot be looked at", path);
	if (facts.st_uid != geteuid() && facts.st_uid != 0)
		return error_set(error, -EPERM, "%.200s belongs to somebody else: it is not used", path);
	if ((facts.st_mode & 0022) != 0)
		return error_set(error, -EPERM, "%.200s can be written by others: chmod 600 it", path);
	if (has_token && (facts.st_mode & 0077) != 0)
		return error_set(error, -EPERM, "%.200s holds a token and others can read it: chmod 600 it", path);
	return 0;
}

static int read_setting(const char *word, struct context *context, struct error *error)
{
	if (strncmp(word, "token=", 6) == 0) {
		copy(context->token, word + 6);
		return 0;
	}
	if (strncmp(word, "ca=", 3) == 0) {
		copy(context->ca, word + 3);
		return 0;
	}
	if (strncmp(word, "token-file=", 11) == 0)
		return read_token_file(word + 11, context->token, error);
	return error_set(error, -EINVAL, "'%.100s' is no setting of a context: token=, token-file= or ca=", word);
}

/* A line without its comment. Returns 1 when it is the wanted context's, 0 when it is not. */
static int read_line(char *line, const char *name, struct context *context, struct error *error)
{
	char *rest = NULL;

	line[strcspn(line, "#")] = '\0';
	const char *found = strtok_r(line, blanks, &rest);
	if (!found || strcmp(found, name) != 0)
		return 0;
	const char *url = strtok_r(NULL, blanks, &rest);
	if (!url)
		return error_set(error, -EINVAL, "context %.100s has no URL", name);
	copy(context->url, url);
	for (const char *word = strtok_r(NULL, blanks, &rest); word; word = strtok_r(NULL, blanks, &rest)) {
		int status = read_setting(word, context, error);
		if (status < 0)
			return status;
	}
	return 1;
}

/* Returns 1 when it was found, 0 when it was not. */
static int look_up(const char *name, struct context *context, struct error *error)
{
	char path[PATH_MAX], *text, *rest = NULL;
	size_t length;
	int found = 0;

	context_path(path);
	if (path[0] == '\0' || access(path, F_OK) < 0)
		return 0;
	int status = io_read_file(path, FILE_MAX, &text, &length);
	if (status < 0)
		return error_set(error, status, "%.200s cannot be read: %s", path, strerror(-status));
	status = check_mode(path, strstr(text, "token=") != NULL, error);
	for (char *line = strtok_r(text, "\n", &rest); line && status == 0 && found == 0;
		line = strtok_r(NULL, "\n", &rest))
		found = read_line(line, name, context, error);
	free(text);
	return status < 0 ? status : found;
}

static int find_named(const char *name, struct context *context, struct error *error)
{
	char path[PATH_MAX];

	int found = look_up(name, context, error);
	if (found != 0)
		return found;
	context_path(path);
	return error_set(error, -ENOENT,
		"there is no context '%.100s' in %.200s: add the line '%.100s http://HOST:PORT'", name, path, name);
}

static int find_server(const struct context_wish *wish, struct context *context, bool *ret_named, struct error *error)
{
	const char *environment = getenv("MUSTER_URL");
	int status = 0;

	*ret_named = false;
	if (wish->url) {
		copy(context->url, wish->url);
	} else if (wish->name) {
		status = find_named(wish->name, context, error);
		*ret_named = true;
	} else if (environment && environment[0] != '\0') {
		copy(context->url, environment);
	} else {
		status = look_up("default", context, error);
		*ret_named = status > 0;
		if (status == 0)
			copy(context->url, "http://127.0.0.1:7077");
	}
	return status < 0 ? status : 0;
}

int context_find(const struct context_wish *wish, struct context *ret_context, struct error *error)
{
	const char *environment = getenv("MUSTER_TOKEN");
	bool named;

	*ret_context = (struct context){"", "", ""};
	int status = find_server(wish, ret_context, &named, error);
	if (status < 0)
		return status;
	if (wish->ca)
		copy(ret_context->ca, wish->ca);
	if (wish->token_file)
		return read_token_file(wish->token_file, ret_context->token, error);
	if (!named && environment)
		copy(ret_context->token, environment);
	return 0;
}
