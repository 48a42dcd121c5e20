"""What a task and its submission may ask for: expiry, uniqueness, retention, a bound of depth, Prefer: wait, traceparent."""

import time

import pytest

from harness import until

ONE = {"pools": [{"name": "default", "workers": 1, "queues": {"default": 1}}]}
NOOP = {"class": "Demo", "method": "noop"}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def hold(m):
    """Keeps the only worker busy until the test deletes the task."""
    id_ = m.submit("Demo", "work", 60000)
    m.running(id_)
    return id_


# ---- expires_in ----

def test_one_that_waits_longer_is_dead_without_being_run(muster):
    m = muster(ONE)
    held = hold(m)
    id_ = m.submit("Demo", "record", "ran", "never", expires_in="300ms")
    task = m.wait_task(id_, "dead")
    assert task["error"]["kind"] == "expired" and task["attempts"] == 0 and task["started_at"] is None
    m.delete(f"/v1/tasks/{held}")
    assert m.run("Demo", "noop", expires_in="60s")["state"] == "succeeded"
    assert m.record_lines("ran") == []
    queue = m.queue()
    assert queue["dead"] == 1 and queue["pending"] == 0
    assert m.metrics().value("muster_tasks_total", queue="default", outcome="dead") == 1
    assert m.metrics().value("muster_tasks_unaccounted") == 0


def test_one_in_a_workers_batch_expires_as_well(muster):
    m = muster(ONE)
    answer = m.post("/v1/tasks", [{"class": "Demo", "method": "sleep", "param": [15]}] * 2 + [{**NOOP, "expires_in": "1ms"}] * 20)
    ends = [m.wait_task(id_) for id_ in answer.json["ids"]]
    assert [task["state"] for task in ends[:2]] == ["succeeded"] * 2
    assert {task["state"] for task in ends[2:]} == {"dead"} and {task["error"]["kind"] for task in ends[2:]} == {"expired"}


def test_it_counts_from_run_at(muster):
    m = muster(ONE)
    id_ = m.submit("Demo", "noop", delay="500ms", expires_in="400ms")
    assert m.wait_task(id_)["state"] == "succeeded"


# ---- unique ----

def test_a_second_one_is_a_success_that_returns_the_first(muster):
    m = muster(ONE)
    held = hold(m)
    first = m.post("/v1/tasks", {**NOOP, "unique": "user 42 é"})
    again = m.post("/v1/tasks", {**NOOP, "unique": "user 42 é", "param": [1]})
    assert first.status == 201 and again.status == 200
    assert again.json == {"id": first.json["id"], "queue": "default", "state": "pending", "duplicate": True}
    assert again.headers["Location"] == first.headers["Location"]
    many = m.post("/v1/tasks", [{**NOOP, "unique": "user 42 é"}, {**NOOP, "unique": "other"}, {**NOOP, "unique": "other"}])
    assert many.status == 201 and many.json["ids"][0] == first.json["id"] and many.json["ids"][1] == many.json["ids"][2]
    assert m.queue()["pending"] == 2
    m.delete(f"/v1/tasks/{held}")
    m.wait_task(first.json["id"])
    third = m.post("/v1/tasks", {**NOOP, "unique": "user 42 é"})
    assert third.status == 201 and third.json["id"] != first.json["id"]
    assert m.metrics().value("muster_tasks_submitted_total", queue="default", source="http") == 4


def test_one_that_runs_or_waits_for_a_retry_is_unique_still(muster):
    m = muster({**ONE, "queues": [{"name": "default", "backoff": {"base": "1h", "max": "1h"}}]})
    running = m.submit("Demo", "work", 60000, unique="x")
    m.running(running)
    assert m.post("/v1/tasks", {**NOOP, "unique": "x"}).json["id"] == running
    m.delete(f"/v1/tasks/{running}")
    m.wait_task(running)
    retrying = m.submit("Demo", "retry", "again", retry=3, unique="x")
    m.wait_task(retrying, "retrying")
    answer = m.post("/v1/tasks", {**NOOP, "unique": "x"})
    assert answer.json["id"] == retrying and answer.json["state"] == "retrying"


# ---- retention ----

def test_a_retention_of_its_own_is_longer_or_shorter_than_its_queues(muster):
    m = muster({"queues": [{"name": "default", "retention": {"succeeded": "100ms", "dead": "1h"}}]})
    long, usual = m.submit("Demo", "noop", retention="1h"), m.submit("Demo", "noop")
    short = m.submit("Demo", "fail", "x", retention="200ms")
    until(lambda: m.get(f"/v1/tasks/{usual}").status == 404, 20)
    until(lambda: m.get(f"/v1/tasks/{short}").status == 404, 20)
    assert m.task(long)["state"] == "succeeded"
    assert m.queue()["dead"] == 0


# ---- max_depth ----

