"""The faults: a table with one row and one function each, and the schedule that a seed makes of it.

A function gets the run and a shot (what the seed has drawn: node, slot, length, two numbers) and does it. It returns ""
when it was done, else why it could not be (nobody there just now). What must be undone later it gives to run.later."""

import contextlib
import random
import signal
from dataclasses import dataclass

import redis

from herd import NODE_TIMEOUT

GAP_S = (0.05, 0.5)
FAULTS = {}


@dataclass(frozen=True)
class Fault:
    name: str
    function: object
    weight: float  # how often, beside the others
    rest: float    # seconds before the same victim can be hit by it again
    length: tuple  # seconds that it lasts
    needs: str     # "", "external" (broker), "nodes" (more than one)


@dataclass(frozen=True)
class Shot:
    at: float
    fault: str
    node: int
    slot: int
    length: float
    chance: float
    number: int

    def __str__(self):
        return (f"{self.at:8.3f} {self.fault:15} node {self.node} slot {self.slot} for {self.length:.3f} s"
                f" chance {self.chance:.4f} number {self.number}")


def fault(name, weight, rest=0.0, length=(0.0, 0.0), needs=""):
    def add(function):
        FAULTS[name] = Fault(name, function, weight, rest, length, needs)
        return function
    return add


def applicable(nodes, external):
    return [name for name, row in FAULTS.items()
            if row.needs == "" or (row.needs == "external" and external) or (row.needs == "nodes" and nodes > 1)]


def schedule(seed, seconds, names, nodes, workers):
    """The shots of a run: a function of its arguments and nothing else."""
    rng = random.Random(f"chaos {seed}")
    rows = [FAULTS[name] for name in FAULTS if name in names]
    shots, resting, at = [], {}, 0.0
    while rows:
        at += rng.uniform(*GAP_S)
        if at >= seconds:
            break
        row = rng.choices(rows, [row.weight for row in rows])[0]
        shot = Shot(round(at, 3), row.name, rng.randrange(nodes), rng.randrange(workers), round(rng.uniform(*row.length), 3),
                    round(rng.random(), 4), rng.randrange(1 << 30))
        victim = (row.name, shot.node)
        if resting.get(victim, 0.0) <= at:
            resting[victim] = at + row.rest
            shots.append(shot)
    return shots


# ---- helpers ----

def strike(run, shot, role, sig):
    """'' when the process was there."""
    node = run.herd.nodes[shot.node]
    if not node.up:
        return "its node is down"
    handle = node.strike(role, sig)
    if handle is None:
        return f"no {role} just now"
    handle.close()
    return ""


def stop(run, shot, role):
    """A descriptor of the process that was stopped, or None. What pauses a whole node would wake it again."""
    node = run.herd.nodes[shot.node]
    return node.strike(role, signal.SIGSTOP) if node.up and not node.paused else None


def stop_for(run, shot, role):
    handle = stop(run, shot, role)
    if handle is None:
        return f"no {role} just now"

    def go_on():
        handle.send(signal.SIGCONT)
        handle.close()
    run.later(shot.length, go_on)
    return ""


def ask_redis(run, function):
    """'' when Redis was asked; it may be away, paused or busy loading."""
    if not run.herd.broker_at_rest:
        return "the broker is down or paused"
    client = run.herd.client(timeout=1.0)
    try:
        function(client)
    except (redis.RedisError, OSError) as problem:
        return f"the broker says {type(problem).__name__}"
    finally:
        client.close()
    return ""


# ---- processes ----

@fault("kill-worker", weight=12)
def kill_worker(run, shot):
    return strike(run, shot, f"worker-{shot.slot}", signal.SIGKILL)


@fault("stop-worker", weight=3)
def stop_worker(run, shot):
    """For ever: it must be ended at its promise."""
    handle = stop(run, shot, f"worker-{shot.slot}")
    if handle is None:
        return "no such worker just now"
    run.stopped.add(handle, f"node {shot.node} worker-{shot.slot}, pid {handle.pid}")
    return ""


@fault("hang", weight=2)
def hang(run, shot):
    run.load.wanted.append(("hang", {"method": "hang", "param": [], "retry": 1,
                                     "timeout": f"{100 + shot.number % 400}ms"}))
    return ""


