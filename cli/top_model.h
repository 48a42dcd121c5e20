/* top_model: what `muster top` shows, without the screen: the last answers, and rates since. */
#ifndef MUSTER_CLI_TOP_MODEL_H
#define MUSTER_CLI_TOP_MODEL_H

#include "cli/client.h"

#include <stdint.h>

enum { TOP_HISTORY = 30, TOP_QUEUES_MAX = 256 };

enum top_sort { TOP_BY_NAME, TOP_BY_STATE, TOP_BY_BEAT, TOP_BY_RUNNING, TOP_BY_MEMORY, TOP_BY_RESTARTS, TOP_SORTS };

extern const char *const top_sort_names[TOP_SORTS];

struct top_rates { /* of one queue */
	char name[128];
	int64_t ended_total;       /* succeeded and dead, at the last look */
	double ended[TOP_HISTORY]; /* per second, the latest last */
	double failed;             /* per second, at the last look */
	int64_t dead_total;
};

struct top_model {
	json_t *workers, *queues; /* owned: arrays as they were answered last, the workers sorted; never NULL */
	struct top_rates rates[TOP_QUEUES_MAX];
	size_t rate_count;
	enum top_sort sort;
	int64_t looked_mono_ns; /* when it was answered last; 0: never */
	struct error error;     /* why it was not at the last look; "": it was */
};

void top_model_init(struct top_model *model);
void top_model_fini(struct top_model *model);

/* Asks the server. What it had stays when there is no answer. */
void top_model_look(struct top_model *model, struct client *client);
void top_model_sort(struct top_model *model);

/* From 0 (just beaten) to 1 (its promise is broken); -1: it does not beat. */
double top_beat_fill(const json_t *worker);

/* NULL: nothing is known of it yet. Borrowed. */
const struct top_rates *top_model_rates(const struct top_model *model, const char *queue);

#endif
