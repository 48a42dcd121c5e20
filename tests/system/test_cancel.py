"""A task can be called off, whatever it is doing."""

import time

import pytest

from harness import LIST, bound, until

ONE = {"pools": [{"name": "default", "workers": 1, "queues": {"default": 1, LIST: 1}, "kill_grace": "300ms"}]}


def test_a_waiting_task_is_cancelled_and_never_runs(muster):
    m = muster(ONE)
    gate = m.submit("Demo", "work", 60000)
    m.running(gate)
    ids = m.submit_many([{"class": "Demo", "method": "record", "param": ["ran", str(n)]} for n in range(10)])
    answer = m.delete(f"/v1/tasks/{ids[3]}")
    assert answer.status == 200 and answer.json["state"] in ("cancelled", "pending") and answer.json["id"] == ids[3]
    m.delete(f"/v1/tasks/{gate}")
    for n, id_ in enumerate(ids):
        assert m.wait_task(id_)["state"] == ("cancelled" if n == 3 else "succeeded")
    assert m.record_lines("ran") == [str(n) for n in range(10) if n != 3]


def test_a_scheduled_or_retrying_task_is_cancelled(muster):
    m = muster({**ONE, "queues": [{"name": "default", "backoff": {"base": "1h"}}]})
    scheduled = m.submit("Demo", "noop", delay="1h")
    retrying = m.submit("Demo", "retry", "x", retry=3)
    m.wait_task(retrying, "retrying")
    for id_ in (scheduled, retrying):
        task = m.delete(f"/v1/tasks/{id_}").json
        assert task["state"] == "cancelled" and task["finished_at"]
    queue = m.queue()
    assert queue["scheduled"] == 0 and queue["retrying"] == 0
    assert until(lambda: m.metrics().value("muster_tasks_total", queue="default", outcome="cancelled")) == 2


@pytest.mark.parametrize("method", ["work", "sleep"])
def test_a_running_one_is_told_and_ends(muster, method):
    m = muster(ONE)
    id_ = m.submit("Demo", method, 60000, timeout="2m")
    row = m.running(id_)
    began = time.monotonic()
    answer = m.delete(f"/v1/tasks/{id_}")
    assert answer.status == 200 and (answer.json["cancel_requested"] or answer.json["state"] == "cancelled")
    task = m.wait_task(id_)
    assert task["state"] == "cancelled" and time.monotonic() - began < bound(0.6)
    assert m.worker(0)["pid"] == row["pid"], "its worker lives"
    assert m.run("Demo", "noop")["state"] == "succeeded"


def test_one_that_does_not_listen_is_aborted_after_kill_grace(muster):
    m = muster(ONE)
    id_ = m.submit("Demo", "hang", timeout="2m", retry=3)
    row = m.running(id_)
    began = time.monotonic()
    m.delete(f"/v1/tasks/{id_}")
    task = m.wait_task(id_)
    took = time.monotonic() - began
    assert task["state"] == "cancelled" and 0.25 < took < 0.3 + 0.4 + bound(0.4), took
    until(lambda: m.worker(0)["pid"] not in (None, row["pid"]))
    assert not m.log_lines("killed timeout")
    assert m.run("Demo", "noop")["state"] == "succeeded"


def test_one_that_ended_is_a_conflict(muster):
    m = muster(ONE)
    for id_ in (m.run("Demo", "noop")["id"], m.run("Demo", "fail", "x")["id"]):
        answer = m.delete(f"/v1/tasks/{id_}")
        assert answer.status == 409 and answer.headers["Content-Type"].startswith("application/problem+json")
        assert m.task(id_)["state"] in ("succeeded", "dead")
    cancelled = m.submit("Demo", "noop", delay="1h")
    assert m.delete(f"/v1/tasks/{cancelled}").status == 200
    assert m.delete(f"/v1/tasks/{cancelled}").status == 409


def test_an_unknown_one_is_not_found(muster):
    assert muster(ONE).delete("/v1/tasks/nonesuch").status == 404


def test_a_task_that_finishes_although_cancelled_keeps_its_end(muster):
    """Cancelled, unless it had ended: a task that is over before it hears of it has its own end."""
    m = muster(ONE)
    ends = set()
    for _ in range(30):
        id_ = m.submit("Demo", "noop")
        answer = m.delete(f"/v1/tasks/{id_}")
        assert answer.status in (200, 409)
        ends.add(m.wait_task(id_)["state"])
    assert ends <= {"succeeded", "cancelled"}
    until(lambda: m.metrics().value("muster_tasks_unaccounted") == 0)


def test_one_in_a_worker_s_batch_is_cancelled_before_it_starts(muster):
    m = muster(ONE)
    warm = m.submit_many([{"class": "Demo", "method": "noop"}] * 1000)
    m.wait_task(warm[-1])
    ids = m.submit_many([{"class": "Demo", "method": "sleep", "param": [800]},
                         *[{"class": "Demo", "method": "record", "param": ["batch", str(n)]} for n in range(10)]])
    m.running(ids[0])
    m.delete(f"/v1/tasks/{ids[5]}")
    for n, id_ in enumerate(ids):
        assert m.wait_task(id_)["state"] == ("cancelled" if n == 5 else "succeeded")
    assert m.record_lines("batch") == [str(n) for n in range(10) if n != 4]


def test_a_cancellation_survives_the_death_of_the_worker_that_should_hear_it(muster):
    m = muster(ONE)
    id_ = m.submit("Demo", "hang", timeout="2m")
    m.running(id_)
    m.delete(f"/v1/tasks/{id_}")
    m.kill_worker(0, task=id_)
    assert m.wait_task(id_)["state"] == "cancelled"