@fault("crash", weight=3)
def crash(run, shot):
    signals = (signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT, signal.SIGBUS, signal.SIGTERM)
    run.load.wanted.append(("crash", {"method": "crash", "param": [int(signals[shot.number % len(signals)])], "retry": 1}))
    return ""


@fault("kill-supervisor", weight=4, rest=0.4)
def kill_supervisor(run, shot):
    return strike(run, shot, "supervisor", signal.SIGKILL)


@fault("stop-supervisor", weight=1, rest=12, length=(0.2, 10.0))
def stop_supervisor(run, shot):
    """Up to twice its promise: the guardian replaces it then."""
    return stop_for(run, shot, "supervisor")


@fault("kill-api", weight=3, rest=0.4)
def kill_api(run, shot):
    return strike(run, shot, "api", signal.SIGKILL)


@fault("kill-scheduler", weight=4, rest=0.4)
def kill_scheduler(run, shot):
    return strike(run, shot, "scheduler", signal.SIGKILL)


@fault("kill-together", weight=2, rest=1.0)
def kill_together(run, shot):
    """A worker, the supervisor, the scheduler and the api of one node, one right after the other."""
    missing = [strike(run, shot, role, signal.SIGKILL)
               for role in (f"worker-{shot.slot}", "supervisor", "scheduler", "api")]
    return "nobody there just now" if all(missing) else ""


@fault("kill-workers", weight=1, rest=1.0)
def kill_workers(run, shot):
    """All of a node, one right after the other."""
    missing = [strike(run, shot, f"worker-{slot}", signal.SIGKILL) for slot in range(run.herd.workers)]
    return "nobody there just now" if all(missing) else ""


@fault("stop-api", weight=0.5, rest=15, length=(0.2, 12.0))
def stop_api(run, shot):
    """Up to beyond its promise: the supervisor replaces it then."""
    return stop_for(run, shot, "api")


@fault("stop-scheduler", weight=0.5, rest=15, length=(0.2, 12.0))
def stop_scheduler(run, shot):
    return stop_for(run, shot, "scheduler")


# ---- nodes ----

@fault("guardian-kill", weight=1, rest=4)
def guardian_kill(run, shot):
    """And started again at once, on the same state directory."""
    node = run.herd.nodes[shot.node]
    if not node.heeds_signals():
        return "its node is down, paused or just starting"
    run.ledger.lose_node()
    node.lose()
    node.spawn()
    return ""


@fault("node-loss", weight=0.7, rest=15, length=(NODE_TIMEOUT + 1.0, NODE_TIMEOUT + 5.0), needs="nodes")
def node_loss(run, shot):
    """It comes back only after the others have taken its tasks over."""
    node = run.herd.nodes[shot.node]
    if not node.up or node.paused or len(run.herd.living()) < 2:
        return "no other node would be left"
    run.ledger.lose_node()
    node.lose()
    run.later(shot.length, node.spawn)
    return ""


@fault("restart-node", weight=0.7, rest=6)
def restart_node(run, shot):
    """An ordered stop, and started again when it is over: its exit status must be 0."""
    node = run.herd.nodes[shot.node]
    if not node.heeds_signals():
        return "its node is down, paused or just starting"
    run.ledger.lose_node()  # what is still in hand when its time is up goes back uncounted
    node.up = False
    node.process.send_signal(signal.SIGTERM)

    def start_again():
        code = node.process.poll()
        if code is None:
            run.later(0.05, start_again)
            return
        if code != 0:
            run.ledger.fault("not supervised", f"{node.name}: an ordered stop ended with {code}: {node.log()[-600:]}")
        node.spawn()
    run.later(0.05, start_again)
    return ""


@fault("reload", weight=1, rest=1)
def reload(run, shot):
    """HUP: every worker is rolled, no task is interrupted."""
    node = run.herd.nodes[shot.node]
    if not node.heeds_signals():
        return "its node is down, paused or just starting"
    node.process.send_signal(signal.SIGHUP)
    return ""


@fault("upgrade", weight=1, rest=1)
def upgrade(run, shot):
    """USR2: musterd executes itself anew; workers stay, supervisor, api and scheduler are replaced."""
    node = run.herd.nodes[shot.node]
    if not node.heeds_signals():
        return "its node is down, paused or just starting"
    node.process.send_signal(signal.SIGUSR2)
    return ""


