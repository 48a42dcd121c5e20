"""The death of a worker loses nothing: its task runs again, what it had finished does not, and both are on record."""

import signal
import time

import pytest

from harness import LIST, MUSTERD, alive, bound, module, until

ONE = {"pools": [{"name": "default", "workers": 1, "queues": {"default": 1, LIST: 1}}]}


def probe(pool=None, **more):
    return {"handlers": [{"class": "Probe", "module": module("probe")}, {"class": "Demo", "module": "demo.so"}],
            "pools": [{"name": "default", "workers": 1, "queues": {"default": 1, LIST: 1}, **(pool or {})}], **more}


def crashed(m, id_, times=1):
    return until(lambda: (lambda task: task if task["crashes"] >= times else None)(m.task(id_)), what="the crash is counted")


def test_a_killed_worker_s_task_runs_again_and_its_execution_is_not_used_up(muster):
    m = muster()
    id_ = m.submit("Demo", "work", 60000)
    row = m.running(id_)
    began = time.monotonic()
    assert m.kill_worker(row["slot"], task=id_) == row["pid"]
    again = until(lambda: next((now for now in m.workers() if (now["task"] or {}).get("id") == id_ and now["pid"] != row["pid"]), None),
                  what="runs again")
    assert again["state"] == "busy"
    assert time.monotonic() - began < bound(1.0)
    task = crashed(m, id_)
    assert task["crashes"] == 1 and task["attempts"] == 0 and task["max_attempts"] == 1
    assert [entry["kind"] for entry in task["history"]] == ["crash"]
    m.delete(f"/v1/tasks/{id_}")
    assert m.wait_task(id_)["state"] == "cancelled"


def test_a_killed_worker_is_replaced_at_once_and_its_exit_is_on_record(muster):
    m = muster()
    before = m.worker(0)
    began = time.monotonic()
    m.kill_worker(0)
    row = until(lambda: (lambda now: now if now["pid"] not in (None, before["pid"]) and now["state"] == "idle" else None)
                (m.worker(0)), what="a replacement is idle")
    assert time.monotonic() - began < bound(0.5)
    assert row["restarts"] == before["restarts"] + 1
    exit_ = row["last_exit"]
    assert exit_["reason"] == "signal" and exit_["signal"] in (9, "SIGKILL", "KILL") and exit_["task"] is None
    assert m.metrics().value("muster_worker_restarts_total", pool="default", reason="signal") == 1


def test_last_exit_names_the_task_in_hand(muster):
    m = muster()
    id_ = m.submit("Demo", "work", 60000)
    row = m.running(id_)
    m.kill_worker(row["slot"], task=id_)
    exit_ = until(lambda: m.worker(row["slot"])["last_exit"])
    assert exit_["task"] == id_ or (exit_["task"] or {}).get("id") == id_
    m.delete(f"/v1/tasks/{id_}")


def test_a_task_that_kills_its_worker_is_dead_at_max_crashes(muster):
    m = muster(ONE)
    task = m.run("Demo", "crash", 11, retry=7)
    assert task["state"] == "dead" and task["crashes"] == 3 and task["attempts"] == 0
    assert task["error"]["kind"] == "crash"
    assert [entry["kind"] for entry in task["history"]] == ["crash"] * 3
    assert m.run("Demo", "noop")["state"] == "succeeded"
    assert m.metrics().value("muster_worker_restarts_total", pool="default", reason="signal") == 3


def test_max_crashes_is_the_queue_s(muster):
    m = muster({**ONE, "queues": [{"name": "default", "max_crashes": 1}]})
    task = m.run("Demo", "crash", 9)
    assert task["state"] == "dead" and task["crashes"] == 1


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGKILL, signal.SIGILL, signal.SIGFPE])
def test_any_signal_is_a_crash(muster, number):
    m = muster({**ONE, "queues": [{"name": "default", "max_crashes": 1}]})
    assert m.run("Demo", "crash", int(number))["error"]["kind"] == "crash"
    exit_ = until(lambda: m.worker(0)["last_exit"])
    assert exit_["reason"] == "signal" and exit_["signal"] in (int(number), number.name)


@pytest.mark.parametrize("code", [0, 3, 78])
def test_exit_in_a_handler_is_a_crash_with_its_code(muster, code):
    m = muster(probe(queues=[{"name": "default", "max_crashes": 1}]))
    task = m.run("Probe", "leave", code)
    assert task["state"] == "dead" and task["error"]["kind"] == "crash" and task["crashes"] == 1
    exit_ = until(lambda: m.worker(0)["last_exit"])
    assert exit_["reason"] == "exit" and exit_["code"] == code
    assert m.run("Demo", "noop")["state"] == "succeeded"


