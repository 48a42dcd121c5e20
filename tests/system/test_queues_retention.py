"""Queues say what waits and what became of it; what has ended is kept for a while, by age and count, and then memory is back."""

import pytest

from harness import LIST, SLOW, until

COUNTS = ("pending", "scheduled", "retrying", "active", "dead", "succeeded_total", "dead_total")


def test_queues_show_depths_by_state(muster):
    m = muster({"pools": [{"name": "default", "workers": 1}],
                "queues": [{"name": "default", "backoff": {"base": "1h"}}]})
    m.wait_task(m.submit("Demo", "retry", "later", retry=2), "retrying")
    m.run("Demo", "fail", "x")
    m.run("Demo", "noop")
    busy = m.submit("Demo", "work", 60000)
    m.running(busy)
    m.submit("Demo", "noop", delay="1h")
    waiting = m.submit_many([{"class": "Demo", "method": "noop"}] * 7)

    def counts():
        queue = m.queue()
        return {key: queue[key] for key in COUNTS} == {"pending": 7, "scheduled": 1, "retrying": 1, "active": 1, "dead": 1,
                                                       "succeeded_total": 1, "dead_total": 1}
    until(counts, what=f"the depths are right ({m.queue()})")
    queue = m.queue()
    assert queue["name"] == "default" and queue["paused"] is False
    until(lambda: m.queue()["oldest_age_seconds"] > 0, what="the oldest grows older")
    m.delete(f"/v1/tasks/{busy}")
    for id_ in waiting:
        m.wait_task(id_)
    assert m.queue()["oldest_age_seconds"] in (0, None)


def test_oldest_age_grows(muster):
    m = muster({"pools": [{"name": "default", "workers": 1}]})
    busy = m.submit("Demo", "work", 60000)
    m.running(busy)
    m.submit("Demo", "noop")
    until(lambda: m.queue()["oldest_age_seconds"] >= 1, 10)
    m.delete(f"/v1/tasks/{busy}")


def test_declared_and_named_queues_exist(muster):
    m = muster({"queues": [{"name": "mail"}], "pools": [{"name": "default", "workers": 1, "queues": {"default": 1, "named": 1}}]})
    names = {queue["name"] for queue in m.get("/v1/queues").json["queues"]}
    assert {"default", "mail", "named"} <= names
    assert m.get("/v1/queues/nonesuch").status == 404


def test_a_queue_served_by_no_pool_keeps_its_tasks_and_is_warned_of(muster):
    m = muster({"queues": [{"name": "mail"}]})
    assert m.log_lines("mail")
    id_ = m.submit("Demo", "noop", queue="mail")
    assert m.task(id_)["state"] == "pending" and m.queue("mail")["pending"] == 1
    m.stop()
    m.config["pools"] = [{"name": "default", "workers": 1, "queues": {"mail": 1}}]
    m.start()
    assert m.wait_task(id_)["state"] == "succeeded"


def test_a_task_whose_queue_is_no_longer_configured_is_kept(muster):
    m = muster({"queues": [{"name": "mail"}]})
    id_ = m.submit("Demo", "noop", queue="mail")
    m.stop()
    m.config.pop("queues")
    m.start()
    m.run("Demo", "noop")
    m.stop()
    m.config["pools"] = [{"name": "default", "workers": 1, "queues": {"mail": 1}}]
    m.start()
    assert m.wait_task(id_)["state"] == "succeeded"


def test_weights_share_and_strict_orders(muster):
    strict = {"name": "default", "workers": 1, "strict": True, "queues": {"high": 1, "low": 1}}
    m = muster({"pools": [strict]})
    gate = m.submit("Demo", "work", 60000, queue="high")
    m.running(gate)
    low = [{"class": "Demo", "method": "record", "param": ["order", "low"], "queue": "low"}] * 100
    high = [{"class": "Demo", "method": "record", "param": ["order", "high"], "queue": "high"}] * 100
    m.submit_many(low)
    m.submit_many(high)
    m.delete(f"/v1/tasks/{gate}")
    until(lambda: len(m.record_lines("order")) == 200)
    assert m.record_lines("order")[:100] == ["high"] * 100
    m.stop()
    m.config["pools"] = [{"name": "default", "workers": 1, "queues": {"high": 9, "low": 1}}]
    m.start()
    gate = m.submit("Demo", "work", 60000, queue="high")
    m.running(gate)
    for document in low:
        document["param"] = ["share", "low"]
    for document in high:
        document["param"] = ["share", "high"]
    m.submit_many(low * 10)
    m.submit_many(high * 10)
    m.delete(f"/v1/tasks/{gate}")
    until(lambda: len(m.record_lines("share")) == 2000)
    first = m.record_lines("share")[:900]
    assert first.count("low") > 0 and first.count("high") > first.count("low")


