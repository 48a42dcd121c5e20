"""mark: by which a scheduler sees that everything was deleted behind its back."""


def emptied(broker):
    answer = broker.call("depths", *broker._lists(), len(broker.queues), *broker.queues)
    return answer[-1]


def test_the_first_look_leaves_a_mark(broker):
    assert broker.call("mark", "", "one") == "one"
    assert broker.call("mark", "", "two") == "one"
    assert broker.call("mark", "one", "two") == "one"
    assert emptied(broker) == 0


def test_a_mark_that_is_gone_is_missed(broker):
    broker.call("mark", "", "one")
    broker.client.flushall()
    assert emptied(broker) == 0
    assert broker.call("mark", "one", "two") == "two"
    assert abs(emptied(broker) - broker.now_ms()) < 5000
    assert broker.call("mark", "one", "three") == "two", "another node sees it by the mark that changed"


def test_a_full_redis_can_be_marked(broker):
    broker.client.config_set("maxmemory", 1)
    assert broker.call("mark", "", "one") == "one"
