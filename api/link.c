#include "api/link.h"

#include "api/promise.h"
#include "core/clock.h"
#include "core/log.h"

#include <errno.h>

static const int64_t call_ns = CLOCK_NS_PER_S;
static const int64_t probe_ns = 50 * CLOCK_NS_PER_MS; /* all others wait while a probe does */
static const int64_t probe_every_ms = 500;
static const unsigned patient_failures = 8; /* about half a second */

int link_open(struct link *link, const struct node *node, const struct promise *promise)
{
	*link = (struct link){.promise = promise, .area = promise->area};
	(void)error_set(&link->why, BROKER_AWAY, "not connected yet");
	int status = broker_open(&link->broker, node->config);
	if (status == 0)
		broker_observe(link->broker, &link->area->roundtrip);
	return status;
}

void link_close(struct link *link)
{
	broker_close(link->broker);
	*link = (struct link){0};
}

int link_begin(struct link *link, int64_t *ret_until_mono_ns, struct error *error)
{
	if (link->clear)
		link->clear(link->context);
	int64_t now = clock_mono_ns();
	promise_renew(link->promise, now);
	if (!link->up)
		return error_set(error, BROKER_AWAY, "%s", link->why.text);
	*ret_until_mono_ns = now + call_ns;
	return 0;
}

/* Whether the broker is there although it refused this one call. */
static bool is_answer(int status)
{
	return status >= 0 || status == BROKER_FULL || status == BROKER_READ_ONLY || status == BROKER_GONE ||
	       status == BROKER_HELD || status == BROKER_UNCOPIED;
}

static void note_answer(struct link *link)
{
	if (link->told)
		log_info("broker is there", LOG_INT("failures", link->failures));
	link->up = true;
	link->told = false;
	link->failures = 0;
	link->area->broker_at = clock_mono_ns();
}

static void note_failure(struct link *link, const struct error *error)
{
	int64_t pause_ms = broker_backoff_ms(++link->failures, 0.5);

	/* At our start the broker may be starting, too. */
	if (!link->told && (link->up || link->failures >= patient_failures)) {
		log_warn("broker is away, asking again until it answers", LOG_TEXT("reason", error->text));
		link->told = true;
	}
	if (pause_ms > probe_every_ms)
		pause_ms = probe_every_ms;
	link->up = false;
	link->why = *error;
	link->probe_at_mono_ns = clock_mono_ns() + pause_ms * CLOCK_NS_PER_MS;
}

int link_end(struct link *link, int status, const struct error *error)
{
	if (is_answer(status))
		note_answer(link);
	else if (status != -ENOMEM)
		note_failure(link, error);
	return status;
}

int link_ask(struct link *link, int64_t timeout_ns, struct error *error)
{
	if (link->clear)
		link->clear(link->context);
	promise_renew(link->promise, clock_mono_ns());
	return link_end(link, broker_ping(link->broker, clock_mono_ns() + timeout_ns, error), error);
}

void link_cut(struct link *link)
{
	struct error error;

	broker_disconnect(link->broker);
	note_failure(link, (error_set(&error, BROKER_AWAY, "it closed the connection"), &error));
	link->probe_at_mono_ns = 0; /* it may be back already: ask at once */
}

int64_t link_probe(struct link *link, int64_t now_mono_ns)
{
	struct error error;

	if (!link->up && now_mono_ns >= link->probe_at_mono_ns)
		(void)link_ask(link, probe_ns, &error);
	return link->up ? INT64_MAX : link->probe_at_mono_ns;
}
