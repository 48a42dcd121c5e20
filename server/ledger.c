#include "server/ledger.h"

#include "core/clock.h"
#include "core/log.h"

enum {
	AMISS_S = 5,            /* scripts count and move in one step, so even one second would be long */
	FULL_OVER_PERCENT = 75, /* said to be over below this, lest it is said again and again */
};

void ledger_init(struct ledger *ledger, const struct config *config, struct broker *broker)
{
	*ledger = (struct ledger){.config = config, .broker = broker};
}

static void say_persistence(enum broker_persistence persistence)
{
	switch (persistence) {
	case BROKER_KEEPS_NOTHING:
		log_warn("the broker keeps nothing on disk: when Redis ends, all tasks are lost; set appendonly yes");
		break;
	case BROKER_KEEPS_SNAPSHOTS:
		log_warn("the broker keeps snapshots only: when Redis ends, tasks since the last one are lost; set "
			 "appendonly yes");
		break;
	case BROKER_KEEPS_UNKNOWN:
	case BROKER_KEEPS_ALL: break;
	}
}

static int look_at_persistence(struct ledger *ledger, int64_t until_mono_ns, struct error *error)
{
	enum broker_persistence persistence;

	if (ledger->persistence_known || ledger->config->address.kind == CONFIG_BROKER_EMBEDDED)
		return 0;
	int status = broker_persistence(ledger->broker, &persistence, until_mono_ns, error);
	if (status < 0)
		return status;
	ledger->persistence_known = true;
	say_persistence(persistence);
	return 0;
}

static int look_at_mark(struct ledger *ledger, int64_t until_mono_ns, struct error *error)
{
	int status = broker_mark(ledger->broker, ledger->mark, until_mono_ns, error);

	if (status <= 0)
		return status;
	log_error("the broker was emptied behind Muster's back (FLUSHALL, a restart without its data, another Redis): "
		  "all tasks from before are lost, going on with what is there");
	broker_disconnect(ledger->broker); /* the next connection writes the layout's number again */
	ledger->persistence_known = false;
	return 0;
}

static void judge_accounts(struct ledger *ledger, const struct broker_state *state)
{
	int64_t now = clock_mono_ns();

	if (state->unaccounted == 0) {
		if (ledger->amiss_told)
			log_info("all tasks are accounted for again");
		ledger->amiss_since = 0;
		ledger->amiss_told = false;
		return;
	}
	if (ledger->amiss_since == 0)
		ledger->amiss_since = now;
	if (ledger->amiss_told || now - ledger->amiss_since < AMISS_S * CLOCK_NS_PER_S)
		return;
	ledger->amiss_told = true;
	log_error("tasks are unaccounted for: submitted and revived less ended and alive is not 0",
		LOG_INT("unaccounted", state->unaccounted));
}

static void judge_memory(struct ledger *ledger, const struct broker_state *state)
{
	int percent = broker_memory_percent(state);

	if (!ledger->full_told && percent >= BROKER_MEMORY_WARN_PERCENT) {
		log_warn("the broker's memory is nearly full: at its bound submissions are refused (429)",
			LOG_INT("percent", percent), LOG_INT("bytes", state->memory_bytes),
			LOG_INT("limit", state->memory_limit));
		ledger->full_told = true;
	} else if (ledger->full_told && percent < FULL_OVER_PERCENT) {
		log_info("the broker has memory again", LOG_INT("percent", percent));
		ledger->full_told = false;
	}
}

int ledger_look(struct ledger *ledger, int64_t until_mono_ns, struct error *error)
{
	struct broker_depth depths[CONFIG_QUEUES_MAX];
	struct broker_state state;

	int status = look_at_persistence(ledger, until_mono_ns, error);
	if (status == 0)
		status = look_at_mark(ledger, until_mono_ns, error);
	if (status == 0)
		status = broker_depths(ledger->broker, depths, &state, until_mono_ns, error);
	if (status < 0)
		return status;
	judge_accounts(ledger, &state);
	judge_memory(ledger, &state);
	return 0;
}
