"""turn: settle and take, in one call that can be said again."""
import pytest

from scripts import GENERATION, SLOT, record, refused


def test_takes_in_the_order_of_submission(broker):
    broker.submit("a", "b", "c", document='{"n":1}')
    taken = broker.turn(1, want=2)
    assert taken.elements == ["a", "b"]
    assert taken.stored == ['1000 0 h 1 default\n{"n":1}'] * 2
    assert taken.records == []
    assert broker.turn(2, want=3).elements == ["c"]  # what it keeps counts, and is not answered again


def test_a_document_keeps_every_byte(broker):
    document = b'{"x":9007199254740993,"y":[],"z":1.0,"s":"\\u0000","raw":"\xff\x00\n"}'
    broker.client.hset(broker.key("tasks"), "a", b"1000 0 h 1 default\n" + document)
    broker.client.lpush(broker.key("queue:default"), "a")
    sha = broker.shas.get("turn") or broker.turn(1, want=0) and broker.shas["turn"]
    answer = broker.client.evalsha(sha, 1, broker.tag, SLOT, GENERATION, 2, 1, "B" * 18, 15000, 0, 1, "default")
    assert answer[2] == [b"1000 0 h 1 default\n" + document]


def test_empty_queue_answers_nothing(broker):
    assert broker.turn(1).elements == []
    assert broker.bell() == 0


def test_queues_are_tried_in_the_order_given(broker):
    broker.submit("a", "b")
    broker.submit("m", queue="mail")
    assert broker.turn(1, queues=["mail", "default"]).elements == ["m", "a", "b"]


def test_the_rest_of_the_order_is_kept_when_the_batch_is_full(broker):
    broker.submit("a", "b")
    broker.submit("m", queue="mail")
    broker.silence("mail")
    assert broker.turn(1, want=1, queues=["mail", "default"]).elements == ["m"]
    assert broker.bell("default") == 1 and broker.bell("mail") == 0


@pytest.mark.parametrize("letter, where", [("S", "succeeded"), ("D", "dead"), ("C", "cancelled")])
def test_an_end_is_filed_and_counted(broker, letter, where):
    broker.submit("a", "b")
    broker.turn(1)
    ended = record(letter, body='{"result":1}')
    broker.turn(2, want=0, outcomes=[("a", ended)])
    assert broker.run("a") == ended
    assert broker.state("a") == letter
    key = broker.key(f"{where}:default")
    if letter == "S":
        assert broker.client.lrange(key, 0, -1) == [b"a"]
    else:
        assert abs(broker.client.zscore(key, "a") - broker.now_ms()) < 5000
    assert broker.counter(f"{where} default") == 1
    assert broker.holdings()[SLOT][2] == ["b"]
    assert broker.unaccounted() == 0


def test_ends_are_filed_in_their_order(broker):
    broker.submit("a", "b", "c")
    broker.turn(1)
    broker.turn(2, outcomes=[(id, record("S")) for id in "abc"])
    assert broker.client.lrange(broker.key("succeeded:default"), 0, -1) == [b"a", b"b", b"c"]


def test_a_retry_at_once_goes_behind_all_that_waits(broker):
    broker.submit("a", "b", "c")
    broker.turn(1, want=1)
    taken = broker.turn(2, want=3, outcomes=[("a", record("R", executions=1, maximum=3))])
    assert taken.elements == ["b", "c", "a~1"]
    assert taken.records == [None, None, record("R", executions=1, maximum=3)]
    assert broker.state("a") == "P"


def test_a_retry_taken_in_the_call_that_reported_it_is_not_settled_by_its_old_outcome(broker):
    broker.submit("a")
    broker.turn(1)
    outcome = [("a", record("R"))]
    assert broker.turn(2, outcomes=outcome).elements == ["a~1"]
    assert broker.turn(2, outcomes=outcome).elements == ["a~1"]  # the reply was lost
    broker.turn(3, want=0, outcomes=outcome)                     # said again in a later call: not its element any more
    assert broker.holdings()[SLOT][2] == ["a~1"]
    assert broker.counter("lost") == 1


def test_a_later_retry_waits_for_its_time(broker):
    broker.submit("a", "b")
    broker.turn(1)
    due = broker.now_ms() + 60000
    broker.turn(2, outcomes=[("a", record("R", executions=4, due=due)), ("b", record("R", due=due + 1))])
    assert broker.client.zscore(broker.key("retrying:default"), "a~4") == due
    assert broker.armed("due") == 1
    assert broker.state("a") == "R"
    assert broker.depths()[0]["default"]["retrying"] == 2
    assert broker.unaccounted() == 0


