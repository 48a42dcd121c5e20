/* The broker's calls with each of their allocations failing, against a real Redis: a call says -ENOMEM, or that its
 * connection is lost, and loses nothing; said again it has its effect, once, and the ledger balances. */
#include "tests/robust/starve.h"
/* Not all of it is needed here. */
#pragma GCC diagnostic ignored "-Wunused-function"
#include "tests/unit/broker_fixture.h"

#include "core/io.h"

enum { ALLOCATIONS_MAX = 5000 };

static uint64_t sequence;

static int submit_and_look(void)
{
	struct task_submission tasks[] = {task_of("a", QUEUE_DEFAULT), task_of("b", QUEUE_JOBS)};
	struct broker_submission submissions[] = {{.task = &tasks[0]}, {.task = &tasks[1]}};
	struct broker_look look = {.id = "a", .watch = true};
	struct broker_batch batch = {.submissions = submissions,
		.submission_count = 2,
		.created_ms = 1000,
		.source = TASK_SOURCE_HTTP,
		.looks = &look,
		.look_count = 1};
	struct error error;
	int status = broker_batch(broker, &batch, soon(), &error);

	if (status == 0 && !look.known)
		return 1;
	broker_batch_fini(&batch);
	return status;
}

static int take(void)
{
	struct broker_turn turn = turn_of(sequence + 1, 3);
	struct broker_lease lease = {0};
	struct error error;
	int status = broker_turn(broker, &turn, soon(), &lease, &error);

	if (status == 0 && lease.count != 2)
		return 1;
	broker_lease_fini(&lease);
	return status;
}

static int report(void)
{
	const struct broker_outcome outcomes[] = {{"a", bytes_of("S 1 1 0 1 5 6 0 w\n")},
		{"b", bytes_of("R 1 1 0 2 5 6 9999999999999 w\n{\"history\":[]}")}};
	struct broker_turn turn = turn_of(sequence + 2, 0);
	struct broker_lease lease = {0};
	struct error error;

	turn.outcomes = outcomes;
	turn.outcome_count = 2;
	int status = broker_turn(broker, &turn, soon(), &lease, &error);
	if (status == 0)
		broker_lease_fini(&lease);
	return status;
}

static int recover(void)
{
	const struct broker_outcome outcome = {"a", bytes_of("P 1 0 1 1 5 6 0 w\n")};
	struct broker_recovered recovered;
	struct error error;

	return broker_recover(broker, SLOT, (uint64_t)3 << 32 | 7, &outcome, 1, soon(), &recovered, &error);
}

static int cancel(void)
{
	struct error error;
	int status = broker_cancel(broker, "a", false, soon(), &error);

	return status > 0 ? 0 : status;
}

static int hear_of_cancels(void)
{
	char(*ids)[ID_MAX + 1] = NULL;
	size_t count;
	struct error error;
	int status = broker_cancels(broker, false, soon(), &ids, &count, &error);

	if (status == 0)
		free(ids);
	return status;
}

static int look_at_leases(void)
{
	struct broker_holdings holdings;
	struct error error;
	int status = broker_holdings(broker, "node1", soon(), &holdings, &error);

	if (status == 0)
		broker_holdings_fini(&holdings);
	return status;
}

static int tell_of_nodes(void)
{
	char(*lost)[33] = NULL;
	json_t *nodes;
	size_t count;
	struct error error;
	int status = broker_node(broker, "node1", 10000, "{\"a\":1}", soon(), &lost, &count, &error);

	if (status < 0)
		return status;
	free(lost);
	status = broker_nodes(broker, soon(), &nodes, &error);
	if (status == 0)
		json_decref(nodes);
	return status;
}

static int measure(void)
{
	struct broker_depth depths[QUEUE_COUNT];
	struct broker_state state;
	struct error error;
	int status = broker_depths(broker, depths, &state, soon(), &error);

	return status == 0 && state.unaccounted != 0 ? 1 : status;
}

