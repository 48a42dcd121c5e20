"""What can be done to one task: change it while it waits, clone it, end it by force, ask why."""

import json
import time

import pytest

from harness import LIST, bound, until

ONE = {"pools": [{"name": "default", "workers": 1, "queues": {"default": 1, LIST: 1}, "kill_grace": "5s"}],
       "queues": [{"name": "default", "backoff": {"base": "1h"}}, {"name": "idle"}]}


def why(m, id_):
    answer = m.get(f"/v1/tasks/{id_}/why")
    assert answer.status == 200, answer
    assert len(answer.json["detail"]) > 10
    return answer.json["reason"], answer.json["detail"]


def patch(m, id_, **change):
    return m.http.request("PATCH", f"/v1/tasks/{id_}", change, {})


# ---- change ----

def test_another_time(muster):
    m = muster(ONE)
    id_ = m.submit("Demo", "noop", delay="1h")
    answer = patch(m, id_, run_at="2999-01-01T00:00:00Z")
    assert answer.status == 200 and answer.json["run_at"] == "2999-01-01T00:00:00.000Z"
    assert answer.json["state"] == "scheduled"
    began = time.monotonic()
    assert patch(m, id_, delay="300ms").json["state"] == "scheduled"
    assert m.wait_task(id_)["state"] == "succeeded" and 0.25 < time.monotonic() - began < bound(1)


def test_a_retry_is_not_waited_for(muster):
    m = muster(ONE)
    id_ = m.submit("Demo", "retry", "x", retry=2)
    m.wait_task(id_, "retrying")
    assert patch(m, id_, delay="0s").status == 200
    task = m.wait_task(id_)
    assert task["state"] == "dead" and task["attempts"] == 2


def test_another_queue_and_priority(muster):
    m = muster(ONE)
    id_ = m.submit("Demo", "echo", 9007199254740993, queue="idle")
    answer = patch(m, id_, queue="default", priority=7)
    assert answer.status == 200 and answer.json["queue"] == "default" and answer.json["priority"] == 7
    assert m.wait_task(id_)["result"] == [9007199254740993]
    assert m.queue("idle")["pending"] == 0
    until(lambda: m.metrics().value("muster_tasks_unaccounted") == 0)


def test_only_what_waits_can_be_changed(muster):
    m = muster(ONE)
    done = m.run("Demo", "noop")["id"]
    busy = m.submit("Demo", "work", 60000)
    m.running(busy)
    for id_ in (done, busy):
        answer = patch(m, id_, delay="1h")
        assert answer.status == 409 and "task" in answer.json["detail"]
    assert patch(m, "unknown", delay="1h").status == 404
    m.delete(f"/v1/tasks/{busy}")


@pytest.mark.parametrize("change", [{}, {"run_at": "soon"}, {"queue": "none"}, {"priority": 10}, {"class": "X"},
                                    {"run_at": "2999-01-01T00:00:00Z", "delay": "1s"}, {"delay": -1}])
def test_changes_that_cannot_be_meant(muster, change):
    m = muster(ONE)
    id_ = m.submit("Demo", "noop", queue="idle")
    before = m.task(id_)
    answer = patch(m, id_, **change)
    assert answer.status == 422 and answer.json["detail"]
    assert m.task(id_) == before


# ---- clone ----

def test_a_clone_is_a_task_of_its_own_with_the_same_bytes(muster):
    m = muster(ONE)
    first = m.run("Demo", "echo", 1.0, 9007199254740993, id="mine", retry=3, priority=8, meta={"a": 1})
    answer = m.post("/v1/tasks/mine/clone")
    assert answer.status == 201 and answer.json["id"] != "mine"
    assert answer.headers["Location"] == f"/v1/tasks/{answer.json['id']}"
    second = m.wait_task(answer.json["id"])
    for member in ("class", "method", "param", "meta", "max_attempts", "priority", "queue", "result", "state"):
        assert second[member] == first[member], member
    documents = [m.redis.hget(m.key("tasks"), id_).split(b"\n", 1)[1] for id_ in ("mine", second["id"])]
    assert documents[0] == documents[1]


