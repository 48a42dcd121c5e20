/* ledger: what the scheduler looks for in the broker each second, and says in the log when it begins and when it is over.
 *
 * Tasks that the counts cannot account for; a broker that was emptied or exchanged; one whose memory is nearly full; once,
 * at the first look: an external Redis that does not keep its data. Scheduler only. */
#ifndef MUSTER_SERVER_LEDGER_H
#define MUSTER_SERVER_LEDGER_H

#include "core/broker.h"

struct ledger {
	const struct config *config;
	struct broker *broker; /* borrowed */
	char mark[ID_LENGTH + 1];
	bool persistence_known;
	int64_t amiss_since; /* mono ns: tasks are unaccounted for since then; 0: none is */
	bool amiss_told, full_told;
};

void ledger_init(struct ledger *ledger, const struct config *config, struct broker *broker);

/* Looks once. Returns 0, or a failure of the broker. */
int ledger_look(struct ledger *ledger, int64_t until_mono_ns, struct error *error);

#endif
