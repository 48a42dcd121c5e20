"""max_active of a queue: at most so many of its tasks run at once, over all workers and nodes."""

import threading

from harness import until

QUEUES = [{"name": "narrow", "max_active": 2}]
POOLS = [{"name": "default", "workers": 4, "queues": {"default": 1, "narrow": 1}}]


def running(*musters):
    """How many workers of these nodes run a task of the queue."""
    return sum(worker["state"] == "busy" for m in musters for worker in m.workers())


def test_no_more_run_at_once_and_all_run(muster):
    m = muster({"queues": QUEUES, "pools": POOLS})
    ids = [m.submit("Demo", "sleep", 100, queue="narrow") for _ in range(12)]
    peak = 0
    while any(m.task(id_)["state"] != "succeeded" for id_ in ids):
        peak = max(peak, running(m))
    assert peak == 2
    assert m.queue("narrow")["succeeded_total"] == 12


def test_the_others_go_on(muster):
    m = muster({"queues": QUEUES, "pools": POOLS})
    held = [m.submit("Demo", "work", 60000, queue="narrow") for _ in range(4)]
    until(lambda: running(m) == 2, 10)
    assert m.run("Demo", "add", 2, 3)["result"] == 5
    assert m.queue("narrow")["pending"] == 2 and running(m) == 2
    m.delete(f"/v1/tasks/{held[0]}")
    until(lambda: m.task(held[2])["state"] == "active", 10)
    assert running(m) == 2


def test_it_holds_over_nodes(muster, redis_server):
    redis = redis_server()
    nodes = [muster({"queues": QUEUES, "pools": POOLS, "broker": redis.url()}) for _ in range(2)]
    for _ in range(6):
        nodes[0].submit("Demo", "work", 60000, queue="narrow")
    until(lambda: running(*nodes) == 2, 10)
    threading.Event().wait(0.3)  # a third one would start within this
    assert running(*nodes) == 2


def test_a_killed_worker_frees_its_place(muster):
    m = muster({"queues": [{"name": "narrow", "max_active": 1}], "pools": POOLS})
    first = m.submit("Demo", "work", 60000, queue="narrow")
    m.submit("Demo", "noop", queue="narrow")
    m.running(first)
    slot = next(worker["slot"] for worker in m.workers() if worker["state"] == "busy")
    m.kill_worker(slot, task=first)
    again = until(lambda: (found := m.task(first))["state"] == "active" and found["crashes"] > 0 and found, 20)
    assert again["crashes"] == 1
    m.delete(f"/v1/tasks/{first}")
    until(lambda: m.queue("narrow")["succeeded_total"] == 1, 10)
