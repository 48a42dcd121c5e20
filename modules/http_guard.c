#include "modules/http_guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { V4_BITS = 32, V6_BITS = 128, V4_IN_V6 = 96, NETWORK_TEXT_MAX = INET6_ADDRSTRLEN + 4 };

struct network {
	struct in6_addr address; /* IPv4 as ::ffff:a.b.c.d */
	unsigned bits;
};

/* What is not the open internet. The first match tells why. */
static const struct {
	const char *network, *what;
} special[] = {
	{"127.0.0.0/8", "a loopback address"},
	{"::1/128", "a loopback address"},
	{"10.0.0.0/8", "a private address"},
	{"172.16.0.0/12", "a private address"},
	{"192.168.0.0/16", "a private address"},
	{"100.64.0.0/10", "a private address"},
	{"fc00::/7", "a private address"},
	{"fec0::/10", "a private address"},
	{"169.254.0.0/16", "a link-local address"},
	{"fe80::/10", "a link-local address"},
	{"0.0.0.0/8", "an address of this machine"},
	{"::/128", "an address of this machine"},
	{"224.0.0.0/4", "a multicast address"},
	{"ff00::/8", "a multicast address"},
	{"192.0.0.0/24", "a reserved address"},
	{"192.0.2.0/24", "a reserved address"},
	{"198.18.0.0/15", "a reserved address"},
	{"198.51.100.0/24", "a reserved address"},
	{"203.0.113.0/24", "a reserved address"},
	{"240.0.0.0/4", "a reserved address"},
	{"100::/64", "a reserved address"},
	{"2001::/23", "a reserved address"},
	{"2001:db8::/32", "a reserved address"},
	/* These carry an IPv4 address that was not looked at. */
	{"64:ff9b::/96", "a translated address"},
	{"64:ff9b:1::/48", "a translated address"},
	{"2002::/16", "a translated address"},
	{"::/96", "a translated address"},
};

static struct in6_addr as_v6(const struct in_addr *v4)
{
	struct in6_addr address = {.s6_addr = {[10] = 0xff, [11] = 0xff}};

	memcpy(address.s6_addr + 12, v4, sizeof *v4);
	return address;
}

/* "10.0.0.0/8", "::1": an address, and how many of its bits count (none given: all). */
static bool read_network(const char *text, struct network *ret_network)
{
	char address[NETWORK_TEXT_MAX];
	struct in_addr v4;
	const char *slash = strchr(text, '/');
	size_t length = slash ? (size_t)(slash - text) : strlen(text);
	char *end = NULL;

	if (length >= sizeof address)
		return false;
	memcpy(address, text, length);
	address[length] = '\0';
	const bool is_v4 = inet_pton(AF_INET, address, &v4) == 1;
	const unsigned long most = is_v4 ? V4_BITS : V6_BITS;
	unsigned long bits = slash ? strtoul(slash + 1, &end, 10) : most;
	if (slash && (slash[1] < '0' || slash[1] > '9' || *end != '\0' || bits > most))
		return false;
	if (is_v4)
		ret_network->address = as_v6(&v4);
	else if (inet_pton(AF_INET6, address, &ret_network->address) != 1)
		return false;
	ret_network->bits = (unsigned)bits + (is_v4 ? V4_IN_V6 : 0);
	return true;
}

static bool is_in(const struct in6_addr *address, const struct network *network)
{
	const unsigned bytes = network->bits / 8, rest = network->bits % 8;
	const uint8_t mask = (uint8_t)(0xff00 >> rest);

	if (memcmp(address->s6_addr, network->address.s6_addr, bytes) != 0)
		return false;
	return rest == 0 || ((address->s6_addr[bytes] ^ network->address.s6_addr[bytes]) & mask) == 0;
}

static bool is_allowed(const struct in6_addr *address, const char *host, const json_t *allow)
{
	struct network network;
	size_t index;
	const json_t *entry;

	json_array_foreach((json_t *)allow, index, entry)
	{
		const char *text = json_string_value(entry);
		if (!text)
			continue;
		if (read_network(text, &network) ? is_in(address, &network) : strcasecmp(text, host) == 0)
			return true;
	}
	return false;
}

const char *http_guard_refuses(const struct sockaddr *address, const char *host, const json_t *allow)
{
	struct in6_addr own;
	struct network network;

	if (address->sa_family == AF_INET)
		own = as_v6(&((const struct sockaddr_in *)address)->sin_addr);
	else if (address->sa_family == AF_INET6)
		own = ((const struct sockaddr_in6 *)address)->sin6_addr;
	else
		return "no address of the internet";
	if (is_allowed(&own, host, allow))
		return NULL;
	for (size_t i = 0; i < sizeof special / sizeof special[0]; i++)
		if (read_network(special[i].network, &network) && is_in(&own, &network))
			return special[i].what;
	return NULL;
}
