#include "server/policy.h"

#include "core/backoff.h"
#include "core/clock.h"

#include <signal.h>

static int64_t later(int64_t at, int64_t by)
{
	return at > POLICY_NEVER - by ? POLICY_NEVER : at + by;
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static struct policy_decision wait_until(int64_t until)
{
	return (struct policy_decision){POLICY_WAIT, ORDER_NONE, until};
}

static struct policy_decision act(enum policy_action action, enum scoreboard_order order)
{
	return (struct policy_decision){action, order, POLICY_NEVER};
}

static struct policy_decision decide_dead(const struct policy_view *view, int64_t now)
{
	if (!view->wanted || view->parked)
		return wait_until(POLICY_NEVER);
	if (view->start_at > now)
		return wait_until(view->start_at);
	return act(POLICY_START, ORDER_NONE);
}

/* Who was told to end at once has kill_grace for it; who takes no orders has nothing. */
static struct policy_decision end(const struct policy_view *view, enum scoreboard_order order)
{
	return act(view->obeys ? POLICY_ABORT : POLICY_KILL, order);
}

static struct policy_decision decide_alive(const struct policy_view *view, int64_t now)
{
	const int64_t cancel = later(view->cancel_at, view->kill_grace_ns);
	const int64_t limit = view->drain ? view->stop_at : POLICY_NEVER;

	if (view->order == ORDER_KILL || view->order == ORDER_MEMORY)
		return wait_until(POLICY_NEVER); /* nothing outlives SIGKILL: its obituary comes */
	if (view->at_once)
		return act(POLICY_KILL, ORDER_STOP);
	if (view->order >= ORDER_CANCEL) {
		int64_t kill = earlier(later(view->order_at, view->kill_grace_ns), limit);
		return now >= kill ? act(POLICY_KILL, view->order) : wait_until(kill);
	}
	if (now > view->promise)
		return end(view, ORDER_ABORT);
	if (now >= cancel)
		return end(view, ORDER_CANCEL);
	if (view->drain && now >= view->abort_at)
		return end(view, ORDER_STOP);
	if (view->drain && view->order == ORDER_NONE)
		return act(POLICY_DRAIN, ORDER_DRAIN);
	/* A promise is broken one nanosecond after it. */
	return wait_until(
		earlier(later(view->promise, 1), earlier(cancel, view->drain ? view->abort_at : POLICY_NEVER)));
}

struct policy_decision policy_decide(const struct policy_view *view, int64_t now_mono_ns)
{
	switch (view->life) {
	case LIFE_NEVER:
	case LIFE_DEAD: return decide_dead(view, now_mono_ns);
	case LIFE_STARTING: /* a supervisor died over it, or the machine had no process to spare: finish, wanted or not */
		return view->start_at > now_mono_ns ? wait_until(view->start_at) : act(POLICY_START, ORDER_NONE);
	case LIFE_ALIVE: return decide_alive(view, now_mono_ns);
	}
	__builtin_unreachable();
}

enum scoreboard_reason policy_reason(const struct policy_death *death)
{
	switch (death->order) {
	case ORDER_ABORT: return REASON_TIMEOUT;
	case ORDER_MEMORY: return REASON_MEMORY;
	case ORDER_DRAIN:
		if (!death->exited)
			return REASON_SIGNAL; /* it was asked to leave, and something else killed it */
		return death->status == 0 ? REASON_ORDER : REASON_EXIT;
	case ORDER_CANCEL:
	case ORDER_STOP:
	case ORDER_KILL: return REASON_ORDER;
	case ORDER_NONE:
		if (!death->exited)
			return REASON_SIGNAL;
		return death->leaving == LEAVING_RECYCLED && death->status == 0 ? REASON_RECYCLED : REASON_EXIT;
	}
	__builtin_unreachable();
}

bool policy_parks(const struct policy_death *death)
{
	if (death->order != ORDER_NONE)
		return false;
	/* SIGKILL comes from outside, from a person or from the kernel out of memory: it says nothing about the class. */
	if (!death->exited && death->status == SIGKILL)
		return false;
	return death->leaving == LEAVING_UNFIT ||
	       (death->exited && death->status == POLICY_EXIT_CONFIG && !death->was_ready);
}

bool policy_stops_roll(const struct policy_failures *fresh, const struct policy_failures *old)
{
	if (fresh->deaths < POLICY_ROLL_DEATHS)
		return false;
	return (double)fresh->deaths * (double)old->lived_ns > 2.0 * (double)old->deaths * (double)fresh->lived_ns;
}

uint32_t policy_streak(const struct policy_death *death, uint32_t streak)
{
	bool young = death->lived_ns < BACKOFF_YOUNG_MS * CLOCK_NS_PER_MS && !death->started_task;

	if (!young || death->leaving == LEAVING_RECYCLED || death->order != ORDER_NONE)
		return 0;
	return streak < UINT32_MAX ? streak + 1 : streak;
}
