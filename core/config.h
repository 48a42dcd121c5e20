/* config: one deployment's settings, read from YAML, checked by tables, never changed afterwards (but for what
 * core/queue_settings.h changes of its queues, in the memory of one process).
 *
 * Read once, before the first process is made, by the process that will be the guardian; everybody below inherits the
 * struct in its memory and only reads it. Indices (of queues, pools) are positions in these arrays and stand for the
 * thing everywhere in C; names stand for it everywhere outside. */
#ifndef MUSTER_CORE_CONFIG_H
#define MUSTER_CORE_CONFIG_H

#include "core/digest.h"
#include "core/error.h"
#include "core/schema.h"
#include "core/secrets.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CONFIG_QUEUES_MAX = 128,
	CONFIG_POOLS_MAX = 64,
	CONFIG_WORKERS_MAX = 4000,    /* over all pools */
	CONFIG_CONCURRENCY_MAX = 512, /* tasks of one worker at a time */
	CONFIG_NAME_MAX = 64,         /* characters of a queue's, pool's or namespace's name: letters, digits, _ . - */
	CONFIG_PEM_MAX = 256 * 1024,  /* bytes of a file with certificates or a key */
	CONFIG_LISTEN_MAX = 16,
	CONFIG_TOKENS_MAX = 256,
};

enum config_durability { CONFIG_DURABILITY_PROCESS, CONFIG_DURABILITY_POWER };
enum config_log_level { CONFIG_LOG_DEBUG, CONFIG_LOG_INFO, CONFIG_LOG_WARN, CONFIG_LOG_ERROR };
enum config_log_format { CONFIG_LOG_TEXT, CONFIG_LOG_JSON };

enum config_role { CONFIG_ROLE_READ, CONFIG_ROLE_SUBMIT, CONFIG_ROLE_ADMIN }; /* each includes those before it */

enum config_broker_kind { CONFIG_BROKER_EMBEDDED, CONFIG_BROKER_TCP, CONFIG_BROKER_UNIX, CONFIG_BROKER_SENTINEL };

struct config_place {
	char *host;
	int port;
};

struct config_broker { /* where the broker is: `broker` and `broker_password_file`, taken apart */
	enum config_broker_kind kind;
	char *host; /* TCP: the broker, or a node of its cluster; SENTINEL: the first sentinel */
	int port;
	struct config_place *others; /* owned: further nodes or sentinels */
	size_t other_count;
	char *master;          /* SENTINEL: the name that they know it by */
	char *path;            /* UNIX; EMBEDDED: <state_dir>/redis.sock */
	char *user, *password; /* NULL: none */
	bool tls;
	char *ca, *certificate, *key; /* what those files hold (PEM); NULL: the system's authorities, none, none */
	int db;
};

struct config_backoff {
	int64_t base_ms, max_ms;
	double factor, jitter; /* the n-th wait is base · factor^(n−1), at most max, ± jitter (0–1) of itself */
};

struct config_retention {
	int64_t succeeded_ms, dead_ms, cancelled_ms; /* how long an ended task can be looked up */
	int64_t max;                                 /* tasks kept per state */
};

struct config_queue {
	char *name;
	char *list;      /* key of the plain list that foreign producers LPUSH to; NULL: none */
	int64_t list_db; /* its database, or -1: the broker's */
	int64_t retry;   /* executions in all, where the task does not say */
	struct config_backoff backoff;
	int64_t timeout_ms; /* SCHEMA_NONE: none */
	int64_t max_crashes;
	struct config_retention retention;
	int64_t max_active; /* tasks of it that may run at once, over all nodes; SCHEMA_NONE: as many as there are workers */
	int64_t max_depth;  /* tasks that may wait in it; SCHEMA_NONE: no bound */
	bool removed;       /* a reload took it away: it keeps its position, and nothing is taken from it any more */
	json_t *list_value; /* `list` as it is written: a string, or {key, db} */
};

struct config_weight {
	int queue;  /* index into config.queues */
	int weight; /* 1 … 1000 */
};

struct config_program {             /* a child that runs other people's code: of an exec handler, or of a service */
	struct schema_strings argv; /* `exec`; count 0: none */
	json_t *env;                /* an object, name → text or whole number; NULL: nothing but what is passed on */
	char *cwd;                  /* absolute; NULL: only where there is no program */
	char *umask;                /* octal digits; NULL: musterd's */
	int64_t nice;               /* -20 … 19; SCHEMA_NONE: musterd's */
	char *user;                 /* NULL: the worker's */
	json_t *rlimits;            /* an object, name → bound (program_read_rlimit); NULL: musterd's */
};

