#include "tests/unit/config_file.h"

#include <pwd.h>
#include <sched.h>

#define MINUTE INT64_C(60000)
#define DAY    (24 * 60 * MINUTE)

/* ---- what holds ---- */

static void assert_default_queue(const struct config_queue *queue)
{
	assert_int_equal(queue->retry, 1);
	assert_int_equal(queue->backoff.base_ms, 0);
	assert_int_equal(queue->backoff.max_ms, 60 * MINUTE);
	assert_true(queue->backoff.factor == 2.0 && queue->backoff.jitter == 0.1);
	assert_true(queue->timeout_ms == SCHEMA_NONE);
	assert_int_equal(queue->max_crashes, 3);
	assert_int_equal(queue->retention.succeeded_ms, 10 * MINUTE);
	assert_int_equal(queue->retention.dead_ms, 7 * DAY);
	assert_int_equal(queue->retention.cancelled_ms, 10 * MINUTE);
	assert_int_equal(queue->retention.max, 100000);
	assert_int_equal(queue->list_db, -1);
}

static void assert_default_pool(const struct config *config)
{
	const struct config_pool *pool = &config->pools[0];
	cpu_set_t set;
	assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
	assert_int_equal(config->pool_count, 1);
	assert_string_equal(pool->name, "default");
	assert_int_equal(pool->workers, CPU_COUNT(&set));
	assert_int_equal(pool->queue_count, 2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pool->queues[i].queue, i);
		assert_int_equal(pool->queues[i].weight, 1);
	}
	assert_false(pool->strict);
	assert_int_equal(pool->heartbeat_timeout_ms, 10000);
	assert_int_equal(pool->kill_grace_ms, 500);
	assert_int_equal(pool->preload.count, 0);
	assert_string_equal(pool->title_prefix, "");
	assert_true(
		pool->max_tasks == SCHEMA_NONE && pool->max_memory == SCHEMA_NONE && pool->max_age_ms == SCHEMA_NONE);
}

static void assert_defaults(const struct config *config)
{
	assert_int_equal(config->listen.count, 1);
	assert_string_equal(config->listen.items[0], "127.0.0.1:7077");
	assert_string_equal(config->broker, "embedded");
	assert_int_equal(config->address.kind, CONFIG_BROKER_EMBEDDED);
	assert_null(config->broker_password_file);
	assert_false(config->broker_evicts_accepted);
	assert_int_equal(config->durability, CONFIG_DURABILITY_PROCESS);
	assert_string_equal(config->namespace, "muster");
	assert_int_equal(config->node_timeout_ms, 15000);
	assert_int_equal(config->shutdown_grace_ms, 30000);
	assert_int_equal(config->log.level, CONFIG_LOG_INFO);
	assert_int_equal(config->log.format, CONFIG_LOG_TEXT);
	assert_null(config->log.file);
	assert_int_equal(config->limits.document, 1 << 20);
	assert_int_equal(config->limits.body, 16 << 20);
	assert_int_equal(config->limits.connections, 1024);
	assert_int_equal(config->limits.batch, 10000);
	assert_int_equal(config->limits.result, 64 << 10);
	assert_true(config->limits.broker_memory == SCHEMA_NONE);
	assert_int_equal(config->queue_count, 2);
	assert_string_equal(config->queues[0].name, "default");
	assert_null(config->queues[0].list);
	assert_string_equal(config->queues[1].name, "async_task_queue");
	assert_string_equal(config->queues[1].list, "async_task_queue");
	assert_default_queue(&config->queues[0]);
	assert_default_queue(&config->queues[1]);
	assert_default_pool(config);
	assert_int_equal(config->handler_count, 1);
	assert_string_equal(config->handlers[0].class, "Demo");
	assert_string_equal(config->handlers[0].module, in_directory("modules/demo.so"));
}

