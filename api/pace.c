#include "api/pace.h"

#include "api/link.h"
#include "core/clock.h"

#include <math.h>
#include <string.h>

static const int64_t every_ns = CLOCK_NS_PER_S;
static const int64_t fresh_ns = 3 * CLOCK_NS_PER_S; /* a look that is older says nothing */
static const int64_t wanted_ns = 5 * CLOCK_NS_PER_S;

enum { RETRY_MAX_S = 600, RETRY_UNKNOWN_S = 5 };

/* Half of what a rate says is what it said before. */
static double smooth(double before, double now)
{
	return before > 0 ? (before + now) / 2 : now;
}

void pace_note(struct pace *pace, const struct broker_depth *depths, size_t queue_count, int64_t now_mono_ns)
{
	double seconds = (double)(now_mono_ns - pace->looked_mono_ns) / (double)CLOCK_NS_PER_S;
	bool follows = pace->looked_mono_ns > 0 && now_mono_ns - pace->looked_mono_ns < fresh_ns && seconds > 0;

	for (size_t i = 0; i < queue_count; i++) {
		struct pace_queue *queue = &pace->queues[i];
		int64_t ended = depths[i].succeeded_total + depths[i].dead_total + depths[i].cancelled_total;
		queue->rate = follows ? smooth(queue->rate, (double)(ended - queue->ended) / seconds) : 0;
		queue->ended = ended;
		queue->pending = depths[i].pending;
	}
	pace->before_mono_ns = follows ? pace->looked_mono_ns : 0;
	pace->looked_mono_ns = now_mono_ns;
}

int64_t pace_turn(struct pace *pace, const struct config *config, struct link *link, int64_t now_mono_ns)
{
	struct broker_depth depths[CONFIG_QUEUES_MAX];
	struct broker_state state;
	struct error error;
	int64_t until;

	if (now_mono_ns - pace->wanted_mono_ns > wanted_ns || pace->wanted_mono_ns == 0)
		return INT64_MAX;
	if (now_mono_ns < pace->looked_mono_ns + every_ns)
		return pace->looked_mono_ns + every_ns;
	int status = link_begin(link, &until, &error);
	if (status == 0)
		status = link_end(link, broker_depths(link->broker, depths, &state, until, &error), &error);
	if (status == 0)
		pace_note(pace, depths, config->queue_count, clock_mono_ns());
	else
		pace->looked_mono_ns = 0; /* what was seen before an absence says nothing about the time behind it */
	return now_mono_ns + every_ns;
}

/* The rate of the queue, 0 when nobody knows. */
static double rate_of(const struct pace *pace, int queue, int64_t now_mono_ns)
{
	if (pace->before_mono_ns == 0 || now_mono_ns - pace->looked_mono_ns > fresh_ns)
		return 0;
	return pace->queues[queue].rate;
}

double pace_wait_s(const struct pace *pace, int queue, int64_t now_mono_ns)
{
	double rate = rate_of(pace, queue, now_mono_ns);
	double wait = rate > 0 ? (double)pace->queues[queue].pending / rate : 0;

	return wait >= 1 ? round(wait * 10) / 10 : 0;
}

int pace_retry_s(const struct pace *pace, const struct config *config, int queue, int64_t count, int64_t now_mono_ns)
{
	double rate = rate_of(pace, queue, now_mono_ns);
	int64_t over = pace->queues[queue].pending + count - config->queues[queue].max_depth;

	if (rate <= 0)
		return RETRY_UNKNOWN_S;
	double wait = ceil((double)(over > count ? over : count) / rate);
	return wait > RETRY_MAX_S ? RETRY_MAX_S : wait < 1 ? 1 : (int)wait;
}
