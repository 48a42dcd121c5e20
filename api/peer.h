/* peer: the other end of a connection. */
#ifndef MUSTER_API_PEER_H
#define MUSTER_API_PEER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

struct peer {
	char address[INET6_ADDRSTRLEN]; /* without its port; "unix" */
	bool local;                     /* a unix socket's: the kernel knows who opened it */
	pid_t pid;
	uid_t uid;
	gid_t gid;
};

/* address: as accept gave it, or NULL; fd: the connection's. Never fails: what is not known is "?". */
struct peer peer_of(const struct sockaddr *address, int fd);

#endif
