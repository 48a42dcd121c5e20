#!/usr/bin/python3
"""Throws arguments at the broker's scripts, in a redis-server of its own.

usage: scripts.py [--seconds N] [--seed N]

Two kinds of callers. *Sound* ones say what core/broker*.c could say, in any order, with ids, documents, records, lists and
numbers of every sort: no call may fail except with a word that the script's head names, and after each one the ledger
balances: every task stands in exactly one place. *Wild* ones say anything at all, in a namespace of their own: the answer
is a value or an error, Redis lives, and the ledger of the sound ones has not moved. A round is told by its seed."""
import argparse
import collections
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time

import redis

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lua"))
from conftest import start_redis  # noqa: E402
from scripts import NAMES, Broker, assert_ledger, record, script_text, text  # noqa: E402

CALLS_A_ROUND = 400
CALL_SECONDS = 10       # a script that takes longer hangs
CHECK_EVERY = 20        # calls between two looks at every single task; the sum is looked at after each
REFUSALS = ("GONE ", "HELD ")
SLOTS = ("node1/default/0", "node1/mail.x/11", "n-2/default/0")
FAR = 5                 # a database that a plain list is carried over from
LARGEST = 253402300799999


class Sound:
    """Says what the product could say."""

    def __init__(self, client, dice):
        self.client, self.dice = client, dice
        self.broker = Broker(client)
        self.broker.queues = ["default", "mail", "a-b.c_1"]
        self.broker.lists = dice.choice(({}, {"mail": "mails"}, {"mail": "{x}:y z^~", "default": "async_task_queue"}))
        self.generations = {slot: dice.randrange(1, 1 << 40) for slot in SLOTS}
        self.sequences = collections.Counter()
        self.carried = 0
        self.ids = [f"id{i}" for i in range(30)] + ["_", "-", "0", "x" * 64]

    # -- values --

    def some(self, values, most):
        return [self.dice.choice(values) for _ in range(self.dice.randrange(most + 1))] if values else []

    def document(self):
        dice = self.dice
        return dice.choice((b'{"class":"A","method":"b"}', b"", b"\n", b"\0\xff\n \r\n", b"@x +3 ~1^2", dice.randbytes(dice.randrange(200)),
                            b"9" * dice.choice((10, 5000))))

    def number(self):
        return self.dice.choice((0, 0, 1, 5, 1000, 2**31 - 1, 2**53 - 1, LARGEST))

    def time(self):
        now = self.broker.now_ms()
        return self.dice.choice((0, 0, 1, now - 1, now + 1, now + 3600000, LARGEST))

    def outcome(self, element):
        """B, or a record as task_record_format would write it for that element."""
        letter = self.dice.choice("BPRRSSDC")
        if letter == "B":
            return "B"
        before = int(element.split("~")[1]) if "~" in element else 0
        body = self.dice.choice(("", '{"result":"\\n@ +1"}', '{"history":[]}', '{"error":{"kind":"crash"}}\n'))
        return record(letter, before + 1, self.number(), self.number(), self.number(), self.number(), self.number(),
                      self.time() if letter == "R" else 0, self.dice.choice((*SLOTS, "-")), body)

    def held(self, slot):
        return self.broker.holdings().get(slot, (0, 0, []))[2]

    def outcomes(self, slot):
        """Of what it holds, in its order, and of what it does not."""
        elements = [element for element in self.held(slot) if self.dice.random() < 0.6]
        if self.dice.random() < 0.1:
            elements += dict.fromkeys(self.some(self.ids, 3))
        return [(element, self.outcome(element)) for element in dict.fromkeys(elements)]

    def generation(self, slot):
        """Mostly the one that lives; a later one now and then, or one from the grave."""
        kind = self.dice.random()
        if kind < 0.05:
            self.generations[slot] += self.dice.randrange(1, 3)
            self.sequences[slot] = 0
        return self.generations[slot] - (1 if kind > 0.95 else 0)

    # -- calls --

    def submit(self):
        for _ in range(self.dice.randrange(1, 4)):
            ids = dict.fromkeys(self.some(self.ids, 6))
            tasks, queues = [], self.dice.sample(self.broker.queues, self.dice.randrange(1, 4))
            for id in ids:
                number, run_at = self.dice.randrange(len(queues)), self.time()
                stored = f"{self.number()} {run_at} h {self.dice.randrange(1, 1001)} {queues[number]}\n".encode() + self.document()
                tasks += [id, -(number + 1), run_at, stored]  # negative: the id may have been in use before
            lists = [len(self.broker.lists), *(part for pair in self.broker.lists.items() for part in pair)]
            answer = self.broker.call("submit", *lists, len(queues), *queues, 0, *tasks)
            assert len(answer) == len(ids) and set(answer) <= set("01")

    def produce(self):
        for name in self.broker.lists.values():
            if self.dice.random() < 0.1:  # somebody made another thing of it
                self.client.delete(name)
                self.client.set(name, "x") if self.dice.random() < 0.5 else self.client.hset(name, "x", "y")
            elif self.client.type(name) in (b"list", b"none"):
                self.client.lpush(name, *(self.document() for _ in range(self.dice.choice((1, 3, 50)))))
            else:
                self.client.delete(name)

    def turn(self):
        slot = self.dice.choice(SLOTS)
        generation = self.generation(slot)
        self.sequences[slot] += self.dice.choice((0, 1, 1, 1, 1, 1, -1))
        queues = self.dice.sample(self.broker.queues, self.dice.randrange(4))
        sequence, want = max(1, self.sequences[slot]), self.dice.choice((0, 1, 3, 10, 256))
        for queue in queues if want else ():
            self.broker.silence(queue)  # as an idle worker that was woken
        said = [f"{queue} {self.dice.randrange(300)}" if self.dice.random() < 0.3 else queue for queue in queues]
        taken = self.broker.turn(sequence, want, self.outcomes(slot), slot, generation, said)
        assert len(taken.elements) == len(taken.stored) <= 256 and len(taken.records) in (0, len(taken.elements))

    def recover(self):
        slot = self.dice.choice(SLOTS)
        self.broker.recover(self.outcomes(slot), slot, self.generation(slot))

    def cancel(self):
        assert self.broker.cancel(self.dice.choice(self.known() or ["none"])) in (0, 1, 2, 3)

    def look(self):
        self.broker.look(*self.some(self.known() + self.ids, 10), watch=self.dice.randrange(2))

    def due(self):
        moved, next_ms = self.broker.due(self.dice.choice((1, 3, 500)))
        assert moved >= 0 and next_ms >= -1

    def retain(self):
        keep = self.dice.choice((0, 5, 3600000, 10**12))
        self.broker.retain(keep, keep, keep, self.dice.choice((0, 1, 100000)), self.dice.choice((1, 1000)))

    def nodes(self):
        node = self.dice.choice(("node1", "n-2", "gone"))
        lost = self.broker.call("node", node, self.dice.choice((1, 15000)), self.dice.choice(('{"a":1}', "")))
        assert set(lost) <= {"node1", "n-2"}
        if self.dice.random() < 0.3:
            self.broker.call("leave", node)
        assert len(self.broker.call("nodes")) % 3 == 0

    def wake(self):
        for queue, name in self.broker.lists.items():
            assert self.broker.call("wake", queue, name) in (0, 1)

    def carry(self):
        """A list of another database: each step may be said twice, or the whole be cut off behind any of them."""
        script = {name: self.client.script_load(script_text(name)) for name in ("grab", "put", "drop")}
        tag, name = self.broker.tag, "far:{list}"
        self.client.execute_command("SELECT", FAR)
        try:
            if self.dice.random() < 0.5:
                self.client.lpush(name, *(self.document() for _ in range(self.dice.randrange(1, 20))))
            number, *documents = self.client.evalsha(script["grab"], 1, tag, name, self.dice.choice((1, 7, 1000)), self.carried)
            self.client.execute_command("SELECT", 0)
            if number == 0 or self.dice.random() < 0.2:
                return
            for _ in range(self.dice.randrange(1, 3)):
                put = self.client.evalsha(script["put"], 1, tag, "mail", "5 " + name, number, f"CARRY{number:013d}", *documents)
                assert put == (len(documents) if number > self.carried else 0)
                self.carried = number
            if self.dice.random() < 0.8:
                self.client.execute_command("SELECT", FAR)
                assert self.client.evalsha(script["drop"], 1, tag, name, number) in (0, 1)
        finally:
            self.client.execute_command("SELECT", 0)

    # -- the ledger --

    def known(self):
        return [text(id) for id in self.client.hkeys(self.broker.key("tasks"))]

    def check_sum(self):
        depths, missing = self.broker.depths()
        assert missing == 0, f"unaccounted: {missing}"
        for queue in set(self.broker.queues) - set(self.broker.lists):  # a plain list's is rung by its watcher, too
            assert depths[queue]["pending"] <= 0 or self.broker.bell(queue), f"nobody is woken for {queue}"

    def check_all(self):
        assert_ledger(self.broker, self.known())

    def drain(self):
        """What was taken in can be brought to its end."""
        self.client.delete(*self.broker.lists.values(), "nothing")
        for name in self.client.keys(self.broker.key("scheduled:*")) + self.client.keys(self.broker.key("retrying:*")):
            for element in self.client.zrange(name, 0, -1):
                self.client.zadd(name, {element: 0})
        for slot in SLOTS:
            self.generations[slot] += 5
            self.broker.recover((), slot, self.generations[slot] - 1) if not self.held(slot) else self.recover_held(slot)
        for _ in range(1000):
            self.broker.due()
            taken = self.broker.turn(self.sequences["end"], 256, self.ends, "end/p/0", 7)
            self.sequences["end"] += 1
            self.ends = [(element, record("S", 9)) for element in taken.elements]
            if not taken.elements:
                break
        depths, _ = self.broker.depths()
        for queue, depth in depths.items():
            waiting = {name: depth[name] for name in ("pending", "scheduled", "retrying", "active")}
            assert not any(waiting.values()), (queue, waiting)
        self.check_all()

    def recover_held(self, slot):
        generation = self.broker.holdings()[slot][0]
        self.broker.recover((), slot, generation)

    ends = ()
    CALLS = (submit, submit, submit, turn, turn, turn, turn, turn, turn, produce, recover, cancel, cancel, look, due, due, retain,
             nodes, wake, carry)


