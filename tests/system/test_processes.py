"""Every part is supervised, none takes another down, and all are gone when musterd is gone."""

import fcntl
import http.client
import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from harness import (LIST, MUSTERD, Http, PidFd, alive, all_processes, bound, descriptors, module, process, stays, status_of, until)

TWO = {"pools": [{"name": "default", "workers": 2, "queues": {"default": 1, LIST: 1}}]}


def pids(m):
    return [row["pid"] for row in m.workers()]


# ---- titles and rows ----

def test_processes_carry_titles_that_ps_shows(muster):
    m = muster({"pools": [{"name": "asynctask", "workers": 3, "title_prefix": "xes_"}, {"name": "mail", "workers": 1}]})
    titles = {child.title for child in m.children()}
    assert {f"xes_asynctask:worker-{n}" for n in range(3)} <= titles and "mail:worker-0" in titles
    assert {"xes_asynctask:supervisor", "xes_asynctask:api", "xes_asynctask:scheduler"} <= titles
    assert process(m.guardian).title == "xes_asynctask:master"


def test_every_child_is_the_guardian_s_and_rows_name_their_pids(muster):
    m = muster(TWO)
    rows = {row["pid"]: row for row in m.workers()}
    workers = {child.pid for child in m.children() if ":worker-" in child.title}
    assert set(rows) == workers and len(workers) == 2
    for pid in workers:
        assert process(pid).pgrp == pid, "a worker leads its own process group"
    others = {child.title.split(":")[-1].split(" ")[0] for child in m.children() if child.pid not in workers}
    assert others >= {"supervisor", "api", "scheduler", "undertaker"} and len(m.children()) == len(workers) + 5, "and redis-server"


# ---- signals that come early ----

EARLY = """
import os, signal, sys
sent = getattr(signal, sys.argv[1])
signal.pthread_sigmask(signal.SIG_BLOCK, [sent])  # as if it came before main's first line
os.kill(os.getpid(), sent)
os.execvp(sys.argv[2], sys.argv[2:])
"""


def test_hup_at_the_very_start_is_no_end(make):
    m = make(TWO)
    m.launcher = ["/usr/bin/python3", "-c", EARLY, "SIGHUP"]
    m.start()
    m.wait_log("configuration read again")
    until(lambda: all(row["state"] == "idle" for row in m.workers()))


def test_hup_as_soon_as_it_can_be_read_is_no_end(make):
    for _ in range(10):
        m = make()
        m.spawn()
        until(lambda: process(m.guardian) and int(status_of(m.guardian)["SigBlk"], 16) & 1, what="musterd blocks HUP")
        os.kill(m.guardian, signal.SIGHUP)
        m.wait_ready()
        m.stop()


@pytest.mark.parametrize("early", ["SIGTERM", "SIGINT"])
def test_a_stop_before_it_is_ready_is_an_ordered_one(make, early):
    m = make(TWO)
    m.launcher = ["/usr/bin/python3", "-c", EARLY, early]
    m.spawn()
    assert m.exit_code() == 0
    m.stopped = True
    assert m.log_lines("service stopped")


