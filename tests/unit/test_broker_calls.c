/* The calls: what goes to the scripts and what comes back. The scripts have tests of their own in tests/lua. */
#include "core/broker.h"

#include "tests/unit/broker_fixture.h"

#include "core/io.h"

/* ---- for workers ---- */

static void test_a_turn(void **state)
{
	(void)state;
	struct task_submission task = task_of("a", QUEUE_DEFAULT);
	task.document = (struct bytes){"[\"\0\xff\n\"]", 7};
	assert_int_equal(try_submit(&task, NULL, NULL), 0);
	submit("b");
	struct broker_turn turn = turn_of(1, 1);
	struct broker_lease lease;
	assert_int_equal(broker_turn(broker, &turn, soon(), &lease, NULL), 0);
	assert_int_equal(lease.count, 1);
	assert_int_equal(lease.admitted, 0);
	assert_bytes(lease.tasks[0].element, "a");
	assert_null(lease.tasks[0].record.data);
	struct task_head head;
	assert_int_equal(task_head_read(lease.tasks[0].stored, &head), 0);
	assert_int_equal(head.created_ms, 1000);
	assert_string_equal(head.queue, "default");
	assert_int_equal(head.document.length, 7);
	assert_memory_equal(head.document.data, "[\"\0\xff\n\"]", 7);
	broker_lease_fini(&lease);

	struct broker_outcome outcome = {"a", bytes_of("R 1 1 0 2 5 6 0 w\n")};
	turn = turn_of(2, 5);
	turn.outcomes = &outcome;
	turn.outcome_count = 1;
	for (int again = 0; again < 2; again++) { /* the second time as after a lost reply */
		assert_int_equal(broker_turn(broker, &turn, soon(), &lease, NULL), 0);
		assert_int_equal(lease.count, 2);
		assert_bytes(lease.tasks[0].element, "b");
		assert_bytes(lease.tasks[1].element, "a~1");
		assert_bytes(lease.tasks[1].record, "R 1 1 0 2 5 6 0 w\n");
		assert_null(lease.tasks[0].record.data);
		broker_lease_fini(&lease);
	}
}

static void test_gone_and_held_keep_the_connection(void **state)
{
	(void)state;
	submit("a");
	struct broker_turn turn = turn_of(2, 1);
	struct broker_lease lease;
	assert_int_equal(broker_turn(broker, &turn, soon(), &lease, NULL), 0);
	broker_lease_fini(&lease);
	int fd = broker_fd(broker);
	turn.sequence = 1;
	assert_int_equal(broker_turn(broker, &turn, soon(), &lease, NULL), BROKER_GONE);
	turn.generation++;
	assert_int_equal(broker_turn(broker, &turn, soon(), &lease, NULL), BROKER_HELD);
	assert_int_equal(broker_fd(broker), fd);
	assert_int_equal(broker_ping(broker, soon(), NULL), 0);
}

static void test_a_wait_ends_with_the_bell(void **state)
{
	(void)state;
	pid_t producer = fork();
	if (producer == 0) {
		struct broker *own;
		struct task_submission task = task_of("a", QUEUE_DEFAULT);
		struct broker_submission submission = {.task = &task};
		struct broker_batch batch = {
			.submissions = &submission, .submission_count = 1, .source = TASK_SOURCE_HTTP};
		_exit(broker_open(&own, &config) < 0 || broker_batch(own, &batch, soon(), NULL) < 0);
	}
	struct broker_turn turn = turn_of(1, 1);
	struct broker_lease lease;
	turn.wait_ms = 5000;
	int64_t before = clock_mono_ns();
	assert_int_equal(broker_turn(broker, &turn, in_ms(9000), &lease, NULL), 0);
	assert_true(clock_mono_ns() - before < 4 * CLOCK_NS_PER_S);
	assert_int_equal(lease.count, 1);
	broker_lease_fini(&lease);
	int status;
	assert_int_equal(waitpid(producer, &status, 0), producer);
	assert_int_equal(status, 0);
}

