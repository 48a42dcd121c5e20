"""The wall clock is set by an hour: for Muster's processes, for redis-server, or for both. Nothing is killed, and nothing due
is lost or doubled. (tests/faults/clock.c gives them a clock that a test can set; the monotonic one stays.)"""

import os

import pytest

from harness import LIST, MODULES, MUSTERD, stays, until

LIBRARY = MODULES / "clock.so"
HOUR = 3600

pytestmark = [pytest.mark.skipif(not LIBRARY.exists(), reason="tests/modules/clock.so is not there: make check-programs"),
              pytest.mark.skipif(b"__asan_init" in MUSTERD.read_bytes(), reason="a sanitizer wants to be loaded first")]


class Clock:
    """A wall clock that can be set for who is started with `env`."""

    def __init__(self, folder):
        self.path = folder / "clock"
        self.path.write_bytes(bytes(8))
        os.chmod(self.path, 0o644)
        self.env = {"LD_PRELOAD": str(LIBRARY), "MUSTER_CLOCK": str(self.path)}

    def set(self, seconds):
        """By so much it is wrong from now on."""
        with open(self.path, "r+b") as file:
            file.write(seconds.to_bytes(8, "little", signed=True))


class Faked:
    """A redis-server's environment for the time of its start."""

    def __init__(self, clock, monkeypatch):
        self.clock, self.monkeypatch = clock, monkeypatch

    def start(self, redis_server):
        with self.monkeypatch.context() as patch:
            for name, value in self.clock.env.items():
                patch.setenv(name, value)
            return redis_server()


CONFIG = {"pools": [{"name": "default", "workers": 2, "queues": {"default": 1, LIST: 1}, "heartbeat_timeout": "2s"}],
          "queues": [{"name": "default", "retry": 2, "backoff": {"base": "3s", "jitter": 0}, "retention": {"succeeded": "1d"}}]}


@pytest.fixture
def clock(folder):
    return Clock(folder)


def redis_time(client):
    return client.time()[0]


@pytest.fixture(params=["muster", "redis", "both"])
def musters_with_a_clock(request, muster, redis_server, clock, monkeypatch):
    """Starts a node whose processes, or whose broker, or both, have the clock; returns it and a client of its broker."""
    def start(**more):
        if request.param == "both":
            m = muster({**CONFIG, **more}, env=clock.env)
            return m, m.redis
        server = Faked(clock, monkeypatch).start(redis_server) if request.param == "redis" else redis_server()
        env = clock.env if request.param == "muster" else {}
        return muster({**CONFIG, "broker": server.url(), **more}, env=env), server.client()
    start.who = request.param
    return start


def documents(name, count, **members):
    return [{"class": "Demo", "method": "record", "param": [name, str(n)], **members} for n in range(count)]


def ran(m, name):
    return sorted(map(int, m.record_lines(name)))


@pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["forward", "back"])
def test_a_clock_set_by_an_hour_kills_nobody_and_nothing_due_is_lost_or_doubled(musters_with_a_clock, clock, jump):
    m, client = musters_with_a_clock()
    pids = [row["pid"] for row in m.workers()]
    before = redis_time(client)
    working = m.submit("Demo", "work", 4000)
    m.running(working)
    due = m.submit_many(documents("due", 20, delay="3s"))
    late = m.submit_many(documents("late", 5, delay="20m"))
    retried = m.submit("Demo", "retry", "once more")
    m.wait_task(retried, "retrying")

    clock.set(jump)
    if musters_with_a_clock.who != "muster":
        until(lambda: abs(redis_time(client) - before - jump) < 60, what="the clock is set")
    after = m.submit_many(documents("after", 20))
    m.submit_many(documents("soon", 20, delay="1s"))
    assert m.run("Demo", "add", 2, 3)["result"] == 5
    assert m.wait_task(working)["crashes"] == 0
    until(lambda: ran(m, "after") == list(range(20)), what="what comes now runs now")
    # Where the submitter's clock is an hour before the broker's, what it wants in a second is due in an hour.
    ahead = (musters_with_a_clock.who, jump) in (("redis", -HOUR), ("muster", HOUR))
    if ahead:
        assert m.queue()["scheduled"] >= 20 and ran(m, "soon") == []
    else:
        until(lambda: ran(m, "soon") == list(range(20)), 15, "what is wanted in a second runs soon")
    stays(lambda: [row["pid"] for row in m.workers()] == pids, 1.0, "the workers live on")
    if jump > 0 and musters_with_a_clock.who != "muster":
        until(lambda: ran(m, "due") == list(range(20)) and ran(m, "late") == list(range(5)), 15, "what is due by the new clock runs")
    clock.set(0)  # and right again
    for id_ in [*due, *after]:
        assert m.wait_task(id_, timeout=30)["attempts"] == 1
    assert m.wait_task(retried, timeout=30)["state"] == "dead"
    assert ran(m, "due") == ran(m, "after") == list(range(20))
    if musters_with_a_clock.who == "muster" and ahead:
        assert m.queue()["scheduled"] >= 20 and ran(m, "soon") == []
    else:
        until(lambda: ran(m, "soon") == list(range(20)), 15, "what was wanted in a second has run")
    assert ran(m, "late") in ([], list(range(5))) and len(late) == 5
    assert [row["pid"] for row in m.workers()] == pids and m.get("/readyz").status == 200
    assert not m.log_lines("killed timeout") and not m.log_lines("process ended")
    until(lambda: m.metrics().value("muster_tasks_unaccounted") == 0, what="every task is accounted for")


@pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["forward", "back"])
def test_a_broker_s_clock_that_is_set_makes_no_node_lost(muster, redis_server, clock, monkeypatch, jump):
    server = Faked(clock, monkeypatch).start(redis_server)
    two = [muster({**CONFIG, "broker": server.url(), "node_timeout": "4s"}) for _ in range(2)]
    ids = [m.submit("Demo", "work", 8000) for m in two for _ in range(2)]
    for m in two:
        until(lambda: [row["state"] for row in m.workers()] == ["busy", "busy"], what="all are busy")
    for shift in (jump, 0):
        clock.set(shift)
        stays(lambda: all(m.get("/readyz").status == 200 for m in two), 2.5)
    tasks = [two[0].wait_task(id_, timeout=30) for id_ in ids]
    assert [task["crashes"] for task in tasks] == [0] * 4 and [task["attempts"] for task in tasks] == [1] * 4
    assert not any(m.log_lines("node was not heard of") for m in two)


def test_a_node_that_is_lost_just_before_the_clock_is_set_back_is_missed_in_time(muster, redis_server, clock, monkeypatch):
    server = Faked(clock, monkeypatch).start(redis_server)
    gone, other = [muster({**CONFIG, "broker": server.url(), "node_timeout": "4s", "pools": [{"name": "default", "workers": 1}]})
                   for _ in range(2)]
    ids = [gone.submit("Demo", "work", 3000) for _ in range(2)]
    for m in (gone, other):
        until(lambda: m.worker(0)["state"] == "busy", what="both are busy")
    gone.kill()
    gone.sweep()
    clock.set(-HOUR)
    tasks = [other.wait_task(id_, timeout=25) for id_ in ids]
    assert sorted(task["crashes"] for task in tasks) == [0, 1] and all(task["state"] == "succeeded" for task in tasks)
