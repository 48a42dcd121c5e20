"""Eyes that look on while the run goes: at the leases, at what the API says, at stopped workers."""

import http.client
import random
import threading
import time

import redis

from harness import all_processes
from herd import HEARTBEAT, KILL_GRACE, QUEUES
from ledger import view_of_task

LOOK_S = 0.02
ROLL_CALL_S = 0.5
ORPHAN_S = 8.0  # redis-server syncs and leaves when its guardian has died
# What a stopped worker's end may take beyond its promise and kill_grace, on a machine that others use: the promise of a
# busy or starting worker may be renewed just before, and the supervisor itself may be away or stopped just then (it is
# replaced within 6.5 s, and grants everybody as much as it was late).
STOPPED_SLACK_S = 20.0


class Eye(threading.Thread):
    def __init__(self, herd, ledger):
        super().__init__(daemon=True)
        self.herd, self.ledger, self.over = herd, ledger, threading.Event()

    def run(self):
        try:
            self.watch()
        except Exception as problem:
            self.ledger.fault("state contradicts the ledger", f"the driver's {type(self).__name__} broke: {problem!r}")
            raise

    def finish(self):
        self.over.set()
        self.join(30)


def id_of(element):
    return element.partition("^")[0].partition("~")[0]


def elements_of(lease):
    """The elements of a lease's text: `generation sequence @queue element … +n element …`."""
    return [token for token in lease.decode().split(" ")[2:] if token[0] not in "@+"]


class LeaseEye(Eye):
    """No task may be in two leases, nor in a lease and at a place where it waits, at one moment: one transaction is one
    moment of Redis."""

    def __init__(self, herd, ledger):
        super().__init__(herd, ledger)
        self.looks, self.most_held = 0, 0

    def watch(self):
        client = self.herd.client()
        while not self.over.wait(LOOK_S):
            try:
                self.look(client)
            except (redis.RedisError, OSError):
                client.connection_pool.disconnect()

    def look(self, client):
        key = self.herd.key
        calls = client.pipeline(transaction=True).hgetall(key("leases"))
        for queue in QUEUES:
            calls.smembers(key("withdrawn:" + queue)).lrange(key("queue:" + queue), 0, -1)
            calls.zrange(key("scheduled:" + queue), 0, -1).zrange(key("retrying:" + queue), 0, -1)
        leases, *rest = calls.execute()
        self.looks += 1
        places = {}
        for slot, lease in leases.items():
            for element in elements_of(lease):
                self.put(places, id_of(element), f"the lease of {slot.decode()} ({lease.decode()[:200]})")
        self.most_held = max(self.most_held, len(places))
        for number, queue in enumerate(QUEUES):
            withdrawn, *waiting = rest[4 * number:4 * number + 4]
            for name, elements in zip(("queue", "scheduled", "retrying"), waiting):
                for element in elements:
                    element = element.decode().partition("^")[0]
                    if element.encode() not in withdrawn:
                        self.put(places, id_of(element), f"{name} {queue}")

    def put(self, places, id_, place):
        if id_ in places:
            self.ledger.fault("lease held by two", f"{id_} is in {places[id_]} and in {place}")
        places[id_] = place


