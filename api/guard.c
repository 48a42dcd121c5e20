#include "api/guard.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* "" or ":" and digits. */
static bool is_port(const char *text)
{
	return text[0] == '\0' || (text[0] == ':' && text[1 + strspn(text + 1, "0123456789")] == '\0');
}

static bool is_loopback_v4(const char *host)
{
	char address[INET_ADDRSTRLEN];
	size_t length = strcspn(host, ":");
	struct in_addr parsed;

	if (length >= sizeof address || !is_port(host + length))
		return false;
	(void)snprintf(address, sizeof address, "%.*s", (int)length, host);
	return inet_pton(AF_INET, address, &parsed) == 1 && ntohl(parsed.s_addr) >> 24 == 127;
}

bool guard_is_loopback(const char *host)
{
	static const char name[] = "localhost", v6[] = "[::1]";

	if (strncasecmp(host, name, sizeof name - 1) == 0)
		return is_port(host + sizeof name - 1);
	if (strncmp(host, v6, sizeof v6 - 1) == 0)
		return is_port(host + sizeof v6 - 1);
	return is_loopback_v4(host);
}

/* Whether the page that calls was served by the very host that is called. */
static bool is_own_origin(const char *origin, const char *host)
{
	const char *authority = strstr(origin, "://");

	return authority && host && strcasecmp(authority + strlen("://"), host) == 0;
}

const char *guard_refuses(const struct guard_question *question)
{
	if (!question->tokens && !question->unix_socket && !question->loopback)
		return "without auth.tokens only loopback addresses and unix sockets are served";
	if (!question->tokens && !question->unix_socket && question->host && !guard_is_loopback(question->host))
		return "the Host header names another machine than this one's loopback address";
	if (!question->changes || question->listed)
		return NULL;
	if (question->fetch_site && strcmp(question->fetch_site, "same-origin") != 0 &&
		strcmp(question->fetch_site, "none") != 0)
		return "Sec-Fetch-Site shows a page of another site";
	if (question->origin && !is_own_origin(question->origin, question->host))
		return "Origin shows a page of another site";
	return NULL;
}