def test_a_stop_while_it_waits_for_the_lock_is_an_ordered_one(make):
    m = make(TWO)
    m.state.mkdir(parents=True, exist_ok=True)
    with open(m.state / "lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        m.spawn()
        m.wait_log("waiting for the state directory's lock")
        began = time.monotonic()
        os.kill(m.guardian, signal.SIGTERM)
        assert m.exit_code() == 0 and time.monotonic() - began < bound(1)
    m.stopped = True


# ---- a second start ----

def test_a_second_start_on_the_same_state_directory_is_refused_naming_the_holder(muster, make):
    m = muster()
    second = make({"state_dir": str(m.state)})
    began = time.monotonic()
    second.spawn()
    assert second.exit_code() == 69
    assert time.monotonic() - began < bound(2)
    second.stopped = True
    assert str(m.guardian) in second.log()
    assert m.run("Demo", "noop")["state"] == "succeeded"
    second.state = second.base / "state"


def test_one_that_was_killed_leaves_nothing_that_hinders_the_next_start(muster):
    m = muster()
    for _ in range(3):
        id_ = m.submit("Demo", "hang")
        m.running(id_)
        m.kill()
        m.start()
        m.delete(f"/v1/tasks/{id_}")
        m.wait_task(id_)
    assert m.run("Demo", "noop")["state"] == "succeeded"


# ---- the guardian's end ends all ----

@pytest.mark.parametrize("how", ["idle", "spinning", "stopped"])
def test_the_guardian_s_death_takes_the_whole_tree(muster, how):
    m = muster(TWO)
    if how == "spinning":
        for id_ in m.submit_many([{"class": "Demo", "method": "hang"}] * 2):
            m.running(id_)
    if how == "stopped":
        m.signal_worker(0, signal.SIGSTOP)
    assert len(m.tree()) >= 7
    m.kill()
    began = time.monotonic()
    until(lambda: not m.tree(), 5, "nothing of it is left")
    assert time.monotonic() - began < bound(1.0)


def test_sigkill_of_everything_but_the_guardian_is_survived(muster):
    m = muster(TWO)
    for child in m.children():
        with PidFd(child.pid) as handle:
            if process(child.pid) and process(child.pid).ppid == m.guardian:
                handle.send(signal.SIGKILL)
    m.http.close()
    m.wait_ready()
    assert m.run("Demo", "noop")["state"] == "succeeded"
    assert len([child for child in m.children() if ":worker-" in child.title]) == 2


# ---- containment ----

def test_the_supervisor_s_death_touches_no_worker(muster):
    m = muster(TWO)
    id_ = m.submit("Demo", "work", 1500)
    m.running(id_)
    before = pids(m)
    for _ in range(5):
        m.another("supervisor", m.kill_role("supervisor"))
    assert pids(m) == before
    task = m.wait_task(id_)
    assert task["state"] == "succeeded" and task["crashes"] == 0
    assert until(lambda: m.metrics().value("muster_process_restarts_total", process="supervisor")) == 5
    m.kill_worker(0)
    until(lambda: m.worker(0)["pid"] not in (None, before[0]), what="workers are still replaced")


def test_workers_that_die_while_the_supervisor_is_dead_are_replaced_and_never_doubled(muster):
    m = muster({"pools": [{"name": "default", "workers": 4}]})
    for round_ in range(6):
        victim = m.worker(round_ % 4)["pid"]
        m.kill_role("supervisor")
        if victim:
            with PidFd(victim) as handle:
                seen = process(victim)
                if seen and seen.ppid == m.guardian:
                    handle.send(signal.SIGKILL)
        until(lambda: victim not in pids(m) and [row["state"] for row in m.workers()] == ["idle"] * 4, 15, "four idle workers")
        assert len([child for child in m.children() if ":worker-" in child.title]) == 4
        assert {child.pid for child in m.children() if ":worker-" in child.title} == set(pids(m))


def test_the_api_s_death_is_not_noticed_by_clients(muster):
    m = muster(TWO)
    before = pids(m)
    for _ in range(3):
        dead = m.kill_role("api")
        m.http.close()
        assert m.get("/healthz").status == 200, "the listening socket is the guardian's: connections wait, none is refused"
        m.another("api", dead)
    assert pids(m) == before
    assert until(lambda: m.metrics().value("muster_process_restarts_total", process="api")) == 3
    assert m.run("Demo", "noop")["state"] == "succeeded"


def test_the_scheduler_s_death_delays_only(muster):
    m = muster(TWO)
    before = pids(m)
    dead = m.kill_role("scheduler")
    m.lpush({"class": "Demo", "method": "record", "param": ["after", "x"]})
    id_ = m.submit("Demo", "noop", delay="300ms")
    m.another("scheduler", dead)
    assert m.wait_task(id_)["state"] == "succeeded"
    until(lambda: m.record_lines("after") == ["x"])
    assert pids(m) == before
    assert until(lambda: m.metrics().value("muster_process_restarts_total", process="scheduler")) == 1


def test_the_embedded_broker_s_death_loses_nothing(muster):
    m = muster(TWO)
    before = pids(m)
    ids = m.submit_many([{"class": "Demo", "method": "record", "param": ["broker", str(n)]} for n in range(2000)])
    dead = m.kill_role("broker")
    m.another("broker", dead)
    for id_ in ids:
        until(lambda: m.get(f"/v1/tasks/{id_}").status == 200, 15)
        assert m.wait_task(id_)["state"] == "succeeded"
    assert set(map(int, m.record_lines("broker"))) == set(range(2000))
    assert pids(m) == before
    assert until(lambda: m.metrics().value("muster_process_restarts_total", process="broker")) == 1


# ---- back-off and parking ----

def test_a_crash_loop_backs_off_and_a_second_of_life_heals_it(muster):
    m = muster({"pools": [{"name": "default", "workers": 1}]})
    gaps = []
    for _ in range(6):
        row = until(lambda: (lambda now: now if now["pid"] else None)(m.worker(0)), 10, "a worker")
        began = time.monotonic()
        assert m.kill_worker(0) == row["pid"]
        until(lambda: m.worker(0)["pid"] not in (None, row["pid"]), 10, "its replacement")
        gaps.append(time.monotonic() - began)
    assert gaps[0] < bound(0.3) and gaps[1] < bound(0.3), gaps
    assert gaps[4] > gaps[2] > 0.05 and gaps[5] > 0.3, gaps
    until(lambda: m.worker(0)["uptime_seconds"] > 1.2, 10, "it lived for a second")
    pid = m.worker(0)["pid"]
    began = time.monotonic()
    m.kill_worker(0)
    until(lambda: m.worker(0)["pid"] not in (None, pid))
    assert time.monotonic() - began < bound(0.3)


def test_a_worker_that_backs_off_says_so(muster):
    m = muster({"pools": [{"name": "default", "workers": 1}]})
    seen = set()
    for _ in range(5):
        row = until(lambda: (lambda now: now if now["pid"] else None)(m.worker(0)), 10, "a worker")
        m.kill_worker(0)

        def next_one():
            now = m.worker(0)
            seen.add(now["state"])
            return now["pid"] not in (None, row["pid"])
        until(next_one, 10)
    assert "backoff" in seen, seen


@pytest.mark.parametrize("bad", ["bad_abi", "no_table", "refuse_start", "crash_on_load", None])
def test_a_module_that_cannot_be_loaded_parks_its_slot_with_the_reason(muster, folder, bad):
    """The module was good when musterd started, and is replaced afterwards."""
    path = folder / "handler.so"
    shutil.copy(module("probe"), path)
    m = muster({"handlers": [{"class": "Probe", "module": str(path)}, {"class": "Demo", "module": "demo.so"}],
                "pools": [{"name": "default", "workers": 1, "preload": ["Probe"]}, {"name": "other", "workers": 1}]})
    fresh = folder / "fresh.so"
    if bad:
        shutil.copy(module(bad), fresh)
        os.replace(fresh, path)
    else:
        path.unlink()
    m.kill_worker(0)
    row = until(lambda: (lambda now: now if now["state"] == "parked" else None)(m.worker(0)), 20, "the slot is parked")
    restarts = row["restarts"]
    assert str(path) in str(row) or "Probe" in str(row), row
    if bad == "refuse_start":
        assert "Probe" in str(row) or "moon" in str(row), row
    stays(lambda: m.worker(0)["restarts"] == restarts, 0.7, "it is not tried again and again")
    assert m.worker(0, "other")["state"] == "idle"
    until(lambda: m.metrics().value("muster_workers", pool="default", state="parked") == 1)


def test_a_module_whose_start_refuses_parks_with_its_words(muster):
    m = muster({"handlers": [{"class": "RefuseStart", "module": module("refuse_start")}],
                "pools": [{"name": "default", "workers": 1}]})
    id_ = m.submit("RefuseStart", "nothing")
    row = until(lambda: (lambda now: now if now["state"] == "parked" else None)(m.worker(0)), 20, "the slot is parked")
    assert "the moon is wrong" in str(row)
    assert m.task(id_)["state"] != "succeeded"


# ---- the ordered stop ----

@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_an_ordered_stop_ends_with_0_and_leaves_nothing(muster, sig):
    m = muster({"pools": [{"name": "default", "workers": 4}]})
    assert m.stop(sig) < bound(1.0)
    assert not m.tree()


def test_a_task_in_hand_finishes_before_the_stop(muster):
    m = muster(TWO)
    id_ = m.submit("Demo", "sleep", 600)
    m.running(id_)
    waiting = m.submit_many([{"class": "Demo", "method": "sleep", "param": [600]}] * 10)
    m.stop()
    m.start()
    task = m.wait_task(id_)
    assert task["state"] == "succeeded" and task["attempts"] == 1 and task["crashes"] == 0
    for other in waiting:
        assert m.wait_task(other)["state"] == "succeeded"


@pytest.mark.parametrize("class_", ["work", "sleep", "hang"])
def test_what_does_not_finish_within_shutdown_grace_goes_back_uncounted(muster, class_):
    m = muster({**TWO, "shutdown_grace": "1s"})
    id_ = m.submit("Demo", class_, *([] if class_ == "hang" else [60000]), timeout="2m")
    m.running(id_)
    assert m.stop() < 1.0 + bound(0.7)
    m.start()
    task = m.wait_task(id_, "active")
    assert task["attempts"] == 0 and task["crashes"] == 0 and task["history"] == []
    m.delete(f"/v1/tasks/{id_}")
    m.wait_task(id_, "cancelled")


def test_a_second_signal_stops_at_once(muster):
    m = muster({**TWO, "shutdown_grace": "30s"})
    id_ = m.submit("Demo", "work", 60000)
    row = m.running(id_)
    m.process.send_signal(signal.SIGTERM)
    until(lambda: (m.role("worker-%d" % (1 - row["slot"]))) is None, what="the idle worker has left: it drains")
    assert m.process.poll() is None
    began = time.monotonic()
    assert m.stop(signal.SIGTERM) < bound(1.5)
    assert time.monotonic() - began < bound(1.5)
    m.start()
    task = m.wait_task(id_, "active")
    assert task["attempts"] == 0 and task["crashes"] == 0
    m.delete(f"/v1/tasks/{id_}")


def test_a_stop_while_workers_hang_with_signals_blocked_keeps_its_time(muster):
    m = muster({**TWO, "shutdown_grace": "800ms"})
    for id_ in m.submit_many([{"class": "Demo", "method": "hang", "timeout": "1h"}] * 2):
        m.running(id_)
    assert m.stop() < 0.8 + bound(0.7)


def test_a_stop_while_a_worker_is_stopped_keeps_its_time(muster):
    m = muster({**TWO, "shutdown_grace": "800ms"})
    m.signal_worker(0, signal.SIGSTOP)
    assert m.stop() < 0.8 + bound(0.7)


def test_a_stop_while_the_supervisor_is_stopped_keeps_its_time(muster):
    m = muster({**TWO, "shutdown_grace": "2s"})
    m.kill_role("supervisor", signal.SIGSTOP)
    assert m.stop(timeout=30) < 2 + bound(1.0)


def test_readyz_says_503_from_the_first_moment_of_a_stop(muster):
    m = muster(TWO)
    id_ = m.submit("Demo", "work", 1500)
    m.running(id_)
    m.process.send_signal(signal.SIGTERM)
    until(lambda: m.get("/readyz").status == 503, what="readyz says 503")
    m.stop()


def test_http_answers_till_the_last_and_readyz_never_says_200_again(muster):
    m = muster(TWO)
    id_ = m.submit("Demo", "work", 1200)
    m.running(id_)
    ends, codes = [], []
    waiting = threading.Thread(target=lambda: ends.append(Http(port=m.port).request("GET", f"/v1/tasks/{id_}?wait=20s")))
    waiting.start()
    m.process.send_signal(signal.SIGTERM)
    m.wait_log("stopping: tasks in hand may finish")
    while m.process.poll() is None:
        try:
            codes.append(Http(port=m.port).request("GET", "/readyz").status)
        except (OSError, http.client.HTTPException):
            break
    waiting.join()
    assert m.exit_code() == 0
    m.stopped = True
    assert set(codes) == {503} and len(codes) > 5
    assert ends[0].json["state"] == "succeeded", "who waits for the task in hand hears of its end"


def test_a_restart_order_drains_and_replaces(muster):
    m = muster(TWO)
    id_ = m.submit("Demo", "sleep", 500)
    row = m.running(id_)
    assert m.post(f"/v1/workers/default/{row['slot']}/restart").status == 202
    until(lambda: m.worker(row["slot"])["pid"] not in (None, row["pid"]), what="replaced")
    assert m.wait_task(id_)["crashes"] == 0 and m.task(id_)["state"] == "succeeded"
    now = m.worker(row["slot"])
    assert now["last_exit"]["reason"] == "order" and now["restarts"] == 1
    assert m.metrics().value("muster_worker_restarts_total", pool="default", reason="order") == 1


# ---- whom musterd signals ----

def test_the_launcher_s_group_is_never_signalled(make, folder):
    """The shell that launched musterd, and what else runs in its group, live on through every kind of end."""
    m = make()
    script = folder / "launch"
    script.write_text(f"sleep 1000 & echo $! >{folder}/bystander; {MUSTERD} -c {m.config_path} & echo $! >{folder}/musterd; "
                      f"wait $!; echo $? >{folder}/code; sleep 1000\n")
    m.argv = ["sh", str(script)]
    m.spawn()
    shell, m.guardian = m.process, None
    try:
        m.guardian = int(until(lambda: (folder / "musterd").exists() and (folder / "musterd").read_text().strip()))
        m.wait_ready()
        m.kill_worker(0)
        id_ = m.submit("Demo", "hang", timeout="300ms")
        m.wait_task(id_)
        with PidFd(m.guardian) as handle:
            handle.send(signal.SIGTERM)
            assert handle.ended(20)
        assert until(lambda: (folder / "code").exists() and (folder / "code").read_text().strip()) == "0"
        assert shell.poll() is None
        assert alive(int((folder / "bystander").read_text()))
        left = [one for one in m.tree() if one.pid != shell.pid and one.name not in ("sleep", "sh")]
        assert not left
    finally:
        for one in all_processes():
            if one.session == shell.pid and one.pid != shell.pid:
                with PidFd(one.pid) as handle:
                    handle.send(signal.SIGKILL)
        shell.kill()
        shell.wait()
        m.stopped = True


def test_nothing_that_stands_beside_it_is_signalled(muster):
    """A process of the same session that is no child of musterd's survives worker kills, hangs and the stop."""
    bystander = subprocess.Popen(["sleep", "1000"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        m = muster(TWO)
        m.kill_worker(0)
        m.kill_role("supervisor")
        m.wait_task(m.submit("Demo", "hang", timeout="300ms"))
        m.stop()
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


# ---- descriptors ----

def test_descriptors_do_not_leak_into_children(muster, folder):
    m = muster({"handlers": [{"class": "Probe", "module": module("probe")}], "pools": [{"name": "default", "workers": 1}]})
    open_connection = m.connect()
    path = folder / "pids"
    id_ = m.submit("Probe", "children", str(path))
    m.running(id_)
    until(lambda: path.exists() and len(path.read_text().split()) == 3)
    for pid in map(int, path.read_text().split()):
        if alive(pid):
            # A program that is just starting opens files of its own for a moment.
            until(lambda pid=pid: set(descriptors(pid)) <= {0, 1, 2}, what=f"{pid} has no descriptor of ours")
    broker = m.role("broker")
    if "redis-server" in broker.title:
        inherited = [target for target in descriptors(broker.pid).values()
                     if "memfd" in target or "eventfd" in target or "signalfd" in target]
        assert len([target for target in inherited if "memfd" in target]) == 0, descriptors(broker.pid)
    open_connection.close()
    m.delete(f"/v1/tasks/{id_}")


def test_what_the_starter_left_open_is_not_handed_down(muster):
    ours, theirs = os.pipe()
    name = f"pipe:[{os.fstat(theirs).st_ino}]"
    m = muster(pass_fds=[theirs])
    os.close(theirs)
    holders = [child for child in m.children() if name in descriptors(child.pid).values() and not child.title.endswith(":supervisor")]
    assert not holders, holders
    os.close(ours)


def test_descriptors_and_memory_do_not_grow_with_restarts(muster):
    m = muster({"pools": [{"name": "default", "workers": 10}]})

    def count():
        return {role: len(descriptors(m.role(role).pid)) for role in ("supervisor", "api", "scheduler")} | {
            "guardian": len(descriptors(m.guardian))}
    def kill_each_once():
        for slot in range(10):
            until(lambda: (m.worker(slot)["uptime_seconds"] or 0) > 1.05, 10, "it is old enough not to be backed off from")
            row = m.worker(slot)
            m.kill_worker(slot)
            until(lambda: m.worker(slot)["pid"] not in (None, row["pid"]), 10)
        until(lambda: [now["state"] for now in m.workers()] == ["idle"] * 10, 10)
    kill_each_once()
    before = count()
    kill_each_once()
    kill_each_once()
    until(lambda: all(after <= before[role] + 1 for role, after in count().items()), 5, f"as many as before: {before}")


# ---- privileges ----

@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_started_as_root_everything_below_the_guardian_runs_as_user(muster):
    m = muster({"user": "nobody"})
    assert status_of(m.guardian)["Uid"].split()[0] == "0"
    for child in m.children():
        status = status_of(child.pid)
        assert set(status["Uid"].split()) == {"65534"}, child
        assert "0" not in status["Gid"].split() and status["Groups"].split() in ([], ["65534"]), child
        assert int(status["CapEff"], 16) == 0, child
    id_ = m.submit("Demo", "record", "who", "x")
    assert m.wait_task(id_)["state"] == "succeeded"
    assert (m.state / "demo" / "who").stat().st_uid == 65534
    m.wait_task(m.submit("Demo", "hang", timeout="300ms"))
    m.kill_worker(0)
    m.wait_ready()
    assert m.run("Demo", "noop")["state"] == "succeeded"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_started_as_root_with_another_user_the_guardian_s_death_ends_all(muster):
    m = muster({"user": "nobody"})
    id_ = m.submit("Demo", "hang")
    m.running(id_)
    m.kill()
    until(lambda: not m.tree(), 3)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_started_by_an_ordinary_user_it_works_and_stays_that_user(make, folder):
    base = folder / "home"
    base.mkdir()
    os.chown(base, 65534, 65534)
    m = make({"user": None}, base=base)
    m.launcher = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    m.start()
    for one in m.tree():
        assert set(status_of(one.pid)["Uid"].split()) == {"65534"}
    assert m.run("Demo", "noop")["state"] == "succeeded"
    m.kill_worker(0)
    m.wait_ready()


def test_the_state_directory_is_made_0700_and_a_wider_one_is_used_with_a_warning(muster):
    m = muster()
    assert m.state.stat().st_mode & 0o777 == 0o700
    m.stop()
    m.state.chmod(0o755)
    m.start()
    assert m.log_lines("state") and any("0755" in line or "wider" in line or "permission" in line or "mode" in line
                                        for line in m.log_lines(str(m.state)))


def test_no_core_part_runs_with_handlers_of_signals_inherited_ignored(muster):
    """What the starter ignores is not ignored by handlers' children."""
    m = muster(launcher=["sh", "-c", "trap '' TERM INT HUP USR1 PIPE; exec \"$@\"", "sh"])
    for child in m.children():
        ignored = int(status_of(child.pid)["SigIgn"], 16)
        assert not ignored & (1 << (signal.SIGTERM - 1)), child
        assert not ignored & (1 << (signal.SIGINT - 1)), child
    m.stop()


def test_as_pid_1_of_a_container_it_reaps_and_forwards(make, folder):
    if os.geteuid() != 0 or subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "true"]).returncode:
        pytest.skip("needs a pid namespace")
    m = make({"user": "root"})
    m.launcher = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    m.spawn()
    m.wait_ready()
    first = next(one for one in all_processes() if one.ppid == m.process.pid)
    assert m.run("Demo", "noop")["state"] == "succeeded"
    with PidFd(first.pid) as handle:
        handle.send(signal.SIGTERM)
        assert handle.ended(20), "PID 1 forwards the signal and leaves"
    assert m.process.wait(10) == 0
    m.stopped = True
    assert not Path(f"/proc/{first.pid}").exists() or not alive(first.pid)
