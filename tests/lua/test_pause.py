"""pause, restore and what turn makes of them."""
from scripts import assert_ledger, record

OTHER = "node2/other/0"


def document(name):
    return '{"class":"%s","method":"m","param":[{"class":"X"},9007199254740993]}' % name


def test_a_paused_queue_is_passed_over(broker):
    broker.submit("a")
    broker.submit("m", queue="mail")
    assert broker.pause("queue", "default") == 1 and broker.pause("queue", "default") == 0
    assert broker.turn(1).elements == ["m"]
    assert broker.depths()[0]["default"]["paused"] == 1 and broker.depths()[0]["mail"]["paused"] == 0
    broker.silence()
    assert broker.turn(2).elements == [] and broker.bell() == 0, "nobody is woken for it"
    assert broker.resume("queue", "default") == 1 and broker.bell() == 1 and broker.resume("queue", "default") == 0
    assert broker.turn(3).elements == ["a"]
    assert broker.client.exists(broker.key("paused")) == 0


def test_what_is_held_can_be_settled(broker):
    broker.submit("a", "b")
    broker.turn(1)
    broker.pause("queue", "default")
    broker.pause("pool", "default")
    broker.turn(2, outcomes=[("a", record("S")), ("b", record("R"))])
    assert assert_ledger(broker, "ab") == {"a": "succeeded", "b": "queue"}


def test_nothing_is_admitted_to_a_paused_queue(broker):
    broker.lists = {"default": "plain"}
    broker.client.lpush("plain", "x")
    broker.pause("queue", "default")
    assert broker.turn(1).elements == [] and broker.client.llen("plain") == 1
    assert broker.depths()[0]["default"]["pending"] == 1
    broker.silence()
    broker.resume("queue", "default")
    assert broker.bell() == 1 and broker.turn(2).documents() == ["x"]


def test_a_paused_pool_rests_and_another_does_not(broker):
    broker.submit("a", "b")
    broker.pause("pool", "default")
    taken = broker.turn(1, want=1)
    assert taken.elements == [] and taken.admitted == -1
    assert broker.turn(1, want=1, slot=OTHER).elements == ["a"]
    broker.resume("pool", "default")
    assert broker.client.llen(broker.key("resumed")) == 1  # one token for its one slot
    assert 0 < broker.client.ttl(broker.key("resumed")) <= 2
    assert broker.turn(2).elements == ["b"]


def test_a_drained_node_rests_and_another_does_not(broker):
    broker.submit("a", "b")
    broker.pause("node", "node1")
    assert broker.turn(1, want=1).admitted == -1
    assert broker.turn(1, want=1, slot=OTHER).elements == ["a"]
    broker.resume("node", "node1")
    assert broker.turn(2, want=1).elements == ["b"]


def test_one_that_rests_still_gives_back_what_it_holds(broker):
    broker.submit("a", "b")
    broker.turn(1)
    broker.pause("node", "node1")
    broker.turn(2, outcomes=[("a", record("S")), ("b", "B")])
    assert assert_ledger(broker, "ab") == {"a": "succeeded", "b": "queue"}
    assert broker.turn(1, slot=OTHER).elements == ["b"]


def test_tasks_of_a_paused_class_stand_aside_and_others_run(broker):
    for i in range(6):
        broker.submit(f"t{i}", document=document("X" if i % 2 else "Y"))
    broker.pause("class", "X")
    assert broker.turn(1, want=3).elements == ["t0", "t2", "t4"]
    assert broker.turn(2, outcomes=[(f"t{i}", record("S")) for i in (0, 2, 4)]).elements == []
    assert broker.depths()[0]["default"]["pending"] == 3 and broker.unaccounted() == 0
    assert broker.state("t1") == "P" and broker.page("H")[0] == ["t1", "t3", "t5"]
    broker.silence()
    broker.resume("class", "X")
    assert broker.restore() == 0 and broker.bell() == 1
    assert broker.turn(3).elements == ["t1", "t3", "t5"], "in their order"
    assert broker.client.exists(broker.key("restore"), broker.key("aside:default")) == 0


def test_they_come_back_in_bounded_steps_and_in_order(broker):
    ids = [f"t{i}" for i in range(25)]
    broker.submit(*ids, document=document("X"))
    broker.pause("class", "X")
    for sequence in range(1, 4):
        assert broker.turn(sequence).elements == []
    broker.resume("class", "X")
    assert [broker.restore(10) for _ in range(3)] == [15, 5, 0]
    assert broker.turn(9, want=100).elements == ids


def test_with_two_paused_classes_one_comes_back(broker):
    broker.submit("x", document=document("X"))
    broker.submit("y", document=document("Y"))
    broker.pause("class", "X")
    broker.pause("class", "Y")
    broker.turn(1)
    broker.resume("class", "X")
    broker.restore()
    assert broker.turn(2).elements == ["x"]
    assert broker.page("H")[0] == ["y"] and broker.unaccounted() == 0


def test_one_that_stands_aside_can_be_cancelled_deleted_and_purged(broker):
    broker.submit(*"abcd", document=document("X"))
    broker.pause("class", "X")
    broker.turn(1)
    assert broker.cancel("a") == 1 and broker.delete("b") == "1"
    assert broker.page("H")[0] == ["c", "d"] and broker.depths()[0]["default"]["pending"] == 2
    broker.resume("class", "X")
    broker.restore()
    assert broker.turn(2, want=1).elements == ["c"]
    broker.pause("class", "X")
    broker.turn(3, outcomes=[("c", record("S"))])
    assert broker.purge("P") == [1, 0] and broker.unaccounted() == 0
    assert broker.client.exists(broker.key("aside:default"), broker.key("withdrawn:default")) == 0


def test_a_class_in_a_plain_list_and_documents_that_are_none(broker):
    broker.lists = {"default": "plain"}
    broker.client.lpush("plain", document("X"), "no json", "[]", document("Y"), '{"class":7}')
    broker.pause("class", "X")
    taken = broker.turn(1)
    assert taken.documents() == ["no json", "[]", document("Y"), '{"class":7}']
    assert broker.page("H")[4][0][3].endswith(document("X")), "its bytes are as they came"
    assert broker.unaccounted() == 0
