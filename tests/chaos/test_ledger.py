"""The ledger's judgement, and the schedule: without a process. What the ledger lets pass, no run would ever see."""

import pytest

from cutter import Link, Relay
from faults import FAULTS, GAP_S, applicable, schedule
from ledger import Entry, View, judge, view_of_record

RUN, NOT_RUN = "run too often", "acknowledged and not run"
LOST, STATE = "active for ever", "state contradicts the ledger"


def entry(kind="quick", acknowledged=True, cancel=""):
    return Entry("t-1", kind, "single", 1.0, acknowledged_at=2.0 if acknowledged else 0.0, cancel=cancel)


def view(state="succeeded", attempts=1, crashes=0, max_attempts=50, kinds=(), error=""):
    return View(state, attempts, crashes, max_attempts, list(kinds), error)


def zeros(*arguments):
    return [zero for zero, _ in judge(*arguments)]


@pytest.mark.parametrize("what, views, runs, losses", [
    (entry(), [view()], 1, 0),
    (entry(), [view(crashes=2, kinds=("crash", "crash"))], 3, 0),
    (entry(), [view(crashes=2, kinds=("crash", "crash"))], 1, 0),   # killed before it had left its line
    (entry(), [view()], 2, 1),                                      # its node was lost with the outcome
    (entry("flaky"), [view(attempts=3, kinds=("retry", "retry"))], 3, 0),
    (entry("flaky"), [view(attempts=4, kinds=("retry", "timeout", "retry"))], 3, 0),
    (entry("hang"), [view("dead", error="timeout")], 0, 0),
    (entry("crash"), [view("dead", 0, 3, error="crash")], 0, 0),
    (entry(), [view("dead", 50, error="timeout")], 50, 0),          # stopped in each of its executions
    (entry("cancelled", cancel="done"), [view("cancelled", 0)], 0, 0),
    (entry("cancelled", cancel="asked"), [view()], 1, 0),           # it had ended before
    (entry(acknowledged=False), [], 0, 0),                          # it has never arrived
    (entry(acknowledged=False), [view()], 1, 0),                    # it has, and the answer was lost
])
def test_what_is_as_it_should_be(what, views, runs, losses):
    assert judge(what, views, runs, losses) == []


@pytest.mark.parametrize("what, views, runs, losses, wrong", [
    (entry(), [view()], 0, 0, [NOT_RUN]),
    (entry(), [view()], 2, 0, [RUN]),
    (entry(), [view(crashes=1)], 3, 0, [RUN]),
    (entry(), [view()], 3, 1, [RUN]),
    (entry(), [view(), view()], 2, 0, [RUN]),
    (entry("flaky"), [view(attempts=3, kinds=("retry", "retry"))], 2, 0, [STATE]),
    (entry(), [], 1, 0, [STATE]),
    (entry(), [], 0, 0, [STATE, NOT_RUN]),
    (entry(acknowledged=False), [], 1, 0, [STATE]),
    (entry(), [view("pending", 0)], 0, 0, [LOST]),
    (entry(), [view("retrying", 1)], 1, 0, [LOST]),
    (entry(), [view("dead", error="exception")], 1, 0, [STATE]),
    (entry(), [view("dead", 3, error="timeout")], 3, 0, [STATE]),   # it had executions left
    (entry(), [view("cancelled", 0)], 0, 0, [STATE]),               # nobody had asked for it
    (entry("cancelled", cancel="done"), [view("cancelled", 0)], 1, 0, [STATE]),
    (entry("cancelled", cancel="done"), [view()], 1, 0, [STATE]),
    (entry("hang"), [view()], 0, 0, [STATE]),
    (entry("crash"), [view("dead", 1, error="exception")], 0, 0, [STATE]),
])
def test_what_is_wrong_is_named(what, views, runs, losses, wrong):
    assert zeros(what, views, runs, losses) == wrong


def test_a_record_is_read():
    assert view_of_record(None).state == "pending"
    seen = view_of_record(b'D 4 3 1 3 10 20 0 n/default/0\n{"error":{"kind":"timeout","message":"m"},'
                          b'"history":[{"kind":"crash"},{"kind":"timeout"}]}')
    assert (seen.state, seen.attempts, seen.crashes, seen.max_attempts, seen.kinds, seen.error) == (
        "dead", 3, 1, 3, ["crash", "timeout"], "timeout")


def test_the_same_seed_gives_the_same_schedule():
    names = applicable(3, True)
    first, second = (schedule(7, 120, names, 3, 4) for _ in range(2))
    assert first == second and first != schedule(8, 120, names, 3, 4)
    assert len(first) > 200 and {shot.fault for shot in first} >= set(names) - {"node-loss"}


def test_the_schedule_keeps_to_its_bounds():
    shots = schedule(1, 300, list(FAULTS), 2, 3)
    assert all(later.at - earlier.at >= GAP_S[0] - 0.001 for earlier, later in zip(shots, shots[1:]))
    for name, row in FAULTS.items():
        for node in (0, 1):
            hits = [shot for shot in shots if (shot.fault, shot.node) == (name, node)]
            assert all(later.at - earlier.at >= row.rest - 0.001 for earlier, later in zip(hits, hits[1:]))
            assert all(row.length[0] <= shot.length <= row.length[1] and shot.slot < 3 for shot in hits)


def test_some_faults_need_more_than_one_node_or_a_broker_of_ours():
    assert "node-loss" not in applicable(1, True) and "cut" not in applicable(1, False)
    assert set(applicable(2, True)) == set(FAULTS)


def test_a_relay_cuts_in_one_direction_after_a_drawn_number_of_bytes():
    relay = Relay("/nowhere")
    assert Link(relay, None, None).left == [None, None]
    relay.order("cut 5 10 20")
    for _ in range(50):
        left = Link(relay, None, None).left
        assert sum(number is None for number in left) == 1 and all(number is None or 10 <= number <= 20 for number in left)
    relay.order("calm")
    assert Link(relay, None, None).left == [None, None]
