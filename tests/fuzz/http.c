/* Bytes on a connection to the API, whose broker is away: paths, query strings, headers and bodies of every route. Each
 * request is answered, or its connection closed, and nothing is left of it. */
#include "tests/fuzz/fuzz.h"

#include "api/exchange.h"
#include "api/http.h"
#include "api/state.h"
#include "core/clock.h"
#include "core/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct scoreboard scoreboard;
static struct config config;
static struct node node;
static struct api api;
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static socklen_t address_length;

static int listen_somewhere(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	/* an abstract name: nothing is left of it in any directory */
	address_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
				     (size_t)snprintf(address.sun_path + 1, sizeof address.sun_path - 1,
					     "muster-fuzz-%d", getpid()));
	assert(fd >= 0 && bind(fd, (struct sockaddr *)&address, address_length) == 0 && listen(fd, 16) == 0);
	return fd;
}

static void make_node(void)
{
	static char name[] = "default", namespace[] = "muster", prefix[] = "", nowhere[] = "/nonexistent/redis.sock";
	static struct config_weight weights[] = {{0, 1}};
	static struct config_pool pools[] = {{.name = name,
		.workers = 2,
		.queues = weights,
		.queue_count = 1,
		.heartbeat_timeout_ms = 10000,
		.title_prefix = prefix}};

	config = *fuzz_config();
	config.namespace = namespace;
	config.pools = pools;
	config.pool_count = 1;
	config.address = (struct config_broker){.kind = CONFIG_BROKER_UNIX, .path = nowhere};
	config.limits.body = 16 * 1024;
	config.limits.document = 8 * 1024;
	config.limits.batch = 8;
	config.limits.connections = 8;
	config.http.timeout_ms = 60000;
	config.http.requests_per_second = config.http.connections_per_address = SCHEMA_NONE;
	assert(scoreboard_create(&scoreboard, &config, NULL) == 0);
	node = (struct node){
		.config = &config, .scoreboard = &scoreboard, .id = "node", .host = "host", .demo_dir = -1};
	assert(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, node.control_api) == 0);
	node.listeners[0] = listen_somewhere();
	node.listener_count = 1;
}

int LLVMFuzzerInitialize(int *count, char ***arguments)
{
	(void)count;
	(void)arguments;
	make_node();
	(void)log_open("/dev/null", CONFIG_LOG_ERROR, CONFIG_LOG_TEXT);
	api.node = &node;
	api.area = scoreboard_area(&scoreboard, ROW_API);
	api.promise = (struct promise){.node = &node, .area = api.area};
	assert(link_open(&api.link, &node, &api.promise) == 0);
	assert(waits_open(&api.waits, &config) == 0);
	assert(http_open(&api.http, &api) == 0);
	return 0;
}

static int call(const uint8_t *data, size_t size)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), room = 4 * 1024 * 1024;

	assert(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room) == 0);
	assert(connect(fd, (struct sockaddr *)&address, address_length) == 0);
	assert(send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)size);
	assert(shutdown(fd, SHUT_WR) == 0);
	return fd;
}

static void turn(void)
{
	struct pollfd entries[NODE_LISTENERS_MAX];

	(void)http_fds(api.http, entries);
	(void)poll(entries, 1, 0);
	http_ready(api.http, entries);
	http_run(api.http);
	(void)trip_leave(&api.trip, &api.link);
	trip_arrive(&api.trip, &api.link);
	(void)waits_turn(&api.waits, &api.link, clock_mono_ns());
}

/* A stream of events goes on until the node stops. */
static void end_streams(const char *answer, ssize_t length)
{
	static const char stream[] = "text/event-stream";

	if (memmem(answer, (size_t)length, stream, sizeof stream - 1))
		events_stop(&api.events);
}

/* Everything that comes back until the connection is closed; it begins as an answer does. */
static void hear(int fd)
{
	static const char start[] = "HTTP/1.";
	char answer[16 * 1024];
	size_t total = 0;
	ssize_t length;

	for (int turns = 0; turns < 1000; turns++) {
		turn();
		length = recv(fd, answer, sizeof answer, MSG_DONTWAIT);
		if (length == 0)
			return;
		if (length > 0 && total == 0)
			assert(length < (ssize_t)sizeof start || memcmp(answer, start, sizeof start - 1) == 0);
		if (length <= 0)
			continue;
		end_streams(answer, length);
		total += (size_t)length;
	}
	assert(false && "the connection is neither answered nor closed");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = call(data, size);

	hear(fd);
	api.events.stopping = false;
	(void)close(fd);
	turn();
	assert(http_busy(api.http) == 0 && api.http->body_bytes == 0 && api.trip.next.request_count == 0 &&
		!api.waits.first);
	return 0;
}
