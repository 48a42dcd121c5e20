"""Handlers that damage their own worker: what they do stays in it, is on record, and the work goes on."""

import os
import signal
from pathlib import Path

import pytest

from harness import LIST, MUSTERD, alive, module, until
from test_upgrade import UPGRADED

ASAN = b"__asan_init" in MUSTERD.read_bytes()
CONFIG = {"handlers": [{"class": "TestTrouble", "module": module("trouble")}, {"class": "Demo", "module": "demo.so"}],
          "queues": [{"name": "default", "max_crashes": 2, "retry": 1}],
          "pools": [{"name": "default", "workers": 1, "queues": {"default": 1, LIST: 1}, "heartbeat_timeout": "500ms",
                     "kill_grace": "200ms"}]}


def in_trouble(m, method, *param, ends=("dead",), repeats=0):
    """Runs it with work before and behind it; returns it as it ended. All is well afterwards."""
    before = m.submit_many([{"class": "Demo", "method": "record", "param": ["lines", str(n)]} for n in range(20)])
    id_ = m.submit("TestTrouble", method, *param)
    behind = m.submit_many([{"class": "Demo", "method": "record", "param": ["lines", str(n)]} for n in range(20, 40)])
    for one in before + behind:
        task = m.wait_task(one, timeout=30)
        assert task["state"] == "succeeded", task
        assert m.record_lines("lines").count(str((before + behind).index(one))) <= 1 + task["crashes"] + repeats
    task = m.wait_task(id_)
    assert task["state"] in ends, task
    assert set(m.record_lines("lines")) == {str(n) for n in range(40)}
    until(lambda: m.worker(0)["state"] == "idle", what="there is an idle worker")
    assert m.run("Demo", "add", 2, 3)["result"] == 5
    until(lambda: m.metrics().value("muster_tasks_unaccounted") == 0, what="every task is accounted for")
    assert m.get("/readyz").status == 200
    return task


@pytest.mark.parametrize("method", ["block_in_read", "ignore_term", "exit_for_ever"])
def test_one_that_hangs_in_a_way_of_its_own_is_over(muster, method):
    task = in_trouble(muster(CONFIG), method)
    assert task["error"]["kind"] == "timeout" and task["attempts"] == 1 and task["crashes"] == 0
    assert task["error"]["evidence"]["state"] in ("waiting", "spinning")


@pytest.mark.parametrize("method", ["overflow", "scribble"])
def test_one_that_leaves_its_own_memory_is_a_crash(muster, method):
    m = muster(CONFIG)
    task = in_trouble(m, method)
    assert task["error"]["kind"] == "crash" and task["crashes"] == 2
    assert [entry["kind"] for entry in task["history"]] == ["crash"] * 2
    assert m.worker(0)["last_exit"]["signal"] in (int(signal.SIGSEGV), int(signal.SIGBUS))


def test_exit_through_the_handlers_of_exit_is_a_crash(muster):
    task = in_trouble(muster(CONFIG), "exit", 3)
    assert task["error"]["kind"] == "crash" and task["crashes"] == 2


def test_a_thread_left_behind_that_crashes_later_costs_no_task_its_end(muster):
    m = muster(CONFIG)
    assert in_trouble(m, "crash_later", 100, ends=("succeeded",))["crashes"] == 0
    until(lambda: (m.worker(0)["last_exit"] or {}).get("signal") == int(signal.SIGSEGV), what="it crashes")
    assert m.run("Demo", "noop")["state"] == "succeeded"


def test_one_that_closes_muster_s_own_descriptors_harms_only_its_worker(muster):
    in_trouble(muster(CONFIG), "close_all", ends=("succeeded", "dead"))


@pytest.mark.skipif(ASAN, reason="a sanitizer needs descriptors for its report")
def test_one_that_uses_up_its_descriptors_harms_only_its_worker(muster):
    in_trouble(muster(CONFIG, launcher=["prlimit", "--nofile=256:256"]), "use_up_descriptors", ends=("succeeded", "dead"))


