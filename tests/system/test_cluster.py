"""A Redis Cluster behind `redis://`: all keys of a namespace are in one slot, and the node that has it is followed."""

import signal
import subprocess

import pytest
import redis

from harness import free_port, until
from load import Load

FOUR = {"pools": [{"name": "default", "workers": 4, "queues": {"default": 1}, "heartbeat_timeout": "1s"}]}
NODE_TIMEOUT = 1000


class Cluster:
    """Three masters, with a replica each if wanted."""

    def __init__(self, nodes):
        self.nodes = nodes

    def ask(self, *words, node=None):
        """What redis-cli prints."""
        port = (node or next(self.living())).port
        done = subprocess.run(["redis-cli", "-e", "-p", str(port), *map(str, words)], capture_output=True, text=True, timeout=20)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout.strip()

    def living(self):
        return (node for node in self.nodes if node.process.poll() is None)

    def id(self, node):
        return self.ask("CLUSTER", "MYID", node=node)

    def slot(self):
        return int(self.ask("CLUSTER", "KEYSLOT", "{muster}"))

    def owner(self):
        """The node that serves our slot, as the others see it."""
        slot = self.slot()
        for line in self.ask("CLUSTER", "NODES", node=list(self.living())[-1]).splitlines():
            words = line.split()
            if "master" not in words[2] or "fail" in words[2]:
                continue
            for span in words[8:]:
                first, _, last = span.partition("-")
                if first.isdigit() and int(first) <= slot <= int(last or first):
                    port = int(words[1].split("@")[0].rsplit(":", 1)[1])
                    return next(node for node in self.nodes if node.port == port)
        return None

    def bystander(self):
        """A node that has none of our keys."""
        return next(node for node in self.masters() if node is not self.owner())

    def masters(self):
        return [node for node in self.living() if self.ask("ROLE", node=node).startswith("master")]

    def begin_move(self, source, target):
        slot = self.slot()
        self.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", self.id(source), node=target)
        self.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", self.id(target), node=source)

    def move_keys(self, source, target, pause=None):
        slot = self.slot()
        while key := self.ask("CLUSTER", "GETKEYSINSLOT", slot, 1, node=source):
            self.ask("MIGRATE", "127.0.0.1", target.port, key, 0, 5000, node=source)
            if pause:
                pause()
            pause = None

    def end_move(self, source, target):
        for node in (target, source, *(other for other in self.masters() if other not in (source, target))):
            self.ask("CLUSTER", "SETSLOT", self.slot(), "NODE", self.id(target), node=node)

    def move_slot(self, source, target, pause=None):
        """What redis-cli --cluster reshard does, key by key."""
        self.begin_move(source, target)
        self.move_keys(source, target, pause)
        self.end_move(source, target)


@pytest.fixture
def cluster(redis_server):
    def start(replicas=0):
        settings = {"cluster-enabled": "yes", "cluster-config-file": "nodes.conf", "cluster-node-timeout": str(NODE_TIMEOUT)}
        nodes = [redis_server(**settings, **{"cluster-port": str(free_port())}) for _ in range(3 + 3 * replicas)]
        places = [f"127.0.0.1:{node.port}@{node.settings['cluster-port']}" for node in nodes]
        made = subprocess.run(["redis-cli", "--cluster", "create", *places, "--cluster-replicas", str(replicas), "--cluster-yes"],
                              capture_output=True, text=True, timeout=60)
        assert made.returncode == 0, made.stdout + made.stderr
        whole = Cluster(nodes)
        for node in nodes:
            until(lambda: "cluster_state:ok" in whole.ask("CLUSTER", "INFO", node=node), 20, "the cluster is up")
        if replicas:
            until(lambda: all(node.client().info("replication").get("master_link_status", "up") == "up" for node in nodes), 20)
        return whole
    return start


def url(*nodes):
    return "redis://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes) + "/0"


def pids(m):
    return [row["pid"] for row in m.workers()]


def test_any_node_leads_to_the_one_that_has_our_keys(muster, cluster):
    whole = cluster()
    with_keys, without = whole.owner(), whole.bystander()
    m = muster({**FOUR, "broker": url(without)})
    with Load(m) as load:
        load.goes_on(200)
    load.assert_each_ran_once()
    assert redis.Redis(host="127.0.0.1", port=with_keys.port).exists(m.key("tasks"))


