#include "api/throttle.h"

#include "core/clock.h"

#include <netinet/in.h>
#include <string.h>

uint64_t throttle_key(const struct sockaddr *address)
{
	uint64_t prefix = 0;

	if (!address)
		return 0;
	if (address->sa_family == AF_INET)
		return (uint64_t)1 << 32 | ((const struct sockaddr_in *)address)->sin_addr.s_addr;
	if (address->sa_family != AF_INET6)
		return 0;
	const struct in6_addr *from = &((const struct sockaddr_in6 *)address)->sin6_addr;
	if (IN6_IS_ADDR_V4MAPPED(from)) {
		uint32_t v4;
		memcpy(&v4, &from->s6_addr[12], sizeof v4);
		return (uint64_t)1 << 32 | v4;
	}
	memcpy(&prefix, from->s6_addr, sizeof prefix);
	return prefix != 0 ? prefix : 1; /* ::1 */
}

/* Multiplied by an odd constant, the upper bits depend on all of the key's. */
static size_t set_of(uint64_t key)
{
	return (size_t)((key * 0x9e3779b97f4a7c15U) >> 54) % THROTTLE_SETS;
}

static struct throttle_bucket *find_bucket(struct throttle *throttle, uint64_t key)
{
	struct throttle_bucket *set = throttle->buckets[set_of(key)], *oldest = &set[0];

	for (int i = 0; i < THROTTLE_WAYS; i++) {
		if (set[i].key == key)
			return &set[i];
		if (set[i].at_ns < oldest->at_ns)
			oldest = &set[i];
	}
	oldest->key = 0;
	return oldest;
}

int throttle_take(struct throttle *throttle, uint64_t key, int64_t per_second, int64_t now_mono_ns)
{
	struct throttle_bucket *bucket = find_bucket(throttle, key);
	const double most = (double)per_second;

	if (bucket->key == 0)
		*bucket = (struct throttle_bucket){key, now_mono_ns, most};
	bucket->tokens += most * (double)(now_mono_ns - bucket->at_ns) / (double)CLOCK_NS_PER_S;
	if (bucket->tokens > most)
		bucket->tokens = most;
	bucket->at_ns = now_mono_ns;
	if (bucket->tokens < 1)
		return 1; /* a bucket holds at least one request, and fills within a second */
	bucket->tokens -= 1;
	return 0;
}
