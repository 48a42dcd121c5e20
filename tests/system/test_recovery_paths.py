"""The ways back: what a death, a stop or a broker that was away has left in a slot's hand is taken up again, by whoever comes
next, and nobody else's task is touched over it."""

import os
import random
import signal
import socket
import stat
import threading
import time
from datetime import datetime, timezone

import pytest

from harness import LIST, Http, PidFd, bound, compile_module, module, process, until

ONE = {"pools": [{"name": "default", "workers": 1, "queues": {"default": 1, LIST: 1}}]}
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def answers(m):
    try:
        return Http(port=m.port).request("GET", "/healthz").status == 200
    except OSError:
        return False


def held(m, client):
    """{slot: elements} of every lease that holds something."""
    leases = {}
    for slot, lease in client.hgetall(m.key("leases")).items():
        elements = [word for word in lease.decode().split()[2:] if word[0] not in "@+"]
        if elements:
            leases[slot.decode()] = elements
    return leases


def unharmed(m, id_, timeout=30.0):
    """It was run once, to its end, and nothing else is on its record."""
    task = m.wait_task(id_, timeout=timeout)
    assert task["state"] == "succeeded" and task["attempts"] == 1 and task["crashes"] == 0 and task["history"] == [], task


def records(path, numbers):
    return [{"class": "Demo", "method": "record", "param": [path, str(n)]} for n in numbers]


def each_once(m, path, count):
    lines = sorted(map(int, m.record_lines(path)))
    assert lines == list(range(count)), [n for n in set(lines) if lines.count(n) > 1] or sorted(set(range(count)) - set(lines))


# ---- an older life's lease is in the way of a slot whose next life has died too ----

@pytest.mark.parametrize("deaths", [0, 1, 4])
def test_a_lease_of_a_former_life_and_deaths_before_the_broker_is_back(muster, redis_server, deaths):
    server = redis_server()
    m = muster({**ONE, "broker": server.url()})
    id_ = m.submit("Demo", "work", 700)
    m.running(id_)
    server.stop()
    m.kill()
    m.start(ready=False)
    until(lambda: answers(m))
    for _ in range(deaths):
        victim = until(lambda: m.worker(0)["pid"], what="there is a worker")
        m.kill_worker(0)
        m.post("/v1/workers/default/0/restart")  # back-off aside
        until(lambda: m.worker(0)["pid"] not in (None, victim), what="it is replaced")
    server.start()
    began = time.monotonic()
    m.wait_ready()
    task = m.wait_task(id_)
    assert task["state"] == "succeeded" and task["crashes"] == 1, "the loss of its node, and nothing else"
    assert m.run("Demo", "add", 1, 2)["result"] == 3
    assert time.monotonic() - began < bound(6)
    assert m.stop() < bound(2)


def test_deaths_while_an_external_broker_is_away_are_recovered_when_it_is_back(muster, redis_server):
    server = redis_server()
    m = muster({"broker": server.url(), "pools": [{"name": "default", "workers": 3}]})
    ids = m.submit_many([{"class": "Demo", "method": "work", "param": [4000]}] * 3)
    rows = [m.running(id_) for id_ in ids]
    server.stop()
    for row in rows:
        m.kill_worker(row["slot"])
        until(lambda row=row: m.worker(row["slot"])["pid"] not in (None, row["pid"]), what="replaced")
        m.kill_worker(row["slot"])
    server.start()
    m.wait_ready()
    for id_ in ids:
        task = m.wait_task(id_)
        assert task["state"] == "succeeded" and task["crashes"] == 1
    assert m.run("Demo", "noop")["state"] == "succeeded"
    assert m.stop() < bound(2)


# ---- more deaths than are remembered, while nobody recovers ----

def one_death_in_a_batch(m, count, at):
    """Lets the worker die with finished tasks in its outbox; returns the ids, of which the one at `at` killed it."""
    documents = records("many", range(count))
    documents.insert(at, {"class": "Demo", "method": "crash", "param": [9]})
    return m.submit_many(documents)


