/* The connection: reaching a broker, refusing one, losing one. */
#include "core/broker.h"

#include "tests/unit/broker_fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#define FIT_INFO                                                                                                       \
	"$25\r\nredis_version:7.0.15\r\nx:1\r\n"                                                                       \
	"$29\r\nmaxmemory_policy:noeviction\r\n\r\n"                                                                   \
	"$1\r\n1\r\n"

/* ---- servers that pretend ---- */

static int listen_on(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	unlink(path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(fd, 16), 0);
	return fd;
}

/* Answers the first bytes of each connection with `text`, and then nothing any more. */
static void pretend(const char *text)
{
	int listener = listen_on(pretend_path);
	pretender = fork();
	if (pretender == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			char request[4096];
			int fd = accept(listener, NULL, NULL);
			if (read(fd, request, sizeof request) > 0)
				(void)!write(fd, text, strlen(text));
		}
	}
	close(listener);
	use(pretend_path);
}

static bool pass_on(int from, int to, size_t *budget)
{
	char bytes[4096];
	ssize_t count = read(from, bytes, sizeof bytes);
	if (count <= 0)
		return false;
	size_t passed = (size_t)count < *budget ? (size_t)count : *budget;
	*budget -= passed;
	if (write(to, bytes, passed) != (ssize_t)passed)
		return false;
	return *budget > 0;
}

static void proxy_one(int fd, size_t request_budget, size_t reply_budget)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int server = socket(AF_UNIX, SOCK_STREAM, 0);
	strcpy(address.sun_path, real_path);
	bool open = connect(server, (struct sockaddr *)&address, sizeof address) == 0;
	while (open) {
		struct pollfd entries[2] = {{.fd = fd, .events = POLLIN}, {.fd = server, .events = POLLIN}};
		poll(entries, 2, -1);
		if (entries[0].revents)
			open = pass_on(fd, server, &request_budget);
		else if (entries[1].revents)
			open = pass_on(server, fd, &reply_budget);
	}
	close(server);
	close(fd);
}

/* Passes everything to the real server and back, but cuts every connection after some bytes: the n-th after more of them
 * than the one before, requests and replies in turn. */
static void pretend_to_be_a_bad_line(size_t first, size_t step)
{
	int listener = listen_on(pretend_path);
	pretender = fork();
	if (pretender == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGPIPE, SIG_IGN);
		for (size_t n = 0;; n++) {
			size_t budget = first + n * step;
			proxy_one(accept(listener, NULL, NULL), n % 2 ? budget : SIZE_MAX, n % 2 ? SIZE_MAX : budget);
		}
	}
	close(listener);
	use(pretend_path);
}

static void assert_says(const struct error *error, const char *words)
{
	if (!strstr(error->text, words))
		fail_msg("\"%s\" should say \"%s\"", error->text, words);
}

static int fails_with(const char *words)
{
	struct error error = {""};
	int status = broker_ping(broker, soon(), &error);
	assert_true(status < 0);
	assert_says(&error, words);
	assert_int_equal(broker_fd(broker) == -1, status != BROKER_FULL);
	return status;
}

/* ---- reaching it ---- */

static void test_nobody_there(void **state)
{
	(void)state;
	use(pretend_path);
	assert_int_equal(fails_with("cannot reach the broker at /tmp/test_broker."), BROKER_AWAY);
	config.address = (struct config_broker){.kind = CONFIG_BROKER_TCP, .host = (char *)"127.0.0.1", .port = 1};
	assert_int_equal(fails_with("cannot reach the broker at 127.0.0.1:1: Connection refused"), BROKER_AWAY);
	char path[200] = "/";
	memset(path + 1, 'x', sizeof path - 2);
	use(path);
	assert_int_equal(fails_with("is too long for a socket"), BROKER_UNFIT);
}

/* A port of the pretender's: what stands behind it is the same as behind a path. */
static void test_by_tcp(void **state)
{
	(void)state;
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof address;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
	pretender = fork();
	if (pretender == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		proxy_one(accept(listener, NULL, NULL), SIZE_MAX, SIZE_MAX);
		_exit(0);
	}
	close(listener);
	config.address = (struct config_broker){
		.kind = CONFIG_BROKER_TCP, .host = (char *)"127.0.0.1", .port = ntohs(address.sin_port)};
	assert_int_equal(broker_ping(broker, soon(), NULL), 0);
	submit("a");
}

