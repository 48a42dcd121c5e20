"""Several nodes on one Redis: they share the work, take over from one that is gone, and from no other."""

import collections
import shutil
import signal
import time

import pytest

import harness
from harness import LIST, bound, stays, until

NODE_TIMEOUT = 3.0


class Spans:
    """Tasks of tests/modules/spans.c: when each began and ended, whoever ran it."""

    def __init__(self, folder):
        self.path = folder / "spans"
        self.handlers = [{"class": "Spans", "module": harness.module("spans")},
                         {"class": "Demo", "module": "demo.so"}]

    def config(self, server, workers=1, timeout=NODE_TIMEOUT, **more):
        pools = [{"name": "default", "workers": workers, "queues": {"default": 1, LIST: 1}, "heartbeat_timeout": "2s"}]
        return {"broker": server if isinstance(server, str) else server.url(), "node_timeout": f"{timeout:g}s",
                "handlers": self.handlers, "pools": pools, **more}

    def document(self, name, ms, **members):
        return {"class": "Spans", "method": "run", "param": [str(self.path), name, ms], **members}

    def times(self, what):
        """{name: [wall ms]}"""
        found = collections.defaultdict(list)
        for line in self.path.read_text().splitlines() if self.path.exists() else []:
            name, kind, at, _ = line.split()
            if kind == what:
                found[name].append(int(at))
        return found

    def begun(self, name):
        return self.times("begin")[name]

    def ended(self, name):
        return self.times("end")[name]


@pytest.fixture
def spans(folder):
    return Spans(folder)


def node_id(m):
    return next(node["id"] for node in m.get("/v1/nodes").json["nodes"] if node["self"])


def alive_until(m, server, node):
    return server.client().zscore(m.key("alive"), node)


def take(m, spans, name, ms, **members):
    """Submits a task and waits until it runs."""
    answer = m.post("/v1/tasks", spans.document(name, ms, **members))
    assert answer.status == 201, answer
    until(lambda: spans.begun(name), what=f"{name} has begun")
    return answer.json["id"]


def assert_each_once(spans, names):
    until(lambda: spans.times("end").keys() >= set(names), 30, "all have ended")
    for what in ("begin", "end"):
        assert {name: len(at) for name, at in spans.times(what).items() if len(at) > 1} == {}


# ---- together ----

def test_three_nodes_share_the_work_and_see_the_same(muster, redis_server, spans):
    server = redis_server()
    three = [muster(spans.config(server, workers=2)) for _ in range(3)]
    for m in three:
        until(lambda: len(m.get("/v1/nodes").json["nodes"]) == 3)
        assert sum(node["self"] for node in m.get("/v1/nodes").json["nodes"]) == 1
    ids = []
    for n, m in enumerate(three):
        ids += m.submit_many([spans.document(f"http-{n}-{k}", 10) for k in range(60)])
    three[0].lpush(*(spans.document(f"list-{k}", 10) for k in range(60)), client=server.client())
    names = [f"http-{n}-{k}" for n in range(3) for k in range(60)] + [f"list-{k}" for k in range(60)]
    assert_each_once(spans, names)
    until(lambda: three[0].queue()["succeeded_total"] == 180)
    workers = collections.Counter(three[k % 3].task(id_)["worker"].split("/")[0] for k, id_ in enumerate(ids))
    assert set(workers) == {node_id(m) for m in three} and min(workers.values()) >= 10, workers
    assert all(m.queue()["succeeded_total"] == 180 for m in three)
    assert all(m.metrics().value("muster_tasks_unaccounted") == 0 for m in three)


def test_what_every_scheduler_does_is_done_once(muster, redis_server, spans):
    server = redis_server()
    short = [{"name": "default", "retention": {"succeeded": "2s"}}]
    three = [muster(spans.config(server, workers=2, queues=short)) for _ in range(3)]
    ids = three[0].submit_many([spans.document(f"due-{k}", 1, delay="1500ms") for k in range(200)])
    assert_each_once(spans, [f"due-{k}" for k in range(200)])
    client, m = server.client(), three[0]
    until(lambda: client.hlen(m.key("tasks")) == client.hlen(m.key("runs")) == 0, 20, "retention has dropped them")
    assert client.llen(m.key("succeeded:default")) == 0
    for m in three:
        assert m.get(f"/v1/tasks/{ids[0]}").status == 404
        queue = m.queue()
        assert queue["succeeded_total"] == 200 and queue["scheduled"] == queue["pending"] == queue["active"] == 0
        assert m.metrics().value("muster_tasks_unaccounted") == 0


# ---- one is gone ----

