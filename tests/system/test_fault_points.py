"""A process that ends at a chosen line of its own code (musterd-faults, server/fault.h): whichever it is, nothing is lost,
nothing runs more often than 1 + crashes + executions in its history, and all is well afterwards."""

import signal
import sys

import pytest

from harness import LIST, MUSTERD, REPO, alive, module, stays, until

FAULTS = MUSTERD.with_name("musterd-faults")
WAYS = {"kill": int(signal.SIGKILL), "stop": int(signal.SIGSTOP), "exit": -3}

pytestmark = pytest.mark.skipif(not FAULTS.exists(), reason="musterd-faults is not there: make check-programs")


class Node:
    """A musterd whose processes look for armed points."""

    def __init__(self, make, folder, config=None, workers=1):
        self.points = folder / "points"
        self.points.mkdir()
        self.workers = workers
        self.m = make({"pools": [{"name": "default", "workers": workers, "queues": {"default": 1, LIST: 1},
                                  "heartbeat_timeout": "500ms", "kill_grace": "200ms"}],
                       "queues": [{"name": "default", "max_crashes": 50, "retry": 3}],
                       "handlers": [{"class": "Probe", "module": module("probe")}, {"class": "Demo", "module": "demo.so"}],
                       **(config or {})}, env={"MUSTER_FAULTS": str(self.points)})
        self.m.argv = [str(FAULTS), "-c", str(self.m.config_path)]
        self.ids, self.hangs = [], []

    def arm(self, point, way="kill", stays=""):
        (self.points / "draft").write_text(f"{WAYS[way]}{stays}")
        (self.points / "draft").rename(self.points / point)

    def hit(self, point, timeout=15):
        until((self.points / f"{point}.hit").exists, timeout, f"{point} is reached")

    def record(self, count=30):
        """Tasks that each leave a line."""
        first = len(self.ids)
        self.ids += self.m.submit_many([{"class": "Demo", "method": "record", "param": ["lines", str(first + n)]}
                                        for n in range(count)])

    def check_ledger(self):
        """What was acknowledged ran, as often as is on record, and what should stand still does."""
        m, tasks = self.m, [self.m.wait_task(id_) for id_ in self.ids]
        lines = m.record_lines("lines")
        for n, task in enumerate(tasks):
            ran = lines.count(str(n))
            assert task["state"] == "succeeded" and ran >= 1, task
            assert ran <= task["attempts"] + task["crashes"], task
        assert m.run("Demo", "noop")["state"] == "succeeded"
        until(lambda: [row["state"] for row in m.workers()] == ["idle"] * self.workers, 15, "all workers are idle")
        until(lambda: m.metrics().value("muster_tasks_unaccounted") == 0, what="every task is accounted for")
        # A fresh child has its maker's title for a moment.
        def titles():
            return [found.title for found in m.children()]
        until(lambda: (lambda now: len(set(now)) == len(now) >= self.workers + 4)(titles()), what="each process is there once")


def lease_holds_nothing(m):
    return all(len(lease.split()) == 2 for lease in m.redis.hvals(m.key("leases")))


# ---- workers ----

def submit(node):
    node.record()


def hang(node):
    node.hangs.append(node.m.submit("Demo", "hang", retry=1))


def restart(node):
    node.record()
    assert node.m.post("/v1/workers/default/0/restart").status == 202
    node.record()


def idle(node):
    pass


