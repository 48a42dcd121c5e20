"""Callers that know nothing of one another: at every interleaving each task stands in one place and ends once."""
import itertools
import random

import redis

from scripts import GENERATION, SLOT, assert_ledger, record

NEXT = GENERATION + 1


def attempt(call):
    """A refusal (GONE, HELD) is an answer like any other."""
    try:
        return call()
    except redis.ResponseError as error:
        assert str(error).split(" ")[0] in ("GONE", "HELD")
        return None


def interleavings(counts):
    def walk(left):
        if not any(left):
            yield []
            return
        for i, count in enumerate(left):
            if count:
                rest = list(left)
                rest[i] -= 1
                for tail in walk(rest):
                    yield [i] + tail
    return walk(counts)


def play(broker, programs, ids):
    for order in interleavings([len(program(broker)) for program in programs]):
        broker.client.flushall()
        broker.submit(*ids)
        steps = [iter(program(broker)) for program in programs]
        for which in order:
            attempt(next(steps[which]))
            assert_ledger(broker, ids)
        yield order


def worker(broker):
    """Takes two, has finished the first, says so, and says it again since the reply was lost."""
    return [lambda: broker.turn(1, want=2),
            lambda: broker.turn(2, want=2, outcomes=[("a", record("S"))]),
            lambda: broker.turn(2, want=2, outcomes=[("a", record("S"))])]


def scheduler(broker):
    """Has seen it die: a was in its outbox. Says it twice."""
    return [lambda: broker.recover([("a", record("S"))])] * 2


def successor(broker):
    return [lambda: broker.turn(1, want=2, generation=NEXT), lambda: broker.turn(2, want=1, generation=NEXT)]


def canceller(broker):
    return [lambda: broker.cancel("b")]


def test_a_dying_worker_its_scheduler_its_successor_and_a_canceller(broker):
    count = 0
    for _ in play(broker, [worker, scheduler, successor, canceller], ["a", "b", "c"]):
        count += 1
        assert broker.client.llen(broker.key("succeeded:default")) <= 1
        assert broker.counter("succeeded default") <= 1
    assert count == 1680


def test_two_schedulers_recover_the_same_slot(broker):
    """Their outcomes differ: one has read the outbox, the other thinks that the first task crashed."""
    def blind(broker):
        return [lambda: broker.recover([("a", record("P"))])] * 2
    for order in play(broker, [worker, scheduler, blind], ["a", "b", "c"]):
        assert broker.counter("succeeded default") <= 1, order


def test_two_workers_share_a_queue(broker):
    """Whoever takes it, each task is held once and runs once."""
    other = "node2/default/0"

    def first(broker):
        return [lambda: broker.turn(1, want=1), lambda: broker.turn(1, want=1), lambda: broker.turn(2, want=2)]

    def second(broker):
        return [lambda: broker.turn(1, want=2, slot=other),
                lambda: broker.turn(2, want=0, slot=other, outcomes=[("b", "B"), ("a", "B")]),
                lambda: broker.turn(3, want=2, slot=other)]
    for order in play(broker, [first, second], ["a", "b", "c"]):
        held = [element for _, _, elements in broker.holdings().values() for element in elements]
        assert sorted(held) == ["a", "b", "c"], order


def test_a_call_that_overtook_another(broker):
    """The two threads of one worker on two connections: the later sequence arrives first, the older changes nothing."""
    broker.submit("a", "b", "c")
    broker.turn(1, want=3)
    broker.turn(3, want=0, outcomes=[("b", "B"), ("c", "B")])
    assert attempt(lambda: broker.turn(2, want=3, outcomes=[("a", record("S"))])) is None
    assert broker.holdings()[SLOT][2] == ["a"]
    assert_ledger(broker, "abc")


def test_ten_thousand_steps_at_random(broker):
    """Slots that die, repeat, give back, retry and crash; a list; cancellations; due times; retention."""
    draw = random.Random(20261123)
    broker.queues, broker.lists = ["default", "jobs"], {"jobs": "jobs"}
    slots = {f"node{i}/p/{k}": [1, 0, {}] for i in range(2) for k in range(2)}  # generation, sequence, held
    ids, submitted, executions = set(), 0, {}

    def outcome(element):
        id = element.split("~")[0]
        executions[id] = int(element.partition("~")[2] or 0) + 1
        letter = draw.choice("SSSSDCRRRPB")
        if letter == "B":
            return element, "B"
        due = draw.choice([0, 1, 5]) if letter == "R" else 0
        return element, record(letter, executions=executions[id], due=due, finished=broker.now_ms())

    def turn(slot, state):
        state[1] += 1
        settled = [outcome(element) for element in state[2] if draw.random() < 0.7]
        want = draw.randrange(6)
        queues = draw.choice([["default", "jobs"], ["jobs"], ["jobs", "default"]])
        taken = broker.turn(state[1], want, settled, slot, state[0], queues)
        if draw.random() < 0.3:
            again = broker.turn(state[1], want, settled, slot, state[0], queues)
            assert again == taken
        for element, _ in settled:
            del state[2][element]
        state[2].update(dict.fromkeys(taken.elements))
        ids.update(element.split("~")[0] for element in taken.elements)
        assert list(state[2]) == broker.holdings().get(slot, (0, 0, []))[2]

    def die(slot, state):
        broker.recover([outcome(element) for element in list(state[2])[:draw.randrange(3)]], slot, state[0])
        state[:] = [state[0] + 1, 0, {}]

    for step in range(10000):
        slot = draw.choice(list(slots))
        dice = draw.random()
        if dice < 0.5:
            turn(slot, slots[slot])
        elif dice < 0.55:
            die(slot, slots[slot])
        elif dice < 0.7:
            submitted += 1
            id = f"s{submitted}"
            ids.add(id)
            broker.submit(id, queue=draw.choice(broker.queues), run_at=draw.choice([0, 0, 5, broker.now_ms() + 10**7]))
        elif dice < 0.8:
            broker.client.lpush("jobs", "{}")
        elif dice < 0.9 and ids:
            broker.cancel(draw.choice(sorted(ids)))
        else:
            broker.due(limit=draw.choice([1, 500]))
        if step % 200 == 0:
            assert_ledger(broker, ids)
    for slot, state in slots.items():
        die(slot, state)
    assert_ledger(broker, ids)
    assert broker.counter("lost") == 0
