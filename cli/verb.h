/* verb: what `muster` can do, as two tables.
 *
 * A row of `verbs` is a verb: its name, its arguments, its options by name, its help and its function. A row of
 * `option_rows` is an option, which means the same wherever it is taken. From both come the parser, --help, the completions
 * and muster(1). A function gets a call, prints what it found and returns the exit status. One thread. */
#ifndef MUSTER_CLI_VERB_H
#define MUSTER_CLI_VERB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum exit_status {
	EXIT_DONE = 0,
	EXIT_REFUSED = 1, /* the server said no; a task that was waited for did not succeed */
	EXIT_USAGE = 64,
	EXIT_UNREACHABLE = 69,
};

enum option_id {
	/* every verb's */
	OPTION_URL,
	OPTION_TOKEN_FILE,
	OPTION_CONTEXT,
	OPTION_CA,
	OPTION_JSON,
	/* a task's */
	OPTION_QUEUE,
	OPTION_ID,
	OPTION_DELAY,
	OPTION_RUN_AT,
	OPTION_RETRY,
	OPTION_PRIORITY,
	OPTION_TIMEOUT,
	OPTION_PARAM,
	OPTION_META,
	OPTION_WAIT,
	OPTION_FOR,
	/* the filter's; OPTION_QUEUE is one of it as well */
	OPTION_STATE,
	OPTION_CLASS,
	OPTION_METHOD,
	OPTION_ERROR_KIND,
	OPTION_ERROR,
	OPTION_CREATED_AFTER,
	OPTION_CREATED_BEFORE,
	OPTION_FINISHED_AFTER,
	OPTION_FINISHED_BEFORE,
	OPTION_LIMIT,
	OPTION_ALL,
	OPTION_DRY_RUN,
	OPTION_YES,
	/* others */
	OPTION_FORCE,
	OPTION_FOLLOW,
	OPTION_POOL,
	OPTION_TYPE,
	OPTION_WARN_AGE,
	OPTION_CRITICAL_AGE,
	OPTION_WARN_DEAD,
	OPTIONS,
};

enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_INTEGER, OPTION_DURATION, OPTION_TIME, OPTION_VALUE };

struct option_row {
	const char *name;
	char letter; /* 0: none */
	enum option_kind kind;
	const char *argument; /* its placeholder; NULL: a flag */
	int64_t minimum, maximum;
	const char *help;
};

struct call;

enum { ARGUMENTS_ANY = 10000 };

struct verb {
	const char *name, *arguments;
	const char *options; /* names, separated by spaces; those of every verb are not named */
	unsigned least, most;
	int (*run)(struct call *call);
	const char *help;  /* one sentence */
	const char *about; /* what else is to be said; NULL: nothing */
};

extern const struct option_row option_rows[OPTIONS];
extern const struct verb verbs[];
extern const size_t verb_count;

/* NULL: there is none. */
const struct verb *verb_find(const char *name);

/* Whether the verb takes that option. */
bool verb_takes(const struct verb *verb, enum option_id option);

#endif
