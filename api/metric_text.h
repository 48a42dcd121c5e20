/* metric_text: how a metric is written in Prometheus' text format.
 *
 *     metric_head(text, "muster_broker_up", "gauge", "Whether the broker answers");
 *     metric_value(text, "muster_broker_up", 1);                                      → muster_broker_up 1
 *     metric_value(text, "muster_queue_depth", 3, "queue", name, "state", "dead");    → muster_queue_depth{queue=…} 3
 *
 * Labels are pairs of C strings; values of labels are escaped here. The text is written to a buffer whose status tells
 * at the end whether it fitted. */
#ifndef MUSTER_API_METRIC_TEXT_H
#define MUSTER_API_METRIC_TEXT_H

#include "core/buffer.h"
#include "core/scoreboard.h"

enum { METRIC_LABELS = 3 }; /* most labels of one metric */

struct metric_labels {
	const char *pairs[2 * METRIC_LABELS + 1]; /* name, value, …, NULL */
};

#define METRIC_LABELLED(...) (&(struct metric_labels){{__VA_ARGS__ __VA_OPT__(, ) NULL}})

#define metric_value(text, name, value, ...) metric_write((text), (name), (double)(value), METRIC_LABELLED(__VA_ARGS__))

void metric_head(struct buffer *text, const char *name, const char *type, const char *help);
void metric_write(struct buffer *text, const char *name, double value, const struct metric_labels *labels);

/* name_bucket, name_sum, name_count; in seconds. At most METRIC_LABELS - 1 labels. */
void metric_histogram(struct buffer *text, const char *name, const struct scoreboard_histogram *histogram,
	const struct metric_labels *labels);

/* The same text as OpenMetrics 1.0 has it: the family of a counter goes without its _total, and the end is marked. */
void metric_open(const struct buffer *text, struct buffer *open);

/* Adds what `from` counted. `sum` is nobody else's. */
void metric_add_histogram(struct scoreboard_histogram *sum, const struct scoreboard_histogram *from);

#endif
