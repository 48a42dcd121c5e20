/* notify: what a service manager is told (sd_notify(3)'s protocol: datagrams to the socket that NOTIFY_SOCKET names), and
 * the listening sockets that it hands over (sd_listen_fds(3)). Without a manager all of this does nothing.
 *
 * READY and WATCHDOG come from the supervisor's loop only: a manager that hears them knows that the roll is called. They
 * have another pid than the guardian, so the unit needs NotifyAccess=all. */
#ifndef MUSTER_SERVER_NOTIFY_H
#define MUSTER_SERVER_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* At start, once: takes the manager's variables out of the environment, so that no child inherits them. */
void notify_init(void);

/* Whether anybody wants to be told. */
bool notify_is_wanted(void);

/* Sends assignments separated by line breaks ("READY=1\nSTATUS=…"). Never waits; what does not fit is lost. */
void notify_send(const char *state);

/* How often the manager wants to hear WATCHDOG=1, in nanoseconds; INT64_MAX: never. */
int64_t notify_watchdog_ns(void);

/* How many sockets the manager hands over: descriptors 3, 4, …; 0: none. */
int notify_listeners(void);

/* NOTIFY_SOCKET=… and WATCHDOG_USEC=… (or ""), for the environment of who is going to be this process. Returns false when
 * there is no manager. */
bool notify_print(char *socket_variable, size_t socket_size, char *watchdog_variable, size_t watchdog_size);

#endif
