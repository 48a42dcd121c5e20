/* units: durations and sizes as people write them (`500ms 10s 5m 1h 7d`, `64KiB 1MiB`), and the one number parser.
 *
 * Durations are milliseconds, sizes are bytes; both are never negative and fit in an int64_t. A decimal fraction is
 * allowed where it ends in whole milliseconds ("1.5s"). All return 0, -EINVAL (not of the form) or -ERANGE. */
#ifndef MUSTER_CORE_UNITS_H
#define MUSTER_CORE_UNITS_H

#include <stddef.h>
#include <stdint.h>

enum { UNITS_TEXT_SIZE = 32 };

int units_parse_integer(const char *text, int64_t minimum, int64_t maximum, int64_t *ret_value);
int units_parse_duration(const char *text, int64_t *ret_ms); /* units: ms s m h d */
int units_parse_size(const char *text, int64_t *ret_bytes);  /* units: B KiB MiB GiB TiB, or none for bytes */

/* The shortest exact form without a fraction: 60000 → "1m", 1536 → "1536B", 65536 → "64KiB". */
void units_format_duration(char text[UNITS_TEXT_SIZE], int64_t ms);
void units_format_size(char text[UNITS_TEXT_SIZE], int64_t bytes);

#endif
