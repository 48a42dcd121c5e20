"""submit and look."""
import pytest

from scripts import SLOT, assert_ledger, head, record, refused, text


def test_a_batch_is_stored_and_rings_once(broker):
    assert broker.submit("a", "b", document="[1]") == "00"
    assert broker.look("b") == [(head() + "[1]", None, "P", 0)]
    assert broker.bell() == 1
    assert broker.counter("submitted") == 2 and broker.unaccounted() == 0


def test_a_known_id_is_a_duplicate_and_keeps_the_first(broker):
    broker.submit("a", document="1")
    assert broker.submit("a", "b", "b", document="2") == "101"
    assert broker.look("a")[0][0] == head() + "1"
    assert broker.client.lrange(broker.key("queue:default"), 0, -1) == [b"b", b"a"]
    assert broker.counter("submitted") == 2


def test_said_again_after_a_lost_reply_it_changes_nothing(broker):
    broker.submit("a", "b")
    assert broker.submit("a", "b") == "11"
    assert broker.unaccounted() == 0


@pytest.mark.parametrize("letter", "SDC")
def test_an_ended_task_is_a_duplicate_as_long_as_it_is_kept(broker, letter):
    broker.submit("a")
    broker.turn(1)
    broker.turn(2, outcomes=[("a", record(letter))])
    assert broker.submit("a") == "1"
    assert broker.client.llen(broker.key("queue:default")) == 0


def test_ten_thousand_at_once(broker):
    ids = [f"t{i}" for i in range(10000)]
    assert broker.submit(*ids) == "0" * 10000
    assert broker.client.llen(broker.key("queue:default")) == 10000
    assert broker.turn(1, want=3).elements == ids[:3]


def test_several_queues_in_one_batch(broker):
    tasks = [("a", 1, 0, head("mail")), ("b", 2, 0, head()), ("c", 1, 0, head("mail"))]
    assert broker.call("submit", 0, 2, "mail", "default", 0, *(part for task in tasks for part in task)) == "000"
    assert broker.client.lrange(broker.key("queue:mail"), 0, -1) == [b"c", b"a"]
    assert broker.bell("mail") == 1 and broker.bell("default") == 1


def test_one_that_has_a_time_waits_for_it(broker):
    soon = broker.now_ms() + 5000
    broker.submit("a", run_at=soon)
    assert broker.state("a") == "W"
    assert broker.client.zscore(broker.key("scheduled:default"), "a") == soon
    assert broker.armed("due") == 1 and broker.bell() == 0
    broker.submit("b", run_at=soon + 1)
    assert broker.armed("due") == 0
    broker.submit("c", run_at=soon - 1)
    assert broker.armed("due") == 1
    assert_ledger(broker, "abc")


def test_a_full_redis_takes_none(broker):
    broker.client.config_set("maxmemory", 1)
    assert refused(lambda: broker.submit("a", "b"), "OOM")
    broker.client.config_set("maxmemory", 0)
    assert broker.look("a", "b") == [(None, None, "P", 0)] * 2
    assert broker.unaccounted() == 0


def test_an_id_in_use_again_is_told_apart_from_its_withdrawn_element(broker):
    """a was cancelled while it waited, and was forgotten by retention; its tombstone still stands in the list."""
    broker.submit("first", "a")
    broker.cancel("a")
    broker.client.hdel(broker.key("tasks"), "a")
    broker.client.hdel(broker.key("runs"), "a")
    assert broker.submit("a", document="2") == "0"
    assert broker.state("a") == "P"
    taken = broker.turn(1)
    assert taken.elements == ["first", "a~1"] and taken.documents() == ["{}", "2"]
    assert taken.records[1] == "P 1 0 0 0 0 0 0 -\n"
    assert broker.client.exists(broker.key("withdrawn:default")) == 0
    assert broker.unaccounted() == 0


