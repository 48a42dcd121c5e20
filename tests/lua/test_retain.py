"""retain: what is not kept any longer goes, and nothing else."""
import pytest

from scripts import GENERATION, SLOT, record

HOUR_MS = 3600 * 1000


def end(broker, ids, letter, queue="default", **fields):
    broker.submit(*ids, queue=queue)
    holder = f"node9/{queue}/{letter}"
    broker.turn(1, want=256, slot=holder, queues=[queue])
    broker.turn(2, want=0, slot=holder, outcomes=[(id, record(letter, **fields)) for id in ids])
    broker.client.hdel(broker.key("leases"), holder)


@pytest.mark.parametrize("letter, kept", [("S", "succeeded"), ("D", "dead"), ("C", "cancelled")])
def test_by_count_the_oldest_first(broker, letter, kept):
    ids = ["a", "b", "c", "d", "e"]
    for id in ids:
        end(broker, [id], letter, finished=broker.now_ms())
        while letter != "S" and broker.now_ms() <= broker.client.zscore(broker.key(f"{kept}:default"), id):
            pass
    assert broker.retain(maximum=2) == 3
    assert [broker.state(id) for id in ids] == [None, None, None, letter, letter]
    assert broker.client.hlen(broker.key("tasks")) == broker.client.hlen(broker.key("runs")) == 2
    assert broker.retain(maximum=2) == 0
    assert broker.unaccounted() == 0


@pytest.mark.parametrize("letter, option", [("S", "succeeded"), ("D", "dead"), ("C", "cancelled")])
def test_by_age(broker, letter, option):
    end(broker, ["a", "b"], letter, finished=broker.now_ms())
    assert broker.retain(**{option: HOUR_MS}) == 0
    assert broker.retain(**{option: -1}) == 2
    assert broker.state("a") is None
    assert broker.counter(f"{option} default") == 2  # totals never go back


def test_by_age_only_those_that_are_old(broker):
    now = broker.now_ms()
    end(broker, ["a", "b"], "S", finished=now - 2000)
    end(broker, ["c"], "S", finished=now)
    assert broker.retain(succeeded=1000) == 2
    assert broker.client.lrange(broker.key("succeeded:default"), 0, -1) == [b"c"]


def test_no_more_than_its_limit_in_one_call(broker):
    end(broker, [f"t{i}" for i in range(25)], "S", finished=1)
    assert [broker.retain(succeeded=0, limit=10) for _ in range(4)] == [10, 10, 5, 0]
    end(broker, [f"u{i}" for i in range(25)], "S", finished=broker.now_ms())
    assert [broker.retain(maximum=5, limit=10) for _ in range(3)] == [10, 10, 0]


def test_each_queue_and_state_for_itself(broker):
    now = broker.now_ms()
    end(broker, ["a"], "S", finished=now)
    end(broker, ["m"], "S", queue="mail", finished=now)
    end(broker, ["d"], "D")
    assert broker.retain(maximum=1) == 0
    broker.queues = ["mail"]
    assert broker.retain(maximum=0) == 1
    assert [broker.state(id) for id in "amd"] == ["S", None, "D"]


def test_what_is_not_over_stays(broker):
    broker.submit("waits", "held")
    broker.submit("scheduled", run_at=broker.now_ms() + 9999)
    assert broker.retain(-1, -1, -1, 0) == 0
    assert [broker.state(id) for id in ("waits", "held", "scheduled")] == ["P", "P", "W"]


def test_memory_goes_back_to_its_floor(broker):
    for i in range(40):
        end(broker, [f"t{i}-{k}" for k in range(250)], "SDC"[i % 3])
    while broker.retain(0, 0, 0, 0):
        pass
    left = {key.decode() for key in broker.client.keys()}
    assert left <= {broker.key(name) for name in ("counters", "queues", "bell:default")}


def test_watchers_whose_time_is_over_go(broker):
    broker.submit("a", "b")
    broker.look("a", watch=1)
    broker.client.zadd(broker.key("watched"), {"b": 5})
    broker.retain()
    assert broker.client.zrange(broker.key("watched"), 0, -1) == [b"a"]


def test_tombstones_stay_while_their_node_may_come_back(broker):
    broker.call("node", "node1", 1000, "{}")
    broker.recover()
    broker.retain()
    assert broker.client.hexists(broker.key("leases"), SLOT)
    broker.client.zadd(broker.key("alive"), {"node1": broker.now_ms() - HOUR_MS + 60000})
    broker.retain()
    assert broker.client.hexists(broker.key("leases"), SLOT)
    broker.client.zadd(broker.key("alive"), {"node1": broker.now_ms() - HOUR_MS - 1})
    broker.retain()
    assert broker.client.exists(broker.key("leases"), broker.key("alive"), broker.key("nodes")) == 0


def test_a_lease_that_holds_something_stays_whatever_its_age(broker):
    broker.submit("a")
    broker.turn(1)
    broker.client.zadd(broker.key("alive"), {"node1": 5})
    broker.retain()
    assert broker.holdings()[SLOT] == (GENERATION, 1, ["a"])
    assert broker.call("node", "node2", 1000, "{}") == ["node1"]


def test_a_node_that_never_registered_is_missed_after_its_time(broker):
    broker.submit("a")
    broker.turn(1)
    broker.retain()
    until = broker.client.zscore(broker.key("alive"), "node1")
    assert broker.now_ms() < until <= broker.now_ms() + 15000


def test_works_when_redis_is_full(broker):
    end(broker, ["a"], "S")
    broker.client.config_set("maxmemory", 1)
    assert broker.retain(succeeded=0) == 1
