"""What is tormented: one or several musterds and their broker. Each node is a harness.Muster; the broker is the embedded
one of the only node, or a private redis-server, with a relay (cutter.py) between it and each node."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

import harness
from harness import LIST, Http, Muster, PidFd, Redis, process, until

HERE = Path(__file__).resolve().parent
NAMESPACE = "chaos"
HEARTBEAT, KILL_GRACE, NODE_TIMEOUT = 2.0, 0.3, 6.0
IMPATIENT_S = 0.3  # whoever asks in the driver's only loop holds the schedule up
KEPT = {"succeeded": "1d", "dead": "1d", "cancelled": "1d", "max": 10_000_000}
QUEUES = ("default", LIST, "flaky", "rough")
# A task that is the driver's victim again and again must not die of it; one that crashes by itself should.
PATIENCE = {"default": 100_000, LIST: 100_000, "flaky": 100_000, "rough": 3}


def ticks():
    """Now, as /proc tells when a process was started."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK"))


class Node(Muster):
    """A musterd that is killed and started again at will. Everything is called in the driver's main thread: the kernel
    ends a node whose starter's thread is gone (setpriv), so that a killed driver leaves nothing behind."""

    def __init__(self, herd, index):
        base = herd.folder / f"node{index}"
        base.mkdir()
        self.relay = Relay(herd.redis.socket) if herd.redis else None
        super().__init__({**herd.settings(self.relay), "state_dir": str(base / "state")}, base=base,
                         launcher=["setpriv", "--pdeathsig", "KILL"])
        self.index, self.name, self.up, self.paused = index, f"node {index}", False, False
        self.http.timeout = IMPATIENT_S
        self.former = {}  # guardian of a former life: when it was over, at the latest

    def spawn(self):
        """What was left of former lives is known by its session and its age: pids, and with them sessions, are used again."""
        if self.guardian:
            self.former[self.guardian] = ticks()
        super().spawn()
        self.sessions = [self.guardian]
        self.up = True
        return self

    def is_left_over(self, candidate):
        """A process of a former life."""
        return candidate.started <= self.former.get(candidate.session, -1)

    def belongs(self, candidate):
        return self.is_left_over(candidate) or super().belongs(candidate)

    def strike(self, role, sig):
        """Signals the process with that role, after a second look. Returns a descriptor of it (the caller closes it), or
        None when there is none just now."""
        victim = self.role(role)
        if victim is None:
            return None
        try:
            handle = PidFd(victim.pid)
        except ProcessLookupError:
            return None
        again = process(victim.pid)
        if again is None or again.started != victim.started or again.ppid != self.guardian:
            handle.close()
            return None
        handle.send(sig)
        return handle

    def lose(self):
        self.up = False
        self.kill()

    def stop_all(self):
        """SIGSTOP for every process of it that is not stopped already; returns what undoes that."""
        handles, self.paused = [], True
        for found in self.tree():
            with contextlib.suppress(OSError):
                if found.state != "T":
                    handle = PidFd(found.pid)
                    handle.send(signal.SIGSTOP)
                    handles.append(handle)

        def go_on():
            self.paused = False
            for handle in handles:
                handle.send(signal.SIGCONT)
                handle.close()
        return go_on

    def fresh_http(self, timeout=5.0):
        return Http(port=self.port, timeout=timeout)

    def heeds_signals(self):
        """It has come so far that it made a child: before, HUP and TERM end it as they end any program."""
        return self.up and not self.paused and self.process.poll() is None and bool(self.children())

    def ready(self):
        """Ready, every worker there, every slot with one process and no more."""
        with contextlib.suppress(OSError, harness.http.client.HTTPException, AssertionError, ValueError):
            if self.get("/readyz").status != 200:
                return False
            rows = self.workers()
            if not all(row["state"] in ("idle", "busy") for row in rows):
                return False
            titles = [found.title for found in self.children() if ":worker-" in found.title]
            return len(titles) == len(set(titles)) == len(rows)
        return False