static void no_file_is_all_defaults(void **state)
{
	(void)state;
	struct config *config = load(NULL);
	assert_null(config->path);
	assert_defaults(config);
	config_free(config);
}

static void an_empty_file_is_all_defaults(void **state)
{
	(void)state;
	static const char *const texts[] = {"", "# nothing\n", "---\n", "{}\n", "--- {}\n...\n"};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct config *config = load(texts[i]);
		assert_string_equal(config->path, file);
		assert_defaults(config);
		config_free(config);
	}
}

/* CONTRACT's own page, with the values that it shows as defaults. */
static const char all_defaults[] =
	"listen: [\"127.0.0.1:7077\"]\nuser: null\nbroker: embedded\nbroker_password_file: null\nbroker_eviction: "
	"refuse\n"
	"durability: process\nnamespace: muster\nnode_timeout: 15s\nstate_dir: null\nshutdown_grace: 30s\n"
	"log: {level: info, format: text, file: null}\nauth: {tokens: []}\ntls: {certificate: null, key: null}\n"
	"limits: {document: 1MiB, body: 16MiB, connections: 1024, batch: 10000, result: 64KiB, log: 64KiB, "
	"broker_memory: null}\nhttp: {allow: [], origins: [], requests_per_second: null}\n"
	"queues:\n- name: default\n  list: null\n  retry: 1\n  backoff: {base: 0s, factor: 2, max: 1h, jitter: 0.1}\n"
	"  timeout: null\n  max_crashes: 3\n  retention: {succeeded: 10m, dead: 7d, cancelled: 10m, max: 100000}\n"
	"  max_active: null\n  max_depth: null\n"
	"pools:\n- name: default\n  kind: tasks\n  queues: {default: 1, async_task_queue: 1}\n  strict: false\n"
	"  heartbeat_timeout: 10s\n  kill_grace: 500ms\n  preload: []\n  title_prefix: \"\"\n  max_tasks: null\n"
	"  max_memory: null\n  max_age: null\n  roll_share: 1\n";

static void defaults_may_be_written_out(void **state)
{
	(void)state;
	struct config *config = load(all_defaults);
	assert_defaults(config);
	config_free(config);
}

static const char elaborate[] =
	"listen: ['127.0.0.1:0', \"[::1]:7078\", 'unix:/run/x.sock']\n"
	"broker: redis://app:p%40ss@redis.example:6380/3\nbroker_eviction: accept\nnamespace: shop\n"
	"state_dir: state\nlog: {level: debug, format: json, file: muster.log}\n"
	"limits: {document: 2048, broker_memory: 1GiB}\n"
	"queues:\n"
	"- {name: mail, retry: 5, timeout: 90s, backoff: {base: 250ms, factor: 1.5}, retention: {max: 5}}\n"
	"- {name: orders, list: {key: \"shop:orders\", db: 7}}\n"
	"- {name: bills, list: \"shop:bills\", max_crashes: 1}\n"
	"- {name: async_task_queue, retry: 2}\n"
	"pools:\n"
	"- name: first\n  workers: '20'\n  queues: {mail: 5, new: 2}\n  strict: true\n  heartbeat_timeout: 1.5s\n"
	"  title_prefix: xes_\n  preload: [Report]\n  max_tasks: 100\n  max_memory: 64MiB\n  max_age: 1h\n  "
	"roll_share: 25\n"
	"- {name: second, workers: 1, queues: [orders, bills, async_task_queue, default]}\n"
	"handlers:\n- {class: Report, module: report.so}\n- {class: 'App\\Own', module: ./own.so}\n";

