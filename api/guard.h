/* guard: who may call at all. Pages of other sites may not, whatever trick their browser is made to play.
 *
 * Without tokens the API trusts whoever can open a connection to a loopback address or a unix socket. A browser can, for
 * any page: by a name that was rebound to 127.0.0.1 (then Host shows that name), or across sites (then Origin or
 * Sec-Fetch-Site shows it; answers stay unreadable to it, so only calls that change something matter). */
#ifndef MUSTER_API_GUARD_H
#define MUSTER_API_GUARD_H

#include <stdbool.h>

struct guard_question {
	bool tokens;      /* are configured: then nobody is trusted for where he comes from */
	bool loopback;    /* only this machine reaches the listener */
	bool unix_socket; /* no browser connects to one: any Host is good */
	bool changes;
	bool listed;                            /* its Origin is one of http.origins */
	const char *host, *origin, *fetch_site; /* headers; NULL: absent */
};

/* NULL: it may go on; else why not, as a sentence. Pure. */
const char *guard_refuses(const struct guard_question *question);

/* Whether a Host header names this machine by loopback: localhost, 127.0.0.0/8, [::1], with any port. Pure. */
bool guard_is_loopback(const char *host);

#endif
