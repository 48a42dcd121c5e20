"""How a task ends is what its handler said, and is on record."""

import pytest

from harness import LIST, module, until


def probe(**more):
    return {"handlers": [{"class": "Probe", "module": module("probe")}], **more}


@pytest.fixture
def m(muster):
    return muster()


def test_ok_is_succeeded_with_its_result(m):
    assert m.run("Demo", "noop")["result"] is None
    assert m.run("Demo", "add", 40, 2)["result"] == 42
    assert m.run("Demo", "echo", "a", [1])["result"] == ["a", [1]]


def test_fail_is_dead_and_not_tried_again(m):
    task = m.run("Demo", "fail", "no such customer", retry=3)
    assert task["state"] == "dead" and task["attempts"] == 1 and task["max_attempts"] == 3
    assert task["error"]["kind"] == "exception" and "no such customer" in task["error"]["message"]
    assert [entry["kind"] for entry in task["history"]] == ["exception"]


def test_asking_for_a_retry_runs_it_again_while_executions_remain(m):
    task = m.run("Demo", "retry", "not yet", retry=3)
    assert task["state"] == "dead" and task["attempts"] == 3 and task["error"]["kind"] == "retry"
    assert "not yet" in task["error"]["message"]
    assert [entry["kind"] for entry in task["history"]] == ["retry"] * 3
    for entry in task["history"]:
        assert set(entry) >= {"started_at", "ended_at", "worker", "kind", "message"} and "not yet" in entry["message"]


def test_a_task_without_retry_is_executed_once(m):
    assert m.run("Demo", "retry", "x")["attempts"] == 1


def test_a_retry_that_succeeds_is_a_success_with_its_history(muster):
    m = muster(probe())
    task = m.run("Probe", "retry_until", 3, retry=5)
    assert task["state"] == "succeeded" and task["attempts"] == 3 and task["result"] == 3 and task["error"] is None
    assert len(task["history"]) == 2


def test_history_keeps_the_last_ten(muster):
    m = muster(probe())
    task = m.run("Probe", "retry_until", 15, retry=15)
    assert task["state"] == "succeeded" and task["attempts"] == 15
    assert [entry["message"] for entry in task["history"]] == [f"execution {n}" for n in range(5, 15)]


def test_an_unknown_class_is_dead_and_its_worker_lives(m):
    pids = sorted(row["pid"] for row in m.workers())
    task = m.run("Nonesuch", "run", retry=3)
    assert task["state"] == "dead" and task["error"]["kind"] == "unknown_class" and task["attempts"] <= 1
    assert sorted(row["pid"] for row in m.workers()) == pids


def test_an_unknown_method_is_dead_and_methods_are_case_sensitive(m):
    for method in ("nonesuch", "Add", "ADD"):
        task = m.run("Demo", method, 1, 2)
        assert task["state"] == "dead" and task["error"]["kind"] == "unknown_method", method


def test_a_result_above_its_limit_is_a_failure_that_says_so(muster):
    m = muster(probe(limits={"result": "1KiB"}))
    assert m.run("Probe", "result", 900)["state"] == "succeeded"
    task = m.run("Probe", "result", 2000)
    assert task["state"] == "dead" and "result" in task["error"]["message"] and task["result"] is None


def test_a_result_near_the_default_limit_is_kept_whole(muster):
    m = muster(probe())
    assert m.run("Probe", "result", 65000)["result"] == "x" * 65000
    ids = m.submit_many([{"class": "Probe", "method": "result", "param": [65000]}] * 20)
    for id_ in ids:
        assert m.wait_task(id_)["result"] == "x" * 65000


def test_the_wrong_number_of_arguments_is_a_failure_of_the_task_only(m):
    pids = sorted(row["pid"] for row in m.workers())
    for method in ("add", "sleep", "work", "crash", "leak", "record"):
        task = m.run("Demo", method, "rubbish")
        assert task["state"] == "dead" and task["error"]["kind"] == "exception", method
    assert sorted(row["pid"] for row in m.workers()) == pids


def test_demo_record_appends_below_the_state_directory_and_reaches_nothing_else(m):
    assert m.run("Demo", "record", "notes.txt", "one")["state"] == "succeeded"
    assert m.run("Demo", "record", "notes.txt", "two")["state"] == "succeeded"
    assert m.record_lines("notes.txt") == ["one", "two"]
    (m.state / "demo" / "out").symlink_to("/tmp")
    outside = m.base / "outside"
    for path in ("../outside", str(outside), "a/../../outside", "out/muster-escaped", ""):
        assert m.run("Demo", "record", path, "x")["state"] == "dead", path
    assert not outside.exists() and not (m.state / "outside").exists()


