/* metrics: /metrics in Prometheus' text format 0.0.4, or as OpenMetrics 1.0 where the caller accepts it.
 *
 * All but the broker's own come from the scoreboard and go on while the broker is away; the broker is asked once a call. */
#ifndef MUSTER_API_METRICS_H
#define MUSTER_API_METRICS_H

#include "api/request.h"
#include "core/node.h"

void metrics_get(struct request *request);

/* metrics_herd.c: those of the workers. */
void metrics_write_herd(struct buffer *text, struct api *api);

#endif
