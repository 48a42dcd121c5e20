/* clock: the two clocks of Muster and how they are written down.
 *
 * Monotonic nanoseconds (CLOCK_MONOTONIC) are for deadlines and ages; they are absolute wherever they are passed down.
 * Wall milliseconds (CLOCK_REALTIME) are for people and for what outlives a boot. The two are never mixed: names say
 * which one a value is (`_mono_ns`, `_at_ms`). Any process and thread may call these. */
#ifndef MUSTER_CORE_CLOCK_H
#define MUSTER_CORE_CLOCK_H

#include <stdint.h>

#define CLOCK_NS_PER_MS INT64_C(1000000)
#define CLOCK_NS_PER_S  INT64_C(1000000000)
#define CLOCK_LAST_MS   INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z: later ones have no written form */

enum { CLOCK_TEXT_SIZE = sizeof "2026-11-23T14:13:00.123Z" };

int64_t clock_mono_ns(void);
int64_t clock_wall_ms(void);

/* The monotonic time so many milliseconds from now. */
int64_t clock_mono_after(int64_t ms);

/* Milliseconds left until the absolute monotonic time, rounded up, at least 0, at most INT_MAX: fit for poll(2). */
int clock_ms_until(int64_t until_mono_ns);

/* RFC 3339 in UTC with milliseconds. at_ms: 0 … CLOCK_LAST_MS. */
void clock_format(char text[CLOCK_TEXT_SIZE], int64_t at_ms);

/* Reads an RFC 3339 time ("2026-11-23T14:13:00Z", an offset instead of Z, any fraction). Returns 0, or -EINVAL, also for
 * one that is beyond CLOCK_LAST_MS in UTC. */
int clock_parse(const char *text, int64_t *ret_at_ms);

#endif
