/* service: the life of a worker in a pool of kind service: a loop of its own instead of tasks, that of a module or of a
 * program. Same roll call: a module's hook renews the promise each time it is called and whenever it beats, a program
 * whenever it says so. Same orders: SIGTERM means to leave (after kill_grace without the loop's consent), SIGUSR1 at once. */
#ifndef MUSTER_SERVER_SERVICE_H
#define MUSTER_SERVER_SERVICE_H

#include "server/worker.h"

/* First thread: loads what the pool says, before the second thread is started. Returns 0, or a negative errno with the
 * sentence: the worker gives up its slot. */
int service_prepare(struct worker *worker, struct error *error);

/* First thread: runs it to its end. Returns the worker's exit status; mirrors a program that was ended by a signal. */
int service_run(struct worker *worker);

/* Second thread, for the three signals of orders.h. */
void service_drain(struct worker *worker);
void service_abort(struct worker *worker); /* does not return */
void service_is_overdue(struct worker *worker);

#endif