static void reads_what_is_written(void **state)
{
	(void)state;
	write_modules();
	struct config *config = load(elaborate);
	assert_int_equal(config->listen.count, 3);
	assert_true(config->broker_evicts_accepted);
	assert_string_equal(config->state_dir, in_directory("state"));
	assert_string_equal(config->log.file, in_directory("muster.log"));
	assert_int_equal(config->log.format, CONFIG_LOG_JSON);
	assert_int_equal(config->limits.document, 2048);
	assert_int_equal(config->limits.broker_memory, 1 << 30);
	assert_int_equal(config->queue_count, 6);
	const struct config_queue *queues = config->queues;
	assert_int_equal(queues[0].retry, 5);
	assert_int_equal(queues[0].timeout_ms, 90000);
	assert_int_equal(queues[0].backoff.base_ms, 250);
	assert_true(queues[0].backoff.factor == 1.5 && queues[0].backoff.jitter == 0.1);
	assert_int_equal(queues[0].retention.max, 5);
	assert_int_equal(queues[0].retention.dead_ms, 7 * DAY);
	assert_null(queues[0].list);
	assert_string_equal(queues[1].list, "shop:orders");
	assert_int_equal(queues[1].list_db, 7);
	assert_string_equal(queues[2].list, "shop:bills");
	assert_int_equal(queues[2].list_db, -1);
	assert_string_equal(queues[3].list, "async_task_queue");
	assert_string_equal(queues[4].name, "default");
	assert_string_equal(queues[5].name, "new");
	const struct config_pool *pools = config->pools;
	assert_int_equal(pools[0].workers, 20);
	assert_true(pools[0].strict);
	assert_int_equal(pools[0].heartbeat_timeout_ms, 1500);
	assert_string_equal(pools[0].title_prefix, "xes_");
	assert_string_equal(pools[0].preload.items[0], "Report");
	assert_int_equal(pools[0].max_tasks, 100);
	assert_int_equal(pools[0].max_memory, 64 << 20);
	assert_int_equal(pools[0].max_age_ms, 60 * MINUTE);
	assert_int_equal(pools[0].roll_share, 25);
	assert_int_equal(pools[1].roll_share, 1);
	assert_int_equal(pools[0].queue_count, 2);
	assert_int_equal(pools[0].queues[0].weight, 5);
	assert_int_equal(pools[0].queues[1].queue, 5);
	assert_int_equal(pools[1].queue_count, 4);
	assert_int_equal(pools[1].queues[3].queue, 4);
	assert_int_equal(pools[1].queues[3].weight, 1);
	assert_string_equal(config->handlers[0].module, in_directory("modules/report.so"));
	assert_string_equal(config->handlers[1].class, "App\\Own");
	assert_string_equal(config->handlers[1].module, in_directory("./own.so"));
	assert_int_equal(config->warning_count, 0);
	config_free(config);
}

static void finds_by_name(void **state)
{
	(void)state;
	write_modules();
	struct config *config = load(elaborate);
	assert_int_equal(config_find_queue(config, "mail", 4), 0);
	assert_int_equal(config_find_queue(config, "mailer", 4), 0);
	assert_int_equal(config_find_queue(config, "mai", 3), -1);
	assert_int_equal(config_find_queue(config, "mailer", 6), -1);
	assert_int_equal(config_find_queue(config, "mail\0er", 7), -1);
	assert_int_equal(config_find_queue(config, "", 0), -1);
	assert_int_equal(config_find_pool(config, "second"), 1);
	assert_int_equal(config_find_pool(config, "third"), -1);
	config_free(config);
}

static void a_list_in_the_brokers_database_is_an_ordinary_one(void **state)
{
	(void)state;
	struct config *config = load("broker: redis://h/7\nqueues: [{name: a, list: {key: l, db: 7}}, "
				     "{name: async_task_queue, list: null}]\n"
				     "pools: [{name: p, queues: [a, async_task_queue, default]}]\n");
	assert_string_equal(config->queues[0].list, "l");
	assert_int_equal(config->queues[0].list_db, -1);
	assert_null(config->queues[1].list); /* it says so */
	config_free(config);
}

/* ---- the broker ---- */

