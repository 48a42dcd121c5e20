"""One filter for all calls on many tasks."""

import threading
import time

import pytest

from client import Http
from harness import bound, until

ONE = {"pools": [{"name": "default", "workers": 1}], "queues": [{"name": "default", "backoff": {"base": "1h"}}, {"name": "idle"}]}


def ids_of(answer):
    assert answer.status == 200, answer
    return [task["id"] for task in answer.json["tasks"]]


@pytest.fixture
def mixed(muster):
    """Tasks that differ in all that a filter can ask for."""
    m = muster(ONE)
    m.at = {
        "fail": m.run("Demo", "fail", "the disk is full")["id"],
        "unknown": m.run("None", "such")["id"],
        "timeout": m.wait_task(m.submit("Demo", "sleep", 60000, timeout="50ms"))["id"],
        "good": m.run("Demo", "echo", {"class": "None"})["id"],
        "idle": m.submit("Demo", "noop", queue="idle"),
    }
    return m


@pytest.mark.parametrize("query, names", [
    ("class=None", ["unknown"]), ("class=Demo", ["idle", "timeout", "fail", "good"]), ("method=noop", ["idle"]),
    ("queue=idle", ["idle"]), ("state=dead", ["timeout", "unknown", "fail"]), ("state=dead&class=Demo", ["timeout", "fail"]),
    ("error_kind=timeout", ["timeout"]), ("error_kind=exception", ["fail"]), ("error=DISK", ["fail"]),
    ("error=no-such-text", []), ("state=succeeded&queue=idle", []), ("created_after=2999-01-01T00:00:00Z", []),
    ("created_before=2000-01-01T00:00:00Z", []), ("finished_after=2000-01-01T00:00:00Z", ["timeout", "unknown", "fail", "good"]),
    ("error_kind=unknown_class&limit=1", ["unknown"])])
def test_each_member_of_the_filter(mixed, query, names):
    found = ids_of(mixed.get(f"/v1/tasks?{query}"))
    assert sorted(found) == sorted(mixed.at[name] for name in names)


def test_times_divide(mixed):
    middle = mixed.task(mixed.at["timeout"])["created_at"]
    before = ids_of(mixed.get(f"/v1/tasks?created_before={middle}"))
    after = ids_of(mixed.get(f"/v1/tasks?created_after={middle}"))
    assert set(before) >= {mixed.at["fail"]} and set(after) >= {mixed.at["timeout"], mixed.at["idle"]}
    assert not set(before) & set(after) and len(before) + len(after) == len(mixed.at)


def test_the_few_that_failed_among_many_run_again_by_one_call(muster):
    m = muster({**ONE, "queues": [{"name": "default", "retention": {"succeeded": "1h"}}]})
    documents = [{"class": "Demo", "method": "noop"}] * 5000
    for i in range(12):
        documents[i * 400 + 7] = {"class": "Demo", "method": "fail", "param": ["today"]}
    ids = m.submit_many(documents)
    failed = [ids[i * 400 + 7] for i in range(12)]
    until(lambda: m.queue()["succeeded_total"] == 4988 and m.queue()["dead"] == 12, 30)
    other = m.run("Demo", "fail", "yesterday")["id"]
    what = {"state": "dead", "error": "today"}
    answer = m.post("/v1/tasks/retry", {**what, "dry_run": True})
    assert answer.json == {"retried": 0, "matched": 12, "scanned": 13, "dry_run": True, "next_cursor": None}
    assert m.queue()["dead"] == 13
    answer = m.post("/v1/tasks/retry", what)
    assert answer.json["retried"] == 12 and answer.json["next_cursor"] is None
    for id_ in failed:
        until(lambda: len(m.task(id_)["history"]) == 2)
    assert len(m.task(other)["history"]) == 1 and m.queue()["succeeded_total"] == 4988
    until(lambda: m.metrics().value("muster_tasks_unaccounted") == 0)


def test_what_was_retried_and_died_at_once_is_not_retried_again(muster):
    m = muster(ONE)
    for id_ in m.submit_many([{"class": "Demo", "method": "fail", "param": ["x"]}] * 600):
        m.wait_task(id_, "dead")
    answer = m.post("/v1/tasks/retry", {"class": "Demo"})
    assert answer.json["retried"] == 600
    until(lambda: m.queue()["dead_total"] == 1200, 30)


