"""Plain lists that foreign producers LPUSH to, in the same database."""
import pytest

from scripts import GENERATION, assert_ledger, record

LIST = "prod:jobs"


@pytest.fixture
def broker(broker):
    broker.queues, broker.lists = ["jobs", "default"], {"jobs": LIST}
    return broker


def push(broker, *documents):
    broker.client.lpush(LIST, *documents)


def test_documents_become_tasks_in_their_order(broker):
    push(broker, '{"class":"A"}', "", "not json \n")
    before = broker.now_ms()
    taken = broker.turn(1, want=2)
    assert taken.admitted == 2 and taken.documents() == ['{"class":"A"}', ""]
    assert taken.elements == ["BASE0000000000000100", "BASE0000000000000101"]
    created, run_at, source, attempts, queue = taken.stored[0].split("\n")[0].split(" ")
    assert before <= int(created) <= broker.now_ms() and (run_at, source, attempts, queue) == ("0", "l", "0", "jobs")
    assert broker.turn(2, want=5).documents() == ["not json \n"]
    assert_ledger(broker, taken.elements + ["BASE0000000000000200"])


def test_ids_of_a_large_batch_are_distinct(broker):
    push(broker, *map(str, range(300)))
    taken = broker.turn(1, want=256)
    assert len(set(taken.elements)) == 256 and all(len(id) == 20 for id in taken.elements)
    assert taken.documents() == list(map(str, range(256)))


def test_a_lost_reply_takes_nothing_twice(broker):
    push(broker, "1", "2", "3")
    first = broker.turn(1, want=2)
    assert broker.turn(1, want=2) == first
    assert broker.client.llen(LIST) == 1


def test_its_worker_dies(broker):
    push(broker, "1", "2", "3")
    broker.turn(1, want=2)
    broker.recover()
    assert broker.turn(1, generation=GENERATION + 1).documents() == ["1", "2", "3"]


def test_a_retry_goes_behind_everything_that_waits(broker):
    push(broker, "1", "2", "3")
    first = broker.turn(1, want=1).elements[0]
    push(broker, "4")
    broker.turn(2, want=0, outcomes=[(first, record("R"))])
    push(broker, "5")
    taken = broker.turn(3, want=4)
    assert taken.documents() == ["2", "3", "4", "1"]
    assert taken.elements[3] == first + "~1" and taken.records[3] == record("R")
    assert taken.admitted == 3
    assert broker.turn(4, want=5).documents() == ["5"]


def test_one_by_one_the_order_is_the_same(broker):
    push(broker, "1", "2", "3")
    order, outcomes, pushed = [], [], 3
    for sequence in range(1, 12):
        taken = broker.turn(sequence, want=1, outcomes=outcomes)
        if not taken.elements:
            break
        order += taken.documents()
        executions = 1 if "~" in taken.elements[0] else 0
        outcomes = [(taken.elements[0], record("R" if not executions else "S", executions=executions + 1))]
        if pushed < 4:
            pushed += 1
            push(broker, "4")
    assert order == ["1", "2", "3", "4", "1", "2", "3", "4"]


def test_own_submissions_stand_in_line_as_well(broker):
    push(broker, "1")
    broker.submit("own1", queue="jobs", document="own1")
    push(broker, "2")
    broker.submit("own2", "own3", queue="jobs", document="own")
    push(broker, "3")
    assert broker.turn(1).documents() == ["1", "own1", "2", "own", "own", "3"]


def test_what_was_there_before_the_list_filled_comes_first(broker):
    broker.submit("a", queue="jobs", document="a")
    push(broker, "1")
    assert broker.turn(1, want=1).documents() == ["a"]


def test_a_list_that_was_deleted_blocks_nobody(broker):
    push(broker, "1", "2")
    broker.submit("a", queue="jobs")
    broker.client.delete(LIST)
    assert broker.turn(1).elements == ["a"]


def test_a_scheduled_one_stands_behind_the_list_when_its_time_comes(broker):
    push(broker, "1")
    broker.submit("a", queue="jobs", run_at=5, document="a")
    broker.due()
    push(broker, "2")
    assert broker.turn(1).documents() == ["1", "a", "2"]