class Wild:
    """Says anything, in a namespace where nothing is well formed for long."""

    def __init__(self, client, dice):
        self.client, self.dice = client, dice
        self.shas = {name: client.script_load(script_text(name)) for name in NAMES}
        self.tag = "{wild}"

    def argument(self):
        dice = self.dice
        return dice.choice((
            lambda: str(dice.randrange(-3, 12)), lambda: str(dice.randrange(-3, 12)),
            lambda: dice.choice(("", " ", "nan", "inf", "-inf", "1e308", "0x10", "-1", "9007199254740993", "1.5", "9" * 40)),
            lambda: dice.choice(("default", "mail", "a b", "@", "+", "+1", "~", "^", "a~1", "a~x^y", "a/b/0", "node", "{wild}:tasks")),
            lambda: dice.choice(("B", "S", "P 1 0 0 0 0 0 0 -\n", "R 1 1 0 2 0 0 99 w\n", "R", "S 1", "Z 1 1 1\n", "1 0 h 1 default\n{}")),
            lambda: dice.randbytes(dice.randrange(30)),
        ))()

    def spoil(self):
        """Somebody else writes into our keys."""
        key = self.tag + ":" + self.dice.choice(("tasks", "runs", "leases", "counters", "queue:default", "cancels", "watched",
                                                 "alive", "scheduled:default", "withdrawn:default", "boxes"))
        self.client.delete(key)
        {0: lambda: self.client.set(key, self.argument()), 1: lambda: self.client.hset(key, self.argument(), self.argument()),
         2: lambda: self.client.lpush(key, self.argument()), 3: lambda: self.client.sadd(key, self.argument()),
         4: lambda: self.client.zadd(key, {self.argument(): 1})}[self.dice.randrange(5)]()

    def call(self):
        if self.dice.random() < 0.05:
            self.spoil()
        if self.dice.random() < 0.01:
            for key in self.client.keys(self.tag + "*"):
                self.client.delete(key)
        name = self.dice.choice(NAMES)
        arguments = [self.argument() for _ in range(self.dice.choice((0, 1, 2, 4, 7, 9, 12, 16)))]
        try:
            self.client.evalsha(self.shas[name], 1, self.tag, *arguments)
        except redis.ResponseError:
            pass
        except redis.TimeoutError:
            raise AssertionError(f"{name} does not end: {arguments}") from None


