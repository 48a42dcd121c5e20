/* throttle: how many requests a client may make in a second, by its address. Pure: one thread, time is handed in.
 *
 * Each address has a bucket that holds a second's requests and fills steadily. An IPv6 client is its /64, since it has all of
 * that. The table is bounded: whoever was not seen for longest is forgotten, which does no harm after a second. */
#ifndef MUSTER_API_THROTTLE_H
#define MUSTER_API_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum { THROTTLE_SETS = 1024, THROTTLE_WAYS = 8 };

struct throttle_bucket {
	uint64_t key; /* 0: unused */
	int64_t at_ns;
	double tokens; /* at that time */
};

struct throttle {
	struct throttle_bucket buckets[THROTTLE_SETS][THROTTLE_WAYS];
};

/* 0: one that is not counted (a unix socket's). */
uint64_t throttle_key(const struct sockaddr *address);

/* Takes one request out of the address' bucket. Returns 0, or the whole seconds after which there will be one. */
int throttle_take(struct throttle *throttle, uint64_t key, int64_t per_second, int64_t now_mono_ns);

#endif
