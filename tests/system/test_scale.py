"""A pool is scaled while it runs."""

import time

import pytest

from harness import until
from test_reload import reload

TWO = {"pools": [{"name": "default", "workers": 2}, {"name": "other", "workers": 1, "queues": {"default": 1}}]}


def scale(m, workers, pool="default"):
    return m.http.request("PATCH", f"/v1/pools/{pool}", {"workers": workers}, {})


def slots(m, pool="default"):
    return sorted(row["slot"] for row in m.workers(pool) if row["pid"])


def test_up_and_down_and_to_none(muster):
    m = muster(TWO)
    before = {row["slot"]: row["pid"] for row in m.workers("default")}
    answer = scale(m, 5)
    assert answer.status == 200 and answer.json["name"] == "default" and answer.json["workers"] == 5
    until(lambda: slots(m) == [0, 1, 2, 3, 4])
    assert {slot: m.worker(slot)["pid"] for slot in (0, 1)} == before, "those that were there stay"
    assert m.get("/v1/pools/default").json["workers"] == 5
    ids = m.submit_many([{"class": "Demo", "method": "sleep", "param": [200]}] * 10)
    assert scale(m, 1).json["workers"] == 1
    until(lambda: slots(m) == [0])
    for id_ in ids:
        task = m.wait_task(id_)
        assert task["state"] == "succeeded" and task["attempts"] == 1 and task["crashes"] == 0
    assert scale(m, 0).json["workers"] == 0
    until(lambda: slots(m) == [])
    assert slots(m, "other") == [0]
    scale(m, 2)
    until(lambda: slots(m) == [0, 1])
    assert m.get("/readyz").status == 200


def test_the_size_outlives_the_supervisor_and_a_reload_that_does_not_change_it(muster):
    m = muster(TWO)
    scale(m, 4)
    until(lambda: slots(m) == [0, 1, 2, 3])
    m.kill_role("supervisor")
    until(lambda: m.worker(3)["pid"])
    scale(m, 3)
    until(lambda: slots(m) == [0, 1, 2])
    reload(m)
    until(lambda: len(slots(m)) == 3)
    assert m.get("/v1/pools/default").json["workers"] == 3
    reload(m, pools=[{"name": "default", "workers": 1}, TWO["pools"][1]])
    until(lambda: slots(m) == [0])
    assert m.get("/v1/pools/default").json["workers"] == 1


@pytest.mark.parametrize("body, status", [({"workers": -1}, 422), ({"workers": 4001}, 422), ({"workers": "3"}, 422),
                                          ({}, 422), ({"workers": 1, "queues": {}}, 422), ({"workers": 4000}, 422)])
def test_sizes_that_cannot_be_meant(muster, body, status):
    m = muster(TWO)
    answer = m.http.request("PATCH", "/v1/pools/default", body, {})
    assert answer.status == status and answer.json["detail"]
    assert m.get("/v1/pools/default").json["workers"] == 2


def test_an_unknown_pool(muster):
    assert scale(muster(TWO), 1, "none").status == 404


def test_many_idle_workers_ask_the_broker_less_often_each(muster, redis_server):
    server = redis_server()
    count = 60
    m = muster({"broker": server.url(), "pools": [{"name": "default", "workers": count, "queues": {"default": 1}}]})
    client = server.client()
    until(lambda: sum(worker["state"] == "idle" for worker in m.workers()) == count, what="all are idle")

    def waits():
        return client.info("commandstats")["cmdstat_blpop"]["calls"]
    first, began = waits(), time.monotonic()
    until(lambda: waits() >= first + 2 * count, what="each has waited twice")
    assert time.monotonic() - began > 3, "once a second each would be two"
    assert m.run("Demo", "add", 1, 2)["result"] == 3
