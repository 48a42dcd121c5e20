"""Whoever can speak HTTP can hand a task over, and look up what became of it."""

import json
import re

import pytest

from harness import ENDED, until

MEMBERS = {"id", "queue", "class", "method", "param", "state", "attempts", "max_attempts", "crashes", "priority", "created_at",
           "run_at", "started_at", "finished_at", "worker", "progress", "result", "error", "history", "cancel_requested", "meta",
           "usage"}
TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")


@pytest.fixture
def m(muster):
    return muster()


def test_a_task_is_submitted_run_and_looked_up(m):
    answer = m.post("/v1/tasks", {"class": "Demo", "method": "add", "param": [2, 3]})
    assert answer.status == 201
    assert set(answer.json) >= {"id", "queue", "state"}
    assert answer.json["queue"] == "default" and answer.json["state"] == "pending"
    assert answer.headers["Location"].endswith(f"/v1/tasks/{answer.json['id']}")
    task = m.wait_task(answer.json["id"])
    assert task["state"] == "succeeded" and task["result"] == 5
    assert task["attempts"] == 1 and task["crashes"] == 0 and task["error"] is None and task["history"] == []
    assert m.get(answer.headers["Location"]).json["result"] == 5


def test_a_task_shows_every_member_always(m):
    id_ = m.submit("Demo", "work", 60000)
    m.running(id_)
    active = m.wait_task(id_, "active")
    assert set(active) >= MEMBERS and active["finished_at"] is None and active["result"] is None
    assert TIME.match(active["created_at"]) and TIME.match(active["started_at"])
    assert re.match(r"^[0-9a-z]+/default/[01]$", active["worker"]), active["worker"]
    m.delete(f"/v1/tasks/{id_}")
    ended = m.wait_task(id_)
    assert set(ended) >= MEMBERS and TIME.match(ended["finished_at"])
    assert ended["usage"]["cpu_ms"] >= 0 and ended["priority"] == 5 and ended["max_attempts"] == 1 and ended["meta"] is None
    assert active["created_at"] <= active["started_at"] <= ended["finished_at"]


def test_an_array_is_all_or_nothing(m):
    answer = m.post("/v1/tasks", [{"class": "Demo", "method": "add", "param": [n, n]} for n in range(100)])
    assert answer.status == 201 and answer.json["accepted"] == 100 and len(set(answer.json["ids"])) == 100
    assert [m.wait_task(id_)["result"] for id_ in answer.json["ids"]] == [2 * n for n in range(100)]
    refused = m.post("/v1/tasks", [{"class": "Demo", "method": "noop", "id": "first"}, {"class": "Demo"}])
    assert refused.status == 422
    assert [error["pointer"] for error in refused.json["errors"]][0].startswith("/1")
    assert m.get("/v1/tasks/first").status == 404


def test_an_empty_array_is_accepted(m):
    answer = m.post("/v1/tasks", [])
    assert (answer.status, answer.json["accepted"], answer.json["ids"]) == (201, 0, [])


def test_an_array_above_its_limit_is_refused(muster):
    m = muster({"limits": {"batch": 10}})
    documents = [{"class": "Demo", "method": "noop"}] * 11
    assert m.post("/v1/tasks", documents).status in (413, 422)
    assert m.post("/v1/tasks", documents[:10]).status == 201


def test_an_own_id_is_kept_and_a_second_submission_of_it_is_the_first(m):
    document = {"class": "Demo", "method": "record", "param": ["once", "x"], "id": "order-4711_a"}
    first = m.post("/v1/tasks", document)
    assert first.status == 201 and first.json["id"] == "order-4711_a"
    second = m.post("/v1/tasks", document)
    assert second.status == 200 and second.json["id"] == "order-4711_a" and second.json["duplicate"] is True
    m.wait_task("order-4711_a")
    assert m.post("/v1/tasks", document).status == 200
    third = m.post("/v1/tasks", [document, {"class": "Demo", "method": "noop"}])
    assert third.status == 201 and "order-4711_a" in third.json["ids"]
    m.wait_task(third.json["ids"][1])
    assert m.record_lines("once") == ["x"]


@pytest.mark.parametrize("id_", ["", "a" * 65, "a b", "ä", "a/b", 7, None])
def test_a_wrong_id_is_refused(m, id_):
    answer = m.post("/v1/tasks", {"class": "Demo", "method": "noop", "id": id_})
    if id_ is None:
        assert answer.status == 201
    else:
        assert answer.status == 422 and answer.json["errors"][0]["pointer"] == "/id"


