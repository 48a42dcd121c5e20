"""depths: how many tasks stand where, and the ledger."""
from scripts import assert_ledger, record


def test_an_empty_namespace(broker):
    depths, unaccounted = broker.depths()
    assert set(depths["mail"].values()) == {0} and unaccounted == 0


def test_every_place_is_counted(broker):
    far = broker.now_ms() + 60000
    broker.submit(*"abcdefg")
    broker.submit("later", run_at=far)
    broker.submit("m", queue="mail")
    broker.turn(1, want=5, queues=["default"])
    broker.turn(2, want=0, outcomes=[("a", record("S")), ("b", record("D")), ("c", record("R", due=far))])
    broker.cancel("f")
    depths, unaccounted = broker.depths()
    oldest = depths["default"].pop("oldest_ms")
    assert depths["default"].pop("paused") == 0
    assert depths["default"] == {"pending": 1, "scheduled": 1, "retrying": 1, "active": 2, "dead": 1,
                                 "succeeded_total": 1, "dead_total": 1, "cancelled_total": 1}
    assert depths["mail"]["pending"] == 1 and depths["mail"]["active"] == 0
    assert abs(oldest - broker.now_ms() + 1000) < 5000  # they were made with created 1000
    assert unaccounted == 0
    assert_ledger(broker, [*"abcdefg", "later", "m"])


def test_the_oldest_is_the_next_in_line(broker):
    broker.submit("a", created=broker.now_ms() - 90000)
    broker.submit("b", created=broker.now_ms() - 50000)
    assert 90000 <= broker.depths()[0]["default"]["oldest_ms"] < 95000
    broker.cancel("a")
    assert 50000 <= broker.depths()[0]["default"]["oldest_ms"] < 55000


def test_a_task_that_vanished_is_seen(broker):
    broker.submit("a", "b")
    broker.client.rpop(broker.key("queue:default"))
    assert broker.unaccounted() == 1


def test_tasks_of_queues_that_are_configured_no_more_stay_accounted_for(broker):
    broker.submit("a", queue="old")
    broker.submit("b")
    assert broker.unaccounted() == 0
    assert broker.turn(1, queues=["default"]).elements == ["b"]
    assert broker.state("a") == "P"