enum config_kind { CONFIG_KIND_TASKS, CONFIG_KIND_SERVICE };
enum config_mode { CONFIG_MODE_PERSISTENT, CONFIG_MODE_ONCE };

struct config_pool {
	char *name;
	int kind;                      /* enum config_kind */
	char *service;                 /* of a module's service: its name; NULL: it is a program, or there is none */
	char *service_module;          /* absolute path of its shared object */
	struct config_program program; /* of a service in another language; argv.count 0: none */
	int64_t workers;
	struct config_weight *queues; /* owned, in the order of the file */
	size_t queue_count;
	bool strict;
	int64_t heartbeat_timeout_ms;
	int64_t kill_grace_ms;
	struct schema_strings preload;
	char *title_prefix;
	int64_t max_tasks;    /* SCHEMA_NONE: none */
	int64_t max_memory;   /* bytes; SCHEMA_NONE: none */
	int64_t max_age_ms;   /* SCHEMA_NONE: none */
	int64_t roll_share;   /* percent of its workers that a roll replaces at a time, at least one */
	bool removed;         /* a reload took it away: it keeps its position, and is to have no workers */
	json_t *queues_value; /* `queues` as an object: name → weight */
	char *origin;         /* "FILE:LINE: ", for a sentence about its service; NULL: it stands in no file */
};

struct config_handler {
	char *class;                   /* as tasks name it; "*": whatever no other handler has */
	char *module;                  /* absolute path of the shared object; NULL: it is something else */
	json_t *options;               /* an object, for the module's own use; NULL: none */
	struct config_program program; /* argv.count 0: it is something else */
	char *url;                     /* where its tasks are posted to; NULL: it is something else */
	char *secret_file;             /* absolute path of what these requests are signed with; NULL: they are not */
	char *caller;                  /* absolute path of the module that posts them; NULL without a URL */
	json_t *caller_options;        /* an object, for that module; NULL without a URL */
	int mode;                      /* enum config_mode */
	int64_t concurrency;           /* tasks that one child runs at a time */
	struct schema_strings redact;  /* JSON pointers to what of a document is never shown (core/redact.h) */
	char *origin;                  /* "FILE:LINE: ", for a sentence about its code; NULL: it stands in no file */
};

struct config_token { /* who may call the API */
	char *name;
	int role; /* enum config_role */
	char *token_file;
	struct schema_strings queues; /* those that it is tied to; none: it is not */
	struct digest digest;         /* of the token */
};

struct config {
	char *path;                   /* the file, or NULL: none was given */
	struct schema_strings listen; /* "127.0.0.1:7077", "[::1]:7077", "unix:/path" */
	char *user;                   /* NULL: stay who we are (not root) */
	char *broker;                 /* "embedded" or a URL */
	struct config_broker address; /* what that says */
	char *broker_password_file;
	struct {
		char *ca, *certificate, *key; /* files; NULL: the system's authorities; no certificate of our own */
	} broker_tls;
	bool broker_evicts_accepted;
	int durability; /* enum config_durability */
	char *namespace;
	int64_t node_timeout_ms;
	char *state_dir; /* absolute */
	int64_t shutdown_grace_ms;
	struct {
		int level, format; /* enum config_log_level, enum config_log_format */
		char *file;        /* NULL: stderr */
	} log;
	struct {
		struct config_token *tokens; /* owned; none: whoever reaches the API may do everything */
		size_t token_count;
	} auth;
	struct {
		char *certificate, *key; /* both or none */
	} tls;
	struct {
		int64_t document, body, connections, batch, result, log;
		int64_t broker_memory; /* bytes; SCHEMA_NONE: a quarter of the machine's */
	} limits;
	struct {
		struct schema_strings allow;     /* hosts and networks inside that the class Http may reach */
		json_t *secrets;                 /* an object, name → absolute path of a file; NULL: none */
		char *ca_file;                   /* absolute; NULL: the system's certificates alone */
		struct schema_strings origins;   /* "https://host[:port]" */
		int64_t requests_per_second;     /* of one address; SCHEMA_NONE: any number */
		int64_t connections_per_address; /* SCHEMA_NONE: see http.c */
		int64_t timeout_ms;
	} http;
	struct config_queue *queues; /* owned; `default` is always among them */
	size_t queue_count;
	struct config_pool *pools; /* owned; at least one */
	size_t pool_count;
	struct config_handler *handlers; /* owned */
	size_t handler_count;
	struct secrets *secrets; /* owned: what the files named above hold, until it is wiped */
	char **warnings;         /* owned sentences, "FILE:LINE: …" where a line is known: valid, but hardly meant */
	size_t warning_count;
};