def test_param_reaches_the_method_as_given(m):
    for param in ([], [1, "zwei", None, True, 1.5, [], {}], {"b": 1, "a": [2]}, [9223372036854775807, -9223372036854775808],
                  ["\u0000 \U0001F600 é / \" \\"], [1.0, 1e300]):
        task = m.run("Demo", "echo", param=param)
        assert task["state"] == "succeeded" and task["result"] == param and task["param"] == param, param
    assert json.dumps(m.run("Demo", "echo", 1.0)["result"]) == "[1.0]"


def test_param_is_an_array_or_an_object_or_absent(m):
    answer = m.post("/v1/tasks", {"class": "Demo", "method": "echo"})
    assert answer.status == 201 and m.wait_task(answer.json["id"])["param"] == []
    for scalar in (1, "x", True):
        wrong = m.post("/v1/tasks", {"class": "Demo", "method": "echo", "param": scalar})
        assert wrong.status == 422 and wrong.json["errors"][0]["pointer"] == "/param"


def test_meta_is_kept_as_it_is(m):
    meta = {"order": 4711, "who": {"name": "Ann", "tags": ["a", "b"]}}
    assert m.run("Demo", "noop", meta=meta)["meta"] == meta
    assert m.post("/v1/tasks", {"class": "Demo", "method": "noop", "meta": 3}).status == 422


def test_a_task_goes_to_the_queue_it_names(muster):
    m = muster({"queues": [{"name": "mail"}], "pools": [{"name": "default", "workers": 1, "queues": {"default": 1, "mail": 1}}]})
    task = m.run("Demo", "noop", queue="mail")
    assert task["queue"] == "mail" and task["state"] == "succeeded"
    assert m.queue("mail")["succeeded_total"] == 1 and m.queue("default")["succeeded_total"] == 0


def test_an_unknown_queue_is_refused_with_the_names_that_exist(m):
    answer = m.post("/v1/tasks", {"class": "Demo", "method": "noop", "queue": "nowhere"})
    assert answer.status == 422 and answer.json["errors"][0]["pointer"] == "/queue"
    assert "default" in answer.text and "async_task_queue" in answer.text


def test_tasks_of_one_queue_start_in_the_order_they_came(muster):
    m = muster({"pools": [{"name": "default", "workers": 1}]})
    m.submit_many([{"class": "Demo", "method": "record", "param": ["order", str(n)]} for n in range(500)])
    until(lambda: len(m.record_lines("order")) == 500)
    assert m.record_lines("order") == [str(n) for n in range(500)]


def test_unknown_ids_are_not_found(m):
    for id_ in ("nonesuch", "0" * 64, "%20", "a%00b"):
        assert m.get(f"/v1/tasks/{id_}").status == 404, id_


def test_wait_delivers_the_end_as_soon_as_it_is_there(m):
    id_ = m.submit("Demo", "sleep", 300)
    task = m.get(f"/v1/tasks/{id_}?wait=10s").json
    assert task["state"] == "succeeded"
    assert m.get(f"/v1/tasks/{id_}?wait=10s").json["state"] == "succeeded"


def test_wait_gives_the_task_as_it_is_when_the_time_is_over(m):
    id_ = m.submit("Demo", "work", 60000)
    m.running(id_)
    answer = m.get(f"/v1/tasks/{id_}?wait=200ms")
    assert answer.status == 200 and answer.json["state"] == "active"
    m.delete(f"/v1/tasks/{id_}")
    assert m.get(f"/v1/tasks/{id_}?wait=10s").json["state"] == "cancelled"


@pytest.mark.parametrize("wait", ["soon", "5", "-1s", ""])
def test_a_wrong_wait_is_refused(m, wait):
    id_ = m.submit("Demo", "noop")
    assert m.get(f"/v1/tasks/{id_}?wait={wait}").status in (400, 422)


def test_what_was_answered_201_survives_the_death_of_the_broker_and_of_everything_else(muster):
    m = muster({"pools": [{"name": "default", "workers": 1}]})
    blocker = m.submit("Demo", "work", 60000)
    m.running(blocker)
    ids = m.submit_many([{"class": "Demo", "method": "record", "param": ["kept", str(n)]} for n in range(200)])
    m.kill_role("broker")
    m.kill()
    m.start()
    m.delete(f"/v1/tasks/{blocker}")
    for id_ in ids:
        assert m.wait_task(id_)["state"] == "succeeded"
    assert sorted(map(int, m.record_lines("kept"))) == list(range(200))


def test_retention_keeps_ids_but_not_for_ever(muster):
    m = muster({"queues": [{"name": "default", "retention": {"succeeded": "1s"}}]})
    id_ = m.submit("Demo", "noop")
    assert m.wait_task(id_)["state"] in ENDED
    until(lambda: m.get(f"/v1/tasks/{id_}").status == 404, 15, "the id is unknown again")
