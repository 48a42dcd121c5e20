"""Priorities: 9 is taken first, and a task keeps its own wherever it goes."""
import pytest

from scripts import GENERATION, assert_ledger, record


def levels(broker, queue="default"):
    return (broker.client.hget(broker.key("levels"), queue) or b"").decode()


def test_the_highest_is_taken_first(broker):
    for priority in (5, 0, 9, 4, 6):
        broker.submit(f"a{priority}", f"b{priority}", priority=priority)
    assert levels(broker) == "9640"
    assert broker.turn(1, want=3).elements == ["a9", "b9", "a6"]
    assert broker.turn(2, want=10).elements == ["b6", "a5", "b5", "a4", "b4", "a0", "b0"]
    assert_ledger(broker, [f"{name}{priority}" for name in "ab" for priority in (5, 0, 9, 4, 6)])


def test_a_queue_that_has_none_has_no_levels(broker):
    broker.submit("a")
    assert broker.client.exists(broker.key("levels")) == 0
    assert broker.turn(1).elements == ["a"]


def test_an_urgent_one_overtakes_a_plain_list(broker):
    broker.lists = {"default": "plain"}
    broker.client.lpush("plain", "{}", "{}")
    broker.submit("urgent", priority=7)
    broker.submit("idle", priority=1)
    broker.submit("usual")
    elements = broker.turn(1, want=10).elements
    assert elements[0] == "urgent" and elements[3:] == ["usual", "idle"] and len(elements) == 5


def test_a_retry_goes_to_the_tail_of_its_own_line(broker):
    broker.submit("a", "b", priority=8)
    broker.submit("c")
    assert broker.turn(1, want=1).elements == ["a"]
    broker.turn(2, want=0, outcomes=[("a", record("R", maximum=3))])
    assert broker.turn(3, want=10).elements == ["b", "a~1", "c"]
    assert_ledger(broker, ["a", "b", "c"])


def test_what_the_dead_held_goes_to_the_head_of_its_own_line(broker):
    broker.submit("a", "b", "x", priority=8)
    broker.submit("c", "d")
    broker.submit("z", priority=2)
    assert broker.turn(1, want=4, queues=["default"]).elements == ["a", "b", "x", "c"]
    assert broker.recover([("a", record("P", executions=1, crashes=1))]) == [1, 4, 0]
    assert broker.turn(1, generation=GENERATION + 1).elements == ["a~1", "b", "x", "c", "d", "z"]
    assert_ledger(broker, list("abcdxz"))


def test_one_that_is_due_keeps_it(broker):
    broker.submit("later", priority=9, run_at=1)
    broker.submit("plain", run_at=1)
    broker.submit("first")
    assert broker.due()[0] == 2
    assert broker.turn(1).elements == ["later", "first", "plain"]


def test_a_retry_that_is_due_keeps_it(broker):
    broker.submit("a", priority=9)
    broker.turn(1)
    broker.turn(2, want=0, outcomes=[("a", record("R", maximum=3, due=1))])
    broker.submit("b")
    assert broker.due()[0] == 1
    assert broker.turn(3).elements == ["a~1", "b"]


@pytest.mark.parametrize("priority", [0, 9])
def test_depths_and_cancelling_see_every_line(broker, priority):
    broker.submit("a", "b", priority=priority, created=broker.now_ms() - 5000)
    broker.submit("c", created=broker.now_ms())
    depth = broker.depths()[0]["default"]
    assert depth["pending"] == 3 and (depth["oldest_ms"] >= 5000) == (priority == 9)
    assert broker.cancel("a") == 1 and broker.state("a") == "C"
    assert broker.depths()[0]["default"]["pending"] == 2 and broker.unaccounted() == 0
    assert sorted(broker.turn(1).elements) == ["b", "c"]
    assert broker.depths()[0]["default"]["active"] == 2
    assert_ledger(broker, list("abc"))


def test_it_rings_on_while_another_line_has_something(broker):
    broker.submit("a", "b", priority=1)
    broker.silence()
    assert broker.turn(1, want=1).elements == ["a"]
    assert broker.bell() == 1