def test_memory_above_max_memory_during_a_task_ends_it_as_memory(muster):
    m = muster(probe({"max_memory": "64MiB"}, queues=[{"name": "default", "max_crashes": 2}]))
    task = m.run("Probe", "eat", timeout=60)
    assert task["state"] == "dead" and task["error"]["kind"] == "memory" and task["crashes"] == 2
    exit_ = until(lambda: m.worker(0)["last_exit"])
    assert exit_["reason"] == "memory"
    assert m.run("Demo", "noop")["state"] == "succeeded"
    assert m.metrics().value("muster_worker_restarts_total", pool="default", reason="memory") == 2


@pytest.mark.skipif(b"__asan_init" in MUSTERD.read_bytes(), reason="the sanitizer's own memory is above the bound")
def test_memory_above_max_memory_between_tasks_recycles(muster):
    m = muster(probe({"max_memory": "64MiB"}))
    pid = m.worker(0)["pid"]
    assert m.run("Demo", "leak", 63 << 20)["state"] == "succeeded"
    until(lambda: m.worker(0)["pid"] not in (None, pid), what="the worker is recycled")
    assert m.worker(0)["last_exit"]["reason"] == "recycled"
    assert m.run("Demo", "noop")["state"] == "succeeded"


def test_a_crashed_task_goes_back_to_the_head_of_its_queue(muster):
    m = muster(ONE)
    first, second, third = m.submit_many([{"class": "Demo", "method": "work", "param": [700]},
                                          {"class": "Demo", "method": "sleep", "param": [1]},
                                          {"class": "Demo", "method": "sleep", "param": [1]}])
    m.running(first)
    assert m.kill_worker(0, task=first)
    ended = [m.wait_task(id_) for id_ in (first, second, third)]
    assert [task["state"] for task in ended] == ["succeeded"] * 3
    assert ended[0]["crashes"] == 1 and ended[1]["crashes"] == ended[2]["crashes"] == 0
    assert ended[0]["finished_at"] <= ended[1]["started_at"] <= ended[2]["started_at"]


def test_finished_tasks_of_the_same_batch_are_not_run_again(muster):
    m = muster(ONE)
    warm = m.submit_many([{"class": "Demo", "method": "noop"}] * 500)
    m.wait_task(warm[-1])
    gate = m.submit("Demo", "work", 400)
    m.running(gate)
    documents = [{"class": "Demo", "method": "record", "param": ["batch", str(n)]} for n in range(30)]
    documents += [{"class": "Demo", "method": "work", "param": [60000]}]
    documents += [{"class": "Demo", "method": "record", "param": ["batch", str(n)]} for n in range(30, 60)]
    ids = m.submit_many(documents)
    m.running(ids[30])
    assert m.kill_worker(0, task=ids[30])
    m.running(ids[30])
    m.delete(f"/v1/tasks/{ids[30]}")
    for id_ in ids:
        m.wait_task(id_)
    assert sorted(map(int, m.record_lines("batch"))) == list(range(60))
    assert all(m.task(id_)["crashes"] == 0 for n, id_ in enumerate(ids) if n != 30)


def test_killing_workers_all_the_time_loses_nothing_and_repeats_only_what_crashed(muster):
    m = muster({"pools": [{"name": "default", "workers": 4}], "queues": [{"name": "default", "max_crashes": 1000}]})
    ids = []
    for chunk in range(20):
        ids += m.submit_many([{"class": "Demo", "method": "record", "param": ["all", f"{chunk * 200 + n}"]} for n in range(200)])
    slow = m.submit_many([{"class": "Demo", "method": "sleep", "param": [15]} for _ in range(200)])
    kills = 0
    while m.task(slow[-1])["state"] != "succeeded" and kills < 400:
        kills += m.kill_worker(kills % 4) is not None
    runs = {}
    for id_ in ids + slow:
        task = m.wait_task(id_, timeout=60)
        assert task["state"] == "succeeded" and task["attempts"] == 1, task
        runs[id_] = 1 + task["crashes"]
    lines = m.record_lines("all")
    assert {int(line) for line in lines} == set(range(4000))
    for n, id_ in enumerate(ids):
        assert lines.count(str(n)) <= runs[id_], id_ if lines.count(str(n)) > 1 else None
    assert kills > 0
    until(lambda: m.metrics().value("muster_tasks_unaccounted") == 0, what="every task is accounted for")


def test_what_a_handler_started_ends_with_its_worker(muster):
    m = muster(probe())
    path = m.base / "pids"
    id_ = m.submit("Probe", "children", str(path))
    m.running(id_)
    until(lambda: path.exists() and len(path.read_text().split()) == 3, what="shell, child and grandchild run")
    pids = [int(word) for word in path.read_text().split()]
    assert all(alive(pid) for pid in pids)
    m.delete(f"/v1/tasks/{id_}")
    until(lambda: m.task(id_)["state"] == "cancelled")
    until(lambda: not any(alive(pid) for pid in pids), 2, "nothing that it started is left")