def test_many_are_cancelled(muster):
    m = muster(ONE)
    busy = m.submit("Demo", "work", 60000)
    m.running(busy)
    ids = m.submit_many([{"class": "Demo", "method": "noop"}] * 700 + [{"class": "Demo", "method": "echo"}] * 3)
    later = m.submit("Demo", "noop", delay="1h")
    assert m.post("/v1/tasks/cancel", {}).status == 422
    assert m.post("/v1/tasks/cancel", {"state": "dead"}).status == 422
    assert m.post("/v1/tasks/cancel", {"method": "noop", "limit": 10}).json["cancelled"] == 10
    assert m.post("/v1/tasks/cancel", {"method": "noop"}).json["cancelled"] == 691
    assert {m.task(id_)["state"] for id_ in ids[:700]} == {"cancelled"} and m.task(later)["state"] == "cancelled"
    assert m.post("/v1/tasks/cancel", {"state": "active"}).json["cancelled"] == 1
    assert m.wait_task(busy)["state"] == "cancelled"
    assert {m.wait_task(id_)["state"] for id_ in ids[700:]} == {"succeeded"}
    until(lambda: m.metrics().value("muster_tasks_unaccounted") == 0)
    assert m.metrics().value("muster_tasks_total", queue="default", outcome="cancelled") == 702


def test_many_are_deleted(muster):
    m = muster(ONE)
    m.submit_many([{"class": "A", "method": "m", "queue": "idle"}, {"class": "B", "method": "m", "queue": "idle"}] * 600)
    assert m.delete("/v1/tasks?class=A").status == 422
    answer = m.delete("/v1/tasks?state=pending&class=A&dry_run=true")
    assert answer.json["matched"] == 600 and answer.json["deleted"] == 0 and m.queue("idle")["pending"] == 1200
    assert m.delete("/v1/tasks?state=pending&class=A").json["deleted"] == 600
    assert {task["class"] for task in m.get("/v1/tasks?limit=1000").json["tasks"]} == {"B"}
    assert m.queue("idle")["pending"] == 600
    until(lambda: m.metrics().value("muster_tasks_unaccounted") == 0)


def test_a_rate_is_kept(muster):
    m = muster(ONE)
    for id_ in m.submit_many([{"class": "Demo", "method": "fail", "param": ["x"]}] * 40):
        m.wait_task(id_, "dead")
    began = time.monotonic()
    assert m.post("/v1/tasks/retry", {"state": "dead", "rate": 50}).json["retried"] == 40
    assert 0.7 < time.monotonic() - began < bound(2)


def test_others_are_served_while_a_long_call_goes_on(muster):
    m = muster(ONE)
    for _ in range(8):
        m.submit_many([{"class": "Demo", "method": "noop", "queue": "idle"}] * 5000)
    answers, slowest, other = [], 0, Http(port=m.port)
    purge = threading.Thread(target=lambda: answers.append(m.post("/v1/tasks/cancel", {"queue": "idle", "method": "noop"})))
    purge.start()
    while purge.is_alive():
        began = time.monotonic()
        assert other.request("GET", "/healthz").status == 200
        slowest = max(slowest, time.monotonic() - began)
    purge.join()
    other.close()
    assert answers[0].json["cancelled"] == 40000, answers
    assert slowest < bound(0.3)
    until(lambda: m.metrics().value("muster_tasks_unaccounted") == 0)


def test_what_one_list_looks_at_is_bounded(muster):
    m = muster(ONE)
    for _ in range(5):
        m.submit_many([{"class": "Demo", "method": "noop", "queue": "idle"}] * 5000)
    m.submit("Other", "noop", queue="idle")
    answer = m.get("/v1/tasks?class=Other")
    calls = 1
    while not answer.json["tasks"]:
        assert answer.json["scanned"] <= 11000 and answer.json["next_cursor"]
        answer = m.get(f"/v1/tasks?class=Other&cursor={answer.json['next_cursor']}")
        calls += 1
    assert calls == 3


@pytest.mark.parametrize("body, status", [
    ({"stat": "dead"}, 422), ({"state": "succeeded"}, 422), ({"limit": 0}, 422), ({"rate": -1}, 422), ([], 422),
    ({"queue": "none"}, 422), ({"created_after": "now"}, 422), ({"cursor": "zz"}, 400), ({"to": "idle"}, 422)])
def test_bodies_that_cannot_be_meant(muster, body, status):
    answer = muster(ONE).post("/v1/tasks/retry", body)
    assert answer.status == status and answer.json["detail"], answer