def test_a_full_queue_answers_429_until_something_is_taken(muster):
    m = muster({**ONE, "queues": [{"name": "default", "max_depth": 3}, {"name": "mail"}]})
    held = hold(m)
    ids = [m.submit("Demo", "noop", id=f"t{n}") for n in range(3)]
    answer = m.post("/v1/tasks", NOOP)
    assert answer.status == 429 and int(answer.headers["Retry-After"]) >= 1 and "max_depth" in answer.json["detail"]
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert m.post("/v1/tasks", {**NOOP, "queue": "mail"}).status == 201
    assert m.post("/v1/tasks", {**NOOP, "id": "t1"}).status == 200  # known
    m.delete(f"/v1/tasks/{ids[0]}")
    assert m.post("/v1/tasks", [NOOP, NOOP]).status == 429
    lines = m.post("/v1/tasks", '{"class":"Demo","method":"noop"}\n' * 3, headers={"Content-Type": "application/x-ndjson"})
    assert (lines.json["accepted"], lines.json["rejected"]) == (1, 2) and lines.json["errors"][0]["line"] == 2
    assert "max_depth" in lines.json["errors"][0]["detail"]
    m.delete(f"/v1/tasks/{held}")
    until(lambda: m.post("/v1/tasks", NOOP).status == 201, 10)


def test_the_wait_is_told_by_the_measured_rate(muster):
    m = muster({**ONE, "queues": [{"name": "default", "max_depth": 50}]})
    m.submit_many([{"class": "Demo", "method": "sleep", "param": [100]}] * 49)  # one worker: ten a second
    seen = {}

    def told():
        answer = m.post("/v1/tasks", {"class": "Demo", "method": "sleep", "param": [100]})
        if answer.status == 201:
            seen["wait"] = answer.json.get("estimated_wait_seconds", seen.get("wait"))
        else:
            assert answer.status == 429
            seen["retry"] = int(answer.headers["Retry-After"])
        return "wait" in seen and seen["wait"] and "retry" in seen
    until(told, 30)
    assert 1 <= seen["wait"] < 60 * 3 and 1 <= seen["retry"] <= 600


# ---- Prefer: wait ----

def test_get_waits_as_preferred(muster):
    m = muster(ONE)
    id_ = m.submit("Demo", "sleep", 300)
    answer = m.get(f"/v1/tasks/{id_}", Prefer="respond-async, wait=10")
    assert answer.json["state"] == "succeeded" and answer.headers["Preference-Applied"] == "wait=10"


def test_post_waits_as_preferred(muster):
    m = muster(ONE)
    answer = m.post("/v1/tasks", {"class": "Demo", "method": "add", "param": [2, 3]}, headers={"Prefer": "wait=10"})
    assert answer.status == 201 and answer.json["state"] == "succeeded" and answer.json["result"] == 5
    assert answer.headers["Location"] == f"/v1/tasks/{answer.json['id']}" and answer.headers["Preference-Applied"] == "wait=10"


def test_post_answers_when_the_wait_is_over(muster):
    m = muster(ONE)
    held = hold(m)
    before = time.monotonic()
    answer = m.post("/v1/tasks", NOOP, headers={"Prefer": "wait=1"})
    assert answer.status == 201 and answer.json["state"] == "pending" and time.monotonic() - before >= 0.9
    m.delete(f"/v1/tasks/{held}")


def test_a_repeat_under_a_key_waits_for_the_first(muster):
    m = muster(ONE)
    headers = {"Prefer": "wait=10", "Idempotency-Key": "k"}
    body = {"class": "Demo", "method": "add", "param": [2, 3]}
    first, again = m.post("/v1/tasks", body, headers=headers), m.post("/v1/tasks", body, headers=headers)
    assert first.json["id"] == again.json["id"] and again.json["result"] == 5 and again.status == 201


# ---- traceparent ----

def test_a_traceparent_is_kept_with_the_task(muster):
    m = muster(ONE)
    id_ = m.post("/v1/tasks", NOOP, headers={"traceparent": TRACE}).json["id"]
    assert m.task(id_)["traceparent"] == TRACE
    many = m.post("/v1/tasks", [NOOP] * 2, headers={"traceparent": TRACE}).json["ids"]
    assert {m.task(id_)["traceparent"] for id_ in many} == {TRACE}
    assert m.task(m.submit("Demo", "noop"))["traceparent"] is None


@pytest.mark.parametrize("value", ["", "00-0-0-01", TRACE.upper(), TRACE + "x", "ff" + TRACE[2:], TRACE.replace("b7ad6b7169203331", "0" * 16)])
def test_a_malformed_traceparent_counts_as_absent(muster, value):
    m = muster(ONE)
    answer = m.post("/v1/tasks", NOOP, headers={"traceparent": value})
    assert answer.status == 201 and m.task(answer.json["id"])["traceparent"] is None