static void test_a_wait_ends_with_its_time(void **state)
{
	(void)state;
	struct broker_turn turn = turn_of(1, 1);
	struct broker_lease lease;
	turn.wait_ms = 20;
	int64_t before = clock_mono_ns();
	assert_int_equal(broker_turn(broker, &turn, soon(), &lease, NULL), 0);
	assert_in_range((clock_mono_ns() - before) / CLOCK_NS_PER_MS, 15, 2000);
	assert_int_equal(lease.count, 0);
	broker_lease_fini(&lease);
}

static void test_a_wait_ends_with_a_stop(void **state)
{
	(void)state;
	struct broker_turn turn = turn_of(1, 1);
	struct broker_lease lease;
	turn.wait_ms = 5000;
	turn.stop_fd = io_bell_new();
	io_bell_ring(turn.stop_fd);
	int64_t before = clock_mono_ns();
	assert_int_equal(broker_turn(broker, &turn, in_ms(9000), &lease, NULL), BROKER_STOPPED);
	assert_true(clock_mono_ns() - before < 2 * CLOCK_NS_PER_S);
	assert_int_equal(broker_fd(broker), -1); /* the bell's answer must not be taken for another's */
	io_close(&turn.stop_fd);
}

static void test_recovery(void **state)
{
	(void)state;
	submit("a");
	submit("b");
	struct broker_turn turn = turn_of(1, 2);
	struct broker_lease lease;
	assert_int_equal(broker_turn(broker, &turn, soon(), &lease, NULL), 0);
	broker_lease_fini(&lease);

	struct broker_holdings holdings;
	assert_int_equal(broker_holdings(broker, "node1", soon(), &holdings, NULL), 0);
	assert_int_equal(holdings.count, 1);
	assert_string_equal(holdings.items[0].slot, SLOT);
	assert_true(holdings.items[0].generation == turn.generation);
	assert_int_equal(holdings.items[0].sequence, 1);
	assert_bytes(holdings.items[0].elements, "a b");
	broker_holdings_fini(&holdings);
	assert_int_equal(broker_holdings(broker, "node2", soon(), &holdings, NULL), 0);
	assert_int_equal(holdings.count, 0);
	broker_holdings_fini(&holdings);

	struct broker_outcome outcome = {"a", bytes_of("S 1 1 0 1 5 6 0 w\n")};
	struct broker_recovered recovered;
	assert_int_equal(broker_recover(broker, SLOT, turn.generation, &outcome, 1, soon(), &recovered, NULL), 0);
	assert_int_equal(recovered.settled, 1);
	assert_int_equal(recovered.returned, 1);
	assert_int_equal(recovered.ended, 1);
	assert_int_equal(look_at("a").state, TASK_SUCCEEDED);
	assert_int_equal(broker_turn(broker, &turn, soon(), &lease, NULL), BROKER_GONE);
	assert_int_equal(unaccounted(), 0);
}

/* ---- submission ---- */

static void test_a_batch_of_ten_thousand(void **state)
{
	enum { COUNT = 10000 };
	(void)state;
	struct task_submission *tasks = calloc(COUNT, sizeof *tasks);
	struct broker_submission *submissions = calloc(COUNT, sizeof *submissions);
	struct broker_look look = {.id = "task-9998"};
	struct broker_batch batch = {.submissions = submissions,
		.submission_count = COUNT,
		.created_ms = 1000,
		.source = TASK_SOURCE_HTTP,
		.looks = &look,
		.look_count = 1};
	for (int i = 0; i < COUNT; i++) {
		char id[32];
		snprintf(id, sizeof id, "task-%d", i % (COUNT - 1)); /* the last one is the first again */
		tasks[i] = task_of(id, i % 2 ? QUEUE_JOBS : QUEUE_DEFAULT);
		submissions[i].task = &tasks[i];
	}
	assert_int_equal(broker_batch(broker, &batch, soon(), NULL), 0);
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(submissions[i].stored, i == COUNT - 1 ? BROKER_KNOWN : BROKER_STORED);
	assert_true(look.known); /* look-ups see the batch's own submissions */
	assert_int_equal(look.state, TASK_PENDING);
	assert_bytes(look.stored, "1000 0 h 1 default\n{}");
	assert_null(look.record.data);
	broker_batch_fini(&batch);
	assert_int_equal(redis_number("LLEN", "{muster}:queue:jobs"), COUNT / 2 - 1);
	free(tasks);
	free(submissions);
}