def test_dead_and_plain_list_tasks_can_be_cloned(muster):
    m = muster(ONE)
    dead = m.run("Demo", "fail", "x")["id"]
    clone = m.post(f"/v1/tasks/{dead}/clone").json["id"]
    assert m.wait_task(clone)["state"] == "dead" and m.task(dead)["history"] == m.task(dead)["history"]
    m.lpush({"class": "Demo", "method": "retry", "param": ["x"], "retry": 2, "own": 1})
    first = until(lambda: next((id_ for id_ in m.list_tasks() if m.task(id_)["state"] in ("retrying", "dead")), None))
    assert m.post(f"/v1/tasks/{first}/clone").json["queue"] == LIST
    assert m.post("/v1/tasks/unknown/clone").status == 404
    until(lambda: m.metrics().value("muster_tasks_unaccounted") == 0)


# ---- force ----

@pytest.mark.parametrize("method", ["hang", "sleep"])
def test_a_running_one_is_ended_at_once_by_force(muster, method):
    m = muster(ONE)
    id_ = m.submit("Demo", method, *([60000] if method == "sleep" else []), timeout="2m")
    m.running(id_)
    began = time.monotonic()
    assert m.delete(f"/v1/tasks/{id_}?force=true").status == 200
    assert m.wait_task(id_)["state"] == "cancelled"
    assert time.monotonic() - began < bound(1), "kill_grace (5 s) is not waited for"
    assert m.run("Demo", "noop")["state"] == "succeeded"
    assert m.delete(f"/v1/tasks/{id_}?force=true").status == 409
    assert m.delete(f"/v1/tasks/{id_}?force=maybe").status == 400
    until(lambda: m.redis.exists(m.key("forced"), m.key("cancels")) == 0)


def test_by_force_on_another_node(make, redis_server):
    server = redis_server()
    first = make({**ONE, "broker": server.url()})
    second = make({**ONE, "broker": server.url(), "pools": [{**ONE["pools"][0], "queues": {"idle": 1}}]})
    first.start()
    second.start()
    id_ = first.submit("Demo", "hang", queue="idle", timeout="2m")
    second.running(id_)
    seen = first.task(id_)
    assert seen["state"] == "active" and seen["worker"] == second.task(id_)["worker"]
    assert first.get(f"/v1/tasks/{id_}/why").json["reason"] == "running"
    waits = first.submit("Demo", "noop", queue="idle")
    for state, ids in (("active", [id_]), ("pending", [waits])):
        listed = first.get(f"/v1/queues/idle/tasks?state={state}").json["tasks"]
        assert [(task["id"], task["state"]) for task in listed] == [(one, state) for one in ids]
    assert first.post("/v1/tasks/cancel", {"queue": "idle", "state": "pending", "dry_run": True}).json["matched"] == 1
    assert first.delete("/v1/queues/idle/tasks?state=pending").json["deleted"] == 1
    began = time.monotonic()
    assert first.delete(f"/v1/tasks/{id_}?force=true").json["cancel_requested"]
    assert first.wait_task(id_)["state"] == "cancelled" and time.monotonic() - began < bound(3)


def test_by_force_while_its_worker_drains(muster):
    m = muster(ONE)
    id_ = m.submit("Demo", "hang", timeout="2m")
    m.running(id_)
    assert m.post("/v1/workers/default/0/restart").status == 202
    until(lambda: m.worker(0)["state"] == "draining")
    began = time.monotonic()
    m.delete(f"/v1/tasks/{id_}?force=true")
    assert m.wait_task(id_)["state"] == "cancelled" and time.monotonic() - began < bound(1)


# ---- why ----