@pytest.mark.parametrize("byte", [0x00, 0x01, 0x41, 0xff])
def test_one_that_writes_over_its_worker_s_own_words_harms_only_its_worker(muster, byte):
    m = muster(CONFIG)
    # Its outbox is gone: what it had finished of its last batch may run again at each of its ends, as when a node is lost.
    task = in_trouble(m, "scribble_own", byte, repeats=4)
    assert task["error"]["kind"] == "crash" and task["crashes"] == 2
    for path in ("/v1/workers", "/v1/workers/default/0", "/v1/queues", "/v1/pools"):
        assert m.get(path).status == 200 and m.get(path).json is not None
    assert m.metrics().value("muster_broker_up") == 1


def test_a_process_left_behind_ends_with_its_worker(muster):
    m = muster(CONFIG)
    pid = m.run("TestTrouble", "daemon")["result"]
    assert alive(pid)
    assert m.post("/v1/workers/default/0/restart").status == 202
    until(lambda: not alive(pid), what="what was left behind is gone")


# ---- memory ----

@pytest.mark.skipif(ASAN, reason="a sanitizer needs more addresses than that")
def test_addresses_used_up_to_rlimit_as_are_a_worker_s_end_at_most(muster):
    task = in_trouble(muster(CONFIG, launcher=["prlimit", f"--as={300 << 20}"]), "use_up_memory", ends=("succeeded", "dead"))
    assert task["state"] == "succeeded" or task["error"]["kind"] in ("crash", "timeout")


@pytest.mark.skipif(ASAN, reason="a sanitizer needs more addresses than that")
def test_few_addresses_are_enough_to_start_grow_and_be_upgraded(muster):
    """Without a limit the scoreboard takes 2 GiB of them (and next to no memory)."""
    m = muster({"pools": [{"name": "default", "workers": 2, "queues": {"default": 1}}]}, launcher=["prlimit", f"--as={256 << 20}"])
    assert m.run("Demo", "add", 1, 2)["result"] == 3
    assert m.http.request("PATCH", "/v1/pools/default", {"workers": 6}).status == 200
    until(lambda: sum(row["state"] == "idle" for row in m.workers()) == 6)
    before = [row["pid"] for row in m.workers()]
    os.kill(m.guardian, signal.SIGUSR2)
    m.wait_log(UPGRADED, count=1)
    m.http.close()  # it was the old api's
    assert m.run("Demo", "add", 1, 2)["result"] == 3
    assert [row["pid"] for row in m.workers()] == before


def cgroup():
    """A fresh cgroup of 200 MiB, or the reason why there is none."""
    root = Path("/sys/fs/cgroup")
    if not (root / "cgroup.controllers").exists() or "memory" not in (root / "cgroup.subtree_control").read_text():
        pytest.skip("no cgroup of version 2 with the memory controller here")
    path = root / f"muster-test-{os.getpid()}"
    try:
        path.mkdir()
        (path / "memory.max").write_text(str(200 << 20))
        if (path / "memory.swap.max").exists():
            (path / "memory.swap.max").write_text("0")
    except OSError as problem:
        pytest.skip(f"cannot make a cgroup here: {problem}")
    return path


def test_out_of_memory_in_a_cgroup_takes_the_worker_and_nobody_else(muster):
    path = cgroup()
    try:
        m = muster({**CONFIG, "handlers": [*CONFIG["handlers"], {"class": "Probe", "module": module("probe")}]},
                   launcher=["sh", "-c", f'echo $$ >{path}/cgroup.procs; exec "$@"', "sh"])
        others = {role: m.role(role).pid for role in ("supervisor", "api", "scheduler", "broker")}
        task = m.run("Probe", "eat", timeout=60)
        assert task["state"] == "dead" and task["error"]["kind"] == "crash" and task["crashes"] == 2
        assert m.worker(0)["last_exit"]["signal"] == int(signal.SIGKILL)
        assert others == {role: m.role(role).pid for role in others}, "workers go first"
        assert m.run("Demo", "noop")["state"] == "succeeded"
        m.stop()
    finally:
        until(lambda: not (path / "cgroup.procs").read_text(), what="the cgroup is empty")
        path.rmdir()
