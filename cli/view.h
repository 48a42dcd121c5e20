/* view: members of what the server answered, and values as people read them. Pure.
 *
 * A member that is absent, null or of another type is "", 0 or -1: a server of another version may not have it. */
#ifndef MUSTER_CLI_VIEW_H
#define MUSTER_CLI_VIEW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum { VIEW_SIZE = 32 };

struct view_text {
	char text[VIEW_SIZE];
};

const char *view_string(const json_t *object, const char *name); /* "" */
int64_t view_integer(const json_t *object, const char *name);    /* 0; a real is cut */
double view_seconds(const json_t *object, const char *name);     /* -1 */
bool view_flag(const json_t *object, const char *name);          /* false */

/* "0.3s" "12s" "4m12s" "3h07m" "5d02h"; "-" for less than 0. */
struct view_text view_age(double seconds);
/* 1234567 → "1,234,567" */
struct view_text view_count(int64_t count);
/* 1536 → "1.5 KiB" */
struct view_text view_bytes(int64_t bytes);
/* "4m12s", since that time (RFC 3339) was; "-" for none. */
struct view_text view_since(const char *time, int64_t now_ms);

#endif
