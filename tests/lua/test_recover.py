"""recover: what a dead incarnation held goes on."""
from scripts import GENERATION, SLOT, assert_ledger, record, refused


def test_all_goes_back_to_the_head_in_its_order(broker):
    broker.submit("a", "b", "c", "d")
    broker.turn(1, want=3)
    broker.silence()
    assert broker.recover() == [0, 3, 0]
    assert broker.turn(1, generation=GENERATION + 1).elements == ["a", "b", "c", "d"]
    assert broker.bell() == 1
    assert broker.run("a") is None


def test_the_order_holds_over_two_calls_and_two_queues(broker):
    broker.submit("a", "b", "c")
    broker.submit("m", "n", queue="mail")
    broker.turn(1, want=2)
    broker.turn(2, want=5, queues=["mail", "default"])
    assert broker.holdings()[SLOT][2] == ["a", "b", "m", "n", "c"]
    broker.recover()
    assert broker.turn(1, slot="node2/x/0").elements == ["a", "b", "c", "m", "n"]


def test_what_was_finished_is_settled_and_what_ran_counts_its_crash(broker):
    broker.submit("a", "b", "c")
    broker.turn(1)
    crashed = record("P", executions=1, attempts=0, crashes=1)
    assert broker.recover([("a", record("S")), ("b", crashed)]) == [2, 2, 1]
    assert broker.state("a") == "S" and broker.run("b") == crashed
    assert broker.turn(1, slot="node2/x/0").elements == ["b~1", "c"]
    assert broker.unaccounted() == 0


def test_a_retry_and_a_death_are_settled_as_in_a_turn(broker):
    broker.submit("a", "b", "c", "d")
    broker.turn(1, want=3)
    due = broker.now_ms() + 60000
    assert broker.recover([("a", record("R")), ("b", record("R", due=due)), ("c", record("D"))]) == [3, 0, 1]
    assert broker.client.lrange(broker.key("queue:default"), 0, -1) == [b"a~1", b"d"]
    assert broker.client.zscore(broker.key("retrying:default"), "b~1") == due


def test_a_tombstone_ends_the_incarnation(broker):
    broker.submit("a")
    broker.turn(1)
    broker.recover()
    broker.silence()
    assert refused(lambda: broker.turn(2, outcomes=[("a", record("S"))]), "GONE")
    assert broker.bell() == 1  # it may have eaten the token
    assert broker.run("a") is None and broker.holdings() == {}


def test_an_incarnation_that_never_took_anything_is_ended_too(broker):
    assert broker.recover() == [0, 0, 0]
    assert refused(lambda: broker.turn(1), "GONE")
    broker.turn(1, generation=GENERATION + 1)


def test_twice_does_nothing_twice(broker):
    broker.submit("a", "b")
    broker.turn(1)
    outcomes = [("a", record("S"))]
    assert broker.recover(outcomes) == [1, 1, 1]
    assert broker.recover(outcomes) == [0, 0, 0]
    assert broker.counter("succeeded default") == 1 and broker.counter("lost") == 0
    assert broker.client.llen(broker.key("queue:default")) == 1


def test_a_later_generation_is_left_alone(broker):
    broker.submit("a")
    broker.turn(1, generation=GENERATION + 1)
    assert broker.recover([("a", record("S"))]) == [0, 0, 0]
    assert broker.holdings()[SLOT] == (GENERATION + 1, 1, ["a"])


def test_an_older_generation_that_holds_something_comes_first(broker):
    broker.submit("a")
    broker.turn(1)
    assert refused(lambda: broker.recover(generation=GENERATION + 1), "HELD")
    broker.recover()
    broker.recover(generation=GENERATION + 1)
    assert broker.client.hget(broker.key("leases"), SLOT) == b"%d -1" % (GENERATION + 1)


def test_outcomes_of_what_it_did_not_hold_change_nothing(broker):
    broker.submit("a")
    broker.turn(1)
    assert broker.recover([("x", record("S"))]) == [0, 1, 0]
    assert broker.counter("lost") == 0


def test_a_worker_that_leaves_gives_all_back(broker):
    broker.submit("a", "b")
    broker.turn(1)
    assert broker.recover([("a", record("S")), ("b", "B")]) == [2, 1, 1]
    assert assert_ledger(broker, ["a", "b"]) == {"a": "succeeded", "b": "queue"}


def test_holdings_are_told_by_node(broker):
    broker.submit("a", "b", "c")
    broker.turn(1, want=1, slot="node1/default/0")
    broker.turn(1, want=1, slot="node12/default/0")
    broker.turn(1, want=0, slot="node1/default/1")
    broker.recover(slot="node1/default/2")
    assert broker.holdings("node1") == {"node1/default/0": (GENERATION, 1, ["a"])}
    assert set(broker.holdings()) == {"node1/default/0", "node12/default/0"}
