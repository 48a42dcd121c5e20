"""A task's own log: what it prints and logs, kept with it and shown while it runs."""
import contextlib
import http.client
import json
import re
import signal
import threading

import pytest

from harness import REPO, module
from waiting import SLOW, until

TALKER = ["/usr/bin/python3", str(REPO / "tests" / "children" / "talker.py")]
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def talking(**more):
    return {"pools": [{"name": "default", "workers": 1, "queues": ["default"], "heartbeat_timeout": "1s"}],
            "handlers": [{"class": "Talker", "exec": TALKER}, {"class": "Probe", "module": module("probe")}], **more}


def log_of(m, id_):
    answer = m.get(f"/v1/tasks/{id_}/log")
    assert answer.status == 200, answer
    lines = answer.text.splitlines()
    assert all(re.match(TIME + " ", line) for line in lines), lines
    return [line[25:] for line in lines]


def follow(m, id_, accept="text/plain"):
    """One connection that follows; its lines come as they are read."""
    connection = http.client.HTTPConnection("127.0.0.1", m.port, timeout=20 * SLOW)
    connection.request("GET", f"/v1/tasks/{id_}/log?follow=1", headers={"Accept": accept})
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    return answer


def start_of_stream(m, id_):
    """The status with which one more follower is answered."""
    connection = http.client.HTTPConnection("127.0.0.1", m.port, timeout=20 * SLOW)
    connection.request("GET", f"/v1/tasks/{id_}/log?follow=1")
    with contextlib.closing(connection):
        return connection.getresponse().status


@pytest.fixture
def m(muster):
    return muster(talking())


def test_what_a_program_logs_and_prints_is_kept_in_order_with_its_times(m):
    task = m.run("Talker", "talk", ["log", "one"], ["log", "two\nin two"], ["stderr", "three: ü"], ["log", "\x1b[31mred"])
    assert task["state"] == "succeeded"
    lines = log_of(m, task["id"])
    assert sorted(lines) == sorted(["one", "two in two", "three: ü", "?[31mred"]) and lines.index("one") < lines.index("two in two")


def test_a_module_s_lines_as_json(m):
    task = m.run("Probe", "say", "a \"quoted\" line")
    answer = m.get(f"/v1/tasks/{task['id']}/log", Accept="application/x-ndjson")
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    (line,) = [json.loads(one) for one in answer.text.splitlines()]
    assert line["text"] == 'a "quoted" line' and re.fullmatch(TIME, line["at"])


def test_a_task_that_says_nothing_has_an_empty_log_and_an_unknown_one_none(m):
    task = m.run("Talker", "talk")
    assert log_of(m, task["id"]) == []
    assert m.get("/v1/tasks/no-such-task/log").status == 404


def test_a_retry_s_lines_stand_behind_those_of_the_execution_before(m):
    first = m.submit("Talker", "talk", ["log", "again"], ["kill", "itself"])
    task = m.wait_task(first)
    assert task["state"] == "dead" and task["crashes"] == 3
    assert log_of(m, first) == ["again"] * 3


def test_the_last_lines_are_kept_up_to_the_limit(muster):
    m = muster(talking(limits={"log": "4KiB"}))
    task = m.run("Talker", "talk", ["many", 5000])
    lines = log_of(m, task["id"])
    assert lines[-1] == "line 004999" and 100 < len(lines) < 200
    assert lines == [f"line {number:06d}" for number in range(5000 - len(lines), 5000)]


def test_it_is_followed_until_the_task_s_end(m, tmp_path):
    tmp_path.chmod(0o755)
    gates = [str(tmp_path / name) for name in ("a", "b")]
    id_ = m.submit("Talker", "talk", ["log", "one"], ["wait", gates[0]], ["log", "two"], ["wait", gates[1]], ["log", "three"])
    lines = follow(m, id_)
    assert lines.readline().endswith(b" one\n")
    open(gates[0], "w").close()
    assert lines.readline().endswith(b" two\n"), "while it runs"
    assert m.task(id_)["state"] == "active"
    open(gates[1], "w").close()
    assert lines.readline().endswith(b" three\n") and lines.read() == b"", "and the stream ends with the task"


def test_one_that_waits_is_followed_as_json_from_its_start(m):
    id_ = m.submit("Talker", "talk", ["log", "late"], delay="600ms")
    assert [json.loads(line)["text"] for line in follow(m, id_, "application/x-ndjson")] == ["late"]


def test_who_follows_a_task_that_is_over_gets_it_all_at_once(m):
    task = m.run("Talker", "talk", ["log", "said"])
    assert follow(m, task["id"]).read().endswith(b" said\n")


def test_for_an_old_client_the_stream_ends_with_its_connection(m):
    """As a proxy that speaks HTTP/1.0 to those behind it."""
    id_ = m.submit("Talker", "talk", ["log", "late"], delay="300ms")
    with m.connect() as client:
        client.sendall(f"GET /v1/tasks/{id_}/log?follow=1 HTTP/1.0\r\n\r\n".encode())
        assert b"".join(iter(lambda: client.recv(4096), b"")).endswith(b" late\n")


def test_too_many_followers_are_refused_and_leave_room_when_they_go(m):
    id_ = m.submit("Talker", "talk", delay="1h")
    streams = [follow(m, id_) for _ in range(64)]
    answer = m.get(f"/v1/tasks/{id_}/log?follow=1")
    assert answer.status == 429 and answer.headers["Retry-After"]
    for stream in streams:
        stream.close()
    until(lambda: start_of_stream(m, id_) == 200, what="there is room")
    assert m.delete(f"/v1/tasks/{id_}").status == 200
    until(lambda: m.get(f"/v1/tasks/{id_}/log?follow=1").status == 200, what="the others have gone")


def test_what_a_stuck_task_said_before_its_end_is_there(m):
    task = m.run("Talker", "talk", ["log", "about to hang"], ["stuck", 0])
    assert task["error"]["kind"] == "timeout" and log_of(m, task["id"]) == ["about to hang"]


def test_what_a_worker_that_was_killed_had_collected_is_there(muster):
    m = muster(talking())
    task = m.run("Talker", "talk", ["log", "first"], ["log", "second"], ["kill", "worker"])
    assert task["state"] == "dead" and task["crashes"] == 3
    assert log_of(m, task["id"]) == ["first", "second"] * 3


def test_it_goes_with_its_task(muster):
    m = muster(talking(queues=[{"name": "default", "retention": {"succeeded": "200ms"}}]))
    task = m.run("Talker", "talk", ["log", "gone soon"])
    until(lambda: m.get(f"/v1/tasks/{task['id']}").status == 404, what="retention has come to it")
    assert m.get(f"/v1/tasks/{task['id']}/log").status == 404
    id_ = m.submit("Talker", "talk", id=task["id"])
    m.wait_task(id_)
    assert log_of(m, id_) == [], "another task of that id begins anew"


def test_it_goes_with_a_purge(m):
    id_ = m.run("Talker", "talk", ["log", "x"], ["kill", "itself"])["id"]
    assert m.delete("/v1/queues/default/tasks?state=dead").json["deleted"] == 1
    assert m.get(f"/v1/tasks/{id_}/log").status == 404
