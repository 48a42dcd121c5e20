"""submit with demands: unique values, bounds of depth, Idempotency-Keys, expiry and retention of a task's own."""
import pytest

from scripts import assert_ledger, record, text

DAY_MS = 24 * 3600 * 1000


# ---- unique ----

def test_a_second_one_of_a_unique_value_returns_the_first(broker):
    assert broker.submit("a", u="x%20y") == "0"
    assert broker.submit("b", u="x%20y") == ["2", "a"]
    assert broker.submit("c", u="other") == "0"
    assert broker.submit("d", u="x%20y", queue="mail") == ["2", "a"]
    assert broker.turn(1).elements == ["a", "c"]
    assert broker.submit("b", u="x%20y") == ["2", "a"]  # it is held
    assert_ledger(broker, ["a", "c"])


def test_within_one_call_the_first_wins(broker):
    assert broker.submit("a", "b", "c", u="x") == ["022", "a", "a"]
    assert broker.turn(1).elements == ["a"]


@pytest.mark.parametrize("letter", "SD")
def test_an_end_frees_the_value(broker, letter):
    broker.submit("a", u="x")
    broker.turn(1)
    broker.turn(2, want=0, outcomes=[("a", record(letter))])
    assert broker.submit("b", u="x") == "0"
    assert broker.submit("c", u="x") == ["2", "b"]


def test_a_cancellation_frees_it_and_a_retry_does_not(broker):
    broker.submit("a", u="x")
    broker.turn(1)
    broker.turn(2, want=0, outcomes=[("a", record("R", maximum=3, due=broker.now_ms() + DAY_MS))])
    assert broker.submit("b", u="x") == ["2", "a"]
    assert broker.cancel("a") == 1
    assert broker.submit("b", u="x") == "0"


def test_the_same_id_again_is_known_first(broker):
    broker.submit("a", u="x")
    assert broker.submit("a", u="x") == "1"


def test_a_forgotten_task_leaves_no_value_behind(broker):
    broker.submit("a", u="x")
    broker.turn(1)
    broker.turn(2, want=0, outcomes=[("a", record("S"))])
    assert broker.retain(succeeded=0) == 1
    assert broker.client.exists(broker.key("unique")) == 0


# ---- depth ----

def test_a_full_queue_takes_no_more(broker):
    assert broker.submit("a", "b", "c", depth=2) == "004"
    assert broker.submit("d", depth=2) == "4"
    assert broker.submit("a", depth=2) == "1"  # known: nothing is stored
    broker.turn(1, want=1)
    assert broker.submit("d", depth=2) == "0"
    assert_ledger(broker, ["a", "b", "d"])


def test_a_group_is_stored_all_or_none(broker):
    assert broker.submit("a", "b", "c", depth=2, group=True) == "444"
    assert broker.submit("a", "b", depth=2, group=True) == "00"
    assert broker.submit("a", "b", depth=2, group=True) == "11"


def test_scheduled_other_priorities_and_the_plain_list_count_and_cancelled_ones_do_not(broker):
    broker.lists = {"default": "plain"}
    broker.submit("s", run_at=broker.now_ms() + DAY_MS)
    broker.submit("p", priority=9)
    broker.submit("x")
    broker.cancel("x")
    broker.client.lpush("plain", "{}")
    assert broker.submit("y", depth=3) == "4"
    assert broker.submit("y", depth=4) == "0"


# ---- keys ----

def test_a_key_is_answered_once(broker):
    assert broker.submit("a", key="k 1", document='{"n":1}') == "0"
    assert broker.submit("b", key="k 1", document='{"n":1}') == ["3", "a"]
    assert broker.submit("c", key="k 1", document='{"n":2}') == "5"
    assert broker.submit("d", key="k 2", document='{"n":1}') == "0"
    assert_ledger(broker, ["a", "d"])


def test_a_key_outlives_its_task(broker):
    broker.submit("a", key="k")
    broker.turn(1)
    broker.turn(2, want=0, outcomes=[("a", record("S"))])
    broker.retain(succeeded=0)
    assert broker.state("a") is None
    assert broker.submit("b", key="k") == ["3", "a"]


def test_an_array_under_a_key(broker):
    broker.submit("b", document="{}")
    assert broker.submit("a", "b", "c", key="k") == "010"
    assert broker.submit("x", "b", "z", key="k") == ["313", "a", "c"]
    assert broker.submit("x", "b", key="k") == "55"  # a shorter one is another body