def test_the_tasks_of_a_node_that_is_gone_run_elsewhere_within_its_time(muster, redis_server, spans):
    server = redis_server()
    gone = muster(spans.config(server, workers=2))
    held = [take(gone, spans, f"held-{n}", 1000) for n in range(2)]
    others = [muster(spans.config(server)) for _ in range(2)]
    began = time.monotonic()
    gone.kill()
    gone.sweep()
    until(lambda: all(len(spans.begun(f"held-{n}")) == 2 for n in range(2)), NODE_TIMEOUT + 4, "they run again")
    assert time.monotonic() - began < bound(NODE_TIMEOUT + 2), "node_timeout, and a second until somebody looks"
    for id_ in held:
        task = others[0].wait_task(id_)
        assert task["state"] == "succeeded" and task["crashes"] == 1, "its loss was counted once, though two could see it"
    assert sum(len(m.log_lines("lease recovered")) for m in others) == 2
    until(lambda: len(others[0].get("/v1/nodes").json["nodes"]) == 2)


def test_a_node_that_comes_back_takes_up_at_once_what_it_held(make, redis_server, spans):
    server = redis_server()
    m = make(spans.config(server, timeout=600)).start()
    other = make(spans.config(server, timeout=600)).start()
    held, before = [take(m, spans, f"held-{n}", 2500) for n in range(2)], node_id(m)
    other_held = next(n for n, id_ in enumerate(held) if m.task(id_)["worker"] != f"{before}/default/0")
    m.kill()
    m.sweep()
    m.start()
    assert node_id(m) == before
    mine = 1 - other_held
    until(lambda: len(spans.begun(f"held-{mine}")) == 2, 5, "it runs again, long before its node_timeout")
    assert m.wait_task(held[mine])["crashes"] == 1
    assert m.wait_task(held[other_held])["crashes"] == 0 and len(spans.begun(f"held-{other_held}")) == 1


# ---- one that is not the one it seems to be ----

def copy_state(m, to):
    """As an image of the machine would: everything that stands in the state directory, its sockets aside."""
    shutil.copytree(m.state, to.state, ignore=shutil.ignore_patterns("*.sock"))


def test_a_copied_state_directory_is_another_node(make, redis_server, spans):
    server = redis_server()
    original = make(spans.config(server)).start()
    id_ = take(original, spans, "long", 8000)
    copy = make(spans.config(server))
    copy_state(original, copy)
    copy.start()
    line, = copy.log_lines("this is a new node")
    assert "copied" in line and f"former={node_id(original)}" in line
    assert node_id(copy) != node_id(original)
    assert (copy.state / "node").read_text() == node_id(copy)
    assert copy.run("Demo", "add", 1, 2)["result"] == 3
    task = original.wait_task(id_)
    assert task["state"] == "succeeded" and task["crashes"] == 0 and len(spans.begun("long")) == 1
    assert not copy.log_lines("lease recovered")


@pytest.mark.parametrize("how", ["moved", "another boot"])
def test_a_node_in_another_place_is_new_and_the_former_one_s_tasks_wait_for_its_time(make, redis_server, spans, how):
    server = redis_server()
    original = make(spans.config(server)).start()
    id_, former = take(original, spans, "held", 1000), node_id(original)
    original.kill()
    original.sweep()
    m = make(spans.config(server)) if how == "moved" else original
    if how == "moved":
        copy_state(original, m)
    else:
        boot, place = (m.state / "place").read_text().split()
        (m.state / "place").write_text(f"{boot[::-1]} {place}")
    over = alive_until(m, server, former)
    m.start()
    assert node_id(m) != former
    task = m.wait_task(id_)
    assert task["state"] == "succeeded" and task["crashes"] == 1
    assert spans.begun("held")[1] >= over, "not before the former one's time was over"


def test_an_embedded_broker_is_nobody_else_s_so_its_copy_goes_on_at_once(make, spans):
    original = make({**spans.config("embedded", timeout=600)}).start()
    held = take(original, spans, "held", 1000)
    former = node_id(original)
    original.kill()
    original.sweep()
    copy = make({**spans.config("embedded", timeout=600)})
    copy_state(original, copy)
    copy.start()
    assert node_id(copy) == former
    assert copy.wait_task(held)["crashes"] == 1


# ---- one is cut off ----

def test_a_node_parted_for_less_than_its_time_keeps_its_tasks(relay, muster, redis_server, spans):
    server = redis_server()
    line = relay(server)
    m = muster(spans.config(line.url))
    id_ = take(m, spans, "held", 3500)
    other = muster(spans.config(server))
    line.order("part")
    stays(lambda: len(spans.begun("held")) == 1, NODE_TIMEOUT / 3)
    line.order("calm")
    task = other.wait_task(id_)
    assert task["state"] == "succeeded" and task["crashes"] == 0 and len(spans.begun("held")) == 1
    until(lambda: m.get("/readyz").status == 200)
    assert m.metrics().value("muster_leases_refused_total") == 0