static void test_a_batch_of_nothing(void **state)
{
	(void)state;
	struct broker_batch batch = {0};
	assert_int_equal(broker_batch(broker, &batch, soon(), NULL), 0);
	broker_batch_fini(&batch);
}

static void test_a_large_document(void **state)
{
	(void)state;
	static char document[1 << 20];
	struct task_submission task = task_of("a", QUEUE_DEFAULT);
	for (size_t i = 0; i < sizeof document; i++)
		document[i] = (char)(i * 7);
	task.document = (struct bytes){document, sizeof document};
	assert_int_equal(try_submit(&task, NULL, NULL), 0);
	struct broker_turn turn = turn_of(1, 1);
	struct broker_lease lease;
	assert_int_equal(broker_turn(broker, &turn, soon(), &lease, NULL), 0);
	struct bytes stored = lease.tasks[0].stored;
	assert_true(stored.length > sizeof document);
	assert_memory_equal(stored.data + stored.length - sizeof document, document, sizeof document);
	broker_lease_fini(&lease);
}

static void test_cancelling(void **state)
{
	(void)state;
	submit("held");
	struct broker_turn turn = turn_of(1, 1);
	struct broker_lease lease;
	assert_int_equal(broker_turn(broker, &turn, soon(), &lease, NULL), 0);
	broker_lease_fini(&lease);
	submit("waits");
	assert_int_equal(broker_cancel(broker, "nobody", false, soon(), NULL), BROKER_CANCEL_UNKNOWN);
	assert_int_equal(broker_cancel(broker, "waits", false, soon(), NULL), BROKER_CANCEL_DONE);
	assert_int_equal(broker_cancel(broker, "waits", false, soon(), NULL), BROKER_CANCEL_OVER);
	assert_int_equal(broker_cancel(broker, "held", false, soon(), NULL), BROKER_CANCEL_REQUESTED);
	assert_int_equal(look_at("waits").state, TASK_CANCELLED);
	assert_true(look_at("held").cancel_requested);

	char(*ids)[ID_MAX + 1];
	size_t count;
	assert_int_equal(broker_cancels(broker, false, soon(), &ids, &count, NULL), 0);
	assert_int_equal(count, 1);
	assert_string_equal(ids[0], "held");
	free(ids);

	struct broker_look look = {.id = "waits"};
	struct broker_batch batch = {.looks = &look, .look_count = 1};
	struct task_record record;
	assert_int_equal(broker_batch(broker, &batch, soon(), NULL), 0);
	assert_int_equal(task_record_read(look.record, &record), 0); /* the one record that a script writes */
	assert_int_equal(record.state, TASK_CANCELLED);
	assert_true(record.finished_ms > 0);
	task_record_fini(&record);
	broker_batch_fini(&batch);
}

static void wait_readable(int fd)
{
	struct pollfd entry = {.fd = fd, .events = POLLIN};
	assert_int_equal(io_poll(&entry, 1, soon()), 1);
}

static void test_announcements(void **state)
{
	(void)state;
	struct broker *listener;
	assert_int_equal(broker_open(&listener, &config), 0);
	char id[ID_MAX + 1];
	struct bytes record;
	assert_int_equal(broker_next(listener, id, &record), BROKER_AWAY);
	assert_int_equal(broker_subscribe(listener, soon(), NULL), 0);
	assert_int_equal(broker_next(listener, id, &record), 0);

	submit("a");
	submit("b");
	struct broker_look looks[2] = {{.id = "a", .watch = true}, {.id = "b", .watch = true}};
	struct broker_batch batch = {.looks = looks, .look_count = 2};
	assert_int_equal(broker_batch(broker, &batch, soon(), NULL), 0);
	broker_batch_fini(&batch);
	assert_int_equal(broker_cancel(broker, "a", false, soon(), NULL), BROKER_CANCEL_DONE);
	assert_int_equal(broker_cancel(broker, "b", false, soon(), NULL), BROKER_CANCEL_DONE);
	for (const char *expected = "a"; *expected <= 'b'; expected = *expected == 'a' ? "b" : "c") {
		int status;
		while ((status = broker_next(listener, id, &record)) == 0)
			wait_readable(broker_fd(listener));
		assert_int_equal(status, 1);
		assert_string_equal(id, expected);
		assert_memory_equal(record.data, "C ", 2);
	}
	redis("CLIENT", "KILL", "TYPE", "pubsub");
	wait_readable(broker_fd(listener));
	assert_int_equal(broker_next(listener, id, &record), BROKER_AWAY);
	broker_close(listener);
}