WORKER = {
    "worker-born": restart, "worker-starts": restart, "worker-takes": idle, "worker-took-nothing": idle, "worker-took": submit,
    "worker-opened": submit, "task-begins": submit, "task-ended": submit, "task-settled": submit, "task-kept": submit,
    "worker-drains": restart, "worker-leaves": restart, "worker-exiting": hang, "worker-exited": hang,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("point", WORKER)
def test_a_worker_that_ends_there_loses_and_doubles_nothing(make, folder, point, way):
    node = Node(make, folder)
    node.m.start()
    node.record(5)
    node.arm(point, way)
    node.record()
    WORKER[point](node)
    node.hit(point)
    node.record()
    for id_ in node.hangs:
        task = node.m.wait_task(id_)
        assert task["state"] == "dead" and task["error"]["kind"] == "timeout" and task["attempts"] == 1
    node.check_ledger()
    assert lease_holds_nothing(node.m)


SEVERAL = """
import asyncio, os, muster


@muster.task
class Several:
    async def record(self, path, text):
        await asyncio.sleep(0.03)
        line = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(line, text.encode() + b"\\n")
        os.close(line)
        await asyncio.sleep(0.03)

    async def hang(self):
        await asyncio.sleep(3600)
"""


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("point", ["worker-takes", "task-begins", "task-ended", "task-settled", "task-kept", "worker-drains"])
def test_a_worker_that_ends_there_with_several_in_hand_loses_and_doubles_nothing(make, folder, point, way):
    program = folder / "several.py"
    program.write_text(SEVERAL)
    node = Node(make, folder, {"handlers": [
        {"class": "Several", "exec": [sys.executable, str(REPO / "sdk" / "muster.py"), str(program)], "concurrency": 8},
        {"class": "Demo", "module": "demo.so"}]})
    lines = node.m.state / "demo" / "lines"

    def record(count):
        first = len(node.ids)
        node.ids += node.m.submit_many([{"class": "Several", "method": "record", "param": [str(lines), str(first + n)]}
                                        for n in range(count)])
    node.m.start()
    lines.parent.mkdir(exist_ok=True)
    record(10)
    node.arm(point, way)
    record(30)
    late = node.m.submit("Several", "hang", retry=1)  # one among several is late, before or after the end of its worker
    if point == "worker-drains":
        assert node.m.post("/v1/workers/default/0/restart").status == 202
    node.hit(point)
    record(10)
    task = node.m.wait_task(late)
    assert task["state"] == "dead" and task["error"]["kind"] == "timeout" and task["attempts"] == 1
    node.check_ledger()
    assert lease_holds_nothing(node.m)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("point", ["worker-gives-back", "worker-gave-back"])
def test_a_worker_that_ends_while_it_gives_back_loses_and_doubles_nothing(make, folder, point, way):
    node = Node(make, folder)
    node.m.start()
    for _ in range(3):  # so that many are taken at a time
        node.record(300)
        node.m.wait_task(node.ids[-1])
    node.arm(point, way)
    documents = [{"class": "Demo", "method": "record", "param": ["lines", str(len(node.ids) + n)]} for n in range(60)]
    gate = node.m.submit("Demo", "work", 200)
    mixed = node.m.submit_many([*documents[:30], {"class": "Demo", "method": "work", "param": [300]}, *documents[30:]])
    node.ids += mixed[:30] + mixed[31:]
    node.hit(point)
    assert node.m.wait_task(gate)["state"] == node.m.wait_task(mixed[30])["state"] == "succeeded"
    node.check_ledger()


@pytest.mark.parametrize("point", ["task-begins", "task-ended", "task-settled"])
def test_a_task_whose_worker_always_ends_there_is_dead_at_max_crashes(make, folder, point):
    node = Node(make, folder, {"queues": [{"name": "default", "max_crashes": 3}]})
    node.m.start()
    node.arm(point, stays="+")
    id_ = node.m.submit("Demo", "record", "lines", "x")
    if point == "task-begins":  # it was not started: that counts nothing, for as long as it lasts
        until(lambda: node.m.worker(0)["restarts"] > 3, what="worker after worker ends")
        (node.points / point).unlink()
        task = node.m.wait_task(id_)
        assert task["state"] == "succeeded" and task["crashes"] == 0 and node.m.record_lines("lines") == ["x"]
        return
    task = node.m.wait_task(id_)
    assert task["state"] == "dead" and task["error"]["kind"] == "crash" and task["crashes"] == 3
    assert [entry["kind"] for entry in task["history"]] == ["crash"] * 3
    assert all(entry["worker"] and entry["message"] for entry in task["history"])
    assert node.m.record_lines("lines") == ["x"] * 3


@pytest.mark.parametrize("point", ["task-kept", "worker-took"])
def test_once_its_outcome_is_kept_a_worker_s_death_is_none_of_a_task_s_business(make, folder, point):
    node = Node(make, folder, {"queues": [{"name": "default", "max_crashes": 1}]})
    node.m.start()
    node.arm(point)
    task = node.m.run("Demo", "record", "lines", "x")
    node.hit(point)
    assert task["state"] == "succeeded" and task["crashes"] == 0 and node.m.record_lines("lines") == ["x"]


# ---- the supervisor, at every step of a worker's restart ----

SUPERVISOR = ["death-seen", "death-counted", "death-understood", "start-committed", "start-reset", "start-cloned", "start-opened"]


def busy_and_killed(node):
    """A death with a task in hand and others waiting behind it."""
    node.record()
    task = node.m.submit("Demo", "work", 60000)
    row = node.m.running(task)
    node.record()
    assert node.m.kill_worker(row["slot"], task=task) == row["pid"]
    return task, row


@pytest.mark.parametrize("way", ["kill", "exit"])
@pytest.mark.parametrize("point", SUPERVISOR)
def test_a_supervisor_that_ends_while_it_restarts_a_worker_leaves_one_worker(make, folder, point, way):
    node = Node(make, folder, workers=2)
    node.m.start()
    supervisor = node.m.role("supervisor").pid
    node.arm(point, way)
    task, row = busy_and_killed(node)
    node.hit(point)
    node.m.another("supervisor", supervisor)
    until(lambda: node.m.task(task)["crashes"] == 1, what="the death is counted once")
    node.m.delete(f"/v1/tasks/{task}")
    assert node.m.wait_task(task)["state"] == "cancelled"
    node.check_ledger()
    again = node.m.worker(row["slot"])
    assert again["restarts"] == 1 and again["last_exit"]["reason"] == "signal" and again["last_exit"]["task"] == task
    assert node.m.metrics().value("muster_worker_restarts_total", pool="default", reason="signal") == 1


@pytest.mark.parametrize("point", ["death-seen", "start-committed", "start-cloned"])
def test_a_supervisor_that_stops_while_it_restarts_a_worker_is_replaced(make, folder, point):
    node = Node(make, folder, workers=2)
    node.m.start()
    supervisor = node.m.role("supervisor").pid
    other = node.m.worker(1)["pid"]
    node.arm(point, "stop")
    assert node.m.kill_worker(0)
    node.hit(point)
    node.record()  # the other worker goes on
    node.m.another("supervisor", supervisor)
    node.check_ledger()
    assert node.m.worker(1)["pid"] == other and node.m.worker(0)["restarts"] == 1


@pytest.mark.parametrize("way", ["kill", "exit"])
def test_a_supervisor_that_ends_between_an_order_and_its_signal(make, folder, way):
    """The order stands and nobody was told: the next supervisor goes on with it."""
    node = Node(make, folder)
    node.m.start()
    node.arm("order-noted", way)
    id_ = node.m.submit("Demo", "hang", retry=1)
    node.record()
    node.hit("order-noted")
    task = node.m.wait_task(id_)
    assert task["state"] == "dead" and task["error"]["kind"] == "timeout" and task["crashes"] == 0
    node.check_ledger()


@pytest.mark.parametrize("point", SUPERVISOR)
def test_a_child_of_any_kind_is_made_once_though_its_maker_ends(make, folder, point):
    """The same for api and scheduler."""
    node = Node(make, folder)
    node.m.start()
    for role in ("api", "scheduler"):
        before = node.m.role(role).pid
        supervisor = node.m.role("supervisor").pid
        node.arm(point)
        node.m.kill_role(role)
        node.hit(point)
        (node.points / f"{point}.hit").unlink()
        node.m.another(role, before)  # first: a child wears its maker's title until it has one of its own
        node.m.another("supervisor", supervisor)
        node.m.http.close()
    node.record()
    node.check_ledger()


# ---- the scheduler ----

@pytest.mark.parametrize("way", ["kill", "exit"])
@pytest.mark.parametrize("point", ["recovery-begins", "recovery-answered"])
def test_a_scheduler_that_ends_while_it_recovers_counts_a_death_once(make, folder, point, way):
    node = Node(make, folder, workers=2)
    node.m.start()
    scheduler = node.m.role("scheduler").pid
    node.arm(point, way)
    task, row = busy_and_killed(node)
    node.hit(point)
    node.m.another("scheduler", scheduler)
    until(lambda: node.m.task(task)["crashes"] == 1 and node.m.task(task)["state"] == "active", what="it runs again")
    node.m.delete(f"/v1/tasks/{task}")
    task = node.m.wait_task(task)
    assert task["state"] == "cancelled" and task["crashes"] == 1 and row["pid"]
    node.check_ledger()


@pytest.mark.parametrize("point", ["scheduler-starts", "scheduler-moved", "scheduler-looked"])
def test_a_scheduler_that_ends_while_it_moves_what_is_due_moves_it_once(make, folder, point):
    node = Node(make, folder)
    node.m.start()
    node.arm(point)
    node.ids = node.m.submit_many([{"class": "Demo", "method": "record", "param": ["lines", str(n)], "delay": "300ms"}
                                   for n in range(50)])
    if point == "scheduler-starts":
        node.m.kill_role("scheduler")
    node.hit(point)
    node.check_ledger()
    assert all(task["attempts"] == 1 for task in map(node.m.task, node.ids))
    assert len(node.m.record_lines("lines")) == 50


def test_a_scheduler_that_ends_at_its_last_look_is_made_again_for_it(make, folder):
    node = Node(make, folder, {"shutdown_grace": "5s"})
    node.m.start()
    node.record()
    node.arm("scheduler-leaves")
    node.m.stop()
    node.hit("scheduler-leaves")
    node.m.start()
    node.check_ledger()


# ---- the guardian ----

@pytest.mark.parametrize("point", ["guardian-reaps", "guardian-wrote"])
def test_a_guardian_that_ends_while_it_reaps_loses_nothing(make, folder, point):
    node = Node(make, folder, workers=2)
    node.m.start()
    node.record()
    for id_ in node.ids:
        node.m.wait_task(id_)
    task = node.m.submit("Demo", "work", 60000)
    pid = node.m.running(task)["pid"]
    node.arm(point)
    node.record()
    node.m.kill_worker(node.m.running(task)["slot"])
    node.m.process.wait(10)
    node.m.stopped = True
    node.hit(point)
    until(lambda: not node.m.tree(), 10, "the whole tree has gone")
    assert not alive(pid)
    node.m.start()
    until(lambda: node.m.task(task)["crashes"] == 1, what="the death is counted once")
    node.m.delete(f"/v1/tasks/{task}")
    assert node.m.wait_task(task)["state"] == "cancelled"
    for id_ in node.ids:
        assert node.m.wait_task(id_)["state"] == "succeeded"
    lines = node.m.record_lines("lines")
    # The node was lost with what it had finished and not reported: at most each worker's last batch runs again.
    assert {int(line) for line in lines} == set(range(len(node.ids))) and max(map(lines.count, lines)) <= 2


def test_a_guardian_that_ends_while_it_makes_a_supervisor_loses_nothing(make, folder):
    node = Node(make, folder)
    node.m.start()
    node.record()
    for id_ in node.ids:
        node.m.wait_task(id_)
    node.arm("guardian-starts-supervisor")
    node.m.kill_role("supervisor")
    node.m.process.wait(10)
    node.m.stopped = True
    until(lambda: not node.m.tree(), 10, "the whole tree has gone")
    node.m.start()
    node.record()
    node.check_ledger()


def test_musterd_itself_has_no_fault_points(muster, folder):
    (folder / "worker-takes").write_text("9")
    m = muster(env={"MUSTER_FAULTS": str(folder)})
    pids = [row["pid"] for row in m.workers()]
    assert m.run("Demo", "noop")["state"] == "succeeded"
    stays(lambda: [row["pid"] for row in m.workers()] == pids, 1)
    assert (folder / "worker-takes").exists() and b"MUSTER_FAULTS" not in MUSTERD.read_bytes()