static void takes_the_broker_apart(void **state)
{
	(void)state;
	static const struct {
		const char *url, *host, *path, *user, *password;
		int port, db;
	} rows[] = {
		{"redis://localhost", "localhost", NULL, NULL, NULL, 6379, 0},
		{"redis://10.0.0.1:6380", "10.0.0.1", NULL, NULL, NULL, 6380, 0},
		{"redis://h/", "h", NULL, NULL, NULL, 6379, 0},
		{"redis://h:1/15", "h", NULL, NULL, NULL, 1, 15},
		{"redis://[::1]:6380/2", "::1", NULL, NULL, NULL, 6380, 2},
		{"redis://[::1]", "::1", NULL, NULL, NULL, 6379, 0},
		{"redis://:secret@h", "h", NULL, NULL, "secret", 6379, 0},
		{"redis://app:s%2Fe%3ac%40@h:7/1", "h", NULL, "app", "s/e:c@", 7, 1},
		{"redis://app:a@b@h", "h", NULL, "app", "a@b", 6379, 0},
		{"unix:///run/redis.sock", NULL, "/run/redis.sock", NULL, NULL, 0, 0},
		{"unix:///run/a@b.sock?db=4", NULL, "/run/a@b.sock", NULL, NULL, 0, 4},
		{"unix://u:p@/run/redis.sock", NULL, "/run/redis.sock", "u", "p", 0, 0},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char text[256];
		(void)snprintf(text, sizeof text, "broker: \"%s\"\n", rows[i].url);
		struct config *config = load(text);
		const struct config_broker *address = &config->address;
		assert_int_equal(address->kind, rows[i].host != NULL ? CONFIG_BROKER_TCP : CONFIG_BROKER_UNIX);
		const char *const pairs[][2] = {{address->host, rows[i].host}, {address->path, rows[i].path},
			{address->user, rows[i].user}, {address->password, rows[i].password}};
		for (size_t j = 0; j < sizeof pairs / sizeof *pairs; j++) {
			assert_int_equal(pairs[j][0] == NULL, pairs[j][1] == NULL);
			if (pairs[j][0] != NULL)
				assert_string_equal(pairs[j][0], pairs[j][1]);
		}
		assert_int_equal(address->port, rows[i].port);
		assert_int_equal(address->db, rows[i].db);
		config_free(config);
	}
}

static void refuses_other_brokers(void **state)
{
	(void)state;
	static const char *const urls[] = {"", "Embedded", "redis:/h", "redis://", "redis://:6379",
		"redis://h:", "redis://h:0", "redis://h:65536", "redis://h:6379x", "redis://h/-1", "redis://h/x",
		"redis://h/65536", "redis://[::1", "redis://[]", "redis://[::1]x", "redis://u@h", "redis://u:%zz@h",
		"redis://u:%00@h", "redis://u:%4@h", "rediss:/h", "redis://h,", "redis://,h", "redis://h,i:x",
		"redis-sentinel://h", "redis-sentinel:///name", "redis-sentinel://h/", "redis-sentinel://h//1",
		"redis-sentinel://h/name/x", "http://h", "unix://", "unix:///", "unix://x/y", "unix:///s?db=x",
		"unix:///s?x=1"};
	for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
		char text[256];
		(void)snprintf(text, sizeof text, "\nbroker: \"%s\"\n", urls[i]);
		assert_refused(text, 2, "\"broker\" ");
	}
#ifndef HAVE_HIREDIS_SSL
	assert_refused("broker: rediss://h\n", 1, "has no TLS");
#endif
}

