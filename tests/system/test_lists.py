"""A queue's tasks, page by page; one that is dead runs again; what is not wanted is purged."""

import pytest

from harness import LIST, until

ONE = {"pools": [{"name": "default", "workers": 1, "queues": {"default": 1, LIST: 1}, "kill_grace": "300ms"}],
       "queues": [{"name": "default", "backoff": {"base": "1h"}}, {"name": "idle"}]}


def listed(m, path="/v1/queues/default/tasks", **query):
    """All tasks, page by page."""
    found, cursor = [], None
    while True:
        words = {**query, **({"cursor": cursor} if cursor else {})}
        answer = m.get(path + "?" + "&".join(f"{name}={value}" for name, value in words.items()))
        assert answer.status == 200, answer
        assert len(answer.json["tasks"]) <= int(query.get("limit", 100))
        found += answer.json["tasks"]
        cursor = answer.json["next_cursor"]
        if cursor is None:
            return found


def test_tasks_are_listed_in_every_state(muster):
    m = muster(ONE)
    at = {"succeeded": m.run("Demo", "noop")["id"], "dead": m.run("Demo", "fail", "x")["id"],
          "scheduled": m.submit("Demo", "noop", delay="1h"), "retrying": m.submit("Demo", "retry", "x", retry=2),
          "cancelled": m.submit("Demo", "noop", delay="1h")}
    m.wait_task(at["retrying"], "retrying")
    m.delete(f"/v1/tasks/{at['cancelled']}")
    at["active"] = m.submit("Demo", "work", 60000)
    m.running(at["active"])
    at["pending"] = m.submit("Demo", "noop")
    for state, id_ in at.items():
        until(lambda: [task["id"] for task in listed(m, state=state)] == [id_], what=f"{state} is listed")
        assert listed(m, state=state) == [m.task(id_)] or state == "active"
    assert sorted(task["id"] for task in listed(m)) == sorted(at.values())
    assert sorted(task["id"] for task in listed(m, limit=2)) == sorted(at.values())
    assert m.get("/v1/queues/idle/tasks").json == {"tasks": [], "next_cursor": None, "scanned": 0}
    m.delete(f"/v1/tasks/{at['active']}")


def test_pages_of_a_long_line(muster):
    m = muster(ONE)
    ids = m.submit_many([{"class": "Demo", "method": "noop", "queue": "idle"}] * 250)
    answer = m.get("/v1/queues/idle/tasks?state=pending").json
    assert [task["id"] for task in answer["tasks"]] == ids[:100] and answer["next_cursor"]
    assert [task["id"] for task in listed(m, "/v1/queues/idle/tasks", state="pending", limit=70)] == ids
    assert [task["id"] for task in listed(m, "/v1/queues/idle/tasks", state="pending", limit=250)] == ids
    assert len(m.get("/v1/queues/idle/tasks?limit=1000").json["tasks"]) == 250


@pytest.mark.parametrize("query, status", [
    ("limit=0", 422), ("limit=1001", 422), ("limit=x", 422), ("state=none", 422), ("cursor=xyz", 400), ("cursor=00", 400),
    ("cursor=616161", 400), ("nonsense=1", 400), ("created_before=yesterday", 422)])
def test_what_cannot_be_meant_is_refused_with_words(muster, query, status):
    m = muster(ONE)
    answer = m.get(f"/v1/queues/default/tasks?{query}")
    assert answer.status == status and len(answer.json["detail"]) > 10, answer


def test_a_cursor_of_another_call_is_refused(muster):
    m = muster(ONE)
    m.submit_many([{"class": "Demo", "method": "noop", "queue": "idle"}] * 3)
    cursor = m.get("/v1/queues/idle/tasks?limit=1").json["next_cursor"]
    assert m.get(f"/v1/queues/idle/tasks?limit=1&cursor={cursor}").status == 200
    assert m.get(f"/v1/queues/default/tasks?cursor={cursor}").status == 400
    assert m.get(f"/v1/queues/idle/tasks?state=dead&cursor={cursor}").status == 400


def test_an_unknown_queue(muster):
    m = muster(ONE)
    assert m.get("/v1/queues/none/tasks").status == 404
    assert m.delete("/v1/queues/none/tasks?state=dead").status == 404
    assert m.post("/v1/queues/none/tasks/retry").status == 404


# ---- again ----

def test_a_dead_task_runs_again_counted_anew(muster):
    m = muster(ONE)
    dead = m.run("Demo", "fail", "x", retry=2)
    answer = m.post(f"/v1/tasks/{dead['id']}/retry")
    assert answer.status == 200 and answer.json["id"] == dead["id"], answer
    assert answer.json["state"] in ("pending", "active", "dead")
    task = until(lambda: (lambda t: t["state"] == "dead" and len(t["history"]) == 2 and t)(m.task(dead["id"])))
    assert task["attempts"] == 1 and task["error"]["kind"] == "exception"
    until(lambda: m.metrics().value("muster_tasks_unaccounted") == 0)
    assert m.queue()["dead"] == 1 and m.queue()["dead_total"] == 2


