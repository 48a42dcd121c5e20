/* broker_fixture: a private redis-server and two connections to it, for the tests of core/broker*.c. */
#ifndef MUSTER_TESTS_BROKER_FIXTURE_H
#define MUSTER_TESTS_BROKER_FIXTURE_H

#include "core/broker.h"
#include "core/broker_internal.h"
#include "core/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SLOT "node1/default/0"

enum { QUEUE_DEFAULT, QUEUE_JOBS, QUEUE_FAR, QUEUE_COUNT };

static char directory[64];
static char real_path[128];    /* the real server's socket */
static char pretend_path[128]; /* that of a pretending one */
static pid_t real_server;
static pid_t pretender;

static struct config_queue queues[QUEUE_COUNT] = {
	[QUEUE_DEFAULT] = {.name = (char *)"default", .list_db = -1},
	[QUEUE_JOBS] = {.name = (char *)"jobs", .list = (char *)"prod:jobs", .list_db = -1},
	[QUEUE_FAR] = {.name = (char *)"far", .list = (char *)"far:jobs", .list_db = 5},
};

static struct config config;
static struct broker *broker; /* the one under test */
static struct broker *admin;  /* another one, on the real server */

static int64_t in_ms(int64_t ms)
{
	return clock_mono_ns() + ms * CLOCK_NS_PER_MS;
}

static int64_t soon(void)
{
	return in_ms(5000);
}

static bool can_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	int status = connect(fd, (struct sockaddr *)&address, sizeof address);
	close(fd);
	return status == 0;
}

static void end_child(pid_t *pid)
{
	if (*pid > 0) {
		kill(*pid, SIGKILL);
		assert_int_equal(waitpid(*pid, NULL, 0), *pid);
	}
	*pid = 0;
}

static int start_real_server(void)
{
	strcpy(directory, "/tmp/test_broker.XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(real_path, sizeof real_path, "%s/redis.sock", directory);
	snprintf(pretend_path, sizeof pretend_path, "%s/pretend.sock", directory);
	real_server = fork();
	if (real_server == 0) {
		int null = open("/dev/null", O_RDWR);
		dup2(null, 1);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", real_path, "--dir", directory,
			"--save", "", (char *)NULL);
		_exit(127);
	}
	int64_t until = in_ms(10000);
	while (!can_connect(real_path))
		if (clock_mono_ns() > until || waitpid(real_server, NULL, WNOHANG) != 0)
			return -1;
	return 0;
}

/* A raw command on the real server, its words given. */
static redisReply *raw(const char *name, ...)
{
	const char *words[8];
	size_t count = 0;
	va_list list;
	va_start(list, name);
	while ((words[count] = va_arg(list, const char *)))
		count++;
	va_end(list);
	redisReply *reply = NULL;
	assert_int_equal(broker_begin(admin, soon(), NULL), 0);
	broker_command(admin, name, count);
	for (size_t i = 0; i < count; i++)
		broker_argument_text(admin, words[i]);
	assert_int_equal(broker_call(admin, soon(), &reply, NULL), 0);
	return reply;
}

#define redis(...)                                                                                                     \
	do {                                                                                                           \
		redisReply *ignored_ = raw(__VA_ARGS__, (char *)NULL);                                                 \
		broker_reply_free(&ignored_);                                                                          \
	} while (0)

static long long redis_number(const char *command, const char *key)
{
	redisReply *reply = raw(command, key, (char *)NULL);
	long long number = reply->type == REDIS_REPLY_STRING ? atoll(reply->str) : reply->integer;
	broker_reply_free(&reply);
	return number;
}

static void use(const char *path)
{
	broker_close(broker);
	config.address = (struct config_broker){.kind = CONFIG_BROKER_UNIX, .path = (char *)path};
	assert_int_equal(broker_open(&broker, &config), 0);
}

static int open_all(void **state)
{
	static struct config admin_config;
	(void)state;
	if (start_real_server() < 0)
		return -1;
	config = (struct config){.namespace = (char *)"muster",
		.node_timeout_ms = 15000,
		.queues = queues,
		.queue_count = QUEUE_COUNT,
		.address = {.kind = CONFIG_BROKER_UNIX, .path = real_path}};
	admin_config = config;
	admin_config.broker_evicts_accepted = true;
	return broker_open(&admin, &admin_config);
}

static int close_all(void **state)
{
	(void)state;
	broker_close(broker);
	broker_close(admin);
	end_child(&real_server);
	unlink(real_path);
	unlink(pretend_path);
	return rmdir(directory);
}

static int each_anew(void **state)
{
	(void)state;
	config.broker_evicts_accepted = false;
	for (size_t i = 0; i < QUEUE_COUNT; i++)
		queues[i].retention = (struct config_retention){1000000, 1000000, 1000000, 100000};
	redis("FLUSHALL");
	redis("SETNX", "{muster}:format", "1");
	use(real_path);
	return 0;
}

static int each_over(void **state)
{
	(void)state;
	end_child(&pretender);
	unlink(pretend_path);
	return 0;
}

/* ---- what tests do with tasks ---- */

static struct task_submission task_of(const char *id, int queue)
{
	struct task_submission task = {
		.queue = queue, .max_attempts = 1, .priority = TASK_PRIORITY, .document = {"{}", 2}};
	strcpy(task.id, id);
	return task;
}

static int try_submit(const struct task_submission *task, bool *ret_duplicate, struct error *error)
{
	struct broker_submission submission = {.task = task};
	struct broker_batch batch = {
		.submissions = &submission, .submission_count = 1, .created_ms = 1000, .source = TASK_SOURCE_HTTP};
	int status = broker_batch(broker, &batch, soon(), error);
	broker_batch_fini(&batch);
	if (status == 0 && ret_duplicate)
		*ret_duplicate = submission.stored == BROKER_KNOWN;
	return status;
}

static void submit(const char *id)
{
	struct task_submission task = task_of(id, QUEUE_DEFAULT);
	assert_int_equal(try_submit(&task, NULL, NULL), 0);
}

static struct broker_look look_at(const char *id)
{
	struct broker_look look = {0};
	struct broker_batch batch = {.looks = &look, .look_count = 1};
	strcpy(look.id, id);
	assert_int_equal(broker_batch(broker, &batch, soon(), NULL), 0);
	broker_batch_fini(&batch);
	return look; /* its bytes are gone with the reply */
}

static const int all_queues[] = {QUEUE_DEFAULT, QUEUE_JOBS, QUEUE_FAR};

static struct broker_turn turn_of(uint64_t sequence, unsigned want)
{
	return (struct broker_turn){.slot = SLOT,
		.generation = (uint64_t)3 << 32 | 7,
		.sequence = sequence,
		.want = want,
		.queues = all_queues,
		.queue_count = QUEUE_COUNT,
		.stop_fd = -1};
}

static struct bytes bytes_of(const char *text)
{
	return (struct bytes){text, strlen(text)};
}

static void assert_bytes(struct bytes bytes, const char *text)
{
	assert_non_null(bytes.data);
	assert_int_equal(bytes.length, strlen(text));
	assert_memory_equal(bytes.data, text, bytes.length);
}

static int64_t unaccounted(void)
{
	struct broker_depth depths[QUEUE_COUNT];
	struct broker_state state;
	assert_int_equal(broker_depths(admin, depths, &state, soon(), NULL), 0);
	return state.unaccounted;
}

#endif