static int tidy_up(void)
{
	int64_t next_ms;
	struct error error;
	int status = broker_due(broker, soon(), &next_ms, NULL, &error);

	if (status >= 0)
		status = broker_retain(broker, soon(), &error);
	return status > 0 ? 0 : status;
}

static int listen_for_ends(void)
{
	struct error error;

	return broker_subscribe(broker, soon(), &error);
}

static int watch_lists(void)
{
	struct error error;
	int status = broker_wait_list(broker, QUEUE_FAR, soon(), &error);
	struct pollfd entry = {.events = POLLIN};

	while (status == 0) {
		entry.fd = broker_fd(broker);
		(void)io_poll(&entry, 1, soon());
		status = broker_wait_finish(broker, &error);
	}
	return status > 0 ? 0 : status;
}

/* What is tried, and what is done before it, with enough of everything. */
struct call {
	const char *name;
	int (*make)(void);
	int (*before[3])(void);
};

/* A document in the list of the other database: to wait for one takes time. */
static void produce(void)
{
	redis("SELECT", "5");
	redis("LPUSH", "far:jobs", "{}");
	redis("SELECT", "0");
}

static void prepare(const struct call *call)
{
	redis("FLUSHALL");
	redis("SETNX", "{muster}:format", "1");
	produce();
	assert_int_equal(broker_open(&broker, &config), 0);
	for (size_t i = 0; i < 3 && call->before[i] != NULL; i++)
		assert_int_equal(call->before[i](), 0);
}

static void close_it(void)
{
	broker_close(broker);
	broker = NULL;
}

static void starve_with(const struct call *call, enum starve_mode mode)
{
	bool enough = false;

	for (long n = 1; !enough; n++) {
		prepare(call);
		close_it();
		long before = starve_live();
		/* hiredis 0.14 aborts where it gets no memory for a connection: that one is there before. */
		assert_int_equal(broker_open(&broker, &config), 0);
		assert_int_equal(broker_ping(broker, soon(), NULL), 0);
		starve_begin(n, mode);
		int status = call->make();
		enough = starve_end() < n;
		if (status != 0 && (enough || (status != -ENOMEM && status != BROKER_AWAY)))
			fail_msg("%s: allocation %ld: %d", call->name, n, status);
		close_it();
		if (starve_live() != before)
			fail_msg("%s: allocation %ld: %ld are lost", call->name, n, starve_live() - before);
		produce();
		assert_int_equal(broker_open(&broker, &config), 0);
		assert_int_equal(call->make(), 0);
		assert_int_equal(unaccounted(), 0);
		close_it();
		assert_true(n < ALLOCATIONS_MAX);
	}
}

static void starve(void **context)
{
	const struct call *call = *context;

	prepare(call); /* what libraries keep for ever, they have now */
	assert_int_equal(call->make(), 0);
	close_it();
	starve_with(call, STARVE_ONCE);
	starve_with(call, STARVE_FOR_GOOD);
}

int main(void)
{
	static struct call calls[] = {
		{"submit and look", submit_and_look, {NULL}},
		{"take", take, {submit_and_look}},
		{"report", report, {submit_and_look, take}},
		{"recover", recover, {submit_and_look, take}},
		{"cancel", cancel, {submit_and_look, take}},
		{"hear of cancels", hear_of_cancels, {submit_and_look, take, cancel}},
		{"look at leases", look_at_leases, {submit_and_look, take}},
		{"tell of nodes", tell_of_nodes, {submit_and_look}},
		{"measure", measure, {submit_and_look, take, report}},
		{"tidy up", tidy_up, {submit_and_look, take, report}},
		{"listen for ends", listen_for_ends, {NULL}},
		{"watch lists", watch_lists, {NULL}},
	};
	enum { CALLS = sizeof calls / sizeof *calls };
	struct CMUnitTest tests[CALLS];

	for (size_t i = 0; i < CALLS; i++)
		tests[i] = (struct CMUnitTest){calls[i].name, starve, NULL, NULL, &calls[i]};
	return cmocka_run_group_tests(tests, open_all, close_all);
}