def test_in_use_again_and_cancelled_again_and_again(broker):
    for _ in range(3):
        assert broker.submit("a") == "0"
        assert broker.cancel("a") == 1
        assert broker.retain(cancelled=-1) == 1
    broker.submit("a")
    assert broker.turn(1).elements == ["a~3"]
    broker.turn(2, outcomes=[("a~3", record("S", executions=4))])
    assert broker.unaccounted() == 0 and broker.client.llen(broker.key("queue:default")) == 0


def test_unknown_ids_are_unknown(broker):
    broker.submit("a")
    assert [found[0] is not None for found in broker.look("x", "a", "y")] == [False, True, False]


def test_states_as_they_are_seen(broker):
    broker.submit("a", "b", "c", "d", "e", "f")
    broker.turn(1, want=5)
    due = broker.now_ms() + 60000
    broker.turn(2, want=0, outcomes=[("a", record("S")), ("b", record("D")), ("c", record("R", due=due)), ("d", record("R"))])
    assert [broker.state(id) for id in "abcdef"] == ["S", "D", "R", "P", "P", "P"]


def test_a_retry_whose_time_has_come_waits_in_its_queue(broker):
    broker.submit("a")
    broker.turn(1)
    broker.turn(2, outcomes=[("a", record("R", due=1))])
    assert broker.state("a") == "R"
    assert broker.due() == [1, -1]
    assert broker.state("a") == "P"


def heard(subscriber):
    message = subscriber.get_message(timeout=5)
    while message and message["type"] != "message":
        message = subscriber.get_message(timeout=5)
    return message["data"].decode()


def test_only_the_end_of_a_watched_task_is_announced(broker):
    subscriber = broker.client.pubsub()
    subscriber.subscribe(broker.key("ended"))
    broker.submit("a", "b")
    broker.look("a", watch=1)
    broker.turn(1)
    broker.turn(2, outcomes=[("a", record("R", maximum=2)), ("b", record("S"))])
    done = record("S", executions=2)
    broker.turn(3, outcomes=[("a~1", done)])
    assert heard(subscriber) == "a\n" + done
    subscriber.close()
    assert broker.client.exists(broker.key("watched")) == 0


def test_every_way_to_end_is_announced(broker):
    subscriber = broker.client.pubsub()
    subscriber.subscribe(broker.key("ended"))
    broker.submit("turned", "recovered", "cancelled")
    broker.look("turned", "recovered", "cancelled", watch=1)
    broker.turn(1, want=2)
    broker.turn(2, want=0, outcomes=[("turned", record("S", body='{"a":"\\n"}'))])
    assert heard(subscriber) == "turned\n" + record("S", body='{"a":"\\n"}')
    broker.recover([("recovered", record("D"))])
    assert heard(subscriber) == "recovered\n" + record("D")
    broker.cancel("cancelled")
    assert heard(subscriber).startswith("cancelled\nC ")
    subscriber.close()


def test_an_ended_task_is_not_watched(broker):
    broker.submit("a")
    broker.turn(1)
    broker.turn(2, outcomes=[("a", record("S"))])
    broker.look("a", "x", watch=1)
    assert broker.client.exists(broker.key("watched")) == 0


def test_who_runs_it_is_told_where_several_nodes_live(broker):
    broker.submit("a", "b", "waits")
    broker.turn(1, 2)
    broker.call("node", "node1", 15000, "")
    assert broker.runner("a") == ""
    broker.call("node", "node2", 15000, "")
    assert [broker.runner(id) for id in ("a", "b", "waits")] == [SLOT, "", ""]
    broker.turn(2, 0, outcomes=[("a", record("S", 1))])
    assert [broker.runner(id) for id in ("a", "b", "waits")] == ["", SLOT, ""]


def test_a_page_of_what_workers_hold_tells_who_runs_the_first_of_each_lease(broker):
    broker.submit("a", "b", "waits")
    broker.turn(1, 2)
    assert [(text(entry[0]), text(entry[6])) for entry in broker.page("A")[4]] == [("a", SLOT), ("b", "")]
    assert [text(entry[6]) for entry in broker.page("P")[4]] == [""]
