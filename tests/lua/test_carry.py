"""Plain lists in another database: grab, put, drop, and a death between any two of them."""
import itertools

import pytest
import redis

from scripts import Broker, refused, script_text

LIST = "jobs"
SOURCE = "5 jobs"


@pytest.fixture
def there(broker):
    client = redis.Redis(unix_socket_path=broker.client.connection_pool.connection_kwargs["path"], db=5)
    yield client
    client.close()


class Carrier:
    """One scheduler, as core/broker_wait.c does it."""

    def __init__(self, broker, there):
        self.broker, self.there, self.box = broker, there, None

    def grab(self, limit=3):
        last = int(self.broker.client.hget(self.broker.key("boxes"), SOURCE) or 0)
        self.box = self.broker.call("grab", LIST, limit, last, client=self.there)

    def put(self):
        if len(self.box) > 1:
            self.broker.bases += 1
            return self.broker.call("put", "default", SOURCE, self.box[0], f"BASE{self.broker.bases:014d}", *self.box[1:])

    def drop(self):
        return self.broker.call("drop", LIST, self.box[0], client=self.there)

    def carry(self):
        self.grab()
        self.put()
        self.drop()


def arrived(broker):
    return broker.turn(1, want=256, slot="reader/x/0").documents()


def test_all_arrive_in_order(broker, there):
    there.lpush(LIST, *map(str, range(10)))
    for _ in range(4):
        Carrier(broker, there).carry()
    assert broker.bell() == 1
    assert arrived(broker) == list(map(str, range(10)))
    assert there.exists(LIST, "{jobs}:box:{muster}") == 0
    assert broker.unaccounted() == 0


def test_nothing_to_carry(broker, there):
    carrier = Carrier(broker, there)
    carrier.grab()
    assert carrier.box == [0]


def test_bytes_arrive_as_they_are(broker, there):
    document = bytes(range(256))
    there.lpush(LIST, document)
    sha = there.script_load(script_text("grab"))
    assert there.evalsha(sha, 1, broker.tag, LIST, 5, 0) == [1, document]


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_death_after_any_step(broker, there, steps):
    there.lpush(LIST, *map(str, range(7)))
    for _ in range(2):
        dying = Carrier(broker, there)
        for step in (dying.grab, dying.put, dying.drop)[:steps]:
            step()
        Carrier(broker, there).carry()
    for _ in range(3):
        Carrier(broker, there).carry()
    assert arrived(broker) == list(map(str, range(7)))


def test_two_carriers_at_every_interleaving(broker, there):
    steps = ["grab", "put", "drop"] * 2
    for places in itertools.combinations(range(12), 6):
        broker.client.flushall()
        there.lpush(LIST, *map(str, range(9)))
        queues = [iter(steps), iter(steps)]
        carriers = [Carrier(broker, there), Carrier(broker, there)]
        for i in range(12):
            which = 0 if i in places else 1
            getattr(carriers[which], next(queues[which]))()
        for _ in range(4):
            Carrier(broker, there).carry()
        assert arrived(broker) == list(map(str, range(9))), places


def test_a_flushed_list_database_starts_numbers_that_are_new(broker, there):
    for document in "12":
        there.lpush(LIST, document)
        Carrier(broker, there).carry()
        there.flushdb()
    assert arrived(broker) == ["1", "2"]


def test_a_flushed_database_of_ours_loses_no_box(broker, there):
    there.lpush(LIST, "1")
    Carrier(broker, there).carry()
    broker.client.flushdb()
    there.lpush(LIST, "2")
    Carrier(broker, there).carry()
    assert arrived(broker) == ["2"]


def test_a_full_redis_keeps_the_box(broker, there):
    there.lpush(LIST, "1")
    carrier = Carrier(broker, there)
    carrier.grab()
    broker.client.config_set("maxmemory", 1)
    assert refused(carrier.put, "OOM")
    broker.client.config_set("maxmemory", 0)
    Carrier(broker, there).carry()
    assert arrived(broker) == ["1"]


def test_two_deployments_share_no_box(broker, there):
    other = Broker(broker.client, "other")
    there.lpush(LIST, "1", "2")
    first, second = Carrier(broker, there), Carrier(other, there)
    first.grab(limit=1)
    second.grab(limit=1)
    assert first.box[1:] == ["1"] and second.box[1:] == ["2"]


def test_the_wrong_type_is_said(broker, there):
    there.set(LIST, "x")
    assert refused(Carrier(broker, there).grab, "WRONGTYPE")
