"""Tasks run when they are due, and are tried again after their queue's back-off."""

import time
from datetime import datetime, timedelta, timezone

import pytest

from harness import bound, module, stays, until


def seconds(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def test_a_delayed_task_waits_as_scheduled_and_starts_when_due(muster):
    m = muster()
    id_ = m.submit("Demo", "noop", delay="700ms")
    task = m.task(id_)
    assert task["state"] == "scheduled" and abs(seconds(task["run_at"]) - seconds(task["created_at"]) - 0.7) < 0.002
    assert m.queue()["scheduled"] == 1
    task = m.wait_task(id_)
    late = seconds(task["started_at"]) - seconds(task["run_at"])
    assert 0 <= late + 0.001 and late < bound(0.1), "due times are kept to the millisecond; generous under load"


def test_run_at_is_an_absolute_time(muster):
    m = muster()
    at = datetime.now(timezone.utc) + timedelta(milliseconds=600)
    text = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    task = m.run("Demo", "noop", run_at=text)
    assert task["run_at"] == text and task["started_at"] >= text


def test_run_at_in_the_past_is_now(muster):
    m = muster()
    assert m.run("Demo", "noop", run_at="2020-01-01T00:00:00Z")["state"] == "succeeded"
    assert m.run("Demo", "noop", delay="0s")["state"] == "succeeded"


@pytest.mark.parametrize("member, value", [("delay", "soon"), ("delay", 5), ("delay", "-1s"), ("run_at", "tomorrow"), ("run_at", 17),
                                           ("run_at", "2026-13-01T00:00:00Z"), ("timeout", "x"), ("timeout", "0s"), ("timeout", -1)])
def test_wrong_times_are_refused(muster, member, value):
    m = muster()
    answer = m.post("/v1/tasks", {"class": "Demo", "method": "noop", member: value})
    assert answer.status == 422 and answer.json["errors"][0]["pointer"] == f"/{member}", answer


def test_delay_and_run_at_together_are_refused(muster):
    m = muster()
    assert m.post("/v1/tasks", {"class": "Demo", "method": "noop", "delay": "1s", "run_at": "2030-01-01T00:00:00Z"}).status == 422


def test_an_earlier_due_time_overtakes_a_later_one(muster):
    m = muster()
    far, near = m.submit("Demo", "noop", delay="1h"), m.submit("Demo", "noop", delay="300ms")
    assert m.wait_task(near)["state"] == "succeeded"
    assert m.task(far)["state"] == "scheduled"
    m.delete(f"/v1/tasks/{far}")


def test_many_due_at_once_all_run_in_their_order(muster):
    m = muster({"pools": [{"name": "default", "workers": 1}]})
    ids = m.submit_many([{"class": "Demo", "method": "record", "param": ["due", str(n)], "delay": f"{300 + n}ms"}
                         for n in range(1500)])
    for id_ in ids:
        assert m.wait_task(id_, timeout=30)["state"] == "succeeded"
    assert len(m.record_lines("due")) == 1500


def test_scheduled_tasks_survive_a_restart_and_run_at_once_if_they_were_due_meanwhile(muster):
    m = muster()
    id_ = m.submit("Demo", "noop", delay="500ms")
    m.stop()
    due = time.monotonic() + 0.6
    stays(lambda: True, max(0, due - time.monotonic()))
    m.start()
    assert m.wait_task(id_)["state"] == "succeeded"


def test_the_queue_says_how_often_where_the_task_does_not(muster):
    m = muster({"queues": [{"name": "default", "retry": 4}]})
    task = m.run("Demo", "retry", "x")
    assert task["attempts"] == 4 and task["max_attempts"] == 4
    assert m.run("Demo", "retry", "x", retry=1)["attempts"] == 1


@pytest.mark.parametrize("retry", [0, -1, 1001, "3", 2.5, True, [], {}])
def test_a_wrong_retry_is_refused_by_the_api(muster, retry):
    m = muster()
    answer = m.post("/v1/tasks", {"class": "Demo", "method": "noop", "retry": retry})
    assert answer.status == 422 and answer.json["errors"][0]["pointer"] == "/retry"


def test_back_off_grows_by_its_factor(muster):
    m = muster({"queues": [{"name": "default", "backoff": {"base": "200ms", "factor": 2, "jitter": 0, "max": "500ms"}}]})
    id_ = m.submit("Demo", "retry", "x", retry=4)
    m.wait_task(id_, "retrying")
    task = m.wait_task(id_)
    assert task["attempts"] == 4
    gaps = [seconds(after["started_at"]) - seconds(before["ended_at"])
            for before, after in zip(task["history"], task["history"][1:])]
    for gap, wanted in zip(gaps, (0.2, 0.4, 0.5)):
        assert wanted - 0.005 <= gap <= wanted + bound(0.15), gaps


def test_without_back_off_the_next_execution_is_at_once_but_behind_what_waits(muster):
    m = muster()
    task = m.run("Demo", "retry", "x", retry=20)
    assert task["attempts"] == 20
    assert seconds(task["finished_at"]) - seconds(task["created_at"]) < bound(1)


def test_a_handler_may_say_when(muster):
    m = muster({"handlers": [{"class": "Probe", "module": module("probe")}]})
    id_ = m.submit("Probe", "retry_after", 500, retry=2)
    until(lambda: m.task(id_)["state"] == "retrying")
    task = m.wait_task(id_)
    gap = seconds(task["started_at"]) - seconds(task["history"][0]["ended_at"])
    assert 0.495 <= gap <= 0.5 + bound(0.15)


def test_a_retrying_task_survives_kill_9_of_everything(muster):
    m = muster({"queues": [{"name": "default", "backoff": {"base": "1s", "jitter": 0}}]})
    id_ = m.submit("Demo", "retry", "x", retry=2)
    m.wait_task(id_, "retrying")
    m.kill()
    m.start()
    task = m.wait_task(id_)
    assert task["attempts"] == 2 and len(task["history"]) == 2
