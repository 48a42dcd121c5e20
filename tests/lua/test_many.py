"""retry, delete, purge, page: what is done to many tasks at once."""
import pytest

from scripts import assert_ledger, record


def end(broker, ids, letter, sequence=1, **fields):
    """Submits them and lets them end."""
    broker.submit(*ids)
    taken = broker.turn(sequence, want=len(ids)).elements
    broker.turn(sequence + 1, want=0, outcomes=[(element, record(letter, **fields)) for element in taken])


# ---- retry ----

def test_a_dead_one_runs_again_counted_anew(broker):
    broker.submit("a")
    broker.turn(1)
    broker.turn(2, outcomes=[("a", record("D", executions=3, attempts=3, crashes=1, maximum=3, body='{"history":[]}'))])
    broker.silence()
    assert broker.retry("a") == "1" and broker.bell() == 1
    assert broker.run("a") == 'P 3 0 0 3 0 0 0 -\n{"history":[]}'
    assert broker.state("a") == "P" and assert_ledger(broker, "a") == {"a": "queue"}
    assert broker.counter("revived") == 1
    assert broker.turn(3).elements == ["a~3"]
    broker.turn(4, outcomes=[("a~3", record("S", executions=4))])
    assert assert_ledger(broker, "a") == {"a": "succeeded"}


def test_an_old_outcome_is_not_taken_for_the_new_run(broker):
    end(broker, "a", "D")
    broker.retry("a")
    assert broker.turn(3).elements == ["a~1"]
    broker.turn(4, outcomes=[("a", record("D"))])
    assert broker.state("a") == "P" and broker.counter("lost") == 1


@pytest.mark.parametrize("cancels", [1, 3])
def test_a_cancelled_one_runs_again_although_its_old_element_still_stands_in_the_list(broker, cancels):
    broker.submit("a", "b")
    for _ in range(cancels):
        broker.cancel("a")
        assert broker.retry("a") == "1"
    assert broker.unaccounted() == 0
    assert broker.turn(1).elements == ["b", f"a~{cancels}"]
    assert broker.client.exists(broker.key("withdrawn:default")) == 0
    assert broker.depths()[0]["default"]["pending"] == 0


def test_others_are_refused(broker):
    end(broker, "s", "S")
    broker.submit("p", "h")
    broker.submit("w", run_at=broker.now_ms() + 60000)
    broker.turn(3, want=1)
    assert broker.retry("unknown", "s", "p", "h", "w") == "03222"
    assert broker.counter("revived") == 0 and broker.unaccounted() == 0


def test_twice_changes_nothing_twice(broker):
    end(broker, "a", "D")
    assert broker.retry("a") == "1" and broker.retry("a") == "2" and broker.retry("a", "a") == "22"
    assert broker.client.llen(broker.key("queue:default")) == 1


def test_one_of_a_plain_list_stands_behind_what_is_there(broker):
    broker.lists = {"default": "plain"}
    broker.client.lpush("plain", "first")
    id = broker.turn(1).elements[0]
    broker.turn(2, want=0, outcomes=[(id, record("D"))])
    broker.client.lpush("plain", "second", "third")
    assert broker.retry(id) == "1"
    broker.client.lpush("plain", "fourth")
    taken = broker.turn(3)
    assert taken.documents() == ["second", "third", "first", "fourth"]
    assert broker.unaccounted() == 0


# ---- delete ----

def test_every_state_is_deleted_but_what_is_held(broker):
    end(broker, "s", "S")
    end(broker, "d", "D", 3)
    broker.submit("p", "q", "c", "h")
    broker.submit("w", run_at=broker.now_ms() + 60000)
    broker.cancel("c")
    broker.turn(5, want=3)
    broker.turn(6, want=0, outcomes=[("p", record("R", due=broker.now_ms() + 60000)), ("q", "B")])
    assert broker.delete("s", "d", "p", "q", "c", "h", "w", "unknown") == "11111210"
    assert broker.client.hkeys(broker.key("tasks")) == [b"h"]
    assert broker.unaccounted() == 0
    depths = broker.depths()[0]["default"]
    assert [depths[key] for key in ("pending", "scheduled", "retrying", "active", "dead")] == [0, 0, 0, 1, 0]
    broker.turn(7, outcomes=[("h", record("S"))])
    assert broker.turn(8).elements == [] and broker.unaccounted() == 0


def test_its_id_can_be_used_anew(broker):
    end(broker, "s", "S")
    broker.submit("p")
    broker.delete("s", "p")
    broker.submit("s", "p")
    assert broker.retain(succeeded=0) >= 0  # what is left of the old one takes nothing along
    assert sorted(broker.turn(3).elements) == ["p~1", "s"]
    broker.turn(4, outcomes=[("s", record("S")), ("p~1", record("S"))])
    assert broker.state("s") == broker.state("p") == "S" and broker.unaccounted() == 0


def test_retention_passes_what_was_deleted(broker):
    end(broker, "abc", "S")
    broker.delete("b")
    broker.submit("b")
    assert broker.retain(maximum=0) == 3
    assert broker.state("a") is None and broker.state("b") == "P"
    assert broker.client.exists(broker.key("husks:default")) == 0


def test_who_waits_for_its_end_hears_of_it(broker):
    broker.submit("a")
    broker.look("a", watch=1)
    listener = broker.client.pubsub()
    listener.subscribe(broker.key("ended"))
    listener.get_message(timeout=5)
    broker.delete("a")
    assert listener.get_message(timeout=5)["data"].startswith(b"a\nC ")
    listener.close()


# ---- purge ----

