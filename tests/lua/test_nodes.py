"""node, leave, nodes: who lives, and what the dead hold."""
from scripts import record


def living(broker):
    answer = broker.call("nodes")
    return {answer[i]: (answer[i + 1], answer[i + 2]) for i in range(0, len(answer), 3)}


def test_a_node_is_shown_until_its_time_is_over(broker):
    assert broker.call("node", "n1", 15000, '{"host":"a"}') == []
    until, description = living(broker)["n1"]
    assert broker.now_ms() + 14000 < until <= broker.now_ms() + 15000 and description == '{"host":"a"}'
    broker.client.zadd(broker.key("alive"), {"n1": broker.now_ms() - 1})
    assert living(broker) == {}
    broker.call("node", "n1", 15000, "{}")
    assert set(living(broker)) == {"n1"}


def test_one_that_leaves_is_shown_no_more(broker):
    broker.call("node", "n1", 15000, "{}")
    broker.call("node", "n2", 15000, "{}")
    broker.call("leave", "n1")
    broker.call("leave", "stranger")
    assert set(living(broker)) == {"n2"}
    assert broker.call("node", "n2", 15000, "{}") == []


def test_a_node_whose_time_ran_out_is_lost_if_it_holds_something(broker):
    broker.submit("a", "b")
    broker.call("node", "n1", 15000, "{}")
    broker.call("node", "n2", 15000, "{}")
    broker.turn(1, want=1, slot="n1/p/0")
    broker.turn(1, want=1, slot="n1/p/1")
    broker.turn(1, want=0, slot="n2/p/0")
    assert broker.call("node", "n3", 15000, "{}") == []
    broker.client.zadd(broker.key("alive"), {"n1": 5, "n2": 5})
    assert broker.call("node", "n3", 15000, "{}") == ["n1"]
    broker.recover(slot="n1/p/0")
    broker.recover([("b", record("P"))], slot="n1/p/1")
    assert broker.call("node", "n3", 15000, "{}") == []
    assert broker.turn(1, slot="n3/p/0").elements == ["b~1", "a"]


def test_a_clock_that_was_set_makes_nobody_lost_and_keeps_nobody_alive(broker):
    broker.submit("a", "b")
    broker.turn(1, want=1, slot="n1/p/0")
    broker.turn(1, want=1, slot="n2/p/0")
    hour = 3600 * 1000
    for jump in (hour, -hour):
        now = broker.now_ms()
        broker.client.set(broker.key("ticked"), now - jump)  # as if the clock had jumped since then
        broker.client.zadd(broker.key("alive"), {"n1": now - jump + 8000, "n2": now - jump - 10})
        assert broker.call("node", "n3", 15000, "{}") == ["n2"]
        assert abs(broker.client.zscore(broker.key("alive"), "n1") - now - 8000) < 1000


def test_a_node_that_speaks_again_is_not_lost(broker):
    broker.submit("a")
    broker.turn(1, slot="n1/p/0")
    broker.client.zadd(broker.key("alive"), {"n1": 5})
    assert broker.call("node", "n1", 15000, "{}") == []
