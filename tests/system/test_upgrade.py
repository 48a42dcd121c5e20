"""USR2: musterd becomes what stands at its installed path by now and keeps its workers. No task, connection, count or death is
lost over it, and a binary that cannot take over leaves the old one running."""

import contextlib
import http.client
import os
import shutil
import signal
import socket
import threading

import pytest

from harness import MUSTERD, Http, descriptors, process, stays, until

UPGRADED = "upgraded"
REFUSED = "upgrade refused"


def pool(workers=2, **more):
    return {"name": "default", "workers": workers, **more}


@pytest.fixture
def installed(make, folder):
    """A musterd that is installed where the test may replace it, as packagers do: written beside, then renamed."""
    def start(config=None, **options):
        binary = folder / "musterd"
        shutil.copy(MUSTERD, binary)
        (folder / "modules").symlink_to(MUSTERD.parent / "modules")
        m = make(config, **options)
        m.argv = [str(binary), "-c", str(m.config_path)]
        m.binary = binary
        return m.start()
    return start


def install(m, source=MUSTERD, text=None):
    fresh = m.binary.with_suffix(".new")
    if text is None:
        shutil.copy(source, fresh)
    else:
        fresh.write_text(text)
    fresh.chmod(0o755)
    fresh.rename(m.binary)


def upgrade(m):
    """Installs the binary anew, asks, and waits until it runs and api and scheduler are its own."""
    done = len(m.log_lines(UPGRADED))
    old = {role: m.role(role).pid for role in ("api", "scheduler")}
    install(m)
    os.kill(m.guardian, signal.SIGUSR2)
    m.wait_log(UPGRADED, count=done + 1)
    for role, pid in old.items():
        m.another(role, pid)
    m.http.close()  # it was the old api's
    until(lambda: "(deleted)" not in os.readlink(f"/proc/{m.guardian}/exe"))


def refused(m, *words):
    before = len(m.log_lines(REFUSED))
    os.kill(m.guardian, signal.SIGUSR2)
    lines = m.wait_log(REFUSED, count=before + 1, timeout=20)
    assert all(word in lines[-1] for word in words), lines[-1]


def pids(m):
    return [row["pid"] for row in m.workers()]


def test_workers_broker_and_counts_stay_and_the_rest_is_the_new_binarys(installed):
    m = installed({"pools": [pool(3)]})
    assert m.run("Demo", "noop")["state"] == "succeeded"
    workers, broker, restarts = pids(m), m.role("broker").pid, m.worker(0)["restarts"]
    upgrade(m)
    assert m.process.poll() is None and process(m.guardian).title.endswith(":master")
    assert pids(m) == workers and m.role("broker").pid == broker and m.worker(0)["restarts"] == restarts
    for role in ("supervisor", "api", "scheduler"):
        assert os.readlink(f"/proc/{m.role(role).pid}/exe") == str(m.binary)
    assert m.run("Demo", "noop")["state"] == "succeeded"
    until(lambda: m.queue()["succeeded_total"] == 2)
    assert m.kill_worker(0)
    until(lambda: m.worker(0)["state"] == "idle" and m.worker(0)["pid"] not in workers, what="deaths are seen as before")
    assert m.metrics().value("muster_process_restarts_total", process="supervisor") == 0, "that was no crash"


def test_a_task_in_hand_does_not_notice(installed):
    m = installed({"pools": [pool(1)]})
    id_ = m.submit("Demo", "work", 2000)
    row = m.running(id_)
    upgrade(m)
    assert m.task(id_)["state"] == "active" and m.worker()["pid"] == row["pid"]
    task = m.wait_task(id_)
    assert task["state"] == "succeeded" and task["attempts"] == 1 and task["crashes"] == 0 and task["history"] == []


