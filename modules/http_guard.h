/* http_guard: which addresses the class Http may connect to.
 *
 * A task's URL comes from whoever may submit tasks; it must not reach what only this machine or its network can reach.
 * The address itself is judged, after its name was resolved and just before it is connected to, so that neither a name that
 * points inwards nor a redirect gets around it. Ranges: the special-purpose registries of RFC 6890, and multicast. */
#ifndef MUSTER_MODULES_HTTP_GUARD_H
#define MUSTER_MODULES_HTTP_GUARD_H

#include <jansson.h>
#include <sys/socket.h>

/* Why the address may not be connected to, as a few words ("a loopback address"); NULL: it may. `host` is the name or
 * address that the URL has. `allow` lifts it: an array of hosts ("hooks.internal") and
 * networks ("10.1.0.0/16", "::1"); NULL: none. */
const char *http_guard_refuses(const struct sockaddr *address, const char *host, const json_t *allow);

#endif