def test_due_is_armed_only_by_an_earlier_time(broker):
    broker.submit("a", "b", "c")
    broker.turn(1)
    later = broker.now_ms() + 60000
    broker.turn(2, outcomes=[("a", record("R", due=later))])
    broker.armed("due")
    broker.turn(3, outcomes=[("b", record("R", due=later + 5))])
    assert broker.armed("due") == 0
    broker.turn(4, outcomes=[("c", record("R", due=later - 5))])
    assert broker.armed("due") == 1


def test_given_back_ones_stand_at_the_head_in_order_and_uncounted(broker):
    broker.submit("a", "b", "c", "d")
    broker.turn(1, want=3)
    broker.turn(2, want=0, outcomes=[("b", "B"), ("c", "B")])
    assert broker.client.lrange(broker.key("queue:default"), 0, -1) == [b"d", b"c", b"b"]
    assert broker.run("b") is None
    assert broker.bell() == 1
    assert broker.holdings()[SLOT][2] == ["a"]
    assert broker.turn(1, slot="node1/default/1").elements == ["b", "c", "d"]


def test_a_crash_record_goes_to_the_head_with_its_new_element(broker):
    broker.submit("a", "b")
    broker.turn(1, want=1)
    crashed = record("P", executions=1, attempts=0, crashes=1, maximum=0)
    broker.turn(2, want=0, outcomes=[("a", crashed)])
    taken = broker.turn(3)
    assert taken.elements == ["a~1", "b"] and taken.records == [crashed, None]


def test_the_same_sequence_again_answers_the_same_and_counts_nothing_twice(broker):
    broker.submit("a", "b", "c")
    first = broker.turn(1, want=2)
    assert broker.turn(1, want=2) == first
    outcomes = [("a", record("S")), ("x", record("S"))]
    second = broker.turn(2, want=2, outcomes=outcomes)
    assert second.elements == ["c"]
    assert broker.turn(2, want=2, outcomes=outcomes) == second
    assert broker.counter("succeeded default") == 1 and broker.counter("lost") == 1
    assert broker.client.llen(broker.key("succeeded:default")) == 1
    assert broker.holdings()[SLOT] == (GENERATION, 2, ["b", "c"])


def test_a_repeated_sequence_that_took_nothing_answers_nothing(broker):
    broker.submit("a", "b")
    broker.turn(1, want=2)
    assert broker.turn(2, want=0, outcomes=[("b", "B")]).elements == []
    assert broker.turn(2, want=0, outcomes=[("b", "B")]).elements == []
    assert broker.client.lrange(broker.key("queue:default"), 0, -1) == [b"b"]


def test_an_older_sequence_is_gone_and_rings_on(broker):
    broker.submit("a", "b")
    broker.turn(5, want=1)
    broker.silence()
    assert refused(lambda: broker.turn(4, want=1, outcomes=[("a", record("S"))]), "GONE")
    assert broker.bell() == 1
    assert broker.run("a") is None


def test_an_older_generation_is_gone(broker):
    broker.submit("a")
    broker.turn(1, want=0, generation=GENERATION + 1)
    broker.silence()
    assert refused(lambda: broker.turn(9), "GONE")
    assert broker.bell() == 1


def test_a_new_generation_waits_while_the_old_one_holds_something(broker):
    broker.submit("a", "b")
    broker.turn(1, want=1)
    assert refused(lambda: broker.turn(1, generation=GENERATION + 1), "HELD")
    assert broker.holdings()[SLOT] == (GENERATION, 1, ["a"])
    broker.turn(2, want=0, outcomes=[("a", record("S"))])
    assert broker.turn(1, generation=GENERATION + 1).elements == ["b"]


def test_generations_beyond_32_bits_are_told_apart_by_one(broker):
    broker.turn(1, generation=2**53 - 2)
    assert refused(lambda: broker.turn(1, generation=2**53 - 3), "GONE")
    assert broker.client.hget(broker.key("leases"), SLOT) == b"9007199254740990 1"