static void takes_several_hosts(void **state)
{
	(void)state;
	struct config *config = load("broker: \"redis-sentinel://app:pw@h1,[::2]:2,h3:3/main/4\"\n");
	const struct config_broker *address = &config->address;
	assert_int_equal(address->kind, CONFIG_BROKER_SENTINEL);
	assert_string_equal(address->host, "h1");
	assert_int_equal(address->port, 26379);
	assert_int_equal(address->other_count, 2);
	assert_string_equal(address->others[0].host, "::2");
	assert_int_equal(address->others[0].port, 2);
	assert_string_equal(address->others[1].host, "h3");
	assert_int_equal(address->others[1].port, 3);
	assert_string_equal(address->master, "main");
	assert_string_equal(address->user, "app");
	assert_string_equal(address->password, "pw");
	assert_int_equal(address->db, 4);
	char *text = config_print(config);
	assert_non_null(strstr(text, "redis-sentinel://app:********@h1,"));
	free(text);
	config_free(config);
	config = load("broker: redis://a:1,b/2\n");
	assert_int_equal(config->address.kind, CONFIG_BROKER_TCP);
	assert_string_equal(config->address.others[0].host, "b");
	assert_int_equal(config->address.others[0].port, 6379);
	assert_int_equal(config->address.db, 2);
	config_free(config);
}

static void reads_the_password_file(void **state)
{
	(void)state;
	static const char *const texts[] = {"secret", "secret\n"};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		write_file(in_directory("password"), texts[i], 0600);
		struct config *config = load("broker: redis://u@h\nbroker_password_file: password\n");
		assert_string_equal(config->address.password, "secret");
		assert_string_equal(config->broker_password_file, in_directory("password"));
		config_free(config);
	}
	write_file(in_directory("password"), "\n", 0600);
	assert_refused("broker: redis://h\nbroker_password_file: password\n", 2, "holds no password");
	assert_refused("broker: redis://h\nbroker_password_file: nowhere\n", 2, "No such file");
	assert_refused("broker_password_file: password\n", 1, "the embedded broker has no password");
	assert_refused("broker: redis://:x@h\nbroker_password_file: password\n", 2, "a password already");
}

static void the_embedded_broker_lives_in_the_state_directory(void **state)
{
	(void)state;
	char text[256], name[120];
	struct config *config = load("state_dir: /var/lib/x//\n");
	assert_string_equal(config->state_dir, "/var/lib/x");
	assert_string_equal(config->address.path, "/var/lib/x/redis.sock");
	config_free(config);
	memset(name, 'x', sizeof name);
	name[96] = '\0'; /* with "/" and "/redis.sock": one more than fits */
	(void)snprintf(text, sizeof text, "namespace: x\nstate_dir: /%s\n", name);
	assert_refused(text, 2, "\"state_dir\" is too long");
	name[95] = '\0';
	(void)snprintf(text, sizeof text, "state_dir: /%s\n", name);
	config = load(text);
	assert_true(strlen(config->address.path) <= 107);
	config_free(config);
}

/* ---- warnings ---- */

static void warns_of_a_queue_that_nobody_serves(void **state)
{
	(void)state;
	char expected[PATH_MAX + 64];
	struct config *config =
		load("queues:\n- name: default\n- name: lonely\npools: [{name: a, queues: [default]}]\n");
	assert_int_equal(config->warning_count, 1);
	(void)snprintf(expected, sizeof expected, "%s:3: no pool serves the queue \"lonely\"", file);
	assert_int_equal(strncmp(config->warnings[0], expected, strlen(expected)), 0);
	config_free(config);
	config = load("pools: [{name: a, queues: [mail]}]\n");
	assert_int_equal(config->warning_count, 1);
	assert_non_null(strstr(config->warnings[0], "no pool serves the queue \"default\""));
	config_free(config);
}

static void warns_of_an_open_state_directory(void **state)
{
	(void)state;
	assert_int_equal(mkdir(in_directory("state"), 0700), 0);
	struct config *config = load("state_dir: state\n");
	assert_int_equal(config->warning_count, 0);
	config_free(config);
	assert_int_equal(chmod(in_directory("state"), 0750), 0);
	config = load("namespace: a\nstate_dir: state\n");
	assert_int_equal(config->warning_count, 1);
	assert_non_null(strstr(config->warnings[0], "muster.yaml:2: \"state_dir\""));
	assert_non_null(strstr(config->warnings[0], "mode 0750"));
	config_free(config);
}

