"""max_active: no more of a queue's tasks are held at once, over all slots, and a slot holds one of them at most."""

from scripts import GENERATION, assert_ledger, record

LIMIT = {"default": 2}
SLOTS = [f"other/default/{n}" for n in range(5)]


def holders(broker):
    return {slot.decode() for slot in broker.client.smembers(broker.key("holders:default"))}


def test_no_more_than_the_limit_are_held(broker):
    broker.submit(*"abcde")
    taken = [broker.turn(1, slot=slot, active=LIMIT).elements for slot in SLOTS]
    assert taken == [["a"], ["b"], [], [], []]
    assert holders(broker) == set(SLOTS[:2])
    assert broker.turn(2, slot=SLOTS[0], active=LIMIT).elements == []  # it holds one already
    assert_ledger(broker, list("abcde"))


def test_a_freed_slot_rings_and_another_may_take(broker):
    broker.submit(*"abcd")
    for slot in SLOTS[:2]:
        broker.turn(1, slot=slot, active=LIMIT)
    broker.silence()
    broker.turn(2, want=0, slot=SLOTS[0], queues=[], outcomes=[("a", record("S"))])
    assert broker.bell() == 1 and holders(broker) == {SLOTS[1]}
    assert broker.turn(1, slot=SLOTS[2], active=LIMIT).elements == ["c"]
    assert broker.turn(1, slot=SLOTS[3], active=LIMIT).elements == []
    assert_ledger(broker, list("abcd"))


def test_settling_and_taking_in_one_call(broker):
    broker.submit(*"abc")
    broker.turn(1, active=LIMIT)
    assert broker.turn(2, outcomes=[("a", record("S"))], active=LIMIT).elements == ["b"]
    assert holders(broker) == {"node1/default/0"}


def test_it_rings_on_below_the_limit_only(broker):
    broker.submit(*"abcd")
    broker.silence()
    broker.turn(1, slot=SLOTS[0], active=LIMIT)
    assert broker.bell() == 1
    broker.silence()
    broker.turn(1, slot=SLOTS[1], active=LIMIT)
    assert broker.bell() == 0


def test_other_queues_are_taken_beside_it(broker):
    broker.submit(*"abc")
    broker.submit("m", "n", queue="mail")
    assert broker.turn(1, active={"default": 1}).elements == ["a", "m", "n"]
    assert broker.turn(1, slot=SLOTS[1], active={"default": 1}).elements == []


def test_the_death_of_a_holder_frees_its_place(broker):
    broker.submit(*"ab")
    broker.turn(1, active={"default": 1})
    assert broker.turn(1, slot=SLOTS[1], active={"default": 1}).elements == []
    broker.recover([("a", record("P", executions=1, crashes=1))])
    assert holders(broker) == set()
    assert broker.turn(2, slot=SLOTS[1], active={"default": 1}).elements == ["a~1"]
    assert broker.turn(1, generation=GENERATION + 1, active={"default": 1}).elements == []


def test_what_a_plain_list_has_is_bounded_as_well(broker):
    broker.lists = {"default": "plain"}
    broker.client.lpush("plain", *["{}"] * 5)
    assert [len(broker.turn(1, slot=slot, active=LIMIT).elements) for slot in SLOTS] == [1, 1, 0, 0, 0]


def test_a_limit_that_is_new_counts_what_is_taken_from_then_on(broker):
    broker.submit(*"abcdef")
    assert broker.turn(1, want=3).elements == list("abc")
    assert broker.turn(1, slot=SLOTS[1], active={"default": 1}).elements == ["d"]
    broker.turn(2, want=0, outcomes=[(id, record("S")) for id in "abc"])
    assert holders(broker) == {SLOTS[1]}
    broker.turn(2, slot=SLOTS[1], outcomes=[("d", record("S"))], want=0)
    assert holders(broker) == set()
    assert_ledger(broker, list("abcdef"))