def play(client, seed):
    dice = random.Random(seed)
    client.flushall()
    sound, wild = Sound(client, dice), Wild(client, dice)
    last = None
    try:
        for i in range(CALLS_A_ROUND):
            last = dice.choice(Sound.CALLS)
            try:
                last(sound)
            except redis.ResponseError as error:
                if not str(error).startswith(REFUSALS):
                    raise
            sound.check_sum()
            for _ in range(3):
                last = Wild.call
                wild.call()
            sound.check_sum()
            if i % CHECK_EVERY == 0:
                sound.check_all()
        last = Sound.drain
        sound.drain()
        client.ping()
    except Exception as problem:
        problem.add_note(f"seed {seed}, call {i}: {last.__name__}")
        raise


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the server ends with us
    directory = tempfile.mkdtemp(prefix="muster-scripts-")
    server, client = start_redis(directory)
    client = redis.Redis(unix_socket_path=f"{directory}/redis.sock", socket_timeout=CALL_SECONDS)
    rounds, until = 0, time.monotonic() + arguments.seconds
    try:
        while time.monotonic() < until:
            play(client, arguments.seed + rounds)
            rounds += 1
    finally:
        client.close()
        server.kill()
        server.wait()
        shutil.rmtree(directory)
    print(f"{rounds} rounds of {CALLS_A_ROUND} sound and {3 * CALLS_A_ROUND} wild calls, seeds from {arguments.seed}")


if __name__ == "__main__":
    main()