@pytest.mark.parametrize("state", "PWRSDC")
def test_purge_in_bounded_steps(broker, state):
    ids = [f"t{i}" for i in range(25)]
    later = broker.now_ms() + 60000
    if state in "PC":
        broker.submit(*ids)
        for id in ids if state == "C" else []:
            broker.cancel(id)
    elif state == "W":
        broker.submit(*ids, run_at=later)
    else:
        end(broker, ids, state, due=later if state == "R" else 0)
    broker.submit("other", queue="mail")
    assert [broker.purge(state, limit=10) for _ in range(3)] == [[10, 1], [10, 1], [5, 0]]
    assert broker.client.hkeys(broker.key("tasks")) == [b"other"] and broker.client.hlen(broker.key("runs")) == 0
    assert broker.unaccounted() == 0
    assert broker.turn(3).elements == ["other"]


def test_purge_of_a_line_takes_the_plain_list_and_tombstones_along(broker):
    broker.lists = {"default": "plain"}
    broker.submit("a", "b")
    broker.cancel("a")
    broker.client.lpush("plain", *"12345")
    broker.submit("behind")
    assert broker.purge("P", limit=100) == [7, 0]
    assert broker.client.exists("plain", broker.key("queue:default"), broker.key("withdrawn:default")) == 0
    broker.client.lpush("plain", "6")
    broker.submit("c")
    assert broker.turn(1).documents() == ["6", "{}"] and broker.unaccounted() == 0


# ---- page ----

@pytest.mark.parametrize("place, backwards", [("W", False), ("R", False), ("D", True), ("C", True)])
def test_pages_of_sorted_ones_go_on_although_all_that_was_seen_is_gone(broker, place, backwards):
    """Also when many have the same time."""
    key = {"W": "scheduled", "R": "retrying", "D": "dead", "C": "cancelled"}[place]
    ids = [f"{'zaMQ09_-'[i % 8]}{i}" for i in range(200)]
    for i, id in enumerate(ids):
        broker.client.hset(broker.key("tasks"), id, "1000 0 h 1 default\n{}")
        broker.client.zadd(broker.key(f"{key}:default"), {id: 1790000000000 + i // 90})
    expected = broker.client.zrange(broker.key(f"{key}:default"), 0, -1, desc=backwards)
    expected = [id.decode() for id in expected]
    assert broker.pages(place, 7) == expected
    found, at, last = [], "", ""
    while True:
        page, at, last, _, _ = broker.page(place, at, last, 7)
        found += page
        if page:
            broker.client.zrem(broker.key(f"{key}:default"), *page)
        if at == "":
            break
    assert found == expected


def test_pages_of_a_line_go_on_while_it_is_taken_from(broker):
    ids = [f"t{i}" for i in range(100)]
    broker.submit(*ids)
    broker.cancel("t30")
    sequence = [0]

    def take():
        sequence[0] += 1
        broker.turn(sequence[0], want=5 * sequence[0])
        broker.submit(f"new{sequence[0]}")
    found = broker.pages("P", 10, take)
    assert [id for id in found if id.startswith("t")] == [id for id in ids if id != "t30"]
    assert len(set(found)) == len(found)


def test_pages_of_a_line_that_was_taken_whole(broker):
    broker.submit(*[f"t{i}" for i in range(20)])
    _, at, last, _, _ = broker.page("P", limit=5)
    broker.turn(1, want=20)
    broker.submit("new")
    assert broker.page("P", at, last, limit=5)[0] == ["new"]


def test_pages_of_succeeded_ones_go_on_while_more_succeed_and_old_ones_are_dropped(broker):
    ids = [f"t{i}" for i in range(50)]
    end(broker, ids, "S")
    broker.delete("t40")
    step = [0]

    def go_on():
        step[0] += 1
        end(broker, [f"new{step[0]}"], "S", 2 * step[0] + 1)
        broker.retain(maximum=48)
    found = broker.pages("S", 10, go_on)
    assert found == [id for id in reversed(ids[found and int(found[-1][1:]):]) if id != "t40"]
    assert len(found) > 40


def test_a_page_of_what_workers_hold(broker):
    broker.submit(*"abc")
    broker.submit("m", queue="mail")
    broker.turn(1)
    broker.cancel("b")
    ids, at, _, _, entries = broker.page("A")
    assert sorted(ids) == ["a", "b", "c"] and at == ""
    assert {entry[0]: entry[5] for entry in entries} == {"a": 0, "b": 1, "c": 0}
    assert sorted(broker.pages("A", 2)) == ["a", "b", "c"]


def test_each_task_of_a_page_has_its_own_position(broker):
    end(broker, "abcdef", "D")
    broker.submit(*"uvwxyz")
    for place in "DP":
        ids, _, _, _, entries = broker.page(place)
        for i, (_, at, last, *_) in enumerate(entries):
            assert broker.page(place, at, last)[0] == ids[i + 1:]


def test_few_bytes_are_read_however_large_the_documents_are(broker):
    broker.submit(*[f"t{i}" for i in range(20)], document="x" * 1000000)
    ids, at, last, scanned, _ = broker.page("P")
    assert 4 <= len(ids) == scanned <= 6
    assert len(broker.pages("P", 1000)) == 20
    assert len(broker.page("P", bare=1)[0]) == 20


def test_a_million_dead_ones_cost_no_more_than_a_few(broker):
    pipe = broker.client.pipeline()
    for start in range(0, 1000000, 10000):
        pipe.zadd(broker.key("dead:default"), {f"t{i}": 1790000000000 for i in range(start, start + 10000)})
    pipe.execute()
    ids, at, last, _, _ = broker.page("D", limit=1000, bare=1)
    broker.client.zrem(broker.key("dead:default"), *ids)
    seconds, micros = broker.client.time()
    assert len(broker.page("D", at, last, limit=1000, bare=1)[0]) == 1000
    later, more = broker.client.time()
    assert (later - seconds) * 1000000 + more - micros < 100000