static void warns_of_no_classes_at_all(void **state)
{
	(void)state;
	struct config *config = load("handlers: []\n");
	assert_int_equal(config->handler_count, 0);
	assert_int_equal(config->warning_count, 1);
	config_free(config);
}

/* ---- the environment ---- */

static void the_environment_overrides_the_file(void **state)
{
	(void)state;
	(void)setenv("MUSTER_LISTEN", "127.0.0.1:1,[::1]:2", 1);
	(void)setenv("MUSTER_BROKER", "redis://h", 1);
	(void)setenv("MUSTER_STATE_DIR", "/var/tmp/state", 1);
	(void)setenv("MUSTER_NAMESPACE", "other", 1);
	(void)setenv("MUSTER_LOG_LEVEL", "warn", 1);
	(void)setenv("MUSTER_USER", "", 1);
	struct config *config = load("listen: ['127.0.0.1:9']\nnamespace: a\nlog: {level: debug, format: json}\n");
	assert_int_equal(config->listen.count, 2);
	assert_string_equal(config->listen.items[1], "[::1]:2");
	assert_string_equal(config->address.host, "h");
	assert_string_equal(config->state_dir, "/var/tmp/state");
	assert_string_equal(config->namespace, "other");
	assert_int_equal(config->log.level, CONFIG_LOG_WARN);
	assert_int_equal(config->log.format, CONFIG_LOG_JSON);
	config_free(config);
}