@pytest.mark.parametrize("then", ["goes_on", "is_killed"])
def test_more_deaths_of_a_slot_than_are_remembered_while_the_scheduler_is_stopped(muster, then):
    m = muster({**ONE, "queues": [{"name": "default", "max_crashes": 1}]})
    stopped = m.kill_role("scheduler", signal.SIGSTOP)
    ids = one_death_in_a_batch(m, 400, 200)
    until(lambda: m.worker(0)["restarts"] >= 1, what="the worker died in a batch")
    for _ in range(10):
        victim = until(lambda: m.worker(0)["pid"], what="there is a worker")
        m.kill_worker(0)
        m.post("/v1/workers/default/0/restart")
        until(lambda: m.worker(0)["pid"] not in (None, victim), what="it is replaced")
    assert m.worker(0)["restarts"] > 8 and m.role("scheduler").pid == stopped
    assert len(m.record_lines("many")) == 200, "nothing is taken while an older life holds something"
    with PidFd(stopped) as handle:
        handle.send(signal.SIGCONT if then == "goes_on" else signal.SIGKILL)
    crash = m.wait_task(ids[200])
    assert crash["state"] == "dead" and crash["crashes"] == 1 and crash["error"]["kind"] == "crash"
    for id_ in ids[:200] + ids[201:]:
        unharmed(m, id_)
    each_once(m, "many", 400)
    until(lambda: m.metrics().value("muster_tasks_unaccounted") == 0, what="every task is accounted for")


# ---- orders meet only the task they are about ----

