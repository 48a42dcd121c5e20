"""The doors: threads that ask for tasks as users do, and write down what was acknowledged.

Through HTTP a submission whose answer is lost, or is a 5xx, is said again with the same ids until it is acknowledged: that
must neither lose nor double it. A producer of the plain list cannot say it again: its fate stays unknown when the answer
is lost."""

import collections
import contextlib
import http.client
import json
import random
import threading
import time

import redis

from harness import LIST

UNKNOWN = (OSError, http.client.HTTPException, ValueError)
AGAIN_S = 0.05   # between two tries of a submission that was not answered
MOST_WAITING = 1500
BATCH_MOST = 40


class Pace:
    """So many tasks a second; what was missed while nobody answered is made up for in part only."""

    def __init__(self, rate):
        self.rate, self.at = rate, time.monotonic()

    def wait(self, count, stop):
        self.at = max(self.at, time.monotonic() - 0.5) + count / self.rate
        stop.wait(max(0.0, self.at - time.monotonic()))


class Load:
    def __init__(self, herd, ledger, seed, rate):
        self.herd, self.ledger = herd, ledger
        self.stop = threading.Event()
        self.cancellable = collections.deque(maxlen=1000)
        self.wanted = collections.deque()  # tasks that a fault asks for: (kind, members of the document)
        self.refusals, self.resaid = 0, 0
        doors = ((self.single, 0.2), (self.single, 0.2), (self.array, 0.4), (self.plain, 0.2), (self.cancel, 0.2))
        self.threads = [threading.Thread(target=self.guard, args=(door, random.Random(f"{seed} {number}"), Pace(rate * share)),
                                         daemon=True) for number, (door, share) in enumerate(doors)]

    def start(self):
        for thread in self.threads:
            thread.start()
        return self

    def finish(self, timeout=60.0):
        """No new tasks; what is not yet acknowledged is said until it is. Returns whether all threads got so far."""
        self.stop.set()
        deadline = time.monotonic() + timeout
        for thread in self.threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self.threads)

    def guard(self, door, rng, pace):
        try:
            door(rng, pace)
        except Exception as problem:  # a fault of the driver must not pass for a quiet run
            self.ledger.fault("state contradicts the ledger", f"the driver's door {door.__name__} broke: {problem!r}")
            raise

    # -- what is asked for --

    def document(self, rng, entry):
        document = {"class": "Demo", "method": "record", "param": ["lines", entry.text]}
        if entry.kind in ("slow", "flaky"):
            retries = rng.randint(1, 3) if entry.kind == "flaky" else 0
            document = {"class": "Effect", "method": "run", "param":
                        [str(self.herd.lines), entry.text, rng.randint(0, 40), rng.randint(0, 40), retries]}
        if entry.door != "list":
            document["id"] = entry.text
            if entry.kind == "flaky":
                document["queue"] = "flaky"
            if entry.kind in ("delayed", "cancelled"):
                document["delay"] = f"{rng.randint(50, 2000)}ms"
        document["retry"] = 50
        return document

    @staticmethod
    def kind(rng, door):
        if door == "list":
            return rng.choices(("quick", "slow", "flaky"), (70, 25, 5))[0]
        return rng.choices(("quick", "slow", "flaky", "delayed", "cancelled"), (60, 20, 5, 10, 5))[0]

    def tasks(self, rng, door, count):
        entries = [self.ledger.ask(self.kind(rng, door), door) for _ in range(count)]
        return entries, [self.document(rng, entry) for entry in entries]

    def room(self, pace, count):
        """Waits for its turn; False when the run is over."""
        pace.wait(count, self.stop)
        while not self.stop.is_set() and self.ledger.outstanding() > MOST_WAITING:
            self.stop.wait(0.02)
        return not self.stop.is_set()

    # -- HTTP --

    def connections(self):
        return [node.fresh_http() for node in self.herd.nodes]

    def say_until_answered(self, rng, connections, method, path, body):
        """The first answer below 500 that is not 429, of whichever node gives it."""
        first = True
        while True:
            self.resaid += not first
            first = False
            with contextlib.suppress(*UNKNOWN):
                answer = rng.choice(connections).request(method, path, body)
                if answer.status < 500 and answer.status != 429:
                    return answer
                self.refusals += 1
            time.sleep(AGAIN_S)

    def single(self, rng, pace):
        connections = self.connections()
        while self.room(pace, 1):
            if self.wanted:
                self.submit_wanted(rng, connections)
            entries, documents = self.tasks(rng, "single", 1)
            self.submit(rng, connections, entries, documents[0])
            if rng.random() < 0.02:  # said again after it was acknowledged: nothing may come of it
                self.submit(rng, connections, entries, documents[0])
            if entries[0].kind == "cancelled":
                self.cancellable.append(entries[0])

    def submit_wanted(self, rng, connections):
        with contextlib.suppress(IndexError):
            kind, members = self.wanted.popleft()
            entry = self.ledger.ask(kind, "single")
            self.submit(rng, connections, [entry], {"class": "Demo", "queue": "rough", "id": entry.text, **members})

    def array(self, rng, pace):
        connections = self.connections()
        while True:
            count = rng.randint(1, BATCH_MOST)
            if not self.room(pace, count):
                return
            entries, documents = self.tasks(rng, "array", count)
            self.submit(rng, connections, entries, documents)
            self.cancellable.extend(entry for entry in entries if entry.kind == "cancelled")

    def submit(self, rng, connections, entries, body):
        answer = self.say_until_answered(rng, connections, "POST", "/v1/tasks", body)
        if answer.status not in (200, 201):
            self.ledger.fault("state contradicts the ledger", f"{entries[0].text}: a good submission was refused: {answer}")
            for entry in entries:
                entry.refused = True
            return
        said = answer.json["ids"] if isinstance(body, list) else [answer.json["id"]]
        if said != [entry.text for entry in entries]:
            self.ledger.fault("state contradicts the ledger", f"{entries[0].text}: other ids were acknowledged: {answer}")
        self.ledger.acknowledge(entries)

    def cancel(self, rng, pace):
        """Cancels tasks that mostly still wait for their time."""
        connections = self.connections()
        while self.room(pace, 1):
            with contextlib.suppress(IndexError):
                entry = self.cancellable.popleft()
                entry.cancel = "asked"
                answer = self.say_until_answered(rng, connections, "DELETE", f"/v1/tasks/{entry.text}", None)
                if answer.status == 200 and answer.json["state"] == "cancelled":
                    entry.cancel = "done"
                elif answer.status not in (200, 409):
                    self.ledger.fault("state contradicts the ledger", f"{entry.text}: a cancellation was answered {answer}")

    # -- the plain list --

    def plain(self, rng, pace):
        client = self.herd.client()
        while True:
            count = rng.randint(1, 8)
            if not self.room(pace, count):
                return
            entries, documents = self.tasks(rng, "list", count)
            try:
                client.lpush(LIST, *map(json.dumps, documents))
                self.ledger.acknowledge(entries)
            except redis.ResponseError:  # OOM, LOADING: surely not taken
                for entry in entries:
                    entry.refused = True
            except (redis.RedisError, OSError):
                client.connection_pool.disconnect()
                self.stop.wait(AGAIN_S)
