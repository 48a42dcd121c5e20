/* config_internal: what the files of config share, and nobody else. */
#ifndef MUSTER_CORE_CONFIG_INTERNAL_H
#define MUSTER_CORE_CONFIG_INTERNAL_H

#include "core/config.h"

/* What pools take from when they do not say. */
#define CONFIG_PLAIN_QUEUE "async_task_queue"
#define CONFIG_POOL_QUEUES "{\"default\": 1, \"" CONFIG_PLAIN_QUEUE "\": 1}"

/* What is known beside the values themselves when they are looked at as a whole. */
struct config_context {
	struct config *config;
	const char *directory; /* absolute: what relative paths are relative to */
	const char *module_dir;
	const struct config *now; /* what it follows, in a process that cannot look for itself; NULL: none */
	struct schema_faults *faults;
	struct schema_faults *warnings;
	int status; /* 0 or -ENOMEM */
};

enum { CONFIG_SOCKET_PATH_MAX = 107 }; /* what sun_path holds, without its NUL */

/* ---- the tables, config_table*.c ---- */

extern const struct schema config_queue_schema;
extern const struct schema config_list_schema; /* {key, db} of a queue's `list` */

struct config_list {
	char *key;
	int64_t db; /* SCHEMA_NONE: the broker's */
};

/* 1–CONFIG_NAME_MAX letters, digits, `_`, `.`, `-`: safe in keys, URLs, metrics and process titles. */
bool config_name_is_valid(const char *name);

/* ---- config_queues.c: queues, pools and what they say of each other; config_places.c: addresses, files, accounts.
 * Faults go into the context. ---- */

void config_check_queues(struct config_context *context);
void config_check_places(struct config_context *context);

/* config_auth.c: tokens and who may be listened to; after the queues. */
void config_check_auth(struct config_context *context);

/* Whether an address of `listen` that is well written can be reached from other machines. */
bool config_is_public(const char *address);

/* Relative to the file's directory. */
void config_make_absolute(struct config_context *context, char **path);

/* ---- config_program.c ---- */

/* Checks of one value, for the tables. */
int config_check_env(const json_t *value, struct error *error);
int config_check_umask(const json_t *value, struct error *error);
int config_check_rlimits(const json_t *value, struct error *error);

/* What is said of a program that is given: its places become absolute, its user is looked for. Faults, below `pointer`, go
 * into the context. */
void config_check_program(struct config_context *context, struct config_program *program, const char *pointer);

/* What runs in a pool of kind service; after the handlers. */
void config_check_service(struct config_context *context, struct config_pool *pool, const char *pointer);

/* ---- config_http.c: the class Http ---- */

int config_check_secrets(const json_t *value, struct error *error);

/* Of a handler that is a URL: finds what calls it, and its options. `pointer` is the handler's. */
void config_check_caller(struct config_context *context, struct config_handler *handler, const char *pointer);

/* Checks what is said of it, and adds it to the handlers, if it was built and they do not name it. Before the handlers are
 * checked. */
void config_check_http(struct config_context *context);

/* ---- config_broker.c ---- */

/* Takes `broker` apart. `embedded` leaves path NULL. Returns 0, -EINVAL or -ENOMEM. */
int config_parse_password(const char *path, const char *text, size_t length, char **ret_password, struct error *error);
enum { CONFIG_PASSWORD_MAX = 4096 }; /* bytes of its file */

int config_broker_parse(const char *broker, struct config_broker *ret_broker, struct error *error);
void config_broker_fini(struct config_broker *broker);

/* The URL without its password; owned by the caller (NULL: no memory). */
char *config_broker_mask(const char *broker);

/* ---- config_yaml.c: the door to libyaml ---- */

/* Reads one document. *ret_lines: an object, JSON pointer → line. Both owned. `name` is the file's, for errors.
 * Returns 0; -EINVAL with "FILE:LINE: sentence"; -ENOMEM. */
int config_yaml_read(
	const char *name, const char *text, size_t length, json_t **ret_value, json_t **ret_lines, struct error *error);

/* Owned by the caller (free()); NULL: no memory. */
char *config_yaml_write(const json_t *value);

#endif