def test_a_node_parted_for_longer_is_refused_what_others_took_over(relay, muster, redis_server, spans):
    server = redis_server()
    line = relay(server)
    m = muster(spans.config(line.url))
    id_, me = take(m, spans, "held", 6000), node_id(m)
    other = muster(spans.config(server))
    line.order("part")
    until(lambda: m.post("/v1/tasks", spans.document("late", 1)).status == 503)
    over = alive_until(m, server, me)
    until(lambda: len(spans.begun("held")) == 2, NODE_TIMEOUT + 4, "another node runs it")
    assert spans.begun("held")[1] >= over, "not before the lease ran out"
    until(lambda: len(spans.ended("held")) == 1, 15, "who was cut off finishes what it holds")
    line.order("calm")
    until(lambda: m.get("/readyz").status == 200, 20)
    until(lambda: m.metrics().value("muster_leases_refused_total") == 1)
    m.wait_log("lease was taken over")
    task = m.wait_task(id_)
    assert task["state"] == "succeeded" and task["crashes"] == 1
    assert task["worker"].startswith(node_id(other)), "whoever had the lease reported the end"
    assert len(spans.begun("held")) == 2
    assert m.run("Demo", "add", 1, 2)["result"] == 3
    assert m.metrics().value("muster_tasks_unaccounted") == 0
    assert other.metrics().value("muster_leases_refused_total") == 0


# ---- one whose scheduler hangs ----

@pytest.mark.parametrize("load", ["idle", "busy"])
def test_a_hung_scheduler_does_not_end_a_node_whose_workers_speak(muster, redis_server, spans, load):
    server = redis_server()
    m = muster(spans.config(server, workers=2, timeout=2))
    id_, me = take(m, spans, "long", 7000), node_id(m)
    other = muster(spans.config(server, timeout=2))
    stopped = m.kill_role("scheduler", signal.SIGSTOP)

    def lives():
        if load == "busy":
            m.submit("Demo", "noop")
        return alive_until(m, server, me) > time.time() * 1000 and len(spans.begun("long")) == 1
    stays(lives, 5.0, "it is believed alive, and its task is its own")
    assert m.role("scheduler").pid == stopped, "else this shows nothing"
    task = m.wait_task(id_)
    assert task["state"] == "succeeded" and task["crashes"] == 0
    assert not other.log_lines("not heard of in time")


# ---- two versions ----

@pytest.mark.parametrize("layout", ["0", "2", "17"])
def test_another_layout_on_the_same_redis_is_78(make, redis_server, layout):
    server = redis_server()
    m = make({"broker": server.url()})
    server.client().set(m.key("format"), layout)
    m.spawn()
    assert m.exit_code() == 78
    m.stopped = True
    line, = m.log_lines("layout")
    assert f"have layout {layout}, this version knows layout 1" in line and "namespace" in line
    assert server.client().dbsize() == 1, "nothing was touched"


def test_another_layout_in_the_embedded_broker_s_file_is_said(make):
    m = make().start()
    m.redis.set(m.key("format"), "2")
    m.stop()
    m.spawn()
    m.wait_log("api serves", count=2)
    until(lambda: "have layout 2, this version knows layout 1" in m.get("/readyz").text)
    assert m.post("/v1/tasks", {"class": "Demo", "method": "noop"}).status == 503
    m.wait_log("layout 2", timeout=20)


def test_a_layout_that_changes_under_a_running_node_stops_it_from_writing(muster, redis_server):
    """Somebody ran a newer version on it while this one had no connection."""
    server = redis_server()
    m = muster({"broker": server.url()})
    before = [row["pid"] for row in m.workers()]
    server.client().set(m.key("format"), "2")
    server.client().client_kill_filter(_type="normal", skipme=True)
    until(lambda: m.get("/readyz").status == 503)
    assert "layout 2" in m.get("/readyz").json["checks"]["broker"]
    answer = until(lambda: next((answer for answer in [m.post("/v1/tasks", {"class": "Demo", "method": "noop"})]
                                 if answer.status == 503), None))
    assert "layout 2, this version knows layout 1" in answer.json["detail"]
    server.client().set(m.key("format"), "1")
    assert until(lambda: m.get("/readyz").status == 200)
    assert m.run("Demo", "add", 1, 2)["result"] == 3
    assert [row["pid"] for row in m.workers()] == before