@pytest.mark.parametrize("state, method", [("succeeded", "noop"), ("dead", "fail")])
def test_ended_tasks_are_dropped_by_age(muster, state, method):
    m = muster({"queues": [{"name": "default", "retention": {state: "500ms"}}]})
    id_ = m.submit("Demo", method, *(["x"] if method == "fail" else []))
    until(lambda: m.get(f"/v1/tasks/{id_}").status == 404, 20, "its id is unknown again")
    until(lambda: m.redis.hlen(m.key("tasks")) == 0 and m.redis.hlen(m.key("runs")) == 0, 10)
    assert m.queue()["dead"] == 0


def test_cancelled_tasks_are_dropped_by_age(muster):
    m = muster({"queues": [{"name": "default", "retention": {"cancelled": "500ms"}}]})
    id_ = m.submit("Demo", "noop", delay="1h")
    assert m.delete(f"/v1/tasks/{id_}").json["state"] == "cancelled"
    until(lambda: m.get(f"/v1/tasks/{id_}").status == 404, 20)


def test_ended_tasks_are_dropped_by_count_the_oldest_first(muster):
    m = muster({"queues": [{"name": "default", "retention": {"max": 100}}], "pools": [{"name": "default", "workers": 1}]})
    ids = m.submit_many([{"class": "Demo", "method": "noop"}] * 300)
    m.wait_task(ids[-1])
    until(lambda: m.redis.hlen(m.key("tasks")) <= 100, 20, "a hundred are kept")
    assert m.get(f"/v1/tasks/{ids[0]}").status == 404 and m.task(ids[-1])["state"] == "succeeded"
    bad = m.submit_many([{"class": "Demo", "method": "fail", "param": ["x"]}] * 150)
    m.wait_task(bad[-1])
    until(lambda: m.queue()["dead"] <= 100, 20)
    assert m.queue()["dead_total"] == 150


def test_an_own_id_can_be_used_again_when_retention_has_dropped_it(muster):
    m = muster({"queues": [{"name": "default", "retention": {"succeeded": "300ms"}}]})
    for n in range(2):
        until(lambda: m.get("/v1/tasks/again").status == 404, 20)
        assert m.post("/v1/tasks", {"class": "Demo", "method": "record", "param": ["again", str(n)], "id": "again"}).status == 201
        until(lambda: len(m.record_lines("again")) == n + 1)
    assert m.record_lines("again") == ["0", "1"]


def test_memory_is_back_at_its_floor_after_100000_tasks(muster):
    m = muster({"queues": [{"name": LIST, "retention": {"succeeded": "1s"}}, {"name": "default", "retention": {"succeeded": "1s"}}]})
    m.run("Demo", "noop")
    until(lambda: m.redis.hlen(m.key("tasks")) == 0, 20)
    floor = m.redis.info("memory")["used_memory"]
    document = '{"class":"Demo","method":"noop","param":["%s"]}' % ("x" * 100)
    for _ in range(100):
        m.redis.lpush(LIST, *[document] * 1000)
    until(lambda: m.queue(LIST)["succeeded_total"] == 100000, 60 * SLOW, "all ran")
    until(lambda: m.redis.hlen(m.key("tasks")) == 0 and m.redis.hlen(m.key("runs")) == 0, 60, "nothing is kept")
    until(lambda: m.redis.info("memory")["used_memory"] < floor + (2 << 20), 20, "memory is back")
    left = sorted(key.decode() for key in m.redis.keys("*"))
    assert len(left) < 40, left


def test_the_append_only_file_does_not_grow_without_end(muster):
    m = muster()
    settings = m.redis.config_get("*")
    assert settings["appendonly"] == "yes" and settings["save"] == "" and settings["appendfsync"] == "no"
    assert int(settings["auto-aof-rewrite-percentage"]) > 0
    assert settings["maxmemory-policy"] == "noeviction" and int(settings["maxmemory"]) > 0
    assert settings["port"] == "0"
