/* settings: GET /v1/config, the configuration of this node as it holds now: defaults, reloads, scaled pools (but for those
 * scaled to none) and changed queues included.
 *
 * What may be secret is masked: a password in the broker's URL, and the values of `env` and `options`, of which only the names
 * are told. Files of secrets are named, not read. */
#ifndef MUSTER_API_SETTINGS_H
#define MUSTER_API_SETTINGS_H

#include "api/request.h"

void settings_get(struct request *request);

#endif
