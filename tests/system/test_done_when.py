"""The seed's service, as its users run it: doc/examples/asynctask.yaml, 20 workers, 100,000 tasks by LPUSH, and a worker
SIGKILLed every 100 ms. Every one ran, and none more often than 1 + its crashes says."""

import json
import threading
import time
from collections import Counter

import harness
from harness import EXAMPLES, LIST, until

TOTAL = 100_000


def test_a_hundred_thousand_tasks_survive_a_kill_every_100_ms(make):
    m = make(text=(EXAMPLES / "asynctask.yaml").read_text())
    m.env = {"MUSTER_LISTEN": f"127.0.0.1:{m.port}", "MUSTER_STATE_DIR": str(m.state), "MUSTER_USER": "root",
             "MUSTER_BROKER": "embedded"}
    m.start()
    rows = m.workers()
    assert len(rows) == 20 and {row["pool"] for row in rows} == {"asynctask"}
    assert {child.title for child in m.children()} >= {f"xes_asynctask:worker-{n}" for n in range(20)} | {"xes_asynctask:supervisor"}
    over = threading.Event()
    pushed = threading.Thread(target=push, args=(m, over))
    pushed.start()
    kills = 0
    due = time.monotonic()
    try:
        while not over.is_set() or m.queue(LIST)["pending"] or m.queue(LIST)["active"]:
            due += 0.1
            until(lambda: time.monotonic() >= due)
            kills += m.kill_worker(kills % 20, "asynctask") is not None
            assert kills < 6000
    finally:
        over.wait()
        pushed.join()
    lines = until(lambda: (lambda seen: seen if len(set(seen)) == TOTAL else None)(m.record_lines("ran")), 120, "every task ran")
    assert kills >= 10
    more = {number: times for number, times in Counter(lines).items() if times > 1}
    crashes = crashes_of(m, more)
    for number, times in more.items():
        assert times <= 1 + crashes[number], f"{number} ran {times} times with {crashes[number]} crashes"
    until(lambda: m.queue(LIST)["succeeded_total"] == TOTAL, 30)
    until(lambda: m.metrics().value("muster_tasks_unaccounted") == 0)
    print(f"{kills} kills, {len(more)} of {TOTAL} ran more than once")


def push(m, over):
    """As the seed's producers do; at a pace that keeps the service busy for a while."""
    try:
        for chunk in range(0, TOTAL, 1000):
            m.lpush(*[{"class": "Demo", "method": "record", "param": ["ran", str(n)], "retry": 3} for n in range(chunk, chunk + 1000)],
                    client=harness.redis.Redis(unix_socket_path=str(m.state / "redis.sock")))
    finally:
        over.set()


def crashes_of(m, numbers):
    """{number: crashes} of the tasks that ran more than once; the others need no look."""
    found = {}
    if numbers:
        for id_, document in m.list_tasks().items():
            number = json.loads(document)["param"][1]
            if number in numbers:
                found[number] = m.task(id_)["crashes"]
    return {number: found.get(number, 0) for number in numbers}