static void test_descriptor_is_closed_on_exec(void **state)
{
	(void)state;
	assert_int_equal(broker_fd(broker), -1);
	assert_int_equal(broker_connect(broker, soon(), NULL), 0);
	assert_int_equal(fcntl(broker_fd(broker), F_GETFD), FD_CLOEXEC);
	int fd = broker_fd(broker);
	assert_int_equal(broker_connect(broker, soon(), NULL), 0);
	assert_int_equal(broker_fd(broker), fd);
	broker_disconnect(broker);
	assert_int_equal(broker_fd(broker), -1);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void test_a_server_that_never_answers(void **state)
{
	(void)state;
	pretend("");
	int64_t before = clock_mono_ns();
	struct error error;
	assert_int_equal(broker_ping(broker, in_ms(50), &error), BROKER_AWAY);
	assert_says(&error, "did not answer in time");
	int64_t took_ms = (clock_mono_ns() - before) / CLOCK_NS_PER_MS;
	assert_in_range(took_ms, 50, 2000);
	assert_int_equal(broker_fd(broker), -1);
}

static void test_a_server_that_stops_answering(void **state)
{
	(void)state;
	pretend(FIT_INFO);
	assert_int_equal(broker_connect(broker, soon(), NULL), 0);
	assert_int_equal(broker_ping(broker, in_ms(50), NULL), BROKER_AWAY);
	assert_int_equal(broker_fd(broker), -1);
}

static void test_a_request_that_nobody_reads(void **state)
{
	(void)state;
	pretend(FIT_INFO);
	static char document[8 << 20];
	struct task_submission task = task_of("a", QUEUE_DEFAULT);
	memset(document, 'x', sizeof document);
	task.document = (struct bytes){document, sizeof document};
	struct broker_submission submission = {.task = &task};
	struct broker_batch batch = {.submissions = &submission, .submission_count = 1, .source = TASK_SOURCE_HTTP};
	assert_int_equal(broker_connect(broker, soon(), NULL), 0);
	assert_int_equal(broker_batch(broker, &batch, in_ms(100), NULL), BROKER_AWAY);
}

static void test_what_is_no_redis(void **state)
{
	(void)state;
	pretend("HTTP/1.1 400 Bad Request\r\n\r\n");
	assert_int_equal(fails_with("what is no reply"), BROKER_AWAY);
}

static void test_backoff(void **state)
{
	(void)state;
	assert_int_equal(broker_backoff_ms(1, 0), 1);
	assert_int_equal(broker_backoff_ms(1, 0.999), 2);
	assert_int_equal(broker_backoff_ms(4, 0), 8);
	assert_int_equal(broker_backoff_ms(10, 0), 500);
	assert_int_equal(broker_backoff_ms(10, 0.9999), 1000);
	assert_int_equal(broker_backoff_ms(4000000000, 0.9999), 1000);
}

/* ---- refusing it ---- */

static void test_passwords(void **state)
{
	(void)state;
	config.address.password = (char *)"secret";
	assert_int_equal(fails_with("without any password configured"), BROKER_REFUSED);
	redis("CONFIG", "SET", "requirepass", "secret");
	assert_int_equal(broker_ping(broker, soon(), NULL), 0);
	broker_disconnect(broker);
	config.address.password = (char *)"wrong";
	assert_int_equal(fails_with("WRONGPASS"), BROKER_REFUSED);
	config.address.password = NULL;
	assert_int_equal(fails_with("NOAUTH"), BROKER_REFUSED);
	redis("CONFIG", "SET", "requirepass", "");
}

static void write_password(const char *path, const char *password)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "%s\n", password);
	assert_int_equal(fclose(file), 0);
}