/* ---- the scheduler's ---- */

static int finish(void)
{
	int status;
	while ((status = broker_wait_finish(broker, NULL)) == 0)
		wait_readable(broker_fd(broker));
	return status;
}

static void submit_for(const char *id, int64_t run_at_ms)
{
	struct task_submission task = task_of(id, QUEUE_DEFAULT);
	task.run_at_ms = run_at_ms;
	assert_int_equal(try_submit(&task, NULL, NULL), 0);
}

static void test_due_times(void **state)
{
	(void)state;
	int64_t next_ms;
	assert_int_equal(broker_due(broker, soon(), &next_ms, NULL, NULL), 0);
	assert_int_equal(next_ms, -1);
	submit_for("later", clock_wall_ms() + 60000);
	assert_int_equal(broker_wait_due(broker, soon(), NULL), 0);
	assert_int_equal(finish(), 1);
	assert_int_equal(redis_number("LLEN", "{muster}:armed:due"), 0);
	submit_for("past", 5);
	assert_int_equal(look_at("past").state, TASK_SCHEDULED);
	assert_int_equal(broker_due(broker, soon(), &next_ms, NULL, NULL), 1);
	assert_in_range(next_ms, 50000, 60000);
	assert_int_equal(look_at("past").state, TASK_PENDING);
}

static void test_a_plain_list_is_waited_for(void **state)
{
	(void)state;
	redis("LPUSH", "prod:jobs", "{}");
	redis("LPUSH", "{muster}:armed:list:prod:jobs", "1"); /* the second wait is over at once */
	assert_int_equal(broker_wait_list(broker, QUEUE_JOBS, soon(), NULL), 0);
	assert_int_equal(finish(), 1);
	assert_int_equal(redis_number("LLEN", "{muster}:bell:jobs"), 1);
	assert_int_equal(redis_number("LLEN", "prod:jobs"), 1);
	redis("SCRIPT", "FLUSH");
	redis("DEL", "{muster}:bell:jobs");
	redis("LPUSH", "{muster}:armed:list:prod:jobs", "1");
	assert_int_equal(broker_wait_list(broker, QUEUE_JOBS, soon(), NULL), 0);
	assert_int_equal(finish(), 1);
	assert_int_equal(redis_number("LLEN", "{muster}:bell:jobs"), 1);

	struct broker_turn turn = turn_of(1, 5);
	struct broker_lease lease;
	assert_int_equal(broker_turn(broker, &turn, soon(), &lease, NULL), 0);
	assert_int_equal(lease.count, 1);
	assert_int_equal(lease.admitted, 1);
	assert_int_equal(lease.tasks[0].element.length, ID_LENGTH);
	broker_lease_fini(&lease);
	assert_int_equal(redis_number("LLEN", "{muster}:armed:list:prod:jobs"), 1);
}