class Relay:
    """cutter.py, as a child."""

    def __init__(self, target):
        self.process = subprocess.Popen([sys.executable, str(HERE / "cutter.py"), target], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, start_new_session=True)
        self.port = int(self.process.stdout.readline())
        self.cuts = 0

    def order(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        self.cuts = int(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Herd:
    def __init__(self, nodes=1, external=False, workers=4):
        self.folder = Path(tempfile.mkdtemp(prefix="mchaos-", dir="/tmp"))
        os.chmod(self.folder, 0o755)
        self.external, self.workers = external, workers
        self.effect = harness.compile_module(HERE / "effect.c", self.folder / "effect.so")
        self.lines = self.folder / "lines"
        self.redis = None
        self.broker_at_rest = True    # neither paused nor stopped by us
        self.memory_limited = False  # by us
        self.seen_dead = set()
        if external:
            self.redis = Redis(self.folder / "redis")
        self.nodes = [Node(self, index) for index in range(nodes)]

    def settings(self, relay):
        settings = {
            "namespace": NAMESPACE,
            "node_timeout": f"{NODE_TIMEOUT:g}s",
            "shutdown_grace": "5s",
            "queues": [{"name": name, "retry": 50, "max_crashes": PATIENCE[name], "retention": KEPT,
                        **({"backoff": {"base": "30ms"}} if name == "flaky" else {})} for name in QUEUES],
            "pools": [{"name": "default", "workers": self.workers, "queues": {name: 1 for name in QUEUES},
                       "heartbeat_timeout": f"{HEARTBEAT:g}s", "kill_grace": f"{KILL_GRACE * 1000:g}ms"}],
            "handlers": [{"class": "Demo", "module": "demo.so"}, {"class": "Effect", "module": self.effect}],
        }
        if relay:
            settings["broker"] = f"redis://127.0.0.1:{relay.port}/0"
        return settings

    def start(self):
        if self.redis:
            self.redis.start()
        for node in self.nodes:
            node.spawn()
        for node in self.nodes:
            node.wait_ready(30)
        return self

    # -- looking --

    def line_files(self):
        return [str(self.lines), *(str(node.state / "demo" / "lines") for node in self.nodes)]

    def client(self, timeout=2.0):
        """A connection past the relay. A command whose answer is lost is not said again: its fate is unknown."""
        path = self.redis.socket if self.redis else str(self.nodes[0].state / "redis.sock")
        return redis.Redis(unix_socket_path=path, socket_timeout=timeout, retry=Retry(NoBackoff(), 0), client_name="chaos")

    def key(self, name):
        return "{%s}:%s" % (NAMESPACE, name)

    def living(self):
        return [node for node in self.nodes if node.up]

    def node_that_ended(self):
        """A node whose guardian has ended though nobody killed it: (node, exit code), once each; or None."""
        for node in self.nodes:
            if node.up and node.process.poll() is not None and node.process.pid not in self.seen_dead:
                self.seen_dead.add(node.process.pid)
                return node, node.process.returncode
        return None

    # -- the end --

    def calm(self):
        """Undoes what a fault may have left: everybody lives, nothing is stopped, no limit holds."""
        if self.redis:
            for node in self.nodes:
                node.relay.order("calm")
            if self.redis.process.poll() is not None:
                self.redis.start()
            self.redis.process.send_signal(signal.SIGCONT)
        for node in self.nodes:
            if not node.up:
                if node.process.poll() is None:
                    node.exit_code()  # it is in its ordered stop
                node.spawn()
            for role in ("broker", "supervisor", "api", "scheduler"):
                handle = node.strike(role, signal.SIGCONT)
                if handle:
                    handle.close()
        if self.memory_limited:
            until(self.lift_memory_limit, 30, "the limit on memory is lifted")

    def lift_memory_limit(self):
        with contextlib.suppress(redis.RedisError, OSError):
            self.client().config_set("maxmemory", 0)
            self.memory_limited = False
        return not self.memory_limited

    def stop(self):
        """An ordered stop of all nodes, in which nothing may go wrong; [sentence] of what did."""
        wrong = []
        for node in self.nodes:
            try:
                if node.process is not None:
                    node.finish()
            except AssertionError as problem:
                wrong.append(f"{node.name}: {str(problem)[:500]}")
        return wrong

    def close(self, keep=False):
        """Nothing is left, whatever has happened before."""
        for node in self.nodes:
            if node.process and node.process.poll() is None:
                node.kill()
            if node.process:
                node.sweep()
            node.http.close()
            if node.relay:
                node.relay.close()
        if self.redis:
            self.redis.stop(signal.SIGKILL)
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)
