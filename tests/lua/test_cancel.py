"""cancel, in every state that a task can be in."""
import pytest

from scripts import SLOT, assert_ledger, record

UNKNOWN, DONE, REQUESTED, OVER = range(4)


def test_unknown(broker):
    assert broker.cancel("a") == UNKNOWN


def test_pending(broker):
    broker.submit("a", "b", "c")
    assert broker.cancel("b") == DONE
    assert broker.state("b") == "C"
    fields = broker.run("b").split("\n")[0].split(" ")
    assert fields[:6] == ["C", "0", "0", "0", "0", "0"] and fields[7:] == ["0", "-"]
    assert abs(int(fields[6]) - broker.now_ms()) < 5000
    assert broker.depths()[0]["default"]["pending"] == 2
    assert_ledger(broker, "abc")
    assert broker.turn(1).elements == ["a", "c"]
    assert broker.client.exists(broker.key("withdrawn:default")) == 0


def test_scheduled(broker):
    broker.submit("a", run_at=broker.now_ms() + 60000)
    assert broker.cancel("a") == DONE
    assert broker.client.exists(broker.key("scheduled:default"), broker.key("withdrawn:default")) == 0
    assert assert_ledger(broker, "a") == {"a": "cancelled"}


def test_retrying_keeps_counts_and_history(broker):
    broker.submit("a")
    broker.turn(1)
    body = '{"history":[{"kind":"retry"}]}'
    broker.turn(2, outcomes=[("a", record("R", executions=3, attempts=2, crashes=1, maximum=5, started=70,
                                         due=broker.now_ms() + 60000, body=body))])
    assert broker.cancel("a") == DONE
    line, kept = broker.run("a").split("\n")
    fields = line.split(" ")
    assert fields[:6] == ["C", "3", "2", "1", "5", "70"] and fields[7:] == ["0", SLOT] and kept == body
    assert broker.client.exists(broker.key("retrying:default")) == 0
    assert broker.unaccounted() == 0


def test_waiting_after_a_retry(broker):
    broker.submit("a", "b")
    broker.turn(1, want=1)
    broker.turn(2, want=0, outcomes=[("a", record("R"))])
    assert broker.cancel("a") == DONE
    assert broker.client.smembers(broker.key("withdrawn:default")) == {b"a~1"}
    assert broker.turn(3).elements == ["b"]


@pytest.mark.parametrize("outcome", ["B", record("R"), record("R", due=99), record("P")])
def test_held_ends_as_cancelled_instead_of_running_again(broker, outcome):
    broker.submit("a")
    broker.turn(1)
    assert broker.cancel("a") == REQUESTED
    assert broker.look("a")[0][3] == 1
    assert broker.client.smembers(broker.key("cancels")) == {b"a"}
    broker.turn(2, outcomes=[("a", outcome)])
    assert broker.state("a") == "C"
    assert broker.run("a").startswith("C 0 0 0 0 0 " if outcome == "B" else "C 1 1 0 1 10 ")
    assert broker.client.exists(broker.key("cancels")) == 0
    assert assert_ledger(broker, "a") == {"a": "cancelled"}


@pytest.mark.parametrize("letter", "SDC")
def test_held_that_ends_by_itself_ends_so(broker, letter):
    broker.submit("a")
    broker.turn(1)
    broker.cancel("a")
    broker.turn(2, outcomes=[("a", record(letter))])
    assert broker.run("a") == record(letter)
    assert broker.client.exists(broker.key("cancels")) == 0


def test_held_by_a_worker_that_dies(broker):
    broker.submit("a", "b", "c")
    broker.turn(1)
    broker.cancel("a")
    broker.cancel("b")
    assert broker.recover([("a", record("P"))]) == [1, 1, 2]
    assert assert_ledger(broker, "abc") == {"a": "cancelled", "b": "cancelled", "c": "queue"}


def test_held_a_second_time(broker):
    broker.submit("a")
    broker.turn(1)
    broker.turn(2, outcomes=[("a", record("R"))])
    assert broker.cancel("a") == REQUESTED
    broker.turn(3, outcomes=[("a~1", record("R", executions=2))])
    assert broker.run("a").startswith("C 2 ")


