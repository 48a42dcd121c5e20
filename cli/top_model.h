/* top_model: what `muster top` shows, without the screen: the last answers, and rates since.
 *
 * Events of the server change it at once and bring the next look forward; ages, rates and sizes, of which no event tells, are
 * asked for once a second, and twice where there are no events. */
#ifndef MUSTER_CLI_TOP_MODEL_H
#define MUSTER_CLI_TOP_MODEL_H

#include "cli/client.h"

#include <stdbool.h>
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
	json_t *failed;           /* owned: the tasks that died last; never NULL */
	json_t *restarts;         /* owned: of each worker, at the last look; never NULL */
	json_t *task;             /* owned: the one that is looked into; NULL: none, or it is not known (any longer) */
	char trouble[ERROR_TEXT_MAX]; /* what keeps the node from its work; "": nothing */
	char news[ERROR_TEXT_MAX];    /* the last thing that went wrong; "": nothing did */
	struct top_rates rates[TOP_QUEUES_MAX];
	size_t rate_count;
	enum top_sort sort;
	bool live;                                       /* events come */
	int64_t looked_mono_ns;                          /* when it was answered last; 0: never */
	int64_t rated_mono_ns;                           /* when rates were taken last; 0: never */
	int64_t look_at_mono_ns, look_around_at_mono_ns; /* when it asks next: workers and queues; the rest */
	struct error error;                              /* why it was not at the last look; "": it was */
};

void top_model_init(struct top_model *model);
void top_model_fini(struct top_model *model);

/* Asks the server for what is due; task: the id of the one that is looked into, or "". What it had stays when there is no
 * answer. */
void top_model_look(struct top_model *model, struct client *client, const char *task);
int64_t top_model_next_look(const struct top_model *model); /* mono ns */

/* One event of /v1/events. */
void top_model_hear(struct top_model *model, const char *type, const json_t *data);

/* Seconds since it was answered last. */
double top_model_age(const struct top_model *model);

void top_model_sort(struct top_model *model);

/* From 0 (just beaten) to 1 (its promise is broken); -1: it does not beat. */
double top_beat_fill(const json_t *worker);

/* NULL: nothing is known of it yet. Borrowed. */
const struct top_rates *top_model_rates(const struct top_model *model, const char *queue);

#endif