def test_what_was_refused_is_not_kept(broker):
    broker.submit("a")
    assert broker.submit("b", key="k", depth=1) == "4"
    assert broker.submit("c", key="k", depth=2) == "0"
    assert broker.submit("d", key="k", depth=1) == ["3", "c"]


def test_a_key_is_forgotten_after_a_day(broker):
    broker.submit("a", key="k")
    left = broker.client.zscore(broker.key("replies:at"), "k") - broker.now_ms()
    assert DAY_MS - 10000 < left <= DAY_MS
    broker.client.zadd(broker.key("replies:at"), {"k": 1})
    broker.submit("b", key="other")
    assert broker.client.hkeys(broker.key("replies")) == [b"other"]


# ---- expiry ----

def expiring(broker, *ids, **fields):
    return broker.submit(*ids, e=1, **fields)


def test_one_that_waits_too_long_is_dead_and_not_run(broker):
    expiring(broker, "a")
    expiring(broker, "b", run_at=broker.now_ms() + DAY_MS)
    broker.submit("c", e=broker.now_ms() + DAY_MS)
    moved, next_ms, *expired = broker.due()
    assert moved == 2 and 0 < next_ms <= DAY_MS and expired == ["default", 2]
    assert broker.turn(1).elements == ["c"]
    assert broker.state("a") == broker.state("b") == "D"
    line, body = broker.run("a").split("\n")
    assert line.startswith("D 0 0 0 0 0 ") and '"kind":"expired"' in body
    assert broker.depths()[0]["default"]["dead"] == 2
    assert_ledger(broker, list("abc"))


def test_one_that_waits_for_a_retry_keeps_its_history(broker):
    broker.submit("a", e=1)
    broker.turn(1)
    body = '{"history":[{"kind":"retry"}]}'
    broker.turn(2, want=0, outcomes=[("a", record("R", maximum=3, due=broker.now_ms() + DAY_MS, body=body))])
    broker.due()
    assert broker.run("a").split("\n")[1].startswith('{"error":{"kind":"expired"')
    assert broker.run("a").endswith(',"history":[{"kind":"retry"}]}')


def test_one_that_is_held_is_left_to_its_worker(broker):
    expiring(broker, "a")
    broker.turn(1)
    assert broker.due() == [1, -1]
    broker.turn(2, want=0, outcomes=[("a", record("S"))])
    assert_ledger(broker, ["a"])


def test_submitting_arms_the_scheduler(broker):
    broker.submit("a", e=broker.now_ms() + 1000)
    assert broker.armed("due") == 1


# ---- retention ----

def test_a_longer_retention_outlives_its_queues(broker):
    broker.submit("a", r=DAY_MS)
    broker.submit("b")
    broker.turn(1)
    broker.turn(2, want=0, outcomes=[("a", record("S")), ("b", record("S"))])
    broker.retain(succeeded=0)
    assert broker.state("a") == "S" and broker.state("b") is None
    broker.client.zadd(broker.key("outlived"), {"a": 1})
    broker.retain(succeeded=0)
    assert broker.state("a") is None
    assert broker.unaccounted() == 0


@pytest.mark.parametrize("letter, place", [("S", "succeeded"), ("D", "dead")])
def test_a_shorter_retention_ends_before_its_queues(broker, letter, place):
    broker.submit("a", r=1)
    broker.submit("b")
    broker.turn(1)
    ended = record(letter, finished=broker.now_ms())
    broker.turn(2, want=0, outcomes=[("a", ended), ("b", ended)])
    broker.client.zadd(broker.key("retained"), {"a": 1})
    assert broker.retain() >= 1
    assert broker.state("a") is None and broker.state("b") == letter
    key = broker.key(f"{place}:default")
    left = broker.client.lrange(key, 0, -1) if letter == "S" else broker.client.zrange(key, 0, -1)
    assert [text(id) for id in left] == ["b"]


def test_it_counts_from_the_end(broker):
    broker.submit("a", r=DAY_MS)
    assert broker.client.zscore(broker.key("retained"), "a") == float("inf")
    broker.cancel("a")
    assert broker.client.zscore(broker.key("retained"), "a") >= broker.now_ms() + DAY_MS - 10000
