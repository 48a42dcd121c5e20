"""Redis behind sentinels: the master is asked for at each connection and followed through a fail-over.

Replication is asynchronous, so a fail-over may take the last acknowledged submissions and reports back: how many is
measured and printed, not promised. What is promised: the service goes on by itself, and nothing is left in between."""

import contextlib
import signal
import subprocess
import threading

import pytest
import redis

from harness import LIST, Http, free_port, until
from load import Load

FOUR = {"pools": [{"name": "default", "workers": 4, "queues": {"default": 1, LIST: 1}, "heartbeat_timeout": "1s"}]}
NAME = "main"


class Sentinel:
    def __init__(self, folder, master_port, password):
        self.port = free_port()
        folder.mkdir()
        lines = [f"port {self.port}", "bind 127.0.0.1", f"dir {folder}", f"logfile {folder}/log",
                 f"sentinel monitor {NAME} 127.0.0.1 {master_port} 2",
                 f"sentinel down-after-milliseconds {NAME} 500", f"sentinel failover-timeout {NAME} 4000"]
        lines += [f"sentinel auth-pass {NAME} {password}"] if password else []
        (folder / "sentinel.conf").write_text("\n".join(lines) + "\n")
        self.process = subprocess.Popen(["redis-server", str(folder / "sentinel.conf"), "--sentinel"], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    def client(self):
        return redis.Redis(host="127.0.0.1", port=self.port, decode_responses=True)

    def sees(self, replicas, sentinels):
        with contextlib.suppress(redis.RedisError, OSError):
            flat = self.client().execute_command("SENTINEL", "MASTER", NAME)
            info = dict(zip(flat[::2], flat[1::2]))
            return int(info["num-slaves"]) == replicas and int(info["num-other-sentinels"]) == sentinels
        return False

    def master(self):
        return int(self.client().execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)[1])

    def stop(self):
        self.process.kill()
        self.process.wait()


class Group:
    """A master, two replicas and three sentinels."""

    def __init__(self, servers, sentinels):
        self.servers, self.sentinels = servers, sentinels

    def url(self, credentials=""):
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis-sentinel://{credentials}{hosts}/{NAME}"

    def master(self):
        port = self.sentinels[-1].master()
        return next(server for server in self.servers if server.port == port)

    def another(self, than, timeout=30):
        return until(lambda: self.master() if self.master() is not than else None, timeout, "the sentinels name another master")


@pytest.fixture
def group(folder, redis_server):
    started = []

    def start(password=None):
        auth = {"replica-announce-ip": "127.0.0.1", **({"masterauth": password} if password else {})}
        master = redis_server(password=password, **auth)
        replicas = [redis_server(password=password, replicaof=f"127.0.0.1 {master.port}", **auth) for _ in range(2)]
        for replica in replicas:
            until(lambda: replica.client().info("replication")["master_link_status"] == "up", 20)
        started.extend(Sentinel(folder / f"sentinel{n}", master.port, password) for n in range(3))
        for sentinel in started:
            until(lambda: sentinel.sees(2, 2), 30, "the sentinels know each other")
        return Group([master, *replicas], started)
    yield start
    for sentinel in started:
        sentinel.stop()


def settle(m, load):
    """All that survived has run and is accounted for; says what the fail-over took back."""
    load.assert_nothing_is_left(40)
    twice = sum(1 for count in load.runs().values() if count > 1)
    print(f"acknowledged {len(load.acknowledged)}, lost {len(load.missing())}, run again {twice}")
    for id_ in load.acknowledged[-20:]:
        assert m.get(f"/v1/tasks/{id_}").status in (200, 404)


def role(server):
    """None while sentinels turn it round and cut its connections."""
    with contextlib.suppress(redis.RedisError, OSError):
        return server.client().info("replication")["role"]
    return None


def pids(m):
    return [row["pid"] for row in m.workers()]


