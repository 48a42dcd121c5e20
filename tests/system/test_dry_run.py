"""POST /v1/tasks?dry_run=true: what would become of it, and nothing is stored."""

import pytest


@pytest.fixture
def m(muster):
    return muster({"queues": [{"name": "mail", "retry": 4, "timeout": "30s"}, {"name": "idle"}]})


def test_the_defaults_are_filled_in(m):
    answer = m.post("/v1/tasks?dry_run=true", {"class": "Demo", "method": "add", "param": [1.0, 9007199254740993], "queue": "mail"})
    assert answer.status == 200 and answer.json["dry_run"] is True
    task = answer.json["task"]
    assert task["queue"] == "mail" and task["max_attempts"] == 4 and task["timeout"] == "30s" and task["priority"] == 5
    assert task["param"] == [1.0, 9007199254740993] and task["state"] == "pending" and task["id"] is None
    assert task["handler"]["known"] is True and task["handler"]["node"] == m.get("/v1/nodes").json["nodes"][0]["id"]
    assert task["queue_served"] is False  # no pool names it
    assert m.queue("mail")["pending"] == 0


def test_an_unknown_class_is_said(m):
    task = m.post("/v1/tasks?dry_run=true", {"class": "Nobody", "method": "x", "id": "mine", "delay": "1h"}).json["task"]
    assert task["handler"]["known"] is False and "unknown_class" in task["handler"]["detail"]
    assert task["id"] == "mine" and task["state"] == "scheduled" and task["run_at"] is not None
    assert m.get("/v1/tasks/mine").status == 404


def test_an_array_shows_each(m):
    answer = m.post("/v1/tasks?dry_run=true", [{"class": "Demo", "method": "noop"}, {"class": "Demo", "method": "add", "priority": 9}])
    assert answer.json["accepted"] == 2 and [task["priority"] for task in answer.json["tasks"]] == [5, 9]
    assert m.post("/v1/tasks?dry_run=true", []).json["tasks"] == []


def test_what_is_wrong_is_refused_as_ever(m):
    assert m.post("/v1/tasks?dry_run=true", {"class": "Demo"}).status == 422
    assert m.post("/v1/tasks?dry_run=true", "{").status == 400
    assert m.post("/v1/tasks?dry_run=maybe", {"class": "Demo", "method": "noop"}).status == 400


def test_false_is_no_dry_run(m):
    assert m.post("/v1/tasks?dry_run=false", {"class": "Demo", "method": "noop"}).status == 201
