"""Nothing hangs. A worker that breaks its promise to beat is over within 100 ms (or kill_grace + 100 ms when its hook does
not return), its replacement beats, its task goes on or is dead, and why is on record."""

import signal
import time
from datetime import datetime

import pytest

from harness import LIST, MUSTERD, PidFd, bound, module, process, stays, until

BEAT = 0.4
GRACE = 0.3


def pool(workers=1, **more):
    return {"name": "default", "workers": workers, "queues": {"default": 1, LIST: 1}, "heartbeat_timeout": "400ms",
            "kill_grace": "300ms", **more}


def config(workers=1, **more):
    return {"pools": [pool(workers)], "handlers": [{"class": "Probe", "module": module("probe")},
                                                  {"class": "Demo", "module": "demo.so"}], **more}


def seconds(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def end_of_hang(m, id_, act=None):
    """Watches the worker that runs the task: (its row, seconds from the start of the execution to the process's end)."""
    row = m.running(id_)
    with PidFd(row["pid"]) as handle:
        started = seconds(m.wait_task(id_, "active")["started_at"])
        if act:
            act(row)
        assert handle.ended(30 * bound(1)), "the hung worker was never ended"
        return row, time.time() - started


def assert_on_record(m, id_, row, restarts=1):
    """Log line, last_exit, metric and outcome, as CONTRACT names them."""
    assert len(m.wait_log("killed timeout", id_)) >= 1
    exit_ = until(lambda: m.worker(row["slot"])["last_exit"])
    assert exit_["reason"] == "timeout" and exit_["task"] in (id_, {"id": id_})
    assert exit_["evidence"]["state"] in ("spinning", "waiting", "stopped") and exit_["evidence"]["silent_ms"] >= 0
    assert m.metrics().value("muster_worker_restarts_total", pool="default", reason="timeout") == restarts
    task = m.wait_task(id_)
    assert task["state"] == "dead" and task["error"]["kind"] == "timeout"
    assert task["attempts"] == restarts and task["crashes"] == 0
    assert [entry["kind"] for entry in task["history"]] == ["timeout"] * restarts
    assert m.run("Demo", "noop")["state"] == "succeeded"


def replaced(m, row):
    return until(lambda: (lambda now: now if now["pid"] not in (None, row["pid"]) and now["state"] in ("idle", "busy") else None)
                 (m.worker(row["slot"])), what="the replacement beats")


def test_a_loop_with_all_signals_blocked_is_over(muster):
    m = muster(config())
    row, took = end_of_hang(m, id_ := m.submit("Demo", "hang"))
    assert BEAT - 0.05 <= took <= BEAT + 0.1 + bound(0.2)
    replaced(m, row)
    assert_on_record(m, id_, row)


def test_a_blocking_call_past_the_heartbeat_is_over(muster):
    m = muster(config())
    row, took = end_of_hang(m, id_ := m.submit("Demo", "sleep", 60000))
    assert BEAT - 0.05 <= took <= BEAT + 0.1 + bound(0.2)
    assert_on_record(m, id_, row)


def test_a_worker_stopped_in_a_task_is_over_after_kill_grace(muster):
    m = muster(config())
    id_ = m.submit("Demo", "work", 60000)
    row = m.running(id_)
    with PidFd(row["pid"]) as handle:
        assert m.signal_worker(row["slot"], signal.SIGSTOP, task=id_) == row["pid"]
        began = time.monotonic()
        assert handle.ended(30)
        assert time.monotonic() - began <= BEAT + GRACE + 0.1 + bound(0.2)
    assert_on_record(m, id_, row)


def test_an_idle_worker_stopped_from_outside_is_over_and_replaced(muster):
    m = muster(config())
    row = m.worker(0)
    with PidFd(row["pid"]) as handle:
        assert m.signal_worker(0, signal.SIGSTOP)
        began = time.monotonic()
        assert handle.ended(30)
        assert time.monotonic() - began <= BEAT + GRACE + 0.1 + bound(0.2)
    assert replaced(m, row)["last_exit"]["reason"] == "timeout"
    assert m.run("Demo", "noop")["state"] == "succeeded"


@pytest.mark.skipif(b"__asan_init" in MUSTERD.read_bytes(), reason="another malloc than glibc's")
def test_a_handler_that_holds_malloc_s_lock_is_over_and_its_hook_still_runs(muster, folder):
    m = muster(config())
    path = folder / "exiting"
    id_ = m.submit("Probe", "hold_malloc", str(path))
    row, took = end_of_hang(m, id_)
    assert BEAT - 0.05 <= took <= BEAT + 0.1 + bound(0.2)
    assert path.read_text().startswith(f"exiting {id_} ")
    assert_on_record(m, id_, row)


def test_the_exiting_hook_runs_once_while_the_task_is_stuck(muster, folder):
    m = muster(config())
    path = folder / "exiting"
    row, _ = end_of_hang(m, id_ := m.submit("Probe", "spin", str(path)))
    assert path.read_text() == f"exiting {id_} {row['pid']}\n"
    assert_on_record(m, id_, row)


def test_a_hook_that_does_not_return_gets_kill_grace_and_no_more(muster, folder):
    m = muster(config())
    path = folder / "exiting"
    row, took = end_of_hang(m, id_ := m.submit("Probe", "spin", str(path), "stuck"))
    assert BEAT + GRACE - 0.05 <= took <= BEAT + GRACE + 0.1 + bound(0.2)
    assert path.exists()
    assert_on_record(m, id_, row)


def test_a_task_s_own_timeout_holds_even_if_it_beats(muster):
    m = muster(config())
    row, took = end_of_hang(m, id_ := m.submit("Demo", "work", 60000, timeout="900ms"))
    assert 0.85 <= took <= 0.9 + 0.1 + bound(0.2)
    assert_on_record(m, id_, row)


def test_a_task_s_own_timeout_may_be_longer_than_the_heartbeat(muster):
    m = muster(config())
    task = m.wait_task(m.submit("Demo", "sleep", 900, timeout="2s"))
    assert task["state"] == "succeeded" and m.worker(0)["restarts"] == 0
    row, took = end_of_hang(m, id_ := m.submit("Demo", "hang", timeout="900ms"))
    assert 0.85 <= took <= 0.9 + 0.1 + bound(0.2)
    assert_on_record(m, id_, row)


def test_a_queue_s_timeout_holds_for_tasks_without_one(muster):
    m = muster(config(queues=[{"name": "default", "timeout": "800ms"}]))
    row, took = end_of_hang(m, id_ := m.submit("Demo", "work", 60000))
    assert 0.75 <= took <= 0.8 + 0.1 + bound(0.2)
    assert_on_record(m, id_, row)


def test_work_that_beats_for_longer_than_heartbeat_timeout_is_not_killed(muster):
    m = muster(config())
    pid = m.worker(0)["pid"]
    task = m.run("Demo", "work", 2000)
    assert task["state"] == "succeeded" and task["attempts"] == 1
    row = m.worker(0)
    assert row["pid"] == pid and row["restarts"] == 0
    assert not m.log_lines("killed timeout")


def test_after_a_beat_silence_may_last_heartbeat_timeout(muster):
    m = muster(config())
    assert m.wait_task(m.submit("Probe", "beat_once", 250, timeout="5s"))["state"] == "succeeded"
    row, took = end_of_hang(m, id_ := m.submit("Probe", "beat_once", 60000, timeout="5s"))
    assert BEAT - 0.05 <= took <= BEAT + 0.1 + bound(0.2)
    assert_on_record(m, id_, row)


def test_a_beat_may_promise_a_longer_silence(muster):
    m = muster(config())
    assert m.run("Probe", "beat_for", 1500, 1000)["state"] == "succeeded"
    row, took = end_of_hang(m, id_ := m.submit("Probe", "beat_for", 900, 60000))
    assert 0.85 <= took <= 0.9 + 0.1 + bound(0.2)
    assert_on_record(m, id_, row)


def test_a_hang_uses_up_an_execution_and_runs_again_while_some_remain(muster):
    m = muster(config())
    id_ = m.submit("Demo", "hang", retry=3)
    task = m.wait_task(id_)
    assert task["state"] == "dead" and task["attempts"] == 3 and task["crashes"] == 0
    assert [entry["kind"] for entry in task["history"]] == ["timeout"] * 3
    until(lambda: len(m.log_lines("killed timeout", id_)) == 3, what="the log has each of them")
    assert m.worker(0)["restarts"] == 3


def test_ten_tasks_waiting_behind_a_hang_in_the_same_batch_run_elsewhere_at_once(muster):
    m = muster(config(2))
    warm = m.submit_many([{"class": "Demo", "method": "noop"}] * 1000)
    m.wait_task(warm[-1])
    ids = m.submit_many([{"class": "Demo", "method": "hang"}] +
                        [{"class": "Demo", "method": "record", "param": ["behind", str(n)]} for n in range(10)])
    hung = m.wait_task(ids[0])
    others = [m.wait_task(id_) for id_ in ids[1:]]
    assert hung["state"] == "dead" and hung["error"]["kind"] == "timeout"
    for task in others:
        assert task["state"] == "succeeded" and task["attempts"] == 1 and task["crashes"] == 0
        assert task["finished_at"] < hung["finished_at"], "it waited behind the hang while a worker was idle"
    assert sorted(m.record_lines("behind")) == sorted(map(str, range(10)))


def test_ten_tasks_waiting_behind_a_hang_of_the_only_worker_run_after_it(muster):
    m = muster(config(1))
    warm = m.submit_many([{"class": "Demo", "method": "noop"}] * 1000)
    m.wait_task(warm[-1])
    ids = m.submit_many([{"class": "Demo", "method": "hang"}] +
                        [{"class": "Demo", "method": "record", "param": ["behind", str(n)]} for n in range(10)])
    for id_ in ids[1:]:
        task = m.wait_task(id_)
        assert task["state"] == "succeeded" and task["attempts"] == 1 and task["crashes"] == 0
    assert m.record_lines("behind") == [str(n) for n in range(10)]
    assert_on_record(m, ids[0], m.worker(0))


def test_twenty_hangs_at_once_end_together_and_no_worker_is_added(muster):
    m = muster(config(20))
    ids = m.submit_many([{"class": "Demo", "method": "sleep", "param": [60000]}] * 20)
    most = 0
    while any(m.task(id_)["state"] not in ("dead",) for id_ in ids):
        most = max(most, sum(":worker-" in child.title for child in m.children()))
    assert most <= 20
    for id_ in ids:
        task = m.task(id_)
        assert task["error"]["kind"] == "timeout" and task["attempts"] == 1
        assert seconds(task["finished_at"]) - seconds(task["started_at"]) <= BEAT + 0.1 + bound(0.5)
    until(lambda: [row["state"] for row in m.workers()] == ["idle"] * 20, what="all are back")
    assert m.metrics().value("muster_worker_restarts_total", reason="timeout") == 20


def test_the_replacement_of_a_hung_worker_beats_soon(muster):
    m = muster(config())
    m.run("Demo", "noop")
    row, _ = end_of_hang(m, m.submit("Demo", "hang"))
    ended = time.monotonic()
    replaced(m, row)
    assert time.monotonic() - ended <= 0.05 + bound(0.2)


def test_a_stopped_supervisor_is_replaced_and_no_worker_is_touched(muster):
    m = muster()
    pids = [row["pid"] for row in m.workers()]
    stopped = m.kill_role("supervisor", signal.SIGSTOP)
    m.another("supervisor", stopped)
    until(lambda: m.get("/healthz").status == 200)
    assert [row["pid"] for row in m.workers()] == pids
    assert m.run("Demo", "noop")["state"] == "succeeded"
    m.kill_worker(0)
    until(lambda: m.worker(0)["pid"] not in (None, pids[0]), what="the new supervisor replaces workers")


@pytest.mark.parametrize("role", ["api", "scheduler"])
def test_a_stopped_api_or_scheduler_is_replaced(muster, role):
    m = muster()
    pids = [row["pid"] for row in m.workers()]
    stopped = m.kill_role(role, signal.SIGSTOP)
    m.another(role, stopped)
    m.http.close()
    until(lambda: m.get("/readyz").status == 200, 15)
    assert [row["pid"] for row in m.workers()] == pids
    assert m.run("Demo", "noop")["state"] == "succeeded"


def test_healthz_tells_when_the_supervisor_does_not_answer(muster):
    m = muster()
    m.kill_role("supervisor", signal.SIGSTOP)
    answers = set()

    def seen():
        answers.add(m.get("/healthz").status)
        return answers >= {200, 503} or m.metrics().value("muster_process_restarts_total", process="supervisor")
    until(seen, 30, "503, or a new supervisor")
    until(lambda: m.get("/healthz").status == 200, 30)


def test_a_pause_of_the_whole_tree_kills_nobody(muster):
    """As when the machine slept: everything stood still for longer than every worker's promise."""
    m = muster(config(2))
    pids = [row["pid"] for row in m.workers()]
    tree = [PidFd(one.pid) for one in sorted(m.tree(), key=lambda one: one.pid != m.guardian)]
    try:
        for handle in tree:
            handle.send(signal.SIGSTOP)
        until(lambda: all(process(handle.pid).state == "T" for handle in tree), what="all stand still")
        stays(lambda: all(process(handle.pid).state == "T" for handle in tree), 4 * BEAT)
    finally:
        for handle in reversed(tree):
            handle.send(signal.SIGCONT)
            handle.close()
    until(lambda: m.get("/readyz").status == 200, 15)
    stays(lambda: [row["pid"] for row in m.workers()] == pids, 1.0, "the workers live on")
    assert not m.log_lines("killed timeout")