def test_twenty_upgrades_under_kills_lose_no_task_and_no_death(installed):
    m = installed({"pools": [pool(4)]})
    ids, problems, over = [], [], threading.Event()

    def submit():
        client = Http(port=m.port)
        while not over.is_set():
            try:
                answer = client.request("POST", "/v1/tasks", {
                    "class": "Demo", "method": "record", "param": ["flow", str(len(ids))], "retry": 5})
            except (OSError, http.client.HTTPException):
                client = Http(port=m.port)  # a connection that was idle when its api left
                continue
            if answer.status != 201:
                problems.append(answer)
                return
            ids.append(answer.json["id"])
    thread = threading.Thread(target=submit)
    thread.start()
    try:
        for n in range(20):
            before = pids(m)
            victim = m.kill_worker(n % 4)
            upgrade(m)
            until(lambda: all(row["pid"] and row["state"] in ("idle", "busy") for row in m.workers()), what="all are well")
            changed = [pid for pid in before if pid not in pids(m)]
            assert changed in ([], [victim]), f"killed {victim}, gone {changed}"
    finally:
        over.set()
        thread.join()
    assert not problems and len(ids) > 20
    for id_ in ids:
        task = m.wait_task(id_)
        assert task["state"] == "succeeded", task
    lines = m.record_lines("flow")
    assert {int(line) for line in lines} >= set(range(len(ids)))
    assert m.process.poll() is None


def rolled(m, wanted):
    old = pids(m)
    os.kill(m.guardian, signal.SIGHUP)
    until(lambda: sorted((row["pool"], row["state"]) for row in m.workers()) == wanted and not set(old) & set(pids(m)),
          what="pools are as the file says, and workers new")


def test_what_a_reload_has_changed_holds_and_can_be_changed_again(installed):
    m = installed({"pools": [pool(2), {"name": "mail", "workers": 1, "queues": {"mail": 1}}]})
    m.write_config({**m.config, "pools": [{"name": "extra", "workers": 1, "queues": {"extra": 1}}, pool(2)]})
    rolled(m, [("default", "idle")] * 2 + [("extra", "idle")])
    before = {(row["pool"], row["slot"]): row["pid"] for row in m.workers()}
    m.config_path.write_text("pools: [")  # what is on disk by now is not what holds
    upgrade(m)
    assert {(row["pool"], row["slot"]): row["pid"] for row in m.workers()} == before
    assert m.run("Demo", "noop", queue="extra")["state"] == "succeeded"
    assert m.get("/v1/pools/mail").status == 404
    m.write_config({**m.config, "pools": [pool(1), {"name": "mail", "workers": 2, "queues": {"mail": 1}}]})
    rolled(m, [("default", "idle")] + [("mail", "idle")] * 2)
    assert m.run("Demo", "noop", queue="mail")["state"] == "succeeded"


