"""due: tasks whose time has come."""
from scripts import assert_ledger, record


def test_nothing_is_scheduled(broker):
    assert broker.due() == [0, -1]


def test_the_time_until_the_next(broker):
    now = broker.now_ms()
    broker.submit("a", run_at=now + 60000)
    broker.submit("b", run_at=now + 50000, queue="mail")
    moved, wait = broker.due()
    assert moved == 0 and 49000 < wait <= 50000


def test_moves_in_the_order_of_time_and_rings(broker):
    broker.submit("waiting")
    broker.silence()
    for id, time in (("c", 30), ("a", 10), ("b", 20)):
        broker.submit(id, run_at=time)
    assert broker.due() == [3, -1]
    assert broker.bell() == 1
    assert broker.turn(1).elements == ["waiting", "a", "b", "c"]
    assert broker.state("a") == "P"


def test_retries_and_scheduled_ones_of_all_queues(broker):
    broker.submit("a")
    broker.turn(1)
    broker.turn(2, outcomes=[("a", record("R", executions=2, due=5))])
    broker.submit("m", queue="mail", run_at=7)
    assert broker.due()[0] == 2
    assert broker.turn(3).elements == ["a~2", "m"]
    assert_ledger(broker, "am")


def test_moves_no_more_than_its_limit_and_comes_back_at_once(broker):
    ids = [f"t{i}" for i in range(30)]
    for id in ids:
        broker.submit(id, run_at=5)
    assert broker.due(limit=20) == [20, 0]
    assert broker.due(limit=20) == [10, -1]
    assert_ledger(broker, ids)


def test_a_full_redis_does_not_stop_it(broker):
    broker.submit("a", run_at=5)
    broker.client.config_set("maxmemory", 1)
    assert broker.due() == [1, -1]