static void faults_of_the_environment_name_the_variable(void **state)
{
	(void)state;
	static const char *const rows[][3] = {
		{"MUSTER_LISTEN", "127.0.0.1:1,nowhere", "MUSTER_LISTEN: \"listen\": \"nowhere\""},
		{"MUSTER_BROKER", "x", "MUSTER_BROKER: \"broker\""},
		{"MUSTER_USER", "nobody-of-that-name", "MUSTER_USER: \"user\""},
		{"MUSTER_NAMESPACE", "a b", "MUSTER_NAMESPACE: \"namespace\""},
		{"MUSTER_LOG_LEVEL", "loud", "MUSTER_LOG_LEVEL: \"level\""},
		{"MUSTER_NAMESPACE", "\xff", "MUSTER_NAMESPACE: its value is not UTF-8"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct error error;
		char *details;
		(void)setenv(rows[i][0], rows[i][1], 1);
		assert_int_equal(refuse("listen:\n- '127.0.0.1:5'\n- '127.0.0.1:6'\n", &error, &details), -EINVAL);
		if (strncmp(error.text, rows[i][2], strlen(rows[i][2])) != 0)
			fail_msg("%s", error.text);
		(void)unsetenv(rows[i][0]);
	}
}

static void a_relative_state_directory_of_the_environment_is_below_here(void **state)
{
	(void)state;
	char here[PATH_MAX / 2], expected[PATH_MAX];
	assert_non_null(getcwd(here, sizeof here));
	(void)snprintf(expected, sizeof expected, "%s/state", strcmp(here, "/") == 0 ? "" : here);
	(void)setenv("MUSTER_STATE_DIR", "state", 1);
	struct config *config = load("");
	assert_string_equal(config->state_dir, expected);
	config_free(config);
}

/* ---- accounts ---- */

static void root_gives_its_rights_away(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	struct config *config = load("");
	assert_string_equal(config->user, getpwnam("muster") != NULL ? "muster" : "nobody");
	assert_string_equal(config->state_dir, "/var/lib/muster");
	config_free(config);
	config = load("user: root\n");
	assert_string_equal(config->user, "root");
	config_free(config);
}

static void others_stay_who_they_are(void **state)
{
	(void)state;
	bool root = geteuid() == 0;
	const char *home = getenv("HOME");
	char *kept = home != NULL ? strdup(home) : NULL;
	if (root)
		assert_int_equal(seteuid(65534), 0);
	(void)setenv("HOME", "/home/somebody", 1);
	(void)unsetenv("XDG_STATE_HOME");
	struct config *config = load(NULL);
	assert_null(config->user);
	assert_string_equal(config->state_dir, "/home/somebody/.local/state/muster");
	config_free(config);
	(void)setenv("XDG_STATE_HOME", "/srv/states", 1);
	config = load(NULL);
	assert_string_equal(config->state_dir, "/srv/states/muster");
	config_free(config);
	(void)setenv("MUSTER_USER", "root", 1);
	struct error error;
	char *details;
	assert_int_equal(config_load(NULL, modules, &config, &error, &details), -EINVAL);
	assert_non_null(strstr(error.text, "MUSTER_USER: \"user\": only root"));
	(void)unsetenv("XDG_STATE_HOME");
	if (kept != NULL)
		(void)setenv("HOME", kept, 1);
	free(kept);
	if (root)
		assert_int_equal(seteuid(0), 0);
}

/* ---- printing ---- */

static void assert_round_trip(const char *text)
{
	struct config *config = load(text);
	char *printed = config_print(config);
	assert_non_null(printed);
	assert_null(strstr(printed, "p%40ss"));
	struct config *again = load(printed);
	char *second = config_print(again);
	assert_string_equal(printed, second);
	assert_int_equal(config->queue_count, again->queue_count);
	for (size_t i = 0; i < config->queue_count; i++)
		assert_int_equal(config->queues[i].list == NULL, again->queues[i].list == NULL);
	free(second);
	free(printed);
	config_free(again);
	config_free(config);
}

static void what_is_printed_reads_back(void **state)
{
	(void)state;
	write_modules();
	assert_round_trip("");
	assert_round_trip(all_defaults);
	assert_round_trip(elaborate);
	assert_round_trip("namespace: \"10\"\npools: [{name: \"true\", queues: {\"null\": 1, \"-5\": 3, default: 1}}]\n"
			  "queues: [{name: \"1e3\", backoff: {jitter: 0.12345678901234567}, list: \"a: b #c\"}]\n");
}

static void prints_everything_but_secrets(void **state)
{
	(void)state;
	write_modules();
	struct config *config = load(elaborate);
	char *printed = config_print(config);
	static const char *const lines[] = {"broker: redis://app:********@redis.example:6380/3\n",
		"node_timeout: 15s\n", "  level: debug\n", "  tokens: []\n", "  document: 2KiB\n", "  max_crashes: 3\n",
		"    mail: 5\n", "  heartbeat_timeout: 1500ms\n", "  kind: tasks\n"};
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		if (strstr(printed, lines[i]) == NULL)
			fail_msg("no %s in\n%s", lines[i], printed);
	free(printed);
	config_free(config);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(no_file_is_all_defaults),
		TEST(an_empty_file_is_all_defaults),
		TEST(defaults_may_be_written_out),
		TEST(reads_what_is_written),
		TEST(finds_by_name),
		TEST(a_list_in_the_brokers_database_is_an_ordinary_one),
		TEST(takes_the_broker_apart),
		TEST(refuses_other_brokers),
		TEST(takes_several_hosts),
		TEST(reads_the_password_file),
		TEST(the_embedded_broker_lives_in_the_state_directory),
		TEST(warns_of_a_queue_that_nobody_serves),
		TEST(warns_of_an_open_state_directory),
		TEST(warns_of_no_classes_at_all),
		TEST(the_environment_overrides_the_file),
		TEST(faults_of_the_environment_name_the_variable),
		TEST(a_relative_state_directory_of_the_environment_is_below_here),
		TEST(root_gives_its_rights_away),
		TEST(others_stay_who_they_are),
		TEST(what_is_printed_reads_back),
		TEST(prints_everything_but_secrets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
