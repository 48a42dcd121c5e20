"""A task of a higher priority is run before those that wait already; 9 goes first."""

from harness import until


def test_the_highest_priority_runs_first(muster):
    m = muster({"pools": [{"name": "default", "workers": 1, "queues": {"default": 1}}]})
    hold = m.submit("Demo", "work", 60000)
    m.running(hold)
    ids = {}
    for priority in (5, 0, 9, 3, 7):
        answer = m.post("/v1/tasks", {"class": "Demo", "method": "record", "param": ["order", str(priority)], "priority": priority})
        assert answer.status == 201, answer
        ids[priority] = answer.json["id"]
    assert m.queue()["pending"] == 5
    assert {priority: m.task(id_)["priority"] for priority, id_ in ids.items()} == {priority: priority for priority in ids}
    m.delete(f"/v1/tasks/{hold}")
    until(lambda: len(m.record_lines("order")) == 5, 10)
    assert m.record_lines("order") == ["9", "7", "5", "3", "0"]


def test_a_scheduled_one_keeps_its_priority_and_one_can_be_cancelled(muster):
    m = muster({"pools": [{"name": "default", "workers": 1, "queues": {"default": 1}}]})
    hold = m.submit("Demo", "work", 60000)
    m.running(hold)
    for priority in (5, 9):
        m.submit("Demo", "record", "order", str(priority), priority=priority, delay="50ms")
    cancelled = m.submit("Demo", "record", "order", "never", priority=8)
    until(lambda: m.queue()["pending"] == 3, 10)
    assert m.delete(f"/v1/tasks/{cancelled}").json["state"] == "cancelled"
    assert m.queue()["pending"] == 2
    m.delete(f"/v1/tasks/{hold}")
    until(lambda: len(m.record_lines("order")) == 2, 10)
    assert m.record_lines("order") == ["9", "5"]


def test_a_priority_out_of_range_is_refused(muster):
    m = muster()
    answer = m.post("/v1/tasks", {"class": "Demo", "method": "noop", "priority": 10})
    assert answer.status == 422 and answer.json["errors"][0]["pointer"] == "/priority"