def test_demo_leak_leaks_and_lives(m):
    assert m.run("Demo", "leak", 1 << 20)["state"] == "succeeded"


def test_progress_is_visible_while_a_task_runs(muster):
    m = muster(probe())
    id_ = m.submit("Probe", "note", 40, "half way, nearly", 60000)
    m.running(id_)
    until(lambda: m.task(id_)["progress"] == {"percent": 40, "note": "half way, nearly"}, what="progress is shown")
    m.delete(f"/v1/tasks/{id_}")
    m.wait_task(id_, "cancelled")


def test_demo_work_reports_progress(m):
    id_ = m.submit("Demo", "work", 2000)
    m.running(id_)
    seen = until(lambda: (m.task(id_)["progress"] or {}).get("percent"), what="some percent")
    assert 0 < seen <= 100
    m.delete(f"/v1/tasks/{id_}")


def test_a_handler_sees_its_task(muster):
    m = muster(probe(queues=[{"name": "mail", "timeout": "7s"}], pools=[{"name": "default", "workers": 1, "queues": {"mail": 1}}]))
    task = m.run("Probe", "about", queue="mail", id="own-id")
    about = task["result"]
    assert about.pop("deadline_ms") in range(6000, 7001)
    assert about == {"id": "own-id", "class": "Probe", "method": "about", "queue": "mail", "attempt": 1}
    document = m.run("Probe", "document", 1, queue="mail", meta={"k": "v"})["result"]
    assert document["meta"] == {"k": "v"} and document["param"] == [1]


def test_a_handler_can_push_tasks(muster):
    m = muster(probe())
    task = m.run("Probe", "push", {"class": "Probe", "method": "say", "param": ["pushed"], "id": "child"})
    assert task["state"] == "succeeded", task
    assert m.wait_task("child")["state"] == "succeeded"
    wrong = m.run("Probe", "push", {"class": "Probe"})
    assert wrong["state"] == "dead" and "method" in wrong["error"]["message"]


def test_what_a_handler_logs_stands_in_the_log_with_its_id(muster):
    m = muster(probe())
    m.run("Probe", "say", "hello from a handler\nforged=line", id="talker")
    lines = m.wait_log("hello from a handler")
    assert len(lines) == 1 and "talker" in lines[0]
    assert not any(line.startswith("forged") for line in m.log().splitlines())


def test_outcomes_are_counted_per_queue(m):
    m.run("Demo", "noop")
    m.run("Demo", "fail", "x")
    m.run("Demo", "retry", "x", retry=2)
    queue = m.queue()
    assert queue["succeeded_total"] == 1 and queue["dead_total"] == 2 and queue["dead"] == 2
    def counted():
        metrics = m.metrics()
        return [metrics.value("muster_tasks_total", queue="default", outcome=outcome)
                for outcome in ("succeeded", "retried", "dead")] == [1, 1, 2]
    until(counted, what="outcomes in the metrics")
    totals = [row["tasks"] for row in m.workers()]
    assert sum(one["succeeded"] for one in totals) == 1 and sum(one["retried"] for one in totals) == 1
    assert sum(one["failed"] for one in totals) == 2


def test_the_log_has_the_words_that_people_grep_for(m):
    m.wait_log("service started pid=")
    m.wait_log("worker started pid=", count=2)
    m.run("Nonesuch", "run", id="log-class")
    m.run("Demo", "fail", "the customer is gone", id="log-fail")
    m.run("Demo", "retry", "later please", retry=2, id="log-retry")
    m.lpush("{broken")
    assert len(m.wait_log("task format wrong:", "{broken")) == 1
    assert len(m.wait_log("class method not found:", "Nonesuch")) == 1
    assert len(m.wait_log("exception:", "|||the customer is gone(")) == 1
    assert len(m.wait_log("retry task:", "later please")) == 1
    assert len(m.wait_log("retry is zero:", "|||later please(")) == 1
    assert len(m.log_lines("worker started pid=")) == 2 and len(m.log_lines("service started pid=")) == 1
    assert LIST in m.wait_log("task format wrong:")[0] or "{broken" in m.wait_log("task format wrong:")[0]


def test_logs_can_be_json_and_go_to_a_file(make):
    import json
    m = make()
    m.config["log"] = {"format": "json", "file": str(m.base / "file.log")}
    m.start()
    m.run("Demo", "fail", "quote \" and \n newline")
    path = m.base / "file.log"
    until(lambda: "exception:" in path.read_text())
    for line in path.read_text().splitlines():
        json.loads(line)
