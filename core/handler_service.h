/* handler_service: a module's own loop (include/muster.h, struct muster_service), for the workers of a pool of kind service.
 *
 * Beside handlers, in core/handler_module.c: the same door to shared objects. All but handler_service_exiting is for the worker's
 * first thread. */
#ifndef MUSTER_CORE_HANDLER_SERVICE_H
#define MUSTER_CORE_HANDLER_SERVICE_H

#include "core/handler.h"

struct handler_service;

/* Loads the shared object at an absolute path. Borrows host until handler_service_close. Returns 0 or a negative errno with the
 * sentence: --check stops here. */
int handler_service_open(struct handler_service **ret_service, const char *path, const char *name,
	const struct handler_host *host, struct error *error);
void handler_service_close(struct handler_service *service); /* the module stays mapped */

/* Once, before the first turn. Returns 0 or a negative errno with the sentence. */
int handler_service_start(const struct handler_service *service, struct error *error);

/* One call of its hook. Returns what that returns: 0: go on. */
int handler_service_turn(const struct handler_service *service);

/* Its `exiting` hook. `stuck`: from the second thread, while the first is in handler_service_turn. */
void handler_service_exiting(const struct handler_service *service, bool stuck);

#endif
