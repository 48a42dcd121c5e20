#include "api/promise.h"

#include "core/clock.h"
#include "core/io.h"

static const int64_t promised_ns = 10 * CLOCK_NS_PER_S;

void promise_renew(const struct promise *promise, int64_t now_mono_ns)
{
	promise->area->beat_at = now_mono_ns;
	promise->area->alive_until = now_mono_ns + promised_ns;
	if (now_mono_ns + promised_ns < promise->node->scoreboard->header->wake_at)
		io_bell_ring(promise->node->bell_supervisor);
}