def test_given_back_after_an_execution_it_keeps_its_record(broker):
    broker.submit("a")
    broker.turn(1)
    broker.turn(2, outcomes=[("a", record("R", executions=1, maximum=4))])
    broker.cancel("a")
    broker.turn(3, outcomes=[("a~1", "B")])
    assert broker.run("a").startswith("C 1 1 0 4 10 ")


def test_an_id_that_begins_another_is_not_taken_for_it(broker):
    broker.submit("a", "ab", "b", "a-b")
    broker.turn(1)
    broker.submit("xa")
    broker.turn(2, want=0, outcomes=[("ab", "B"), ("a-b", "B")])
    assert broker.cancel("ab") == DONE and broker.cancel("a-b") == DONE
    assert broker.cancel("a") == REQUESTED and broker.cancel("b") == REQUESTED


@pytest.mark.parametrize("letter", "SDC")
def test_over(broker, letter):
    broker.submit("a")
    broker.turn(1)
    broker.turn(2, outcomes=[("a", record(letter))])
    assert broker.cancel("a") == OVER
    assert broker.run("a") == record(letter)


def test_twice(broker):
    broker.submit("a", "b")
    assert broker.cancel("a") == DONE and broker.cancel("a") == OVER
    broker.turn(1)
    assert broker.cancel("b") == REQUESTED and broker.cancel("b") == REQUESTED


def test_a_long_row_of_cancelled_ones_is_passed_in_bounded_steps(broker):
    ids = [f"t{i}" for i in range(100)]
    broker.submit(*ids, "last")
    for id in ids:
        broker.cancel(id)
    assert broker.depths()[0]["default"]["pending"] == 1
    sequence, found = 0, []
    while not found:
        sequence += 1
        broker.silence()
        found = broker.turn(sequence, want=1).elements
        assert found or broker.bell() == 1  # it is called again
    assert found == ["last"] and 1 < sequence < 20
    assert broker.client.exists(broker.key("withdrawn:default")) == 0


def test_cancelled_and_given_back_ones_keep_the_order(broker):
    broker.submit(*"abcdef")
    broker.turn(1, want=4)
    broker.cancel("e")
    broker.turn(2, want=0, outcomes=[("b", "B"), ("c", "B"), ("d", "B")])
    broker.cancel("c")
    assert broker.turn(3).elements == ["b", "d", "f"]


@pytest.mark.parametrize("again", ["R", "P"])
def test_a_tombstone_of_a_forgotten_task_is_not_taken_for_one_of_the_same_id(broker, again):
    """The old `a` was cancelled as `a~1` and forgotten. The new one, which is served first, comes to wait as its second execution too."""
    broker.submit("a", priority=3)
    broker.turn(1)
    broker.turn(2, want=0, outcomes=[("a", record("R", maximum=5))])
    broker.delete("a")
    assert broker.client.smembers(broker.key("withdrawn:default")) == {b"a~1"}
    broker.submit("a", priority=9)
    assert broker.turn(3, want=1).elements == ["a"]
    broker.turn(4, want=0, outcomes=[("a", record(again, maximum=5))])
    assert broker.cancel("a") == DONE
    assert broker.turn(5).elements == [], "it was cancelled, and runs"
    assert assert_ledger(broker, "a") == {"a": "cancelled"}


@pytest.mark.parametrize("due", [0, 1])
def test_a_tombstone_of_a_forgotten_task_swallows_no_other(broker, due):
    broker.submit("a")
    broker.turn(1)
    broker.turn(2, want=0, outcomes=[("a", record("R", maximum=5))])
    broker.cancel("a")
    broker.delete("a")
    broker.submit("a", priority=9)
    assert broker.turn(3, want=1).elements == ["a"]
    broker.turn(4, want=0, outcomes=[("a", record("R", maximum=5, due=due))])
    broker.due()
    assert len(broker.turn(5).elements) == 1, "it is gone, or there twice"
    assert broker.turn(6).elements == broker.turn(7).elements == []