def test_a_slot_that_moves_under_load_is_followed(muster, cluster):
    whole = cluster()
    source, target = whole.owner(), whole.bystander()
    m = muster({**FOUR, "broker": url(source)})
    before = pids(m)
    with Load(m) as load:
        load.goes_on()
        whole.move_slot(source, target, lambda: until(lambda: load.refused[503] > 0, 10))
        load.goes_on(200)
        whole.move_slot(target, source)
        load.goes_on(200)
    load.assert_each_ran_once()
    assert pids(m) == before


THREE_QUEUES = {"queues": [{"name": "mail"}, {"name": "jobs", "list": "{muster}-jobs"}], "pools": [
    {"name": "default", "workers": 3, "queues": {"default": 2, "mail": 1, "jobs": 1}, "heartbeat_timeout": "1s"}]}


def test_a_slot_whose_keys_have_all_moved_is_served_where_they_are(muster, cluster):
    """The move is not ended: the one node says ASK, the other wants ASKING, and a wait for several keys is refused there."""
    whole = cluster()
    source, target = whole.owner(), whole.bystander()
    m = muster({**FOUR, "broker": url(source)})
    before = pids(m)
    with Load(m) as load:
        load.goes_on()
        whole.begin_move(source, target)
        whole.move_keys(source, target, lambda: until(lambda: load.refused[503] > 0, 10))
        load.goes_on(500)
        seen = load.acknowledged[-1]
        until(lambda: m.task(seen)["state"] == "succeeded")
        assert m.get("/readyz").status == 200
        m.post("/v1/workers/default/0/restart")
        until(lambda: m.worker(0)["pid"] not in (None, before[0]), 20, "a new worker, which has no connection yet")
        load.goes_on(200)
        whole.end_move(source, target)
        load.goes_on(200)
        assert redis.Redis(host="127.0.0.1", port=target.port).exists(m.key("tasks"))
    load.assert_each_ran_once()
    assert pids(m)[1:] == before[1:]


def test_idle_workers_take_what_comes_while_their_slot_is_half_moved(muster, cluster):
    whole = cluster()
    source, target = whole.owner(), whole.bystander()
    m = muster({**THREE_QUEUES, "broker": url(source)})
    whole.begin_move(source, target)
    whole.move_keys(source, target)
    until(lambda: m.post("/v1/tasks", {"class": "Demo", "method": "noop"}).status == 201, 10)
    for queue in ("default", "mail") * 5:
        assert m.run("Demo", "add", 1, 2, queue=queue)["result"] == 3
    assert m.run("Demo", "add", 1, 2, delay="200ms")["result"] == 3
    whole.ask("-c", "LPUSH", "{muster}-jobs", '{"class": "Demo", "method": "noop"}', node=source)
    until(lambda: m.queue("jobs")["succeeded_total"] == 1)
    assert m.get("/readyz").status == 200
    whole.end_move(source, target)
    assert m.run("Demo", "add", 1, 2, queue="mail")["result"] == 3
    assert not [row for row in m.workers() if row["restarts"] > 0]


def test_a_fail_over_is_followed(muster, cluster):
    whole = cluster(replicas=1)
    dead = whole.owner()
    m = muster({**FOUR, "broker": url(dead, whole.bystander())})
    before = pids(m)
    with Load(m) as load:
        load.goes_on()
        dead.stop(signal.SIGKILL)
        until(lambda: whole.owner() not in (None, dead), 30, "a replica has taken over")
        load.goes_on(200, 30)
    load.assert_nothing_is_left(30)
    print(f"acknowledged {len(load.acknowledged)}, lost {len(load.missing())}")
    assert pids(m) == before
    m.kill_worker(0)
    until(lambda: m.worker(0)["state"] in ("idle", "busy"), 20, "a new worker finds it by the nodes that are left")
    assert m.run("Demo", "add", 1, 2)["result"] == 3


def test_a_plain_list_in_another_slot_is_refused_with_words(make, cluster):
    whole = cluster()
    m = make({"broker": url(whole.owner()), "pools": [{"name": "default", "workers": 1, "queues": {"async_task_queue": 1}}]})
    m.spawn()
    assert m.exit_code() == 78 and "another slot" in m.log() and "{muster}" in m.log()
    m.stopped = True


def test_a_plain_list_in_our_slot_serves(muster, cluster):
    whole = cluster()
    m = muster({"broker": url(whole.owner()), "queues": [{"name": "jobs", "list": "{muster}-jobs"}],
                "pools": [{"name": "default", "workers": 1, "queues": {"jobs": 1}}]})
    client = redis.Redis(host="127.0.0.1", port=whole.owner().port)
    m.lpush({"class": "Demo", "method": "noop"}, key="{muster}-jobs", client=client)
    until(lambda: m.queue("jobs")["succeeded_total"] == 1)
