"""Queues, pools, classes and nodes can rest."""

import time

from harness import LIST, bound, stays, until

TWO = {"pools": [{"name": "default", "workers": 1, "queues": {"default": 1, LIST: 1}},
                 {"name": "second", "workers": 1, "queues": {"mail": 1}}], "queues": [{"name": "mail"}]}


def pending(m, id_, seconds=0.5):
    stays(lambda: m.task(id_)["state"] == "pending", seconds, f"{id_} waits")


def test_a_paused_queue_gives_nothing_and_goes_on_at_once_when_resumed(muster):
    m = muster(TWO)
    answer = m.post("/v1/queues/default/pause")
    assert answer.status == 200 and answer.json["name"] == "default" and answer.json["paused"] is True
    assert m.post("/v1/queues/default/pause").status == 200
    assert m.metrics().value("muster_queue_paused", queue="default") == 1
    assert m.metrics().value("muster_queue_paused", queue="mail") == 0
    ids = m.submit_many([{"class": "Demo", "method": "noop"}] * 20)
    pending(m, ids[0])
    assert m.run("Demo", "noop", queue="mail")["state"] == "succeeded"
    began = time.monotonic()
    assert m.post("/v1/queues/default/resume").json["paused"] is False
    m.wait_task(ids[-1])
    assert time.monotonic() - began < bound(0.3)
    assert m.metrics().value("muster_queue_paused", queue="default") == 0
    assert m.post("/v1/queues/none/pause").status == 404 and m.post("/v1/queues/none/resume").status == 404


def test_a_pause_is_kept_over_a_restart_and_a_running_task_ends(muster):
    m = muster(TWO)
    busy = m.submit("Demo", "sleep", 3000, timeout="1m")
    m.running(busy)
    m.post("/v1/queues/default/pause")
    assert m.wait_task(busy)["state"] == "succeeded"
    id_ = m.submit("Demo", "noop")
    m.stop()
    m.start()
    assert m.queue()["paused"] is True
    pending(m, id_)
    m.post("/v1/queues/default/resume")
    assert m.wait_task(id_)["state"] == "succeeded"


def test_a_paused_plain_list_is_left_alone(muster):
    m = muster(TWO)
    m.post(f"/v1/queues/{LIST}/pause")
    m.lpush(*[{"class": "Demo", "method": "noop"}] * 5)
    stays(lambda: m.redis.llen(LIST) == 5, 1.5)
    assert m.queue(LIST)["pending"] == 5
    began = time.monotonic()
    m.post(f"/v1/queues/{LIST}/resume")
    until(lambda: m.queue(LIST)["succeeded_total"] == 5)
    assert time.monotonic() - began < bound(0.5)


def test_a_paused_pool_rests(muster):
    m = muster(TWO)
    answer = m.post("/v1/pools/default/pause")
    assert answer.status == 200 and answer.json["name"] == "default" and answer.json["paused"] is True
    id_ = m.submit("Demo", "noop")
    pending(m, id_)
    assert m.run("Demo", "noop", queue="mail")["state"] == "succeeded"
    time_before = m.worker(0)["pid"]
    began = time.monotonic()
    assert m.post("/v1/pools/default/resume").json["paused"] is False
    m.wait_task(id_)
    assert time.monotonic() - began < bound(0.3)
    assert m.worker(0)["pid"] == time_before, "no worker was replaced for it"
    assert m.post("/v1/pools/none/pause").status == 404


def test_a_worker_that_is_born_into_a_paused_pool_rests_as_well(muster):
    m = muster(TWO)
    m.post("/v1/pools/default/pause")
    m.kill_worker(0)
    id_ = m.submit("Demo", "noop")
    pending(m, id_, 1)
    m.post("/v1/pools/default/resume")
    assert m.wait_task(id_)["state"] == "succeeded"


def test_a_paused_pool_is_no_lack_of_progress(muster):
    m = muster(TWO)
    m.post("/v1/pools/default/pause")
    m.post("/v1/queues/mail/pause")
    m.submit("Demo", "noop")
    m.submit("Demo", "noop", queue="mail")
    until(lambda: m.queue()["oldest_age_seconds"] > 8, 20)
    assert m.get("/readyz").status == 200, m.get("/readyz")
    m.post("/v1/pools/default/resume")
    m.post("/v1/queues/mail/resume")


def test_tasks_of_a_paused_class_wait_while_others_run(muster):
    m = muster(TWO)
    answer = m.post("/v1/classes/Demo/pause")
    assert answer.status == 200 and answer.json == {"class": "Demo", "paused": True}
    ids = m.submit_many([{"class": "Demo", "method": "record", "param": ["order", str(i)]} for i in range(30)])
    assert m.run("Other", "x")["error"]["kind"] == "unknown_class"
    pending(m, ids[0])
    assert m.queue()["pending"] == 30
    assert [task["id"] for task in m.get("/v1/queues/default/tasks?state=pending").json["tasks"]] == ids
    m.delete(f"/v1/tasks/{ids[7]}")
    assert m.post("/v1/classes/Demo/resume").json == {"class": "Demo", "paused": False}
    for i, id_ in enumerate(ids):
        assert m.wait_task(id_)["state"] == ("cancelled" if i == 7 else "succeeded")
    assert m.record_lines("order") == [str(i) for i in range(30) if i != 7]
    until(lambda: m.metrics().value("muster_tasks_unaccounted") == 0)
    assert m.post("/v1/classes/no%20class/pause").status == 404


def test_a_node_is_drained_and_resumed(muster):
    m = muster(TWO)
    node = m.get("/v1/nodes").json["nodes"][0]
    assert node["draining"] is False
    busy = m.submit("Demo", "sleep", 3000, timeout="1m")
    m.running(busy)
    answer = m.post(f"/v1/nodes/{node['id']}/drain")
    assert answer.status == 200 and answer.json["id"] == node["id"] and answer.json["draining"] is True
    assert m.get("/v1/nodes").json["nodes"][0]["draining"] is True
    id_ = m.submit("Demo", "noop")
    assert m.wait_task(busy)["state"] == "succeeded"
    pending(m, id_)
    assert m.post(f"/v1/nodes/{node['id']}/resume").json["draining"] is False
    assert m.wait_task(id_)["state"] == "succeeded"
    assert m.post("/v1/nodes/none/drain").status == 404


def test_another_node_is_drained(make, redis_server):
    server = redis_server()
    first = make({**TWO, "broker": server.url()})
    second = make({**TWO, "broker": server.url()})
    first.start()
    second.start()
    nodes = until(lambda: (lambda n: len(n) == 2 and n)(first.get("/v1/nodes").json["nodes"]))
    other = next(node["id"] for node in nodes if not node["self"])
    assert first.post(f"/v1/nodes/{other}/drain").status == 200
    ids = first.submit_many([{"class": "Demo", "method": "sleep", "param": [5]}] * 40)
    for id_ in ids:
        assert first.wait_task(id_)["worker"].split("/")[0] != other
    assert any(node["draining"] for node in second.get("/v1/nodes").json["nodes"] if node["self"])
    first.post(f"/v1/nodes/{other}/resume")
    first.post(f"/v1/nodes/{next(node['id'] for node in nodes if node['self'])}/drain")
    assert first.run("Demo", "noop")["worker"].split("/")[0] == other
