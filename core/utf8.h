/* utf8: one character at a time of bytes that may be anything.
 *
 * For the two places that write text from outside for people: error.c and log.c. Pure. */
#ifndef MUSTER_CORE_UTF8_H
#define MUSTER_CORE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads the character at the start of length bytes. Returns how many bytes it has (1–4), or 0 when they are no UTF-8
 * (overlong, a surrogate, beyond U+10FFFF, cut off, length 0). */
size_t utf8_decode(const char *bytes, size_t length, uint32_t *ret_point);

/* Must not reach a terminal or a log as it is: control characters (C0, DEL, C1), and what breaks or reorders a line. */
bool utf8_is_unprintable(uint32_t point);

#endif