def test_why_it_does_not_run(muster):
    m = muster(ONE)
    scheduled = m.submit("Demo", "noop", run_at="2999-01-01T00:00:00Z")
    assert why(m, scheduled)[0] == "scheduled" and "2999-01-01" in why(m, scheduled)[1]
    retrying = m.submit("Demo", "retry", "the reason", retry=3)
    m.wait_task(retrying, "retrying")
    assert why(m, retrying)[0] == "backoff" and "the reason" in why(m, retrying)[1]
    busy = m.submit("Demo", "work", 60000)
    m.running(busy)
    assert why(m, busy)[0] == "running" and "default/0" in why(m, busy)[1]
    assert m.get(f"/v1/tasks/{busy}/why").json["state"] == "active"
    waiting = m.submit_many([{"class": "Demo", "method": "noop"}] * 6)
    assert why(m, waiting[0]) == ("waiting", "it is next in queue default: a worker that is free will take it")
    assert why(m, waiting[5])[0] == "waiting" and "behind 5 others" in why(m, waiting[5])[1]
    unknown = m.submit("Nobody", "x")
    until(lambda: m.get("/v1/nodes").json["nodes"])
    assert why(m, unknown)[0] == "no_handler" and "Nobody" in why(m, unknown)[1]
    unserved = m.submit("Demo", "noop", queue="idle")
    assert why(m, unserved)[0] == "no_worker" and "idle" in why(m, unserved)[1]
    m.post("/v1/classes/Demo/pause")
    assert why(m, waiting[5])[0] == "paused" and "class Demo" in why(m, waiting[5])[1]
    m.post("/v1/classes/Demo/resume")
    m.post("/v1/pools/default/pause")
    assert why(m, waiting[5])[0] == "paused" and "pool" in why(m, waiting[5])[1]
    m.post("/v1/pools/default/resume")
    m.post("/v1/queues/default/pause")
    assert why(m, waiting[5])[0] == "paused" and "queue default" in why(m, waiting[5])[1]
    m.delete(f"/v1/tasks/{busy}")


def test_why_it_ended_so(muster):
    m = muster(ONE)
    assert why(m, m.run("Demo", "noop")["id"])[0] == "succeeded"
    reason, detail = why(m, m.run("Demo", "fail", "no more paper")["id"])
    assert reason == "dead" and "no more paper" in detail and "exception" in detail
    cancelled = m.submit("Demo", "noop", delay="1h")
    m.delete(f"/v1/tasks/{cancelled}")
    assert why(m, cancelled)[0] == "cancelled"
    m.lpush("no json")
    assert why(m, m.only_list_task()["id"])[0] == "dead"
    assert m.get("/v1/tasks/unknown/why").status == 404


# ---- who can run what ----

def test_handlers_and_the_nodes_that_have_them(muster):
    m = muster(ONE)
    handlers = until(lambda: m.get("/v1/handlers").json["handlers"])
    node = m.get("/v1/nodes").json["nodes"][0]["id"]
    assert {"class": "Demo", "nodes": [node], "paused": False} in handlers
    m.post("/v1/classes/Demo/pause")
    paused = [handler["class"] for handler in m.get("/v1/handlers").json["handlers"] if handler["paused"]]
    assert paused == ["Demo"]


# ---- move ----

def test_many_are_moved(muster):
    m = muster(ONE)
    ids = m.submit_many([{"class": "Demo", "method": "noop", "queue": "idle"}] * 700 +
                        [{"class": "Other", "method": "noop", "queue": "idle"}])
    what = {"queue": "idle", "class": "Demo", "to": "default"}
    assert m.post("/v1/tasks/move", {**what, "dry_run": True}).json["matched"] == 700
    assert m.post("/v1/tasks/move", {"class": "Demo"}).status == 422
    assert m.post("/v1/tasks/move", {**what, "to": "none"}).status == 422
    assert m.post("/v1/tasks/move", what).json["moved"] == 700
    assert {m.wait_task(id_)["state"] for id_ in ids[:700]} == {"succeeded"}
    assert m.queue("idle")["pending"] == 1 and m.task(ids[700])["queue"] == "idle"
    until(lambda: m.metrics().value("muster_tasks_unaccounted") == 0)


def test_numbers_are_shown_as_short_as_they_can_be_and_no_shorter(muster):
    m = muster()
    numbers = [0.1, 1.10, 1e300, -2.5e-7, 3.0, 0.30000000000000004, 5e-324, 9007199254740993, -0.0]
    text = 'a "0.10000000000000001" and a \\ 1.10000000000000009'
    id_ = m.submit("Demo", "echo", *numbers, text)
    m.wait_task(id_)
    shown = m.get(f"/v1/tasks/{id_}").text
    assert '"result":[0.1,1.1,1e+300,-2.5e-07,3.0,0.30000000000000004,' in shown, shown
    result = json.loads(shown)["result"]
    assert result == [*numbers, text] and [repr(one) for one in result[:-1]] == [repr(one) for one in numbers]