/* Reads the file (NULL: no file, all defaults), then the environment variables MUSTER_LISTEN (comma-separated),
 * MUSTER_BROKER, MUSTER_STATE_DIR, MUSTER_USER, MUSTER_NAMESPACE, MUSTER_LOG_LEVEL, which override it (empty ones do
 * not). Relative paths are relative to the file's directory, MUSTER_STATE_DIR to the working directory. `module_dir` is
 * where modules without a slash in their name are looked for, and where the bundled ones are.
 * Returns 0; -EINVAL with `error` = "FILE:LINE: sentence" of the first fault (further ones: one line each, in
 * *ret_details, owned, NULL when there are none); another negative errno when the file cannot be read. */
int config_load(
	const char *path, const char *module_dir, struct config **ret_config, struct error *error, char **ret_details);
void config_free(struct config *config);

/* For tables: whether a string is a URL that may be called, http or https, without a password in it. Returns 0, or -EINVAL
 * with "must …". */
int config_check_url(const json_t *value, struct error *error);

/* The same in two steps, for a text that is checked by one process and taken over by others. text is borrowed; NULL: the
 * file at path is read. config_read returns 0 with the bytes (owned, free()), or a negative errno. */
int config_read(const char *path, char **ret_text, size_t *ret_length, struct error *error);
int config_load_text(const char *path, const char *text, size_t length, const char *module_dir,
	struct config **ret_config, struct error *error, char **ret_details);

/* A later text of what was loaded from a file as `now`, with its secrets, which it takes: for a process that was made with `now` and may
 * since have lost the right to read files or to be who it was. No file is read; `user` and `state_dir` stay now's. */
int config_load_handed_over(const struct config *now, const char *text, size_t length, const char *module_dir,
	struct secrets *secrets, struct config **ret_config, struct error *error, char **ret_details);

/* Makes `next`, freshly loaded, the successor of `now`: queues and pools that both have keep their positions, since these
 * stand for them in everything that is shared; what only `now` has stays, as `removed`, and borrows from `now`, which is
 * therefore never freed. Returns 0; -EPERM naming the first key that a running node cannot change; -E2BIG; -ENOMEM. */
int config_adopt(struct config *next, const struct config *now, struct error *error);

/* What the queues and pools of `config` are called, position by position, with what those that a reload took away still
 * need; owned by the caller (NULL: no memory). config_arrange gives the same positions to `next`, which another process
 * has loaded from the same text; what only the places know is `removed`. Returns 0, -EINVAL, -E2BIG or -ENOMEM. */
json_t *config_places(const struct config *config);
int config_arrange(struct config *next, const json_t *places, struct error *error);

/* The password in a file, without the newline at its end. Owned by the caller, who wipes it by config_free_password. */
int config_read_password(const char *path, char **ret_password, struct error *error);
void config_free_password(char *password);

/* The table of the file's keys (for the manual). */
extern const struct schema config_schema;
/* Of these, what of a queue may be changed while it is in use; fills a struct config_queue, and owns nothing in it. */
extern const struct schema config_queue_settings_schema;

/* The effective configuration, secrets masked (also a password in `broker`): as JSON, and as YAML that musterd reads back.
 * What a reload took away is among it. Owned by the caller (json_decref(), free()); NULL: no memory. */
json_t *config_dump(const struct config *config);
char *config_print(const struct config *config);

/* Index of a queue or pool by name, or -1. */
int config_find_queue(const struct config *config, const char *name, size_t length);
int config_find_pool(const struct config *config, const char *name);

/* The queues' names, for a sentence: as many as `text` has room for, then "...". */
void config_name_queues(const struct config *config, char *text, size_t size);

/* Milliseconds before execution number `execution` + 1 of a task whose execution `execution` (1 …) asked for a retry.
 * `random` is in [0, 1). Pure. */
int64_t config_backoff_ms(const struct config_backoff *backoff, int64_t execution, double random);

#endif