class ApiEye(Eye):
    """Looks acknowledged tasks up: each is known, what has ended stays as it ended, what succeeded has left its line,
    counts never go back."""

    def __init__(self, herd, ledger, seed):
        super().__init__(herd, ledger)
        self.random, self.seen = random.Random(f"{seed} eye"), {}
        self.looks, self.unanswered, self.longest_gap, self.answered_at = 0, 0, 0.0, time.monotonic()

    def watch(self):
        connections = [node.fresh_http() for node in self.herd.nodes]
        while not self.over.wait(LOOK_S):
            order = self.ledger.order
            if not order:
                continue
            # Young ones are about to change, old ones should not.
            span = self.random.choice((50, 500, len(order)))
            text = order[-self.random.randint(1, min(span, len(order)))]
            entry = self.ledger.entries[text]
            if entry.door == "list":
                continue
            wait = self.random.choice(("", "", "?wait=300ms"))
            try:
                answer = self.random.choice(connections).request("GET", f"/v1/tasks/{text}{wait}")
            except (OSError, http.client.HTTPException, ValueError):
                self.unanswered += 1
                continue
            if answer.status >= 500:
                self.unanswered += 1
                continue
            self.looks += 1
            self.longest_gap = max(self.longest_gap, time.monotonic() - self.answered_at)
            self.answered_at = time.monotonic()
            self.judge(entry, answer)

    def judge(self, entry, answer):
        if answer.status != 200:
            self.ledger.fault("state contradicts the ledger", f"{entry.text} is acknowledged, its look-up says {answer}")
            return
        task = answer.json
        view = view_of_task(task)
        before = self.seen.get(entry.text)
        now = (view.ended, view.state, task["finished_at"], view.attempts, view.crashes)
        self.seen[entry.text] = now
        if before and before[0] and now != before:
            self.ledger.fault("state contradicts the ledger", f"{entry.text} had ended as {before[1:]}, now it is {now[1:]}")
        elif before and (now[3] < before[3] or now[4] < before[4]):
            self.ledger.fault("state contradicts the ledger", f"{entry.text}: counts went back from {before[1:]} to {now[1:]}")
        if view.state == "succeeded" and entry.effective and not self.ledger.tail.count.get(entry.text):
            self.ledger.tail.read(self.herd.line_files())
            if not self.ledger.tail.count.get(entry.text):
                self.ledger.fault("acknowledged and not run", f"{entry.text} has succeeded and left no line")


class StoppedEye(Eye):
    """Workers that were stopped: each must be ended at its promise."""

    def __init__(self, herd, ledger):
        super().__init__(herd, ledger)
        self.waiting, self.took = [], []
        self.lock = threading.Lock()

    def add(self, handle, name):
        with self.lock:
            self.waiting.append((handle, name, time.monotonic()))

    def watch(self):
        while not self.over.wait(LOOK_S):
            with self.lock:
                self.waiting = [item for item in self.waiting if not self.is_judged(*item)]

    def is_judged(self, handle, name, since):
        took = time.monotonic() - since
        if handle.ended():
            self.took.append(took)
        elif took > HEARTBEAT + KILL_GRACE + STOPPED_SLACK_S:
            self.ledger.fault("not supervised", f"{name} was stopped {took:.1f} s ago and still is there")
        else:
            return False
        handle.close()
        return True


class ProcessEye(Eye):
    """No slot ever has two processes, and nothing outlives its guardian."""

    def __init__(self, herd, ledger):
        super().__init__(herd, ledger)
        self.orphans, self.doubled, self.looks = {}, {}, 0

    def watch(self):
        while not self.over.wait(ROLL_CALL_S):
            seen = [found for found in all_processes() if found.state not in "ZX"]
            for node in self.herd.nodes:
                self.call_the_roll(node, seen)
            self.look_for_orphans(seen)
            self.looks += 1

    def call_the_roll(self, node, seen):
        """A process that was just made has its maker's title, and one may die under our look: two that are there at two
        looks are one too many."""
        titles = {}
        for found in seen:
            if found.ppid == node.guardian and ":" in found.title:
                titles.setdefault(found.title, []).append((found.pid, found.started))
        doubled = {title: some for title, some in titles.items() if len(some) > 1}
        for title, some in doubled.items():
            again = set(some) & set(self.doubled.get((node.index, title), ()))
            if len(again) > 1:
                self.ledger.fault("not supervised", f"{node.name} has {len(again)} of {title}: {sorted(again)}")
        self.doubled = {**{key: some for key, some in self.doubled.items() if key[0] != node.index},
                        **{(node.index, title): some for title, some in doubled.items()}}

    def look_for_orphans(self, seen):
        """The processes of a killed node are gone soon."""
        orphans = {}
        for found in seen:
            node = next((node for node in self.herd.nodes if node.is_left_over(found)), None)
            if node:
                key = (found.pid, found.started)
                orphans[key] = self.orphans.get(key, time.monotonic())
                if time.monotonic() - orphans[key] > ORPHAN_S:
                    orphans[key] = float("inf")
                    self.ledger.fault("not supervised", f"{found} has outlived its guardian ({node.name})")
        self.orphans = orphans
