"""`durability: power` with an external Redis: what is answered 201 is on its disk, or on a replica's side as well."""

import contextlib
import signal

import redis

from harness import until
from load import Load

POWER = {"durability": "power", "pools": [{"name": "default", "workers": 2, "queues": {"default": 1}}]}


def config(server):
    return {**POWER, "broker": server.url()}


def replica_of(redis_server, master):
    replica = redis_server(replicaof=f"127.0.0.1 {master.port}")
    until(lambda: replica.client().info("replication")["master_link_status"] == "up", 20)
    return replica


def waits(server):
    return server.client().info("commandstats").get("cmdstat_wait", {"calls": 0})["calls"]


def refusal(m, words, **document):
    """A submission that is answered 503 with these words, waited for."""
    def refused():
        answer = m.post("/v1/tasks", {"class": "Demo", "method": "noop", **document})
        return answer if answer.status == 503 and words in answer.json["detail"] else None
    return until(refused, what=f"a 503 that says {words}")


def test_a_redis_that_keeps_nothing_through_a_power_cut_is_78(make, redis_server):
    m = make(config(redis_server()))
    m.spawn()
    assert m.exit_code() == 78
    m.stopped = True
    assert all(word in m.log() for word in ("durability: power", "appendfsync always", "replica"))


def test_one_that_syncs_before_it_answers_will_do(muster, redis_server):
    server = redis_server(appendfsync="always")
    m = muster(config(server))
    assert m.run("Demo", "add", 1, 2)["result"] == 3
    assert waits(server) == 0
    server.stop(signal.SIGKILL)
    server.settings["appendfsync"] = "no"
    server.start()
    assert "appendfsync always" in refusal(m, "does not sync").json["detail"]


def test_submissions_wait_for_a_replica_and_nothing_else_does(muster, redis_server):
    master = redis_server()
    replica = replica_of(redis_server, master)
    m = muster(config(master))
    with Load(m) as load:
        load.goes_on(200)
    load.assert_each_ran_once()
    asked = waits(master)
    assert asked >= len(load.acknowledged) / load.size
    id_ = m.submit("Demo", "noop", delay="1h")
    assert waits(master) == asked + 1
    assert replica.client().hexists(m.key("tasks"), id_), "it is there when it is acknowledged"
    assert m.get(f"/v1/tasks/{id_}").status == 200 and m.delete(f"/v1/tasks/{id_}").status == 200
    assert waits(master) == asked + 1


def test_a_replica_that_does_not_confirm_leaves_submissions_unacknowledged(muster, redis_server):
    master = redis_server()
    replica = replica_of(redis_server, master)
    m = muster(config(master))
    until(lambda: m.post("/v1/tasks", {"class": "Demo", "method": "noop", "id": "before", "delay": "1h"}).status != 503,
          what="the replica keeps up")
    replica.process.send_signal(signal.SIGSTOP)
    try:
        answer = refusal(m, "whether it was stored is not known", id="mine")
        assert answer.headers["Retry-After"] and "same id" in answer.json["detail"]
        assert m.get("/v1/tasks/before").status == 200 and m.get("/readyz").status == 200
        until(lambda: m.get("/v1/tasks/mine").json.get("state") == "succeeded", what="workers go on")
    finally:
        replica.process.send_signal(signal.SIGCONT)
    again = until(lambda: next((answer for answer in [m.post("/v1/tasks", {
        "class": "Demo", "method": "noop", "id": "mine"})] if answer.status != 503), None))
    assert again.status == 200 and again.json["duplicate"]
    assert m.queue()["succeeded_total"] == 1


def test_without_any_replica_left_submissions_are_refused_and_not_stored(muster, redis_server):
    master = redis_server()
    replica = replica_of(redis_server, master)
    m = muster(config(master))
    held = m.submit("Demo", "sleep", 1500)
    m.running(held)
    replica.stop(signal.SIGKILL)
    refusal(m, "has no replica", id="refused")
    until(lambda: master.client().info("replication")["connected_slaves"] == 0)
    refusal(m, "has no replica", id="refused-later")
    ready = m.get("/readyz")
    assert ready.status == 200 and "submissions are refused" in ready.json["checks"]["broker"]
    assert m.get("/v1/tasks/refused-later").status == 404, "it was not even sent"
    assert m.wait_task(held)["state"] == "succeeded", "workers go on"
    replica.start()
    with contextlib.suppress(redis.RedisError):
        until(lambda: replica.client().info("replication")["master_link_status"] == "up", 20)
    assert until(lambda: m.post("/v1/tasks", {"class": "Demo", "method": "noop"}).status == 201)
    assert m.get("/readyz").json["checks"]["broker"] == "ok"