def test_what_a_handler_started_ends_with_a_killed_worker(muster):
    m = muster(probe(queues=[{"name": "default", "max_crashes": 1}]))
    path = m.base / "pids"
    id_ = m.submit("Probe", "children", str(path))
    m.running(id_)
    until(lambda: path.exists() and len(path.read_text().split()) == 3, what="shell, child and grandchild run")
    pids = [int(word) for word in path.read_text().split()]
    assert m.kill_worker(0, task=id_)
    until(lambda: not any(alive(pid) for pid in pids), 1, "nothing that it started is left")
    m.wait_task(id_, "dead")


def test_what_a_handler_started_ends_with_an_ordered_stop(muster):
    m = muster(probe(shutdown_grace="1s"))
    path = m.base / "pids"
    id_ = m.submit("Probe", "children", str(path))
    m.running(id_)
    until(lambda: path.exists() and len(path.read_text().split()) == 3)
    pids = [int(word) for word in path.read_text().split()]
    m.stop()
    assert not any(alive(pid) for pid in pids)


def test_what_a_handler_started_ends_with_a_killed_guardian(muster):
    """Also a grandchild in a session of its own, and when the undertaker itself was killed before."""
    m = muster(probe())
    path = m.base / "pids"
    id_ = m.submit("Probe", "children", str(path))
    m.running(id_)
    until(lambda: path.exists() and len(path.read_text().split()) == 3, what="shell, child and grandchild run")
    pids = [int(word) for word in path.read_text().split()]
    m.another("undertaker", m.kill_role("undertaker"))
    m.kill()
    until(lambda: not any(alive(pid) for pid in pids), 2, "nothing that it started is left")
    until(lambda: not m.tree(), 5, "nor anything else")


def test_what_a_handler_forked_ends_with_a_killed_guardian(muster):
    m = muster(probe())
    path = m.base / "pid"
    m.run("Probe", "fork", str(path))
    pid = int(path.read_text())
    assert alive(pid)
    m.kill()
    until(lambda: not alive(pid), 2, "the fork has gone")


def test_a_killed_guardian_s_undertaker_ends_nobody_else(muster):
    """A second musterd on the same machine, started by the same user, lives on."""
    first, second = muster(probe()), muster(ONE)
    path = first.base / "pids"
    first.running(first.submit("Probe", "children", str(path)))
    until(lambda: path.exists() and len(path.read_text().split()) == 3, what="shell, child and grandchild run")
    pids = {child.pid for child in second.tree()}
    first.kill()
    until(lambda: not first.tree() and not any(alive(int(pid)) for pid in path.read_text().split()), 5)
    assert {child.pid for child in second.tree()} == pids
    assert second.run("Demo", "noop")["state"] == "succeeded"


def test_a_node_that_was_killed_takes_up_where_it_was(muster):
    m = muster(ONE)
    running = m.submit("Demo", "work", 2000)
    m.running(running)
    waiting = m.submit_many([{"class": "Demo", "method": "record", "param": ["after", str(n)]} for n in range(50)])
    node = (m.state / "node").read_text()
    m.kill()
    until(lambda: not m.tree(), 5, "the whole tree has gone")
    m.start()
    assert (m.state / "node").read_text() == node, "the same node as before"
    for id_ in waiting:
        assert m.wait_task(id_)["state"] == "succeeded"
    task = m.wait_task(running)
    assert task["state"] == "succeeded" and task["crashes"] == 1 and task["attempts"] == 1
    assert sorted(map(int, m.record_lines("after"))) == list(range(50))


def test_workers_are_recycled_after_max_tasks(muster):
    m = muster({"pools": [{"name": "default", "workers": 1, "max_tasks": 10}]})
    ids = m.submit_many([{"class": "Demo", "method": "record", "param": ["recycled", str(n)]} for n in range(100)])
    for id_ in ids:
        task = m.wait_task(id_)
        assert task["state"] == "succeeded" and task["crashes"] == 0
    assert m.record_lines("recycled") == [str(n) for n in range(100)]
    row = until(lambda: (lambda now: now if now["restarts"] >= 9 else None)(m.worker(0)))
    assert row["last_exit"]["reason"] == "recycled"
    assert m.metrics().value("muster_worker_restarts_total", pool="default", reason="recycled") >= 9


def test_workers_are_recycled_at_max_age(muster):
    m = muster({"pools": [{"name": "default", "workers": 1, "max_age": "1s"}]})
    until(lambda: m.worker(0)["restarts"] >= 2, 10)
    assert m.worker(0)["last_exit"]["reason"] == "recycled"


def test_siblings_draw_different_ids(muster):
    m = muster(probe({"workers": 4}))
    documents = [{"class": "Probe", "method": "push", "param": [{"class": "Demo", "method": "noop"}]}] * 400
    for id_ in m.submit_many(documents):
        assert m.wait_task(id_)["state"] == "succeeded"
    until(lambda: m.queue()["succeeded_total"] == 800, what="no pushed task took another's id")
