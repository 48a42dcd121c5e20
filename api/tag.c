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
	for (size_t i = 0; i < sizeof growing / sizeof *growing; i++)
		if (strlen(growing[i]) <= length && memcmp(text, growing[i], strlen(growing[i])) == 0)
			return strlen(growing[i]);
	return 0;
}

/* Copies the text without the numbers of growing members. */
static size_t strip(const char *text, size_t length, char *stripped)
{
	size_t written = 0;

	for (size_t at = 0; at < length;) {
		size_t name = text[at] == '"' ? growing_member(text + at, length - at) : 0;
		if (name == 0) {
			stripped[written++] = text[at++];
			continue;
		}
		at += name;
		while (at < length && text[at] != ',' && text[at] != '}')
			at++;
	}
	return written;
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