static void test_a_password_that_was_changed_is_read_anew(void **state)
{
	(void)state;
	char path[128];
	snprintf(path, sizeof path, "%s/password", directory);
	write_password(path, "first");
	redis("CONFIG", "SET", "requirepass", "first");
	config.address.password = (char *)"first";
	config.broker_password_file = path;
	assert_int_equal(broker_ping(broker, soon(), NULL), 0);
	for (int i = 0; i < 3; i++) {
		char next[16];
		snprintf(next, sizeof next, "next%d", i);
		redis("CONFIG", "SET", "requirepass", next);
		broker_disconnect(broker);
		assert_int_equal(fails_with("WRONGPASS"), BROKER_REFUSED); /* the file has the old one still */
		write_password(path, next);
		assert_int_equal(broker_ping(broker, soon(), NULL), 0);
	}
	redis("CONFIG", "SET", "requirepass", "last");
	broker_disconnect(broker);
	unlink(path);
	assert_int_equal(fails_with("password cannot be read: No such file"), BROKER_REFUSED);
	config.address.password = config.broker_password_file = NULL;
	redis("CONFIG", "SET", "requirepass", "");
}

static void test_a_quoted_password_is_not_shown(void **state)
{
	(void)state;
	char said[1024];
	struct error error;
	pretend("-ERR unknown command 'AUTH', with args beginning with: 'secret'\r\n$1\r\n1\r\n$1\r\n1\r\n$1\r\n1\r\n");
	config.address.password = (char *)"secret";
	assert_int_equal(broker_ping(broker, soon(), &error), BROKER_UNFIT);
	snprintf(said, sizeof said, "%s", error.text);
	assert_null(strstr(said, "secret"));
	config.address.password = NULL;
}

static void test_users(void **state)
{
	(void)state;
	redis("ACL", "SETUSER", "ann", "on", ">hers", "~{muster}*", "&*", "+@all");
	redis("ACL", "SETUSER", "bob", "on", ">his", "~none", "+info");
	config.address.user = (char *)"ann";
	config.address.password = (char *)"hers";
	submit("a");
	broker_disconnect(broker);
	config.address.user = (char *)"bob";
	config.address.password = (char *)"his";
	assert_int_equal(fails_with("NOPERM"), BROKER_REFUSED);
	redis("ACL", "DELUSER", "ann", "bob");
}

static void test_another_database(void **state)
{
	(void)state;
	config.address.db = 3;
	submit("a");
	assert_int_equal(redis_number("HLEN", "{muster}:tasks"), 0);
	redis("SELECT", "3");
	assert_int_equal(redis_number("HLEN", "{muster}:tasks"), 1);
	redis("SELECT", "0");
	broker_disconnect(broker);
	config.address.db = 4000;
	assert_int_equal(fails_with("DB index is out of range"), BROKER_UNFIT);
}

static void test_versions(void **state)
{
	(void)state;
	pretend("$24\r\nredis_version:6.2.14\r\nx:\r\n$30\r\nmaxmemory_policy:noeviction\r\nx\r\n$-1\r\n");
	assert_int_equal(fails_with("is Redis 6.2.14: 7.0 or newer is needed"), BROKER_UNFIT);
	end_child(&pretender);
	pretend("$3\r\nx:1\r\n$3\r\nx:1\r\n$-1\r\n");
	assert_int_equal(fails_with("7.0 or newer is needed"), BROKER_UNFIT);
}

static void test_layouts(void **state)
{
	(void)state;
	redis("DEL", "{muster}:format");
	assert_int_equal(broker_ping(broker, soon(), NULL), 0);
	assert_int_equal(redis_number("GET", "{muster}:format"), 1);
	broker_disconnect(broker);
	redis("SET", "{muster}:format", "2");
	assert_int_equal(fails_with("have layout 2, this version knows layout 1"), BROKER_UNFIT);
}

static void test_a_full_redis_gets_its_layout_later(void **state)
{
	(void)state;
	redis("DEL", "{muster}:format");
	redis("CONFIG", "SET", "maxmemory", "1");
	assert_int_equal(broker_ping(broker, soon(), NULL), 0);
	broker_disconnect(broker);
	redis("CONFIG", "SET", "maxmemory", "0");
	assert_int_equal(broker_ping(broker, soon(), NULL), 0);
	assert_int_equal(redis_number("GET", "{muster}:format"), 1);
}