static void test_a_wait_that_is_cut(void **state)
{
	(void)state;
	assert_int_equal(broker_wait_list(broker, QUEUE_JOBS, soon(), NULL), 0);
	assert_int_equal(broker_wait_finish(broker, NULL), 0);
	redis("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
	assert_int_equal(finish(), BROKER_AWAY);
	assert_int_equal(broker_fd(broker), -1);
	assert_int_equal(broker_ping(broker, soon(), NULL), 0);
}

static void test_a_list_of_the_wrong_type(void **state)
{
	(void)state;
	redis("SET", "prod:jobs", "x");
	assert_int_equal(broker_wait_list(broker, QUEUE_JOBS, soon(), NULL), 0);
	assert_int_equal(finish(), BROKER_UNFIT);
}

static void test_a_list_of_another_database_is_carried_over(void **state)
{
	(void)state;
	redis("SELECT", "5");
	redis("LPUSH", "far:jobs", "1", "2", "3");
	assert_int_equal(broker_wait_list(broker, QUEUE_FAR, soon(), NULL), 0);
	assert_int_equal(finish(), 1);
	assert_int_equal(redis_number("EXISTS", "far:jobs"), 0);
	assert_int_equal(redis_number("EXISTS", "{far:jobs}:box:{muster}"), 0);
	redis("LPUSH", "far:jobs", "4");
	redis("SCRIPT", "FLUSH");
	assert_int_equal(broker_wait_list(broker, QUEUE_FAR, soon(), NULL), 0);
	assert_int_equal(finish(), 1);
	redis("SELECT", "0");
	assert_int_equal(redis_number("GET", "{muster}:format"), 1); /* nothing of ours went astray */

	struct broker_turn turn = turn_of(1, 5);
	struct broker_lease lease;
	assert_int_equal(broker_turn(broker, &turn, soon(), &lease, NULL), 0);
	assert_int_equal(lease.count, 4);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(lease.tasks[i].stored.data[lease.tasks[i].stored.length - 1], '1' + (int)i);
	broker_lease_fini(&lease);
	assert_int_equal(unaccounted(), 0);
}

static void test_nodes(void **state)
{
	(void)state;
	char(*lost)[33];
	size_t count;
	json_t *nodes;
	submit("a");
	struct broker_turn turn = turn_of(1, 1);
	struct broker_lease lease;
	assert_int_equal(broker_turn(broker, &turn, soon(), &lease, NULL), 0);
	broker_lease_fini(&lease);
	assert_int_equal(broker_node(broker, "node1", 1, "{\"host\":\"h\"}", soon(), &lost, &count, NULL), 0);
	assert_int_equal(count, 0);
	free(lost);
	int64_t until = soon();
	do {
		assert_int_equal(broker_node(broker, "node2", 60000, "{\"n\":[1]}", soon(), &lost, &count, NULL), 0);
		if (count == 0)
			free(lost);
	} while (count == 0 && clock_mono_ns() < until);
	assert_int_equal(count, 1);
	assert_string_equal(lost[0], "node1");
	free(lost);
	assert_int_equal(broker_nodes(broker, soon(), &nodes, NULL), 0);
	assert_int_equal(json_array_size(nodes), 1);
	json_t *node = json_array_get(nodes, 0);
	assert_string_equal(json_string_value(json_object_get(node, "id")), "node2");
	assert_true(json_integer_value(json_object_get(node, "until_ms")) > clock_wall_ms() + 50000);
	assert_int_equal(json_array_size(json_object_get(json_object_get(node, "info"), "n")), 1);
	json_decref(nodes);
	assert_int_equal(broker_node_leave(broker, "node2", soon(), NULL), 0);
	assert_int_equal(broker_nodes(broker, soon(), &nodes, NULL), 0);
	assert_int_equal(json_array_size(nodes), 0);
	json_decref(nodes);
}

static void test_depths_and_retention(void **state)
{
	(void)state;
	struct broker_depth depths[QUEUE_COUNT];
	struct broker_state now;
	submit("a");
	submit("b");
	redis("LPUSH", "prod:jobs", "1", "2");
	redis("CONFIG", "SET", "maxmemory", "100000000");
	assert_int_equal(broker_cancel(broker, "a", false, soon(), NULL), BROKER_CANCEL_DONE);
	assert_int_equal(broker_depths(broker, depths, &now, soon(), NULL), 0);
	redis("CONFIG", "SET", "maxmemory", "0");
	assert_int_equal(depths[QUEUE_DEFAULT].pending, 1);
	assert_int_equal(depths[QUEUE_DEFAULT].cancelled_total, 1);
	assert_true(depths[QUEUE_DEFAULT].oldest_age_s > 1e9); /* made in 1970 */
	assert_int_equal(depths[QUEUE_JOBS].pending, 2);
	assert_true(now.memory_bytes > 100000);
	assert_int_equal(now.memory_limit, 100000000);
	assert_string_equal(now.eviction, "noeviction");
	assert_true(strtol(now.version, NULL, 10) >= 7);
	assert_int_equal(now.unaccounted, 0);
	assert_int_equal(now.emptied_ms, 0);
	assert_int_equal(broker_retain(broker, soon(), NULL), 0);
	queues[QUEUE_DEFAULT].retention.max = 0;
	assert_int_equal(broker_retain(broker, soon(), NULL), 1);
	assert_false(look_at("a").known);
}

static void test_memory_in_percent(void **state)
{
	(void)state;
	assert_int_equal(broker_memory_percent(&(struct broker_state){.memory_bytes = 1 << 30}), 0);
	assert_int_equal(broker_memory_percent(&(struct broker_state){.memory_bytes = 799, .memory_limit = 1000}), 79);
	assert_int_equal(
		broker_memory_percent(&(struct broker_state){.memory_bytes = 1100, .memory_limit = 1000}), 110);
}

static void test_an_emptied_broker_is_noticed(void **state)
{
	(void)state;
	struct broker_depth depths[QUEUE_COUNT];
	struct broker_state now;
	char mark[ID_LENGTH + 1] = "", other[ID_LENGTH + 1] = "";
	assert_int_equal(broker_mark(broker, mark, soon(), NULL), 0);
	assert_int_equal(broker_mark(broker, mark, soon(), NULL), 0);
	assert_int_equal(broker_mark(broker, other, soon(), NULL), 0);
	assert_string_equal(mark, other);
	redis("FLUSHALL");
	assert_int_equal(broker_mark(broker, mark, soon(), NULL), 1);
	assert_int_equal(broker_mark(broker, mark, soon(), NULL), 0);
	assert_int_equal(broker_mark(broker, other, soon(), NULL), 1); /* another node */
	assert_string_equal(mark, other);
	assert_int_equal(broker_depths(broker, depths, &now, soon(), NULL), 0);
	assert_true(now.emptied_ms > 1600000000000);
}

static enum broker_persistence persistence(void)
{
	enum broker_persistence found;
	assert_int_equal(broker_persistence(broker, &found, soon(), NULL), 0);
	return found;
}

static void test_what_it_keeps(void **state)
{
	(void)state;
	assert_int_equal(persistence(), BROKER_KEEPS_NOTHING);
	redis("CONFIG", "SET", "save", "3600 1");
	assert_int_equal(persistence(), BROKER_KEEPS_SNAPSHOTS);
	redis("CONFIG", "SET", "save", "");
	redis("ACL", "SETUSER", "default", "-config");
	assert_int_equal(persistence(), BROKER_KEEPS_UNKNOWN);
	redis("ACL", "SETUSER", "default", "+config");
	assert_int_equal(broker_ping(broker, soon(), NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, each_anew, each_over)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_turn),
		TEST(test_gone_and_held_keep_the_connection),
		TEST(test_a_wait_ends_with_the_bell),
		TEST(test_a_wait_ends_with_its_time),
		TEST(test_a_wait_ends_with_a_stop),
		TEST(test_recovery),
		TEST(test_a_batch_of_ten_thousand),
		TEST(test_a_batch_of_nothing),
		TEST(test_a_large_document),
		TEST(test_cancelling),
		TEST(test_announcements),
		TEST(test_due_times),
		TEST(test_a_plain_list_is_waited_for),
		TEST(test_a_wait_that_is_cut),
		TEST(test_a_list_of_the_wrong_type),
		TEST(test_a_list_of_another_database_is_carried_over),
		TEST(test_nodes),
		TEST(test_depths_and_retention),
		TEST(test_memory_in_percent),
		TEST(test_an_emptied_broker_is_noticed),
		TEST(test_what_it_keeps),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, open_all, close_all);
}