@pytest.mark.parametrize("password", [None, "pa55word"])
def test_a_master_killed_under_load_is_followed(muster, group, password):
    redises = group(password)
    m = muster({**FOUR, "broker": redises.url(f":{password}@" if password else "")})
    before = pids(m)
    with Load(m) as load:
        load.goes_on()
        dead = redises.master()
        dead.stop(signal.SIGKILL)
        until(lambda: load.refused[503] > 0)
        redises.another(dead)
        load.goes_on(200, 30)
    settle(m, load)
    assert pids(m) == before, "no worker had to be replaced"
    assert m.run("Demo", "add", 1, 2)["result"] == 3
    assert not password or password not in m.log()


def test_a_master_that_hangs_is_left_and_not_believed_when_it_wakes(muster, group):
    redises = group()
    m = muster({**FOUR, "broker": redises.url()})
    waited, ends = m.submit("Demo", "noop", delay="8s"), []
    waiter = threading.Thread(target=lambda: ends.append(Http(port=m.port, timeout=60).request(
        "GET", f"/v1/tasks/{waited}?wait=50s")))
    waiter.start()
    with Load(m) as load:
        load.goes_on()
        stopped = redises.master()
        stopped.process.send_signal(signal.SIGSTOP)
        redises.another(stopped)
        load.goes_on(100, 30)
        waiter.join(25)
        assert ends and ends[0].json["state"] == "succeeded", "who waits hears of the end, though the old master says nothing"
        stopped.process.send_signal(signal.SIGCONT)
        until(lambda: role(stopped) == "slave", 30)
        load.goes_on()
    settle(m, load)


def test_an_ordered_fail_over_is_followed(muster, group):
    redises = group()
    m = muster({**FOUR, "broker": redises.url()})
    with Load(m) as load:
        load.goes_on()
        old = redises.master()
        redises.sentinels[0].client().execute_command("SENTINEL", "FAILOVER", NAME)
        redises.another(old)
        load.goes_on(200, 30)
    settle(m, load)


@pytest.mark.parametrize("durability", ["process", "power"])
def test_what_an_asynchronous_fail_over_takes_back(relay, muster, group, durability):
    """The replicas are 100 to 150 ms behind, and the master's machine dies with all that it had not sent."""
    redises = group()
    master = redises.master()
    line = relay(master)
    m = muster({**FOUR, "broker": redises.url(), "durability": durability})
    for replica in (server for server in redises.servers if server is not master):
        replica.client().execute_command("REPLICAOF", "127.0.0.1", str(line.port))
        until(lambda: replica.client().info("replication")["master_link_status"] == "up", 20)
    line.order("delay 100 150")
    with Load(m, delay="2s") as load:
        load.goes_on(30)
        master.stop(signal.SIGKILL)
        line.kill()
        redises.another(master)
        load.goes_on(50, 40)
    until(lambda: m.queue()["scheduled"] == 0, 20)
    load.assert_nothing_is_left(40)
    lost = [id_ for id_ in load.acknowledged if m.get(f"/v1/tasks/{id_}").status == 404]
    print(f"durability {durability}: acknowledged {len(load.acknowledged)}, lost {len(lost)}, refused {dict(load.refused)}")
    assert bool(lost) == (durability == "process"), "what the answer had waited for is there, and only that is sure to be"
    assert lost == load.missing()


def test_one_sentinel_that_answers_is_enough(muster, group):
    redises = group()
    for sentinel in redises.sentinels[:2]:
        sentinel.stop()
    m = muster({**FOUR, "broker": redises.url()})
    assert m.run("Demo", "add", 1, 2)["result"] == 3


def test_a_name_that_no_sentinel_knows_is_78(make, group):
    redises = group()
    m = make({"broker": redises.url().replace(f"/{NAME}", "/other")})
    m.spawn()
    assert m.exit_code() == 78 and 'know no master "other"' in m.log().replace("\\", "")
    m.stopped = True