def test_outcomes_of_what_it_does_not_hold_change_nothing_and_are_counted(broker):
    broker.submit("a", "b")
    broker.turn(1, want=1)
    broker.turn(2, want=0, outcomes=[("b", record("D")), ("a~1", record("S")), ("a", record("S"))])
    assert broker.counter("lost") == 2
    assert broker.state("b") == "P" and broker.state("a") == "S"
    assert broker.unaccounted() == 0


def test_two_outcomes_of_one_element_count_once(broker):
    broker.submit("a")
    broker.turn(1)
    broker.turn(2, outcomes=[("a", record("D")), ("a", record("S"))])
    assert broker.counter("succeeded default") == 1 and broker.counter("dead default") == 0
    assert broker.unaccounted() == 0


def test_rings_on_while_its_queue_has_something(broker):
    broker.submit("a", "b", "c")
    broker.silence()
    broker.turn(1, want=2)
    assert broker.bell() == 1
    broker.silence()
    broker.turn(2, want=3)
    assert broker.bell() == 0


def test_does_not_ring_for_another_pools_queue(broker):
    broker.submit("a", "b")
    broker.submit("m", queue="mail")
    broker.silence("mail")
    broker.turn(1, want=1, queues=["default"])
    assert broker.bell("default") == 1 and broker.bell("mail") == 0


def test_never_more_than_one_token(broker):
    for i in range(5):
        broker.submit(f"t{i}")
        broker.turn(i + 1, want=i)
    assert broker.bell() == 1


def test_a_settled_element_goes_back_to_its_own_queue(broker):
    broker.submit("a")
    broker.submit("m", "n", queue="mail")
    broker.turn(1)
    broker.turn(2, want=0, queues=["default"], outcomes=[("m", "B"), ("n", record("R")), ("a", record("S"))])
    assert broker.client.lrange(broker.key("queue:mail"), 0, -1) == [b"n~1", b"m"]
    assert broker.bell("mail") == 1
    assert broker.client.lrange(broker.key("succeeded:default"), 0, -1) == [b"a"]
    assert broker.client.exists(broker.key("succeeded:mail")) == 0


def test_a_task_that_is_gone_is_answered_without_a_document(broker):
    broker.client.lpush(broker.key("queue:default"), "ghost")
    assert broker.turn(1).stored == [None]


def test_a_batch_of_256(broker):
    ids = [f"t{i}" for i in range(600)]
    broker.submit(*ids)
    assert broker.turn(1, want=256).elements == ids[:256]
    taken = broker.turn(2, want=256, outcomes=[(id, record("S")) for id in ids[:256]])
    assert taken.elements == ids[256:512]
    assert broker.unaccounted() == 0


def test_a_turn_says_that_its_node_lives(broker):
    broker.call("node", "node1", 1000, "{}")
    broker.turn(1)
    assert broker.client.zscore(broker.key("alive"), "node1") > broker.now_ms() + 10000


def test_a_turn_of_a_node_that_never_registered_registers_nothing(broker):
    broker.turn(1)
    assert broker.client.exists(broker.key("alive")) == 0


def test_works_when_redis_is_full(broker):
    broker.submit("a", "b")
    broker.turn(1, want=1)
    broker.client.config_set("maxmemory", 1)
    assert refused(lambda: broker.submit("c"), "OOM")
    assert broker.turn(2, want=1, outcomes=[("a", record("S"))]).elements == ["b"]
    broker.recover()
    assert broker.state("c") is None and broker.state("b") == "P"


def test_a_lease_that_was_set_back_gives_its_rest_back(broker):
    """A fail-over may bring an older lease: nobody runs what it has, and it must not stay there for ever."""
    broker.submit("a", "b", "c")
    broker.turn(1, want=2)
    older = broker.client.hget(broker.key("leases"), SLOT)
    broker.turn(2, want=1, outcomes=[("a", record("S")), ("b", record("S"))])
    broker.client.hset(broker.key("leases"), SLOT, older)
    assert broker.turn(3, want=2, outcomes=[("c", record("S"))]).elements == ["a", "b"]
    assert broker.counter("lost") == 1
    assert broker.turn(4, want=0, outcomes=[("a", record("S")), ("b", record("S"))]).elements == []
    assert broker.holdings() == {}


def test_without_a_gap_the_rest_stays(broker):
    broker.submit("a", "b", "c")
    broker.turn(1, want=2)
    broker.turn(2, want=0, outcomes=[("a", record("S"))])
    assert broker.turn(3, want=2, outcomes=[]).elements == ["c"]
    assert broker.holdings()[SLOT][2] == ["b", "c"]
