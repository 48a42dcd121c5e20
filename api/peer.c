#include "api/peer.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* An IPv4 client of an IPv6 socket is shown, and counted, as what it is. */
static void write_v6(const struct in6_addr *from, char text[INET6_ADDRSTRLEN])
{
	if (IN6_IS_ADDR_V4MAPPED(from))
		(void)inet_ntop(AF_INET, &from->s6_addr[12], text, INET6_ADDRSTRLEN);
	else
		(void)inet_ntop(AF_INET6, from, text, INET6_ADDRSTRLEN);
}

struct peer peer_of(const struct sockaddr *address, int fd)
{
	struct peer peer = {.address = "?"};
	struct ucred credentials;
	socklen_t length = sizeof credentials;

	if (address && address->sa_family == AF_INET)
		(void)inet_ntop(
			AF_INET, &((const struct sockaddr_in *)address)->sin_addr, peer.address, sizeof peer.address);
	else if (address && address->sa_family == AF_INET6)
		write_v6(&((const struct sockaddr_in6 *)address)->sin6_addr, peer.address);
	else if (fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0)
		peer = (struct peer){.address = "unix",
			.local = true,
			.pid = credentials.pid,
			.uid = credentials.uid,
			.gid = credentials.gid};
	return peer;
}