BROKEN = {
    "no_program": ("this is no program\n", ()),
    "says_no": ("#!/bin/sh\necho no, thank you >&2\nexit 3\n", ("no, thank you",)),
    "is_older": ("#!/bin/sh\nexit 0\n", ("knows nothing of upgrades",)),
    "crashes": ("#!/bin/sh\nkill -SEGV $$\n", ("did not survive",)),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_binary_that_does_not_start_leaves_the_old_one_running(installed, how):
    m = installed({"pools": [pool()]})
    everybody = sorted(child.pid for child in m.children())
    text, words = BROKEN[how]
    install(m, text=text)
    refused(m, *words)
    assert sorted(child.pid for child in m.children()) == everybody
    assert m.run("Demo", "noop")["state"] == "succeeded"
    upgrade(m)
    assert m.run("Demo", "noop")["state"] == "succeeded"


def test_a_binary_that_is_gone_leaves_the_old_one_running(installed):
    m = installed()
    m.binary.unlink()
    refused(m, str(m.binary))
    assert m.run("Demo", "noop")["state"] == "succeeded"


def test_a_binary_that_hangs_is_given_up(installed):
    m = installed()
    install(m, text="#!/bin/sh\nexec sleep 60\n")
    refused(m, "not within")
    assert m.run("Demo", "noop")["state"] == "succeeded"


@contextlib.contextmanager
def another_layout(m):
    """What the running one has is not what the new one knows."""
    scoreboard = next(fd for fd, target in descriptors(m.guardian).items() if "muster-scoreboard" in target)
    with open(f"/proc/{m.guardian}/fd/{scoreboard}", "r+b", buffering=0) as memory:
        layout = os.pread(memory.fileno(), 4, 8)
        os.pwrite(memory.fileno(), (99).to_bytes(4, "little"), 8)
        yield
        os.pwrite(memory.fileno(), layout, 8)


def test_a_binary_with_another_scoreboard_starts_anew_when_the_tasks_are_done(installed):
    m = installed({"pools": [pool()]})
    old, broker = pids(m), m.role("broker").pid
    long = m.submit("Demo", "work", 3000)
    m.running(long)
    with another_layout(m):
        os.kill(m.guardian, signal.SIGUSR2)
        m.wait_log("has another scoreboard")
        until(lambda: m.get("/readyz").status == 503, what="the node says that it is leaving")
        late = m.submit("Demo", "noop")
        m.wait_log("service started", count=2)
    m.http.close()  # it was the old api's; the listening socket is the same, so that nobody is refused
    m.wait_ready(15)
    for id_ in (long, late):
        task = m.wait_task(id_)
        assert task["state"] == "succeeded" and task["attempts"] == 1 and task["crashes"] == 0 and task["history"] == []
    until(lambda: all(pids(m)), what="all are there")
    assert not set(pids(m)) & set(old) and m.role("broker").pid != broker
    assert m.process.poll() is None and process(m.guardian).title.endswith(":master")
    upgrade(m)
    m.stop()
    assert m.exit_code() == 0


def test_who_waits_to_start_anew_can_be_stopped(installed):
    m = installed({"pools": [pool(1)], "shutdown_grace": "1s"})
    m.running(m.submit("Demo", "work", 60000))
    with another_layout(m):
        os.kill(m.guardian, signal.SIGUSR2)
        m.wait_log("has another scoreboard")
    m.stop()
    assert m.exit_code() == 0 and not m.log_lines("service started")[1:]


def test_nothing_is_stopped_for_a_start_that_would_fail(installed):
    m = installed({"pools": [pool()]})
    old, text = pids(m), m.config_path.read_text()
    with another_layout(m):
        m.config_path.write_text("pools: 7\n")
        refused(m, "pools")
        m.config_path.write_text(text)
    assert pids(m) == old and m.run("Demo", "noop")["state"] == "succeeded"
    upgrade(m)
    assert pids(m) == old


def test_the_service_manager_hears_on(installed, folder):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(folder / "notify"))
        manager.settimeout(10)
        m = installed({"pools": [pool()]}, launcher=["env", f"NOTIFY_SOCKET={folder}/notify", "WATCHDOG_USEC=300000"])
        upgrade(m)
        manager.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while manager.recv(4096):
                pass
        manager.settimeout(10)
        assert b"WATCHDOG=1" in manager.recv(4096)


def test_children_from_before_musterd_are_left_alone(installed):
    m = installed({"pools": [pool(1)]}, launcher=["/usr/bin/python3", "-c", """
import os, subprocess, sys
subprocess.Popen(["/bin/sleep", "60"], close_fds=True)
os.execvp(sys.argv[1], sys.argv[1:])
"""])
    old = next(child for child in m.children() if "sleep" in child.title)
    upgrade(m)
    assert m.kill_worker(0), "after each death strays are looked for"
    until(lambda: m.worker(0)["restarts"] == 1 and m.worker(0)["state"] == "idle")
    stays(lambda: process(old.pid) and process(old.pid).started == old.started, 1.5)
    os.kill(old.pid, signal.SIGKILL)


def test_clients_connect_all_the_time(installed):
    m = installed({"pools": [pool()]})
    problems, answered, over = [], [], threading.Event()

    def knock():
        while not over.is_set():
            try:
                with m.connect() as client:
                    client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    answered.append(client.recv(100))
            except OSError as problem:
                problems.append(problem)
                return
    thread = threading.Thread(target=knock)
    thread.start()
    try:
        for _ in range(5):
            upgrade(m)
    finally:
        over.set()
        thread.join()
    assert not problems and answered and all(line.startswith(b"HTTP/1.1 ") for line in answered)


def test_signals_after_an_upgrade_mean_what_they_did(installed):
    m = installed({"pools": [pool()]})
    upgrade(m)
    rolled(m, [("default", "idle")] * 2)
    upgrade(m)
    log = m.log_path.with_suffix(".1")
    m.log_path.rename(log)
    os.kill(m.guardian, signal.SIGUSR1)
    assert m.run("Demo", "noop")["state"] == "succeeded"
    m.stop()
    assert m.exit_code() == 0
