/* One whole submission, from the bytes on the connection to the answer, with each of its allocations failing: the API
 * answers, or closes the connection; what it said is true; what it refused can be said again; nothing is lost. */
#include "tests/robust/starve.h"
/* Not all of it is needed here. */
#pragma GCC diagnostic ignored "-Wunused-function"
#include "tests/unit/broker_fixture.h"

#include "api/http.h"
#include "api/state.h"
#include "core/log.h"

enum { ALLOCATIONS_MAX = 2000, TURNS_MAX = 2000 };

static struct scoreboard scoreboard;
static struct node node;
static struct api api;
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static socklen_t address_length;
static long submissions;

static void open_listener(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	address_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
				     (size_t)snprintf(address.sun_path + 1, sizeof address.sun_path - 1,
					     "muster-starve-%d", getpid()));
	assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&address, address_length) == 0 && listen(fd, 16) == 0);
	node.listeners[node.listener_count++] = fd;
}

static void open_api(void)
{
	static struct config_weight weights[] = {{0, 1}};
	static struct config_pool pools[] = {{.name = (char *)"default",
		.workers = 1,
		.queues = weights,
		.queue_count = 1,
		.heartbeat_timeout_ms = 10000,
		.title_prefix = (char *)""}};
	struct error error;

	for (size_t i = 0; i < QUEUE_COUNT; i++)
		queues[i].retry = 1;
	config.pools = pools;
	config.pool_count = 1;
	config.limits.body = config.limits.document = 65536;
	config.limits.batch = 100;
	config.limits.connections = 8;
	config.http.timeout_ms = 60000;
	config.http.requests_per_second = config.http.connections_per_address = SCHEMA_NONE;
	assert_int_equal(scoreboard_create(&scoreboard, &config, NULL), 0);
	node = (struct node){
		.config = &config, .scoreboard = &scoreboard, .id = "node", .host = "host", .demo_dir = -1};
	open_listener();
	api.node = &node;
	api.area = scoreboard_area(&scoreboard, ROW_API);
	api.promise = (struct promise){.node = &node, .area = api.area};
	assert_int_equal(link_open(&api.link, &node, &api.promise), 0);
	assert_int_equal(waits_open(&api.waits, &config), 0);
	assert_int_equal(http_open(&api.http, &api), 0);
	assert_int_equal(link_ask(&api.link, CLOCK_NS_PER_S, &error), 0);
}

static void close_api(void)
{
	http_close(api.http);
	waits_close(&api.waits);
	trip_fini(&api.trip);
	link_close(&api.link);
	close(node.listeners[0]);
	scoreboard_close(&scoreboard);
}

static int send_request(const char *text)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0 && connect(fd, (struct sockaddr *)&address, address_length) == 0);
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	return fd;
}

/* Lets the API work until the connection is over. Returns the status of the answer, 0: closed without one. */
static int hear(int fd)
{
	char answer[4096];
	size_t length = 0;
	ssize_t got = -1;

	for (int turns = 0; turns < TURNS_MAX && got != 0; turns++) {
		struct pollfd entries[NODE_LISTENERS_MAX];
		(void)http_fds(api.http, entries);
		(void)poll(entries, 1, 0);
		http_ready(api.http, entries);
		http_run(api.http);
		(void)trip_leave(&api.trip, &api.link);
		trip_arrive(&api.trip, &api.link);
		got = recv(fd, answer + length, sizeof answer - 1 - length, MSG_DONTWAIT);
		length += got > 0 ? (size_t)got : 0;
	}
	answer[length] = '\0';
	close(fd);
	if (got != 0 && !(got < 0 && errno == ECONNRESET)) {
		starve_end();
		fail_msg("neither answered nor closed: %s", answer);
	}
	return length > strlen("HTTP/1.1 ") ? atoi(answer + strlen("HTTP/1.1 ")) : 0;
}

static const char *submission_of(long number)
{
	static char text[512];
	char body[256];
	int length = snprintf(body, sizeof body,
		"[{\"class\":\"A\",\"method\":\"b\",\"id\":\"a%ld\",\"param\":[\"a text that is long\",{\"k\":[1,2]}]},"
		"{\"class\":\"A\",\"method\":\"b\",\"id\":\"b%ld\",\"delay\":\"1h\"}]",
		number, number);

	(void)snprintf(text, sizeof text,
		"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
		"%d\r\n\r\n%s",
		length, body);
	return text;
}

static bool is_known(long number)
{
	char id[32];

	(void)snprintf(id, sizeof id, "b%ld", number);
	return look_at(id).known;
}

static void submit_starving(enum starve_mode mode)
{
	bool enough = false;

	for (long n = 1; !enough; n++) {
		struct error error;
		int fd = send_request(submission_of(++submissions));
		starve_begin(n, mode);
		int status = hear(fd);
		enough = starve_end() < n;
		if (enough ? status != 201 : status != 201 && status != 0 && status < 500)
			fail_msg("allocation %ld: %d", n, status);
		if (status == 201)
			assert_true(is_known(submissions));
		(void)link_ask(&api.link, CLOCK_NS_PER_S, &error);
		assert_int_equal(hear(send_request(submission_of(submissions))), 201);
		assert_true(is_known(submissions));
		assert_int_equal(unaccounted(), 0);
		assert_true(n < ALLOCATIONS_MAX);
	}
}

static void a_submission(void **state)
{
	(void)state;
	(void)log_open("/dev/null", CONFIG_LOG_ERROR, CONFIG_LOG_TEXT);
	use(real_path);
	redis("SETNX", "{muster}:format", "1");
	submit("first"); /* what libraries keep for ever, they have now */
	for (int round = 0; round < 2; round++) {
		long before = starve_live();
		open_api();
		submit_starving(STARVE_ONCE);
		submit_starving(STARVE_FOR_GOOD);
		close_api();
		broker_disconnect(admin);
		broker_disconnect(broker);
		if (round > 0)
			assert_int_equal(starve_live(), before);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {cmocka_unit_test(a_submission)};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