def test_cancels_and_timeouts_that_race_with_the_ends_of_tasks_hit_nobody_else(muster):
    m = muster({"pools": [{"name": "default", "workers": 3, "kill_grace": "100ms"}]})
    documents, innocent, victims = [], [], []
    for n in range(600):
        if n % 3 == 0:
            victims.append(len(documents))
            # Most end within a breath of their deadline, a few surely before or after it.
            ms = 1 if n % 30 == 0 else 60 if n % 30 == 15 else 8 + n % 5
            documents.append({"class": "Demo", "method": "sleep", "param": [ms], "timeout": f"{40 if ms == 1 else 9 + n % 4}ms"})
        else:
            innocent.append(len(documents))
            documents += records("race", [n // 3]) if n % 3 == 1 else [{"class": "Demo", "method": "sleep", "param": [6]}]
    ids = m.submit_many(documents)
    chosen = [ids[n] for n in victims[::2]]
    over = threading.Event()

    def cancel():
        client, rounds = Http(port=m.port), random.Random(os.getpid())
        while not over.is_set():
            for row in client.request("GET", "/v1/workers").json["workers"]:
                if row["task"] and row["task"]["id"] in chosen and rounds.random() < 0.7:
                    client.request("DELETE", f"/v1/tasks/{row['task']['id']}")
    threads = [threading.Thread(target=cancel) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        ended = {id_: m.wait_task(id_, timeout=60) for id_ in ids}
    finally:
        over.set()
        for thread in threads:
            thread.join()
    for n in innocent:
        task = ended[ids[n]]
        assert task["state"] == "succeeded" and task["attempts"] == 1 and task["crashes"] == 0 and task["history"] == [], task
    each_once(m, "race", len(innocent) // 2)
    for n in victims:
        task = ended[ids[n]]
        allowed = ("succeeded", "dead", "cancelled") if ids[n] in chosen else ("succeeded", "dead")
        assert task["state"] in allowed and task["crashes"] == 0, task
        assert task["state"] != "dead" or task["error"]["kind"] == "timeout", task
    assert {"succeeded", "dead"} <= {ended[ids[n]]["state"] for n in victims}, "both ends of the race were met"


def test_cancels_of_waiting_and_running_short_tasks_hit_nobody_else(muster):
    m = muster({"pools": [{"name": "default", "workers": 2}]})
    cancelled = []
    for round_ in range(20):
        ids = m.submit_many([{"class": "Demo", "method": "sleep", "param": [1]}, *records("calm", [round_ * 2]),
                             {"class": "Demo", "method": "sleep", "param": [2]}, *records("calm", [round_ * 2 + 1])])
        for id_ in (ids[2], ids[0]):
            if m.delete(f"/v1/tasks/{id_}").status == 200:
                cancelled.append(id_)
        for id_ in (ids[1], ids[3]):
            unharmed(m, id_)
        for id_ in (ids[0], ids[2]):
            assert m.wait_task(id_)["state"] in ("succeeded", "cancelled")
    each_once(m, "calm", 40)


def test_an_abort_that_came_too_late_says_nothing_about_a_later_death(muster):
    """A worker stopped over its task's deadline is ordered to abort it; going on, it may end the task first. Then it lives."""
    m = muster({"pools": [{"name": "default", "workers": 1, "kill_grace": "5s"}]})
    for round_ in range(60):
        pid = until(lambda: m.worker(0)["state"] == "idle" and m.worker(0)["pid"], what="an idle worker")
        id_ = m.submit("Demo", "sleep", 30, timeout="40ms")
        m.running(id_)
        orders = len(m.log_lines("past its promise"))
        with PidFd(pid) as handle:
            handle.send(signal.SIGSTOP)
            try:
                until(lambda: len(m.log_lines("past its promise")) > orders or m.task(id_)["state"] == "succeeded", 3)
            finally:
                handle.send(signal.SIGCONT)
        ended = m.wait_task(id_)
        if ended["state"] == "succeeded" and len(m.log_lines("past its promise")) > orders and m.worker(0)["pid"] == pid:
            break
    else:
        pytest.skip("the abort came first each time")
    id_ = m.submit("Demo", "work", 60000)
    m.running(id_)
    assert m.kill_worker(0, task=id_) == pid
    task = until(lambda: (lambda now: now if now["state"] == "active" and m.worker(0)["pid"] not in (None, pid) else None)(m.task(id_)))
    assert task["crashes"] == 1, "that was a crash"
    assert m.worker(0)["last_exit"]["reason"] == "signal"
    m.delete(f"/v1/tasks/{id_}")


# ---- the broker goes just when something must be given back ----

STOPPER = """#include <muster.h>
#include <signal.h>
static enum muster_end stop(struct muster_task *task)
{
	(void)kill((pid_t)json_integer_value(json_array_get(muster_param(task), 0)),
		(int)json_integer_value(json_array_get(muster_param(task), 1)));
	return muster_ok(task, NULL);
}
static const struct muster_method methods[] = {{"stop", stop}, {NULL, NULL}};
MUSTER_EXPORT const struct muster_module muster_module = {MUSTER_ABI, "Stopper", methods, NULL, NULL};
"""


def stopper(folder):
    (folder / "stopper.c").write_text(STOPPER)
    return {"handlers": [{"class": "Stopper", "module": compile_module(folder / "stopper.c", folder / "stopper.so")},
                         {"class": "Demo", "module": "demo.so"}]}


@pytest.mark.parametrize("sig", [signal.SIGSTOP, signal.SIGKILL], ids=["hangs", "is_gone"])
def test_what_waits_behind_a_slow_one_is_given_back_once_the_broker_is_there_again(muster, redis_server, folder, sig):
    server = redis_server()
    m = muster({**ONE, **stopper(folder), "broker": server.url()})
    documents = [*records("back", range(90)), {"class": "Stopper", "method": "stop", "param": [server.process.pid, sig]},
                 {"class": "Demo", "method": "work", "param": [6000]}, *records("back", range(90, 120))]
    try:
        ids = m.submit_many(documents)
        slow = ids[91]
        until(lambda: (m.worker(0)["task"] or {}).get("id") == slow, what="the slow one runs")
        until(lambda: m.get("/readyz").status == 503, what="the broker is away")
        row = until(lambda: (lambda now: now if now["task"] and now["task"]["running_seconds"] > 1.8 else None)(m.worker(0)),
                    what="a first try has failed")
        assert row["task"]["id"] == slow and len(m.record_lines("back")) == 90
    finally:
        server.process.send_signal(signal.SIGCONT)
    if sig == signal.SIGKILL:
        server.stop()
        server.start()
    client = server.client()
    until(lambda: client.llen(m.key("queue:default")) == 30, 4, "what waited behind it is back in its queue")
    assert m.running(slow)["pid"] == row["pid"], "while it still runs"
    assert held(m, client) and all(elements == [slow] for elements in held(m, client).values())
    m.wait_ready()
    assert m.wait_task(slow)["state"] == "succeeded" and m.worker(0)["pid"] == row["pid"]
    for id_ in ids[:90] + ids[92:]:
        unharmed(m, id_)
    each_once(m, "back", 120)
    until(lambda: m.metrics().value("muster_tasks_unaccounted") == 0, what="every task is accounted for")


def test_a_worker_that_dies_while_it_cannot_give_back_takes_nothing_with_it(muster, redis_server, folder):
    server = redis_server()
    m = muster({**ONE, **stopper(folder), "broker": server.url()})
    documents = [*records("dies", range(90)), {"class": "Stopper", "method": "stop", "param": [server.process.pid, signal.SIGSTOP]},
                 {"class": "Demo", "method": "work", "param": [3000]}, *records("dies", range(90, 120))]
    try:
        ids = m.submit_many(documents)
        until(lambda: (m.worker(0)["task"] or {}).get("id") == ids[91], what="the slow one runs")
        until(lambda: m.get("/readyz").status == 503, what="the broker is away")
        assert m.kill_worker(0, task=ids[91])
    finally:
        server.process.send_signal(signal.SIGCONT)
    m.wait_ready()
    task = m.wait_task(ids[91])
    assert task["state"] == "succeeded" and task["crashes"] == 1
    for id_ in ids[:91] + ids[92:]:
        unharmed(m, id_)
    each_once(m, "dies", 120)


# ---- what belongs to others ----

@pytest.mark.parametrize("kind", ["file", "empty_file", "folder", "fifo", "link_to_a_file"])
def test_what_stands_where_a_socket_should_be_is_not_deleted(make, folder, kind):
    path, target = folder / "api.sock", folder / "target"
    target.write_text("somebody's data\n")
    {"file": lambda: path.write_text("somebody's data\n"), "empty_file": path.touch, "folder": path.mkdir,
     "fifo": lambda: os.mkfifo(path), "link_to_a_file": lambda: path.symlink_to(target)}[kind]()
    before = path.lstat()
    m = make({"listen": [f"unix:{path}"]})
    m.spawn()
    assert m.exit_code(5) == 69
    m.stopped = True
    assert str(path) in m.log()
    after = path.lstat()
    assert (after.st_ino, after.st_mode, after.st_uid, after.st_size) == (before.st_ino, before.st_mode, before.st_uid, before.st_size)
    assert target.read_text() == "somebody's data\n"


def test_a_socket_that_nobody_listens_on_is_replaced_and_one_in_use_is_not(make, folder):
    path = folder / "api.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
        left.listen()
        m = make({"listen": [f"unix:{path}"]})
        m.spawn()
        assert m.exit_code(5) == 69
        m.stopped = True
        assert stat.S_ISSOCK(path.lstat().st_mode)
    m = make({"listen": [f"unix:{path}"]})
    m.http = Http(path=str(path))
    m.start()
    assert m.run("Demo", "noop")["state"] == "succeeded"


@root_only
@pytest.mark.parametrize("link", ["symlink", "hardlink"])
def test_a_log_file_that_leads_to_root_s_file_is_not_given_away(make, folder, link):
    secret, log = folder / "secret", folder / "logs" / "muster.log"
    secret.write_text("")
    secret.chmod(0o600)
    log.parent.mkdir()
    os.chown(log.parent, 65534, 65534)
    if link == "symlink":
        log.symlink_to(secret)
    else:
        os.link(secret, log)
    m = make({"user": "nobody", "log": {"file": str(log)}})
    m.start(ready=False)
    until(lambda: answers(m) or m.process.poll() is not None)
    if m.process.poll() is None:
        os.kill(m.guardian, signal.SIGUSR1)
        m.wait_ready()
        assert m.run("Demo", "noop")["state"] == "succeeded"
        m.stop()
    m.stopped = True
    info = secret.stat()
    assert info.st_uid == 0 and info.st_gid == 0 and stat.S_IMODE(info.st_mode) == 0o600


@root_only
def test_a_log_file_of_its_own_is_the_user_s(make, folder):
    log = folder / "muster.log"
    m = make({"user": "nobody", "log": {"file": str(log)}})
    m.start()
    assert log.stat().st_uid == 65534
    log.rename(folder / "muster.log.1")
    os.kill(m.guardian, signal.SIGUSR1)
    until(lambda: log.exists() and log.stat().st_uid == 65534, what="the one that is opened anew as well")


# ---- stops ----

@pytest.mark.parametrize("how", ["work", "sleep", "hang", "stuck_hook"])
def test_a_kill_grace_longer_than_the_stop_does_not_make_it_longer(muster, redis_server, folder, how):
    server = redis_server()
    m = muster({"broker": server.url(), "shutdown_grace": "1500ms",
                "handlers": [{"class": "Probe", "module": module("probe")}, {"class": "Demo", "module": "demo.so"}],
                "pools": [{"name": "default", "workers": 2, "kill_grace": "20s"}]})
    submit = {"work": ("Demo", "work", 60000), "sleep": ("Demo", "sleep", 60000), "hang": ("Demo", "hang"),
              "stuck_hook": ("Probe", "spin", str(folder / "hook"), "stuck")}[how]
    id_ = m.submit(*submit, timeout="1h")
    m.running(id_)
    assert m.stop() < 1.5 + bound(0.4)
    assert not held(m, server.client())
    m.start()
    task = m.wait_task(id_, "active")
    assert task["attempts"] == 0 and task["crashes"] == 0 and task["history"] == []
    m.delete(f"/v1/tasks/{id_}")
    m.kill()


def test_a_kill_grace_longer_than_the_stop_leaves_tasks_their_time_to_finish(muster):
    m = muster({"shutdown_grace": "3s", "pools": [{"name": "default", "workers": 2, "kill_grace": "20s"}]})
    ids = m.submit_many([{"class": "Demo", "method": "sleep", "param": [500]}] * 2)
    for id_ in ids:
        m.running(id_)
    m.stop()
    stopped = datetime.now(timezone.utc)
    m.start()
    for id_ in ids:
        unharmed(m, id_)
        assert datetime.fromisoformat(m.task(id_)["finished_at"]) < stopped, "it was not run anew"


def test_twenty_stops_with_tasks_in_hand_leave_no_lease_and_count_no_crash(muster, redis_server):
    server = redis_server()
    m = muster({"broker": server.url(), "shutdown_grace": "1s", "pools": [{"name": "default", "workers": 3}]})
    ids = m.submit_many([{"class": "Demo", "method": "work", "param": [60000], "timeout": "1h"}] * 2)
    for round_ in range(20):
        for id_ in ids:
            m.running(id_)
        some = m.submit_many(records("stops", range(round_ * 50, round_ * 50 + 50)))
        ids_of_round = m.submit_many([{"class": "Demo", "method": "sleep", "param": [20]}] * 10)
        assert m.stop() < 1 + bound(0.5)
        assert not held(m, server.client()), round_
        m.start()
        for id_ in ids:
            task = m.task(id_)
            assert task["attempts"] == 0 and task["crashes"] == 0 and task["history"] == [], (round_, task)
        for id_ in [*some, *ids_of_round]:
            task = m.wait_task(id_)
            assert task["state"] == "succeeded" and task["attempts"] == 1 and task["crashes"] == 0, (round_, task)
    each_once(m, "stops", 1000)
    for id_ in ids:
        m.delete(f"/v1/tasks/{id_}")
    assert {m.wait_task(id_)["state"] for id_ in ids} == {"cancelled"}


@pytest.mark.parametrize("kills", [1, 3])
def test_a_scheduler_killed_during_the_drain_makes_nothing_run_twice(muster, kills):
    m = muster({"shutdown_grace": "4s", "pools": [{"name": "default", "workers": 3}]})
    gates = m.submit_many([{"class": "Demo", "method": "sleep", "param": [900]}] * 2)
    for id_ in gates:
        m.running(id_)
    tasks = records("drain", range(8000))
    for at in range(7900, 0, -100):  # however fast the records run, the drain takes seconds
        tasks.insert(at, {"class": "Demo", "method": "sleep", "param": [100]})
    ids = m.submit_many(tasks)
    until(lambda: len(m.record_lines("drain")) > 50, what="it is in full swing")
    m.process.send_signal(signal.SIGTERM)
    m.wait_log("stopping")
    for _ in range(kills):
        victim = m.role("scheduler")
        if victim:
            with PidFd(victim.pid) as handle:
                handle.send(signal.SIGKILL)
                assert handle.ended(5)
        until(lambda: m.process.poll() is not None or m.role("scheduler"), what="there is a scheduler again")
    assert m.exit_code() == 0
    m.stopped = True
    done = len(m.record_lines("drain"))
    m.start()
    for id_ in [*gates, *ids[::2]]:
        unharmed(m, id_)
    each_once(m, "drain", 8000)
    assert done < 8000, "the stop came in the middle"


def test_a_scheduler_killed_when_the_workers_have_left_is_made_again_to_recover(muster, redis_server):
    server = redis_server()
    m = muster({"broker": server.url(), "shutdown_grace": "5s", "pools": [{"name": "default", "workers": 2}]})
    ids = m.submit_many([{"class": "Demo", "method": "sleep", "param": [400]}] * 2)
    for id_ in ids:
        m.running(id_)
    scheduler = m.kill_role("scheduler", signal.SIGSTOP)
    m.process.send_signal(signal.SIGTERM)
    until(lambda: not m.role("worker-0") and not m.role("worker-1"), what="the workers have left")
    assert held(m, server.client()), "somebody has still to recover what they have finished"
    with PidFd(scheduler) as handle:
        handle.send(signal.SIGKILL)
    assert m.exit_code() == 0
    m.stopped = True
    assert not held(m, server.client())
    m.start()
    for id_ in ids:
        unharmed(m, id_)


@pytest.mark.parametrize("role", ["supervisor", "api"])
def test_another_part_killed_during_the_drain_makes_nothing_run_twice(muster, role):
    m = muster({"shutdown_grace": "4s", "pools": [{"name": "default", "workers": 3}]})
    gate = m.submit("Demo", "sleep", 700)
    m.running(gate)
    ids = m.submit_many(records("part", range(3000)))
    m.process.send_signal(signal.SIGTERM)
    m.wait_log("stopping")
    m.kill_role(role)
    assert m.exit_code() == 0
    m.stopped = True
    m.start()
    for id_ in [gate, *ids]:
        unharmed(m, id_)
    each_once(m, "part", 3000)


# ---- every death is on record ----

def deaths_on_record(m, pool="default"):
    return sum(value for name, labels, value in m.metrics().samples
               if name == "muster_worker_restarts_total" and labels["pool"] == pool)


def assert_complete(m, row):
    """The exit before this incarnation is whole, and each one before it was counted."""
    exit_ = row["last_exit"]
    assert exit_ and exit_["reason"] in ("signal", "order") and exit_["at"] and "recent" in exit_, row
    assert (exit_["signal"] is None) != (exit_["code"] is None), exit_
    if exit_["reason"] == "signal":
        assert exit_["signal"] == 9, exit_
    else:
        assert exit_["code"] == 0, exit_
    return exit_


def test_a_restart_ordered_at_the_moment_of_a_death_leaves_its_exit_complete(muster):
    m = muster(ONE)
    rounds = random.Random(4)
    for deaths in range(1, 41):
        row = until(lambda: (lambda now: now if now["pid"] and now["state"] == "idle" else None)(m.worker(0)), what="an idle worker")
        with PidFd(row["pid"]) as handle:
            seen = process(row["pid"])
            assert seen and seen.ppid == m.guardian
            if rounds.random() < 0.5:
                handle.send(signal.SIGKILL)
                assert m.post("/v1/workers/default/0/restart").status == 202
            else:
                assert m.post("/v1/workers/default/0/restart").status == 202
                handle.send(signal.SIGKILL)
        now = until(lambda: (lambda now: now if now["pid"] not in (None, row["pid"]) and now["state"] == "idle" else None)(m.worker(0)),
                    what="a replacement")
        assert_complete(m, now)
        # An order that reached the replacement instead ends it too, a moment later.
        until(lambda: m.worker(0)["state"] == "idle" and deaths_on_record(m) == m.worker(0)["restarts"], 5, "each death is on record")
    assert deaths_on_record(m) >= 40


def test_each_of_many_orders_and_deaths_in_a_row_is_counted(muster):
    m = muster({"pools": [{"name": "default", "workers": 4}]})
    for _ in range(15):
        before = [row["pid"] for row in m.workers()]
        for slot in range(4):
            m.post(f"/v1/workers/default/{slot}/restart")
        until(lambda: all(row["pid"] not in (None, pid) and row["state"] == "idle" for row, pid in zip(m.workers(), before)), what="all new")
        assert all(row["last_exit"]["reason"] == "order" for row in m.workers())
    until(lambda: deaths_on_record(m) == sum(row["restarts"] for row in m.workers()) == 60, 3, "each death is on record")


def test_a_worker_told_to_leave_with_a_task_that_is_ended_by_the_stop_counts_no_crash(muster):
    """Deaths that fall into the supervisor's own turn are understood as well: what they held goes back as it was."""
    m = muster({"shutdown_grace": "600ms", "pools": [{"name": "default", "workers": 8}]})
    ids = m.submit_many([{"class": "Demo", "method": "work", "param": [60000], "timeout": "1h"}] * 8)
    for _ in range(4):
        for id_ in ids:
            m.running(id_)
        m.stop()
        m.start()
        for id_ in ids:
            task = m.task(id_)
            assert task["attempts"] == 0 and task["crashes"] == 0, task
    for id_ in ids:
        m.delete(f"/v1/tasks/{id_}")
