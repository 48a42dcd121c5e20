#include "core/config_internal.h"

#include "core/certificate.h"
#include "core/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	POINTER_MAX = 64,
	TOKEN_FILE_MAX = 4096, /* bytes */
	TOKEN_SHORT = 16,      /* characters: shorter ones can be guessed */
};

/* Secrets that others can change are no secrets; that others can read them is said. */
static void look_at_mode(struct config_context *context, const char *pointer, const char *member, const char *path)
{
	struct stat file;

	if (secrets_are_handed_over(context->config->secrets) || stat(path, &file) < 0)
		return;
	if ((file.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		schema_fault(context->faults, pointer,
			"\"%s\": %.256s can be written by others than its owner (mode %04o): chmod 600", member, path,
			(unsigned)(file.st_mode & 07777));
	else if ((file.st_mode & (S_IRGRP | S_IROTH)) != 0)
		schema_fault(context->warnings, pointer,
			"\"%s\": %.256s can be read by others than its owner (mode %04o); 0600 is meant", member, path,
			(unsigned)(file.st_mode & 07777));
}

/* ---- tokens ---- */

/* The length without the newline at its end. */
static size_t token_length(const char *text, size_t length)
{
	length -= length > 0 && text[length - 1] == '\n';
	length -= length > 0 && text[length - 1] == '\r';
	return length;
}

/* What a header can carry: RFC 6750's b64token, and whatever else is printed without a blank. */
static bool is_token(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	return length > 0;
}

static void read_token(struct config_context *context, struct config_token *token, const char *pointer)
{
	const char *text;
	size_t length;
	struct error error;

	config_make_absolute(context, &token->token_file);
	if (token->token_file == NULL)
		return;
	int status = secrets_get(context->config->secrets, token->token_file, TOKEN_FILE_MAX, &text, &length, &error);
	if (status < 0) {
		schema_fault(context->faults, pointer, "\"token_file\": %s", error.text);
		return;
	}
	look_at_mode(context, pointer, "token_file", token->token_file);
	length = token_length(text, length);
	if (!is_token(text, length))
		schema_fault(context->faults, pointer,
			"\"token_file\": %.256s must hold one token: a line of printable characters without blanks",
			token->token_file);
	else if (length < TOKEN_SHORT)
		schema_fault(context->warnings, pointer,
			"\"token_file\": %.256s holds a token of %zu characters, which can be guessed: head -c 32 "
			"/dev/urandom | base64 makes one",
			token->token_file, length);
	token->digest = digest_of(text, length);
}

static void check_token_queues(struct config_context *context, const struct config_token *token, size_t index)
{
	char pointer[POINTER_MAX];

	for (size_t i = 0; i < token->queues.count; i++) {
		const char *name = token->queues.items[i];
		if (config_find_queue(context->config, name, strlen(name)) >= 0)
			continue;
		(void)snprintf(pointer, sizeof pointer, "/auth/tokens/%zu/queues/%zu", index, i);
		schema_fault(context->faults, pointer, "\"queues\": there is no queue \"%.64s\"", name);
	}
}

static void check_token(struct config_context *context, size_t index)
{
	struct config_token *tokens = context->config->auth.tokens, *token = &tokens[index];
	char pointer[POINTER_MAX];

	(void)snprintf(pointer, sizeof pointer, "/auth/tokens/%zu/token_file", index);
	read_token(context, token, pointer);
	check_token_queues(context, token, index);
	for (size_t i = 0; i < index; i++) {
		if (strcmp(tokens[i].name, token->name) == 0)
			schema_fault(
				context->faults, pointer, "\"name\": the token \"%s\" is there twice", token->name);
		else if (context->faults->count == 0 && digest_equal(&tokens[i].digest, &token->digest))
			schema_fault(context->faults, pointer,
				"\"token_file\": \"%s\" and \"%s\" have the same token, so nobody could tell them "
				"apart",
				tokens[i].name, token->name);
	}
}

/* ---- TLS ---- */

struct verdict {
	int status;
	int64_t expires_s;
	struct error error;
};

static void judge(const char *chain, size_t chain_length, const char *key, size_t key_length, struct verdict *verdict)
{
	struct certificate *certificate;

	verdict->status = certificate_load(chain, chain_length, key, key_length, &certificate, &verdict->error);
	if (verdict->status < 0)
		return;
	verdict->expires_s = certificate_expires_s(certificate);
	certificate_free(certificate);
}

/* GnuTLS leaves pieces of a key in memory that it has freed. What is left of a child's is gone with it. */
static int judge_apart(
	const char *chain, size_t chain_length, const char *key, size_t key_length, struct verdict *verdict)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return -errno;
	pid_t pid = fork();
	if (pid == 0) {
		judge(chain, chain_length, key, key_length, verdict);
		_exit(io_write(ends[1], verdict, sizeof *verdict) == 0 ? 0 : 1);
	}
	int status = pid < 0 ? -errno : 0;
	io_close(&ends[1]);
	if (status == 0 && io_read(ends[0], verdict, sizeof *verdict) != (ssize_t)sizeof *verdict)
		status = -EIO;
	io_close(&ends[0]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return status;
}

static void check_pair(
	struct config_context *context, const char *chain, size_t chain_length, const char *key, size_t key_length)
{
	const char *pointer = "/tls/certificate", *path = context->config->tls.certificate;
	struct verdict verdict = {0};

	if (secrets_are_handed_over(context->config->secrets))
		return; /* who handed it over has looked */
	int status = judge_apart(chain, chain_length, key, key_length, &verdict);
	if (status < 0)
		schema_fault(context->faults, pointer, "\"certificate\": %.256s cannot be checked: %s", path,
			strerror(-status));
	else if (verdict.status == -ENOMEM)
		context->status = verdict.status;
	else if (verdict.status < 0)
		schema_fault(context->faults, pointer, "\"certificate\": %.256s: %s", path, verdict.error.text);
	else if (verdict.expires_s <= (int64_t)time(NULL))
		schema_fault(context->warnings, pointer, "\"certificate\": %.256s has expired: clients will refuse it",
			path);
}

static void check_tls(struct config_context *context)
{
	struct config *config = context->config;
	const char *chain, *key;
	size_t chain_length, key_length;
	struct error error;

	if (!config->tls.certificate != !config->tls.key)
		schema_fault(context->faults, config->tls.key ? "/tls/key" : "/tls/certificate",
			"\"tls\" needs both: certificate and key");
	if (!config->tls.certificate || !config->tls.key)
		return;
	config_make_absolute(context, &config->tls.certificate);
	config_make_absolute(context, &config->tls.key);
	if (context->status < 0)
		return;
	if (secrets_get(config->secrets, config->tls.certificate, CONFIG_PEM_MAX, &chain, &chain_length, &error) < 0)
		schema_fault(context->faults, "/tls/certificate", "\"certificate\": %s", error.text);
	else if (secrets_get(config->secrets, config->tls.key, CONFIG_PEM_MAX, &key, &key_length, &error) < 0)
		schema_fault(context->faults, "/tls/key", "\"key\": %s", error.text);
	else
		check_pair(context, chain, chain_length, key, key_length);
	look_at_mode(context, "/tls/key", "key", config->tls.key);
}

/* Tokens that anybody on the way can read are no secrets. */
static void warn_of_plain(struct config_context *context)
{
	const struct schema_strings *listen = &context->config->listen;

	for (size_t i = 0; i < listen->count && !context->config->tls.certificate; i++)
		if (config_is_public(listen->items[i])) {
			schema_fault(context->warnings, "/listen",
				"\"listen\": %.128s is public and without tls: tokens pass in plain text, unless a "
				"proxy before it encrypts",
				listen->items[i]);
			return;
		}
}

/* What a browser says of a page: scheme and authority, nothing behind it. */
static void check_origins(struct config_context *context)
{
	const struct schema_strings *origins = &context->config->http.origins;
	char pointer[POINTER_MAX];

	for (size_t i = 0; i < origins->count; i++) {
		const char *origin = origins->items[i], *authority = strstr(origin, "://");
		bool has_scheme = strncmp(origin, "https://", 8) == 0 || strncmp(origin, "http://", 7) == 0;
		if (has_scheme && authority[3] != '\0' && strpbrk(authority + 3, "/?#@* \t\r\n") == NULL)
			continue;
		(void)snprintf(pointer, sizeof pointer, "/http/origins/%zu", i);
		schema_fault(context->faults, pointer,
			"\"origins\": \"%.128s\" is no origin such as https://ops.example or http://localhost:5173",
			origin);
	}
}

void config_check_auth(struct config_context *context)
{
	for (size_t i = 0; i < context->config->auth.token_count && context->status == 0; i++)
		check_token(context, i);
	check_tls(context);
	check_origins(context);
	if (context->config->auth.token_count > 0)
		warn_of_plain(context);
}