def test_given_back_ones_come_before_all(broker):
    push(broker, *map(str, range(6)))
    taken = broker.turn(1, want=3)
    broker.turn(2, want=0, outcomes=[(element, "B") for element in taken.elements[1:]])
    assert broker.turn(3, want=9).documents() == ["1", "2", "3", "4", "5"]


def test_a_cancelled_one_is_passed_and_its_ticket_with_it(broker):
    push(broker, "1", "2")
    broker.submit("a", "b", queue="jobs", document="own")
    push(broker, "3")
    broker.cancel("a")
    assert broker.turn(1).documents() == ["1", "2", "own", "3"]
    assert broker.client.exists(broker.key("withdrawn:jobs")) == 0


def test_many_cancelled_ones_do_not_let_the_list_pass(broker):
    broker.submit(*[f"t{i}" for i in range(20)], "last", queue="jobs", document="last")
    for i in range(20):
        broker.cancel(f"t{i}")
    push(broker, "1")
    assert broker.turn(1, want=2).documents() == ["last", "1"]


def test_nor_does_what_is_seen_only_after_them(broker):
    broker.submit("x1", "x2", queue="jobs")
    push(broker, "1")
    broker.submit("y", "z", queue="jobs", document="own")
    push(broker, "2")
    broker.cancel("x1")
    broker.cancel("x2")
    assert broker.turn(1, want=3).documents() == ["1", "own", "own"]


def test_tickets_left_by_a_list_that_is_configured_no_more_do_not_show(broker):
    push(broker, "1")
    broker.submit("a", queue="jobs")
    broker.lists = {}
    assert broker.turn(1).elements == ["a"]


def test_a_list_of_the_wrong_type_aborts_nothing(broker):
    push(broker, "1")
    broker.submit("a")
    broker.submit("b", queue="jobs")
    taken = broker.turn(1)
    assert len(taken.elements) == 3
    broker.client.delete(LIST)
    broker.client.set(LIST, "x")
    broker.submit("c", queue="jobs")
    outcomes = [(element, record("S")) for element in taken.elements]
    assert broker.turn(2, outcomes=outcomes).elements == ["c"]
    assert broker.state("a") == "S" and broker.unaccounted() == 0
    assert broker.depths()[0]["jobs"]["pending"] == 0
    broker.armed(f"list:{LIST}")
    broker.turn(3)
    assert broker.call("wake", "jobs", LIST) == 0
    assert broker.armed(f"list:{LIST}") == 0  # its watcher would spin


def test_pending_counts_both(broker):
    push(broker, "1", "2")
    broker.submit("a", queue="jobs")
    assert broker.depths()[0]["jobs"]["pending"] == 3
    assert broker.unaccounted() == 0


def test_rings_on_while_the_list_has_something(broker):
    push(broker, "1", "2")
    broker.turn(1, want=1)
    assert broker.bell("jobs") == 1
    broker.silence("jobs")
    broker.turn(2, want=2)
    assert broker.bell("jobs") == 0


def test_the_turn_that_empties_it_arms_its_watcher(broker):
    push(broker, "1", "2")
    broker.turn(1, want=1)
    assert broker.armed(f"list:{LIST}") == 0
    broker.turn(2, want=2)
    assert broker.armed(f"list:{LIST}") == 1


def test_the_watcher_rings_or_looks_again(broker):
    assert broker.call("wake", "jobs", LIST) == 0
    assert broker.armed(f"list:{LIST}") == 1 and broker.bell("jobs") == 0
    push(broker, "1")
    assert broker.call("wake", "jobs", LIST) == 1
    assert broker.armed(f"list:{LIST}") == 0 and broker.bell("jobs") == 1


def test_a_watched_list_keeps_its_order_and_its_elements(broker):
    push(broker, "1", "2")
    for _ in range(3):
        assert broker.client.blmove(LIST, LIST, 1, "RIGHT", "RIGHT") == b"1"
    assert broker.turn(1).documents() == ["1", "2"]


def test_a_list_named_due_is_no_due_time(broker):
    broker.lists = {"jobs": "due"}
    broker.turn(1)
    assert broker.armed("due") == 0 and broker.armed("list:due") == 1


def test_works_when_redis_is_full(broker):
    push(broker, "1")
    broker.client.config_set("maxmemory", 1)
    assert broker.turn(1).documents() == ["1"]
