/* config_rows: what the tables of the configuration share, and nobody else. A table is a section of the file; config_table.c
 * has the outermost one, which nests the others. How a row reads: core/schema.h. */
#ifndef MUSTER_CORE_CONFIG_ROWS_H
#define MUSTER_CORE_CONFIG_ROWS_H

#include "core/config_internal.h"

/* Milliseconds, and bytes, as doubles: ranges of rows. */
#define SECOND 1e3
#define HOUR   (3600 * SECOND)
#define DAY    (24 * HOUR)
#define KIB    1024.0
#define MIB    (1024 * KIB)
#define GIB    (1024 * MIB)
#define TIB    (1024 * GIB)

/* config_table_access.c */
extern const struct schema config_auth_schema, config_tls_schema, config_broker_tls_schema, config_http_schema;

/* config_table_pools.c */
extern const struct schema config_pool_schema, config_handler_schema;

/* Checks of one value that more than one table makes. */
int config_check_name(const json_t *value, struct error *error);
int config_check_not_empty(const json_t *value, struct error *error);

#endif
