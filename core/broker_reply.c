#include "core/broker_internal.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

/* What a caller does. AGAIN: the same call, at once, where the reply says. ASKED: so, if nothing is left here. WAIT: the same call (a turn with the same
 * sequence) after a pause, on a new connection. KEEP: so, but the connection is good. STOP: this caller is done. */
enum then { AGAIN, ASKED, WAIT, KEEP, STOP };

/* What Redis says → what it means. By the first word; the longer sentences that share a word with others come first.
 * NOSCRIPT is here for calls that lost a script again and again while they put it back. */
static const struct meaning {
	const char *words;
	int code;
	enum then then;
} meanings[] = {
	/* our scripts */
	{"GONE", BROKER_GONE, STOP},
	{"HELD", BROKER_HELD, KEEP},
	/* no room, no writes */
	{"OOM", BROKER_FULL, KEEP},
	{"READONLY", BROKER_READ_ONLY, WAIT}, /* perhaps the master is another one now */
	{"MISCONF", BROKER_READ_ONLY, WAIT},
	{"NOREPLICAS", BROKER_READ_ONLY, WAIT},
	/* not now */
	{"LOADING", BROKER_AWAY, WAIT},
	{"BUSY", BROKER_AWAY, WAIT},
	{"NOSCRIPT", BROKER_AWAY, WAIT},
	{"MASTERDOWN", BROKER_AWAY, WAIT},
	{"UNBLOCKED", BROKER_AWAY, WAIT},
	{"EXECABORT", BROKER_AWAY, WAIT},
	{"ERR max number of clients reached", BROKER_AWAY, WAIT},
	/* clusters */
	{"MOVED", BROKER_AWAY, AGAIN},
	/* Our slot is on its way to another node, key by key. No key is named like the namespace alone, which scripts declare:
	 * so at the node that gives it away they all get this reply, and none runs on half of the keys. */
	{"ASK", BROKER_AWAY, ASKED},
	{"TRYAGAIN", BROKER_AWAY, WAIT},
	{"CLUSTERDOWN", BROKER_AWAY, WAIT},
	/* who are you */
	{"NOAUTH", BROKER_REFUSED, WAIT},
	{"WRONGPASS", BROKER_REFUSED, WAIT},
	{"NOPERM", BROKER_REFUSED, WAIT},
	{"DENIED", BROKER_REFUSED, WAIT},
	{"ERR AUTH", BROKER_REFUSED, WAIT},
	{"ERR invalid password", BROKER_REFUSED, WAIT},
	/* all else */
	{"", BROKER_UNFIT, WAIT},
};

static const struct meaning *meaning_of(const char *text)
{
	const struct meaning *meaning = meanings;
	for (; meaning->words[0]; meaning++) {
		size_t length = strlen(meaning->words);
		if (strncmp(text, meaning->words, length) == 0 && (!text[length] || text[length] == ' '))
			break;
	}
	return meaning;
}

/* As a word of its own: a short one may be a part of others. */
static bool has_word(const char *text, const char *word)
{
	size_t length = word ? strlen(word) : 0;
	if (length == 0)
		return false;
	for (const char *at = text; (at = strstr(at, word)); at++)
		if ((at == text || !isalnum((unsigned char)at[-1])) && !isalnum((unsigned char)at[length]))
			return true;
	return false;
}

/* What is no Redis may quote what it was told. */
static bool quotes_password(const struct broker *broker, const char *text)
{
	return has_word(text, broker->config->address.password) || has_word(text, broker->password);
}

int broker_refuse(struct broker *broker, const redisReply *reply, struct error *error)
{
	const struct meaning *meaning = meaning_of(reply->str);
	char place[ERROR_TEXT_MAX / 2];
	broker_describe(broker, place, sizeof place);
	(void)error_set(error, meaning->code, "the broker at %s says: %s", place, /* the code is returned below */
		quotes_password(broker, reply->str) ? "(a sentence with the password in it)" : reply->str);
	const char *behind = reply->str + strlen(meaning->words);
	if (meaning->then == AGAIN)
		broker->moved = broker_follow(broker, behind) == 0;
	if (meaning->then == ASKED)
		broker->moved = broker_follow_asked(broker, behind) == 0;
	if (meaning->then == AGAIN || meaning->then == ASKED || meaning->then == WAIT)
		broker_disconnect(broker);
	return meaning->code;
}

int broker_surprise(struct broker *broker, struct error *error)
{
	char place[ERROR_TEXT_MAX / 2];
	broker_describe(broker, place, sizeof place);
	broker_disconnect(broker);
	return error_set(error, BROKER_UNFIT, "the broker at %s answered what nobody expected", place);
}

const char *broker_info(const redisReply *info, const char *name)
{
	size_t length = strlen(name);
	for (const char *line = info->str; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (strncmp(line, name, length) == 0 && line[length] == ':')
			return line + length + 1;
	return NULL;
}
