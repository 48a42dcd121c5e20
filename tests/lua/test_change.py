"""change: another time, priority or queue for what waits; why: what is in the way."""
import pytest

from scripts import SLOT, assert_ledger, record


def head_of(broker, id):
    return broker.client.hget(broker.key("tasks"), id).decode().split("\n", 1)


@pytest.mark.parametrize("place", ["pending", "scheduled", "retrying"])
def test_every_waiting_one_gets_another_time_and_runs_then(broker, place):
    now = broker.now_ms()
    broker.submit("a", run_at=now + 60000 if place == "scheduled" else 0, document='{"big":9007199254740993}\n\0')
    element = "a"
    if place == "retrying":
        broker.turn(1)
        broker.turn(2, outcomes=[("a", record("R", due=now + 60000, body='{"history":[]}'))])
        element = "a~1"
    assert broker.change("a", run_at=now + 120000) == "1"
    zset = "retrying" if place == "retrying" else "scheduled"
    (member, score), = broker.client.zrange(broker.key(f"{zset}:default"), 0, -1, withscores=True)
    assert score == now + 120000 and member.decode().split("~")[0] == "a"
    assert broker.state("a") == ("R" if place == "retrying" else "W")
    assert head_of(broker, "a")[1] == '{"big":9007199254740993}\n\0', "its bytes are as they came"
    assert_ledger(broker, "a")
    assert broker.change("a", run_at=0) == "1" and broker.bell() == 1
    assert broker.state("a") == "P"
    taken = broker.turn(3).elements
    assert len(taken) == 1 and taken[0].split("~")[0] == "a"
    if place != "pending":
        assert taken == [element]
    broker.turn(4, outcomes=[(taken[0], record("S"))])
    assert broker.turn(5).elements == [] and assert_ledger(broker, "a") == {"a": "succeeded"}


def test_another_queue(broker):
    broker.submit("a", "b")
    broker.submit("w", run_at=broker.now_ms() + 60000)
    assert broker.change("a", "w", queue="mail") == "11"
    assert head_of(broker, "a")[0].split() == ["1000", "0", "h", "1", "mail"]
    assert broker.bell("mail") == 1
    assert broker.client.zrange(broker.key("scheduled:mail"), 0, -1) == [b"w"]
    assert_ledger(broker, ["a", "b", "w"])
    assert broker.turn(1, queues=["default"]).elements == ["b"]
    assert broker.turn(2, want=9, queues=["mail"]).elements == ["a"]


def test_there_and_back(broker):
    broker.submit("a")
    for queue in ("mail", "default", "mail", "default"):
        assert broker.change("a", queue=queue) == "1"
    assert assert_ledger(broker, "a") == {"a": "queue"}
    taken = broker.turn(1).elements
    assert len(taken) == 1 and taken[0].startswith("a~")
    assert broker.state("a") == "P" and broker.turn(2, want=9).elements == []
    assert broker.client.exists(broker.key("withdrawn:default"), broker.key("withdrawn:mail")) == 0


def test_another_priority(broker):
    broker.submit("a", "b")
    assert broker.change("b", priority=9) == "1"
    assert head_of(broker, "b")[0].split()[5:] == ["p=9"]
    assert broker.change("b", priority=9) == "1"
    assert head_of(broker, "b")[0].split()[5:] == ["p=9"]
    broker.submit("c")
    assert [element.split("~")[0] for element in broker.turn(1).elements] == ["b", "a", "c"]
    broker.submit("d", priority=9)
    assert broker.change("d", priority=5) == "1" and head_of(broker, "d")[0].split()[5:] == []
    assert_ledger(broker, "abcd")


def test_what_does_not_wait_is_left_alone(broker):
    broker.submit("held", "dead")
    broker.turn(1)
    broker.turn(2, want=0, outcomes=[("dead", record("D"))])
    before = broker.client.hgetall(broker.key("tasks"))
    assert broker.change("held", "dead", "unknown", queue="mail") == "230"
    assert broker.client.hgetall(broker.key("tasks")) == before and broker.unaccounted() == 0


def test_it_keeps_its_history_and_counts(broker):
    broker.submit("a")
    broker.turn(1)
    broker.turn(2, want=0, outcomes=[("a", record("R", executions=2, attempts=1, crashes=1, maximum=5, body='{"history":[]}'))])
    assert broker.change("a", queue="mail") == "1"
    assert broker.run("a") == f'R 2 1 1 5 10 20 0 {SLOT}\n{{"history":[]}}'
    assert broker.turn(3).elements == ["a~2"]


def test_why(broker):
    broker.submit("a", "b", "c")
    broker.submit("high", priority=9)
    assert broker.why("high") == ["", 0] and broker.why("a") == ["", 1] and broker.why("c") == ["", 3]
    broker.turn(1, want=2)
    assert broker.why("a")[0] == SLOT and broker.why("c") == ["", 1]
    assert broker.why("unknown") == ["", -1]