def test_while_it_waits_it_has_no_error(muster):
    m = muster(ONE)
    dead = m.run("Demo", "fail", "x")["id"]
    assert m.post("/v1/queues/default/pause").status == 200
    task = m.post(f"/v1/tasks/{dead}/retry").json
    assert task["state"] == "pending" and task["error"] is None and task["attempts"] == 0 and task["finished_at"] is None
    assert len(task["history"]) == 1 and task["max_attempts"] == 1


def test_a_crash_s_task_may_crash_as_often_again(muster):
    m = muster({**ONE, "queues": [{"name": "default", "max_crashes": 2}]})
    id_ = m.run("Demo", "crash", 11)["id"]
    assert m.task(id_)["crashes"] == 2
    assert m.post(f"/v1/tasks/{id_}/retry").json["crashes"] == 0
    until(lambda: m.task(id_)["state"] == "dead", 20)
    assert m.task(id_)["crashes"] == 2 and len(m.task(id_)["history"]) == 4


def test_a_dead_task_of_a_plain_list_runs_again(muster):
    m = muster(ONE)
    m.lpush({"class": "Demo", "method": "fail", "param": ["x"]})
    id_ = m.only_list_task()["id"]
    assert m.post(f"/v1/tasks/{id_}/retry").status == 200
    until(lambda: len(m.task(id_)["history"]) == 2 and m.task(id_)["state"] == "dead")
    until(lambda: m.metrics().value("muster_tasks_unaccounted") == 0)


def test_a_cancelled_one_runs_again(muster):
    m = muster(ONE)
    id_ = m.submit("Demo", "noop", delay="1h")
    m.delete(f"/v1/tasks/{id_}")
    assert m.post(f"/v1/tasks/{id_}/retry").status == 200
    assert m.wait_task(id_)["state"] == "succeeded"


def test_others_are_a_conflict(muster):
    m = muster(ONE)
    for id_ in (m.run("Demo", "noop")["id"], m.submit("Demo", "noop", delay="1h")):
        answer = m.post(f"/v1/tasks/{id_}/retry")
        assert answer.status == 409 and "task" in answer.json["detail"]
    assert m.post("/v1/tasks/unknown/retry").status == 404
    assert m.post("/v1/tasks/un%20known/retry").status == 404


def test_all_dead_ones_of_a_queue_run_again(muster):
    m = muster(ONE)
    ids = m.submit_many([{"class": "Demo", "method": "fail", "param": ["x"]}] * 30)
    for id_ in ids:
        m.wait_task(id_, "dead")
    other = m.run("Demo", "fail", "x", queue=LIST)["id"]
    answer = m.post("/v1/queues/default/tasks/retry")
    assert answer.status == 200 and answer.json["retried"] == 30, answer
    for id_ in ids:
        until(lambda: len(m.task(id_)["history"]) == 2)
    assert len(m.task(other)["history"]) == 1
    until(lambda: m.metrics().value("muster_tasks_unaccounted") == 0)


# ---- purge ----

def test_purge_by_state(muster):
    m = muster(ONE)
    m.run("Demo", "noop")
    m.run("Demo", "fail", "x")
    m.submit_many([{"class": "Demo", "method": "noop", "queue": "idle"}] * 2500)
    m.submit_many([{"class": "Demo", "method": "noop", "queue": "idle", "delay": "1h"}] * 10)
    assert m.delete("/v1/queues/default/tasks?state=dead").json["deleted"] == 1
    assert m.delete("/v1/queues/default/tasks?state=succeeded").json["deleted"] == 1
    assert m.delete("/v1/queues/idle/tasks?state=pending").json["deleted"] == 2500
    assert m.queue("idle")["pending"] == 0 and m.queue("idle")["scheduled"] == 10
    assert m.delete("/v1/queues/idle/tasks?state=scheduled").json["deleted"] == 10
    assert listed(m, "/v1/tasks") == [] and m.redis.hlen(m.key("tasks")) == 0
    until(lambda: m.metrics().value("muster_tasks_unaccounted") == 0)


def test_a_purge_says_of_what_and_never_of_what_runs(muster):
    m = muster(ONE)
    busy = m.submit("Demo", "work", 60000)
    m.running(busy)
    answer = m.delete("/v1/queues/default/tasks")
    assert answer.status == 422 and "state" in answer.json["detail"]
    assert m.delete("/v1/queues/default/tasks?state=active").status == 422
    assert m.delete("/v1/queues/default/tasks?state=pending").json["deleted"] == 0
    m.delete(f"/v1/tasks/{busy}")
    assert m.wait_task(busy)["state"] == "cancelled"


def test_a_plain_list_is_purged_as_well(muster):
    m = muster(ONE)
    m.post(f"/v1/queues/{LIST}/pause")
    m.lpush(*[{"class": "Demo", "method": "noop"}] * 7)
    assert m.queue(LIST)["pending"] == 7
    assert m.delete(f"/v1/queues/{LIST}/tasks?state=pending").json["deleted"] == 7
    assert m.queue(LIST)["pending"] == 0
    m.post(f"/v1/queues/{LIST}/resume")
    m.lpush({"class": "Demo", "method": "noop"})
    assert m.only_list_task()["state"] == "succeeded"