@fault("pause-node", weight=0.7, rest=10, length=(0.5, 4.0))
def pause_node(run, shot):
    """Every process of it stands still, for less than node_timeout: nobody is killed for it."""
    node = run.herd.nodes[shot.node]
    if not node.up or node.paused:
        return "its node is down or paused"
    run.later(shot.length, node.stop_all())
    return ""


@fault("part-node", weight=0.7, rest=15, length=(0.5, NODE_TIMEOUT + 4.0), needs="external")
def part_node(run, shot):
    """Nothing passes between a node and Redis, for less or for longer than node_timeout."""
    node = run.herd.nodes[shot.node]
    run.ledger.lose_node()
    node.relay.order("part")
    run.later(shot.length, lambda: node.relay.order("calm"))
    return ""


# ---- the broker ----

@fault("kill-broker", weight=1, rest=3, length=(0.02, 1.0))
def kill_broker(run, shot):
    """The embedded one is started again by musterd, an external one by us."""
    if run.herd.external:
        return stop_external(run, shot, signal.SIGKILL)
    return strike(run, shot, "broker", signal.SIGKILL)


@fault("restart-broker", weight=0.7, rest=5, length=(0.05, 3.0))
def restart_broker(run, shot):
    if run.herd.external:
        return stop_external(run, shot, signal.SIGTERM)
    return strike(run, shot, "broker", signal.SIGTERM)


def stop_external(run, shot, sig):
    herd = run.herd
    if not herd.broker_at_rest:
        return "the broker is down or paused"
    herd.broker_at_rest = False
    herd.redis.stop(sig)

    def start_again():
        herd.redis.start()
        herd.broker_at_rest = True
    run.later(shot.length, start_again)
    return ""


@fault("pause-broker", weight=0.8, rest=6, length=(1.0, 3.0))
def pause_broker(run, shot):
    herd = run.herd
    if not herd.external:
        return stop_for(run, shot, "broker")
    if not herd.broker_at_rest:
        return "the broker is down or paused"
    herd.broker_at_rest = False
    herd.redis.process.send_signal(signal.SIGSTOP)

    def go_on():
        herd.redis.process.send_signal(signal.SIGCONT)
        herd.broker_at_rest = True
    run.later(shot.length, go_on)
    return ""


@fault("client-kill", weight=6)
def client_kill(run, shot):
    """One to three connections of Muster's."""
    def kill(client):
        others = [row["id"] for row in client.client_list() if row["name"] != "chaos"]
        rng = random.Random(shot.number)
        for id_ in rng.sample(others, min(len(others), rng.randint(1, 3))):
            with contextlib.suppress(redis.ResponseError):  # it has gone by itself
                client.client_kill_filter(_id=id_)
    return ask_redis(run, kill)


@fault("script-flush", weight=3)
def script_flush(run, shot):
    return ask_redis(run, lambda client: client.script_flush())


@fault("oom", weight=0.7, rest=4, length=(0.3, 1.0))
def oom(run, shot):
    """Memory is at its bound: submissions are refused, what runs still finishes."""
    herd = run.herd

    def limit(client):
        before = client.config_get("maxmemory")["maxmemory"]
        client.config_set("maxmemory", 1 << 20)
        herd.memory_limited = True
        run.later(shot.length, lambda: lift(before))

    def lift(before):
        if ask_redis(run, lambda client: client.config_set("maxmemory", before)):
            run.later(0.1, lambda: lift(before))
        else:
            herd.memory_limited = False
    return "" if herd.memory_limited else ask_redis(run, limit)


@fault("cut", weight=2, rest=1, length=(0.2, 2.0), needs="external")
def cut(run, shot):
    """For a while each connection of a node to Redis is cut after a random number of bytes, in either direction."""
    return disturb(run, shot, "cut", shot.number, 1, 200 + shot.number % 20000)
    return ""


@fault("delay", weight=1, rest=2, length=(0.2, 2.0), needs="external")
def delay(run, shot):
    """For a while everything between a node and Redis takes longer."""
    return disturb(run, shot, "delay", 1, 5 + shot.number % 200)


def disturb(run, shot, *order):
    relay = run.herd.nodes[shot.node].relay
    relay.order(*order)
    run.later(shot.length, lambda: relay.order("calm"))
    return ""
