#include "core/backoff.h"

#include "core/clock.h"

int64_t backoff_restart_ns(uint32_t streak, double random)
{
	int64_t ms = BACKOFF_MAX_MS;

	if (streak <= 1)
		return 0;
	if (streak - 2 < 6 && (int64_t)BACKOFF_BASE_MS << (streak - 2) < ms)
		ms = (int64_t)BACKOFF_BASE_MS << (streak - 2);
	return (int64_t)((double)(ms * CLOCK_NS_PER_MS) * (1 - random / 4));
}