static void test_eviction(void **state)
{
	(void)state;
	redis("CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
	assert_int_equal(fails_with("maxmemory-policy allkeys-lru"), BROKER_UNFIT);
	assert_int_equal(fails_with("`broker_eviction: accept`"), BROKER_UNFIT);
	config.broker_evicts_accepted = true;
	assert_int_equal(broker_ping(broker, soon(), NULL), 0);
	redis("CONFIG", "SET", "maxmemory-policy", "noeviction");
}

/* ---- what its errors mean ---- */

static void test_error_replies(void **state)
{
	static const struct {
		const char *reply;
		int status;
	} cases[] = {
		{"-LOADING Redis is loading the dataset in memory\r\n", BROKER_AWAY},
		{"-BUSY Redis is busy running a script\r\n", BROKER_AWAY},
		{"-MASTERDOWN Link with MASTER is down\r\n", BROKER_AWAY},
		{"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n", BROKER_AWAY},
		{"-EXECABORT Transaction discarded because of previous errors.\r\n", BROKER_AWAY},
		{"-NOREPLICAS Not enough good replicas to write.\r\n", BROKER_READ_ONLY},
		{"-CLUSTERDOWN The cluster is down\r\n", BROKER_AWAY},
		{"-TRYAGAIN Multiple keys request during rehashing of slot\r\n", BROKER_AWAY},
		{"-ASK 3999 127.0.0.1:6381\r\n", BROKER_AWAY},
		{"-MOVED 3999 nowhere\r\n", BROKER_AWAY},
		{"-NOAUTH Authentication required.\r\n", BROKER_REFUSED},
		{"-WRONGPASS invalid username-password pair or user is disabled.\r\n", BROKER_REFUSED},
		{"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n", BROKER_UNFIT},
		{"-ERR max number of clients reached\r\n", BROKER_AWAY},
		{"-MISCONF Redis is configured to save RDB snapshots\r\n", BROKER_READ_ONLY},
		{"-READONLY You can't write against a read only replica.\r\n", BROKER_READ_ONLY},
		{"-OOM command not allowed when used memory > 'maxmemory'.\r\n", BROKER_FULL},
		{"-NOPERM this user has no permissions\r\n", BROKER_REFUSED},
		{"-DENIED Redis is running in protected mode\r\n", BROKER_REFUSED},
		{"-GONEX is no word of ours\r\n", BROKER_UNFIT},
		{"-ERR unknown command\r\n", BROKER_UNFIT},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char replies[512];
		snprintf(replies, sizeof replies, "%s%s%s", cases[i].reply, cases[i].reply, cases[i].reply);
		pretend(replies);
		char words[64] = "";
		strncat(words, cases[i].reply + 1, 8);
		assert_int_equal(fails_with(words), cases[i].status);
		end_child(&pretender);
	}
}

static void test_full(void **state)
{
	(void)state;
	struct task_submission task = task_of("a", QUEUE_DEFAULT);
	redis("CONFIG", "SET", "maxmemory", "1");
	struct error error;
	assert_int_equal(try_submit(&task, NULL, &error), BROKER_FULL);
	assert_says(&error, "OOM");
	redis("CONFIG", "SET", "maxmemory", "0");
	assert_int_equal(try_submit(&task, NULL, NULL), 0);
}

static void test_read_only(void **state)
{
	(void)state;
	struct task_submission task = task_of("a", QUEUE_DEFAULT);
	redis("REPLICAOF", "127.0.0.1", "1");
	assert_int_equal(try_submit(&task, NULL, NULL), BROKER_READ_ONLY);
	redis("REPLICAOF", "NO", "ONE");
	assert_int_equal(try_submit(&task, NULL, NULL), 0);
}

/* ---- losing it ---- */

static void test_a_cut_connection_is_made_anew(void **state)
{
	(void)state;
	assert_int_equal(broker_ping(broker, soon(), NULL), 0);
	redis("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
	assert_int_equal(broker_ping(broker, soon(), NULL), BROKER_AWAY);
	assert_int_equal(broker_ping(broker, soon(), NULL), 0);
}

static void test_lost_scripts_are_loaded_again_within_the_call(void **state)
{
	(void)state;
	submit("a");
	look_at("a");
	redis("SCRIPT", "FLUSH");
	struct task_submission task = task_of("b", QUEUE_DEFAULT);
	struct broker_submission submission = {.task = &task};
	struct broker_look look = {.id = "b"};
	struct broker_batch batch = {.submissions = &submission,
		.submission_count = 1,
		.source = TASK_SOURCE_HTTP,
		.looks = &look,
		.look_count = 1};
	assert_int_equal(broker_batch(broker, &batch, soon(), NULL), 0);
	assert_false(submission.stored == BROKER_KNOWN);
	assert_true(look.known);
	broker_batch_fini(&batch);

	struct broker_turn turn = turn_of(1, 5);
	struct broker_lease lease;
	assert_int_equal(broker_turn(broker, &turn, soon(), &lease, NULL), 0);
	assert_int_equal(lease.count, 2);
	broker_lease_fini(&lease);
	redis("SCRIPT", "FLUSH");
	turn = turn_of(2, 5);
	turn.wait_ms = 1000;
	assert_int_equal(broker_turn(broker, &turn, soon(), &lease, NULL), 0);
	assert_int_equal(lease.count, 0);
	assert_int_equal(redis_number("LLEN", "{muster}:bell:default"), 0);
}

/* Submits, takes and settles 60 tasks over a line that is cut after any number of bytes, each call said until answered. */
static void test_cuts_at_any_byte_lose_and_double_nothing(void **state)
{
	enum { TASKS = 60, BATCH = 7 };
	(void)state;
	pretend_to_be_a_bad_line(1, 41);
	for (int i = 0; i < TASKS; i++) {
		char id[32];
		snprintf(id, sizeof id, "task-%d", i);
		struct task_submission task = task_of(id, QUEUE_DEFAULT);
		while (try_submit(&task, NULL, NULL) == BROKER_AWAY)
			;
	}
	end_child(&pretender);
	pretend_to_be_a_bad_line(1, 17);
	char elements[BATCH][TASK_ELEMENT_MAX];
	struct broker_outcome outcomes[BATCH];
	size_t count = 0, total = 0, cuts = 0;
	for (uint64_t sequence = 1; sequence == 1 || count > 0; sequence++) {
		struct broker_turn turn = turn_of(sequence, BATCH);
		turn.outcomes = outcomes;
		turn.outcome_count = count;
		struct broker_lease lease;
		int status;
		while ((status = broker_turn(broker, &turn, soon(), &lease, NULL)) == BROKER_AWAY)
			cuts++;
		assert_int_equal(status, 0);
		count = lease.count;
		for (size_t i = 0; i < count; i++, total++) {
			char id[32];
			snprintf(id, sizeof id, "task-%zu", total);
			assert_bytes(lease.tasks[i].element, id);
			strcpy(elements[i], id);
			outcomes[i] = (struct broker_outcome){elements[i], bytes_of("S 1 1 0 1 5 6 0 w\n")};
		}
		broker_lease_fini(&lease);
	}
	assert_int_equal(total, TASKS);
	assert_true(cuts > 10);
	assert_int_equal(redis_number("LLEN", "{muster}:succeeded:default"), TASKS);
	assert_int_equal(unaccounted(), 0);
}

static void test_round_trips_are_counted_but_no_waits(void **state)
{
	(void)state;
	static struct scoreboard_histogram histogram;
	broker_observe(broker, &histogram);
	assert_int_equal(broker_ping(broker, soon(), NULL), 0);
	struct broker_turn turn = turn_of(1, 1);
	struct broker_lease lease;
	turn.wait_ms = 1;
	assert_int_equal(broker_turn(broker, &turn, soon(), &lease, NULL), 0);
	uint64_t count = 0;
	for (int i = 0; i < SCOREBOARD_BUCKETS; i++)
		count += histogram.count[i];
	assert_int_equal(count, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, each_anew, each_over)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nobody_there),
		TEST(test_by_tcp),
		TEST(test_descriptor_is_closed_on_exec),
		TEST(test_a_server_that_never_answers),
		TEST(test_a_server_that_stops_answering),
		TEST(test_a_request_that_nobody_reads),
		TEST(test_what_is_no_redis),
		TEST(test_backoff),
		TEST(test_passwords),
		TEST(test_a_password_that_was_changed_is_read_anew),
		TEST(test_a_quoted_password_is_not_shown),
		TEST(test_users),
		TEST(test_another_database),
		TEST(test_versions),
		TEST(test_layouts),
		TEST(test_a_full_redis_gets_its_layout_later),
		TEST(test_eviction),
		TEST(test_error_replies),
		TEST(test_full),
		TEST(test_read_only),
		TEST(test_a_cut_connection_is_made_anew),
		TEST(test_lost_scripts_are_loaded_again_within_the_call),
		TEST(test_cuts_at_any_byte_lose_and_double_nothing),
		TEST(test_round_trips_are_counted_but_no_waits),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, open_all, close_all);
}
