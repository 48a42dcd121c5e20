#include "server/bell.h"

#include "core/broker.h"
#include "core/clock.h"
#include "server/worker.h"

enum { SAY_MS = 250, AGAIN_MS = 1000 };

static void lose(struct bell *bell, int64_t now_mono_ns)
{
	broker_disconnect(bell->broker);
	bell->listens = false;
	bell->again_mono_ns = now_mono_ns + AGAIN_MS * CLOCK_NS_PER_MS;
}

void bell_listen(struct bell *bell, const struct worker *worker, int64_t now_mono_ns)
{
	const struct config_pool *pool = worker->pool;
	int queues[CONFIG_QUEUES_MAX];
	struct error error;

	if (bell->listens || now_mono_ns < bell->again_mono_ns ||
		(!bell->broker && broker_open(&bell->broker, worker->node->config) < 0))
		return;
	for (size_t i = 0; i < pool->queue_count; i++)
		queues[i] = pool->queues[i].queue;
	bell->listens = true;
	if (broker_wait_bells(bell->broker, queues, pool->queue_count, clock_mono_after(SAY_MS), &error) < 0)
		lose(bell, now_mono_ns);
}

int bell_fd(const struct bell *bell)
{
	return bell->listens ? broker_fd(bell->broker) : -1;
}

bool bell_rang(struct bell *bell)
{
	struct error error;

	if (!bell->listens)
		return false;
	const int status = broker_wait_finish(bell->broker, &error);
	if (status < 0)
		lose(bell, clock_mono_ns());
	else if (status > 0)
		bell->listens = false;
	return status != 0;
}

void bell_hush(struct bell *bell)
{
	if (bell->listens)
		broker_disconnect(bell->broker);
	bell->listens = false;
}
