#include "api/tag.h"

#include "core/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const growing[] = {"\"heartbeat_age_seconds\":", "\"promise_seconds\":", "\"uptime_seconds\":",
	"\"rss_bytes\":", "\"running_seconds\":", "\"oldest_age_seconds\":"};

/* The length of a growing member's name and colon at `text`; 0: there is none. In a string a quote has a backslash before it,
 * so that none of these can stand in one. */
static size_t growing_member(const char *text, size_t length)
{
	if (length < 2 || !strchr("hpuro", text[1])) /* most cannot be one */
		return 0;
	for (size_t i = 0; i < sizeof growing / sizeof *growing; i++)
		if (strlen(growing[i]) <= length && memcmp(text, growing[i], strlen(growing[i])) == 0)
			return strlen(growing[i]);
	return 0;
}

/* Copies the text without the numbers of growing members. */
static size_t strip(const char *text, size_t length, char *stripped)
{
	size_t written = 0, copied = 0;

	for (const char *quote = text; (quote = memchr(quote, '"', length - (size_t)(quote - text))) != NULL;) {
		size_t at = (size_t)(quote - text), name = growing_member(quote, length - at);
		quote++;
		if (name == 0)
			continue;
		memcpy(stripped + written, text + copied, at - copied);
		written += at - copied;
		at += name;
		while (at < length && text[at] != ',' && text[at] != '}')
			at++;
		copied = at;
		quote = text + at;
	}
	memcpy(stripped + written, text + copied, length - copied);
	return written + length - copied;
}

void tag_of(const char *text, size_t length, char tag[TAG_MAX])
{
	char *stripped = malloc(length + 1);
	const struct digest digest =
		stripped ? digest_of(stripped, strip(text, length, stripped)) : digest_of(text, length);
	int written = snprintf(tag, TAG_MAX, "W/\"");

	free(stripped);
	for (int i = 0; i < 16; i++)
		written += snprintf(tag + written, TAG_MAX - (size_t)written, "%02x", digest.bytes[i]);
	(void)snprintf(tag + written, TAG_MAX - (size_t)written, "\"");
}

bool tag_is_named(const char *if_none_match, const char *tag)
{
	const char *opaque = tag + strlen("W/");

	if (!if_none_match)
		return false;
	return strcmp(if_none_match, "*") == 0 || strstr(if_none_match, opaque) != NULL;
}

void tag_answer(struct request *request)
{
	char tag[TAG_MAX];

	if (request->answer.status != 200)
		return;
	tag_of(request->answer.body, request->answer.length, tag);
	if (tag_is_named(request->if_none_match, tag))
		answer_static(request, 304, NULL, "", 0);
	answer_header_format(request, "ETag", "%s", tag);
}
