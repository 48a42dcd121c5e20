"""Faults of the broker under load: nothing acknowledged is lost, nothing runs twice, and what is wrong is said.

MUSTER_TEST_OUTAGE: how long (seconds) a broker is away in these tests; 30 for the long form."""

import contextlib
import os
import random
import signal
import subprocess

import pytest

from harness import LIST, REPO, SLOW, stays, until
from load import Load

OUTAGE = float(os.environ.get("MUSTER_TEST_OUTAGE", "2"))
FOUR = {"pools": [{"name": "default", "workers": 4, "queues": {"default": 1, LIST: 1}, "heartbeat_timeout": "1s"}]}
MIB = 1024 * 1024


def pids(m):
    return [row["pid"] for row in m.workers()]


def passes(seconds):
    """Lets the time of an outage pass; its length is the fault itself."""
    with contextlib.suppress(AssertionError):
        until(lambda: False, seconds / SLOW)


def seeded(request):
    seed = int(os.environ.get("MUSTER_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"{request.node.name}: MUSTER_TEST_SEED={seed}")
    return random.Random(seed)


# ---- the embedded one ----

def test_the_embedded_broker_killed_under_load_loses_and_doubles_nothing(muster):
    m = muster(FOUR)
    before = pids(m)
    with Load(m) as load:
        for _ in range(3):
            load.goes_on()
            dead = m.kill_role("broker")
            m.another("broker", dead)
        load.goes_on()
    load.assert_each_ran_once()
    assert pids(m) == before, "no worker noticed more than a pause"


SLOW_DISK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

static int late(const char *name, int fd)
{
	const struct timespec pause = {.tv_nsec = 200 * 1000000};
	int (*call)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);

	nanosleep(&pause, NULL);
	return call(fd);
}

int fdatasync(int fd) { return late("fdatasync", fd); }
int fsync(int fd) { return late("fsync", fd); }
"""


@pytest.fixture
def slow_disk(folder):
    """The environment of a musterd on whose disk each sync takes 200 ms longer."""
    (folder / "slow.c").write_text(SLOW_DISK)
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(folder / "slow.so"), str(folder / "slow.c"), "-ldl"], check=True)
    return {"LD_PRELOAD": str(folder / "slow.so"),
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}


@pytest.mark.parametrize("durability", ["process", "power"])
def test_the_embedded_broker_on_a_slow_disk_killed_under_load_loses_and_doubles_nothing(muster, slow_disk, durability):
    m = muster({**FOUR, "durability": durability}, env=slow_disk, timeout=30)
    assert "slow.so" in open(f"/proc/{m.role('broker').pid}/maps").read()
    before = pids(m)
    with Load(m) as load:
        for _ in range(3):
            load.goes_on(25 if durability == "power" else 200, 60)
            dead = m.kill_role("broker")
            m.another("broker", dead)
        load.goes_on(25, 60)
    load.assert_each_ran_once(90)
    assert pids(m) == before, "no worker noticed more than a pause"


def test_an_append_only_file_cut_in_mid_record_loads(muster):
    m = muster()
    ids = m.submit_many([{"class": "Demo", "method": "noop", "delay": "1h"}] * 50)
    m.kill()
    m.sweep()
    file, = (m.state / "appendonlydir").glob("*.incr.aof")
    with open(file, "ab") as end:  # as when the last write of a task's record did not come to its end
        end.write(b"*4\r\n$4\r\nHSET\r\n$14\r\n{muster}:tasks\r\n$3\r\nhal")
    m.start()
    assert all(m.task(id_)["state"] == "scheduled" for id_ in ids)
    assert m.run("Demo", "add", 1, 2)["result"] == 3
    assert "truncat" in (m.state / "redis.log").read_text()


def test_at_the_bound_of_its_memory_submissions_wait_and_workers_finish(muster):
    m = muster({**FOUR, "limits": {"broker_memory": "6MiB"},
                "queues": [{"name": "default", "retention": {"cancelled": "0s", "succeeded": "0s"}}]})
    assert m.metrics().value("muster_broker_memory_limit_bytes") == 6 * MIB
    assert m.get("/readyz").json["checks"]["broker"] == "ok"
    busy = m.submit("Demo", "work", 2500)
    m.running(busy)
    later, status = [], 201
    while status == 201:
        answer = m.post("/v1/tasks", {"class": "Demo", "method": "noop", "delay": "1h", "param": ["x" * 60000]})
        status = answer.status
        later += [answer.json["id"]] if status == 201 else []
        assert len(later) < 200
    assert status == 429 and int(answer.headers["Retry-After"]) > 0
    assert answer.headers["Content-Type"].startswith("application/problem+json") and "memory" in answer.json["detail"]
    assert m.post("/v1/tasks", [{"class": "Demo", "method": "noop", "param": ["x" * 60000]}] * 3).status == 429
    assert m.get(f"/v1/tasks/{later[0]}").status == 200, "look-ups go on"
    ready = m.get("/readyz")
    assert ready.status == 200 and "memory" in ready.json["checks"]["broker"]
    assert m.metrics().value("muster_broker_memory_bytes") >= 0.8 * 6 * MIB
    m.wait_log("memory is nearly full", "percent=")
    assert m.wait_task(busy)["state"] == "succeeded"
    for id_ in later:
        assert m.delete(f"/v1/tasks/{id_}").status == 200, "also a full broker forgets"
    until(lambda: m.get("/readyz").json["checks"]["broker"] == "ok", 15)
    m.wait_log("has memory again")
    assert m.run("Demo", "noop")["state"] == "succeeded"


# ---- an external one that ends, hangs, or cuts ----

def test_a_redis_restarted_under_load_loses_and_doubles_nothing(muster, redis_server):
    server = redis_server()
    m = muster({**FOUR, "broker": server.url()})
    with Load(m) as load:
        for sig in (signal.SIGTERM, signal.SIGKILL):
            load.goes_on()
            server.stop(sig)
            server.start()
        load.goes_on()
    load.assert_each_ran_once()


def test_a_redis_that_is_gone_for_a_while_is_waited_for(muster, redis_server):
    server = redis_server()
    m = muster({**FOUR, "broker": server.url()})
    before = pids(m)
    with Load(m) as load:
        load.goes_on()
        server.stop(signal.SIGKILL)
        until(lambda: load.refused[503] > 0)
        passes(OUTAGE)
        assert m.get("/healthz").status == 200
        server.start()
        load.goes_on()
    load.assert_each_ran_once()
    assert pids(m) == before


def test_a_redis_that_is_stopped_is_away_until_it_goes_on(muster, redis_server):
    server = redis_server()
    m = muster({**FOUR, "broker": server.url()})
    before = pids(m)
    with Load(m) as load:
        load.goes_on()
        server.process.send_signal(signal.SIGSTOP)
        until(lambda: load.refused[503] > 0)
        passes(OUTAGE)
        server.process.send_signal(signal.SIGCONT)
        load.goes_on()
    load.assert_each_ran_once()
    assert pids(m) == before


def test_connections_killed_at_random(muster, redis_server, request):
    server, dice = redis_server(), seeded(request)
    m = muster({**FOUR, "broker": server.url()})
    admin = server.client()
    me = admin.client_id()
    with Load(m) as load:
        for _ in range(60):
            others = [row["id"] for row in admin.client_list() if int(row["id"]) != me]
            for id_ in dice.sample(others, min(len(others), dice.randint(1, 3))):
                with contextlib.suppress(Exception):
                    admin.client_kill_filter(_id=id_)
            load.goes_on(10)
    load.assert_each_ran_once()


def test_cuts_at_random_bytes(muster, redis_server, relay, request):
    dice = seeded(request)
    line = relay(redis_server())
    m = muster({**FOUR, "broker": line.url})
    with Load(m) as load:
        load.goes_on()
        line.order(f"cut {dice.randrange(1 << 30)} 1 60000")
        until(lambda: line.order(f"cut {dice.randrange(1 << 30)} 1 60000") > 100, 60, "a hundred cuts")
        line.order("calm")
        load.goes_on()
    load.assert_each_ran_once()


def test_a_slow_line_is_only_slow(muster, redis_server, relay):
    line = relay(redis_server())
    m = muster({**FOUR, "broker": line.url})
    before = pids(m)
    with Load(m) as load:
        load.goes_on()
        line.order("delay 5 60")
        load.goes_on(300, 60)
        line.order("calm")
    load.assert_each_ran_once()
    assert pids(m) == before


# ---- one that refuses ----

def test_scripts_are_forgotten_again_and_again(muster, redis_server):
    server = redis_server()
    m = muster({**FOUR, "broker": server.url()})
    with Load(m) as load:
        for _ in range(50):
            server.client().script_flush()
            load.goes_on(10)
    load.assert_each_ran_once()


def test_a_broker_whose_disk_is_full_is_waited_for(muster, redis_server, folder):
    disk = folder / "redis0"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], capture_output=True).returncode != 0:
        pytest.skip("cannot mount a tmpfs here")
    try:
        server = redis_server()
        m = muster({**FOUR, "broker": server.url()})
        before = pids(m)
        with Load(m) as load:
            load.goes_on()
            with open(disk / "filler", "wb", buffering=0) as filler, contextlib.suppress(OSError):
                while filler.write(b"x" * 4096):
                    pass
            until(lambda: load.refused[503] > 0, 20, "submissions are refused")
            until(lambda: "MISCONF" in m.post("/v1/tasks", {"class": "Demo", "method": "noop"}).text, 20)
            assert m.get("/healthz").status == 200
            (disk / "filler").unlink()
            load.goes_on(100, 40)
        load.assert_each_ran_once()
        assert pids(m) == before
        m.stop()
        server.stop(signal.SIGKILL)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_master_that_becomes_a_replica_is_waited_for(muster, redis_server):
    server = redis_server()
    m = muster({**FOUR, "broker": server.url()})
    with Load(m) as load:
        load.goes_on()
        server.client().execute_command("REPLICAOF", "127.0.0.1", "1")
        until(lambda: load.refused[503] > 0)
        assert "READONLY" in until(lambda: next((answer.text for answer in [m.post("/v1/tasks", {
            "class": "Demo", "method": "noop"})] if answer.status == 503), None))
        server.client().execute_command("REPLICAOF", "NO", "ONE")
        load.goes_on()
    load.assert_each_ran_once()


def test_a_broker_that_loads_is_waited_for(muster, redis_server):
    server = redis_server(**{"loading-process-events-interval-bytes": "1024"})
    m = muster({**FOUR, "broker": server.url()})
    before = pids(m)
    ids = m.submit_many([{"class": "Demo", "method": "noop", "delay": "500ms"}] * 50)
    line = server.client().pipeline(transaction=False)
    for number in range(3000):
        line.set(f"other:{number}", "x" * 100)
    line.execute()
    server.stop()
    server.settings["key-load-delay"] = "500"
    server.spawn()
    until(lambda: "LOADING" in m.get("/readyz").text or "loading" in m.get("/readyz").text, 10, "readyz says that it loads")
    m.wait_ready(30)
    for id_ in ids:
        assert m.wait_task(id_)["state"] == "succeeded"
    assert pids(m) == before


def test_a_plain_list_of_the_wrong_type_stops_nothing_else(muster):
    m = muster(FOUR)
    m.redis.set(LIST, "no list")
    with Load(m) as load:
        load.goes_on(200)
    load.assert_each_ran_once()
    assert m.redis.get(LIST) == b"no list", "it is not ours to delete"
    m.redis.delete(LIST)
    m.lpush({"class": "Demo", "method": "noop"})
    assert m.only_list_task()["state"] == "succeeded"


# ---- passwords ----

def test_a_password_may_be_changed_while_musterd_runs(muster, redis_server, folder):
    server = redis_server(password="old-secret")
    path = folder / "password"
    path.write_text("old-secret\n")
    m = muster({**FOUR, "broker": server.url(password=False), "broker_password_file": str(path)})
    before = pids(m)
    with Load(m) as load:
        load.goes_on()
        admin = server.client()
        admin.config_set("requirepass", "new-secret")
        admin.client_kill_filter(_type="normal", skipme=True)
        until(lambda: load.refused[503] > 0)
        assert "WRONGPASS" in until(lambda: next((answer.text for answer in [m.get("/v1/queues")]
                                                  if answer.status == 503), None))
        path.write_text("new-secret\n")
        load.goes_on()
        server.password = "new-secret"
    load.assert_each_ran_once()
    assert pids(m) == before
    shown = m.log() + m.get("/readyz").text + m.metrics().text
    assert "old-secret" not in shown and "new-secret" not in shown


def test_a_password_is_shown_nowhere(make, redis_server):
    server = redis_server(password="pa55word")
    m = make({"broker": server.url()})
    m.start()
    server.stop()
    until(lambda: m.get("/readyz").status == 503)
    shown = m.log() + m.get("/readyz").text + m.post("/v1/tasks", {"class": "Demo", "method": "noop"}).text
    shown += "".join(process.title for process in m.tree())
    printed = subprocess.run([m.argv[0] if m.argv else os.environ.get("MUSTERD", str(REPO / "build" / "musterd")),
                              "--print-config", "-c", str(m.config_path)], capture_output=True, text=True)
    assert "********" in printed.stdout
    assert "pa55word" not in shown + printed.stdout + printed.stderr


# ---- what it keeps ----

@pytest.mark.parametrize("settings, words", [
    ({"appendonly": "no"}, "keeps nothing on disk"),
    ({"appendonly": "no", "save": "3600 1"}, "keeps snapshots only"),
    ({}, None),
    ({"appendonly": "no", "rename-command": 'CONFIG ""'}, None),
])
def test_an_external_redis_without_persistence_is_named(muster, redis_server, settings, words):
    m = muster({"broker": redis_server(**settings).url()})
    if words:
        line, = m.wait_log(words)
        assert "WARN" in line.upper()
    else:
        m.run("Demo", "noop", delay="1500ms")
        assert not m.log_lines("on disk") and not m.log_lines("snapshots")


def test_a_broker_that_was_emptied_is_named_and_the_service_goes_on(muster, redis_server):
    server = redis_server()
    m = muster({**FOUR, "broker": server.url()})
    before = pids(m)
    lost = m.submit("Demo", "noop", delay="1h")
    busy = m.submit("Demo", "work", 1000)
    m.running(busy)
    until(lambda: server.client().exists(m.key("mark")))
    server.client().flushall()
    line, = m.wait_log("emptied")
    assert "FLUSHALL" in line and "ERROR" in line.upper()
    ready = until(lambda: next((answer for answer in [m.get("/readyz")] if "emptied" in answer.text), None))
    assert ready.status == 200 and "FLUSHALL" in ready.json["checks"]["broker"]
    assert m.get(f"/v1/tasks/{lost}").status == 404
    with Load(m) as load:
        load.goes_on()
    load.assert_each_ran_once()
    assert server.client().get(m.key("format")) is not None
    assert pids(m) == before and len(m.log_lines("emptied")) == 1


def test_what_cannot_be_accounted_for_is_said(muster):
    """As a script would that lost an element: the count of it stays."""
    m = muster()
    m.submit_many([{"class": "Demo", "method": "noop", "delay": "1h"}] * 3)
    assert m.metrics().value("muster_tasks_unaccounted") == 0
    scheduled = m.key("scheduled:default")
    element, due = m.redis.zrange(scheduled, 0, 0, withscores=True)[0]
    m.redis.zrem(scheduled, element)
    assert m.metrics().value("muster_tasks_unaccounted") == 1
    line, = m.wait_log("unaccounted for", "unaccounted=1", timeout=15)
    assert "ERROR" in line.upper()
    stays(lambda: len(m.log_lines("unaccounted for")) == 1, 1.5, "it is said once")
    m.redis.zadd(scheduled, {element: due})
    m.wait_log("accounted for again")
    assert m.metrics().value("muster_tasks_unaccounted") == 0


def test_a_script_that_loses_tasks_is_found_out(muster, redis_server, relay):
    """On the way to Redis the line that puts a task behind the others again, for its next execution, is made one that does
    nothing."""
    good, bad = b"push_tail(line, lists[line], elements)", b"assert   (line, lists[line], elements)"
    assert good in (REPO / "core" / "broker" / "lease.lua").read_bytes()
    line = relay(redis_server())
    line.order(f"replace {good.hex()} {bad.hex()}")
    m = muster({"broker": line.url})
    kept = m.submit_many([{"class": "Demo", "method": "add", "param": [1, 2]}] * 10)
    lost = m.submit_many([{"class": "Demo", "method": "retry", "param": ["again"], "retry": 2}] * 3)
    for id_ in kept:
        assert m.wait_task(id_)["result"] == 3
    until(lambda: m.metrics().value("muster_tasks_unaccounted") == 3)
    said, = m.wait_log("unaccounted for", "unaccounted=3", timeout=15)
    assert "ERROR" in said.upper()
    assert all(m.task(id_)["state"] not in ("succeeded", "dead") for id_ in lost)
