"""Tasks handed over as a stream of lines: each for itself, without end, in flat memory."""

import http.client
import json
import signal
import socket
import threading

import pytest

from harness import MUSTERD, until
from waiting import SLOW

ASAN = b"__asan_init" in MUSTERD.read_bytes()
NDJSON = {"Content-Type": "application/x-ndjson"}
HOLD = {"pools": [{"name": "default", "workers": 1, "queues": {"other": 1}}]}  # nobody takes from default


def memory(pid):
    """Its own pages: the scoreboard is shared."""
    fields = dict(row.split(":", 1) for row in open(f"/proc/{pid}/status").read().splitlines())
    return int(fields["RssAnon"].split()[0]) * 1024


def line(**members):
    return json.dumps({"class": "Demo", "method": "noop", **members}) + "\n"


def post(m, body, path="/v1/tasks"):
    return m.post(path, body, headers=NDJSON)


class Stream:
    """A body in chunks, sent when the test says so."""

    def __init__(self, m, path="/v1/tasks"):
        self.socket = socket.create_connection(("127.0.0.1", m.port), timeout=60 * SLOW)
        self.socket.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n"
                            "Transfer-Encoding: chunked\r\n\r\n".encode())

    def send(self, text):
        data = text.encode() if isinstance(text, str) else text
        self.socket.sendall(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def end(self):
        self.socket.sendall(b"0\r\n\r\n")
        answer = http.client.HTTPResponse(self.socket)
        answer.begin()
        body = json.loads(answer.read())
        self.socket.close()
        return answer.status, body, answer.headers


@pytest.fixture
def m(muster):
    return muster()


def test_each_line_is_a_task(m):
    answer = post(m, "".join(line(id=f"n{n}", method="add", param=[n, n]) for n in range(2500)))
    assert answer.status == 200 and answer.json == {"accepted": 2500, "rejected": 0, "errors": []}
    assert m.wait_task("n0")["result"] == 0 and m.wait_task("n2499")["result"] == 4998


def test_wrong_lines_are_named_and_stop_nothing(m):
    body = line(id="first") + "{no json\n" + "\n" + line(queue="nowhere") + line(priority=10) + "  " + line(id="last").strip()
    answer = post(m, body)
    assert answer.status == 200
    assert (answer.json["accepted"], answer.json["rejected"]) == (2, 3)
    assert [error["line"] for error in answer.json["errors"]] == [2, 4, 5]
    assert "nowhere" in answer.json["errors"][1]["detail"] and "default" in answer.json["errors"][1]["detail"]
    assert m.wait_task("first")["state"] == m.wait_task("last")["state"] == "succeeded"


def test_the_errors_are_bounded(m):
    answer = post(m, "[]\n" * 1000 + line())
    assert (answer.json["accepted"], answer.json["rejected"]) == (1, 1000)
    assert 0 < len(answer.json["errors"]) <= 100 and answer.json["errors_truncated"] is True


def test_an_empty_stream_is_one_of_no_tasks(m):
    for body in ("", "\n\n"):
        assert post(m, body).json == {"accepted": 0, "rejected": 0, "errors": []}


def test_a_line_that_is_too_long_is_rejected_with_its_number(muster):
    m = muster({"limits": {"document": "4KiB"}})
    for size in (5000, 200000, 3000000):
        answer = post(m, line(id=f"a{size}") + line(param=["x" * size]) + line(id=f"b{size}"))
        assert answer.status == 200 and answer.json["accepted"] == 2, answer
        assert [error["line"] for error in answer.json["errors"]] == [2]
        assert "limits.document" in answer.json["errors"][0]["detail"]
        assert m.wait_task(f"a{size}")["state"] == m.wait_task(f"b{size}")["state"] == "succeeded"


def test_a_body_may_be_larger_than_limits_body(muster):
    m = muster({"limits": {"body": "64KiB", "document": "4KiB"}})
    answer = post(m, line(param=["x" * 1000]) * 1000)
    assert answer.status == 200 and answer.json["accepted"] == 1000


def test_lines_are_stored_while_the_body_arrives(m):
    stream = Stream(m)
    whole = line(id="slow", method="add", param=[1, 2])
    for piece in (whole[:10], whole[10:-1]):
        stream.send(piece)
    stream.send("\n" + line(id="next")[:5])
    until(lambda: m.get("/v1/tasks/slow").status == 200, 10)
    assert m.wait_task("slow")["result"] == 3
    stream.send(line(id="next")[5:])
    assert stream.end()[:2] == (200, {"accepted": 2, "rejected": 0, "errors": []})


def test_a_known_id_is_accepted_and_changes_nothing(m):
    assert post(m, line(id="same") * 3).json["accepted"] == 3
    m.wait_task("same")
    assert m.metrics().value("muster_tasks_submitted_total", queue="default", source="http") == 1


@pytest.mark.skipif(ASAN, reason="a sanitizer keeps what is freed, and its workers do not keep up with a million")
def test_memory_is_flat_through_a_million_lines(muster):
    m = muster({"queues": [{"name": "default", "retention": {"succeeded": "1s"}}]})
    api = m.role("api").pid
    block = (line(method="noop") * 10000).encode()
    stream = Stream(m)
    stream.send(block)
    before, peak = memory(api), 0
    for _ in range(99):
        stream.send(block)
        peak = max(peak, memory(api))
    status, body, _ = stream.end()
    assert status == 200 and body["accepted"] == 1000000
    assert peak - before < 8 * 1024 * 1024, (before, peak)


@pytest.mark.skipif(ASAN, reason="a sanitizer keeps what is freed")
def test_many_streams_share_what_they_need(muster):
    m = muster(HOLD)
    api, streams = m.role("api").pid, [Stream(m)]
    streams[0].send(line() * 2000)
    until(lambda: m.queue()["pending"] == 2000)
    before = memory(api)
    for _ in range(200):
        streams.append(Stream(m))
        streams[-1].send(line() * 1000)
    until(lambda: m.queue()["pending"] == 202000, 30)
    until(lambda: memory(api) - before < 200 * 100 * 1024, 10, "100 KiB each, libmicrohttpd's 17 among them")
    assert all(stream.end()[0] == 200 for stream in streams)


def test_others_are_served_meanwhile(m):
    stop = threading.Event()
    stream = Stream(m)

    def feed():
        block = line() * 2000
        while not stop.is_set():
            stream.send(block)

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        for _ in range(20):
            assert m.get("/healthz").status == 200
            assert m.post("/v1/tasks", {"class": "Demo", "method": "noop"}).status == 201
    finally:
        stop.set()
        thread.join()
    assert stream.end()[0] == 200


def test_a_broker_that_goes_away_stops_it_with_the_line(muster, redis_server):
    redis = redis_server()
    m = muster({**HOLD, "broker": redis.url()})
    stream = Stream(m)
    stream.send("".join(line(id=f"t{n}") for n in range(10)))
    until(lambda: m.queue()["pending"] == 10, 10)
    redis.process.send_signal(signal.SIGSTOP)
    try:
        for n in range(10, 20):
            stream.send(line(id=f"t{n}"))
        status, body, headers = stream.end()
    finally:
        redis.process.send_signal(signal.SIGCONT)
    assert status == 503 and headers["Retry-After"] and headers["Content-Type"] == "application/problem+json"
    assert body["stream"]["accepted"] == 10 and body["stream"]["line"] == 11
    assert "line 11" in body["detail"]
    until(lambda: m.get("/readyz").status == 200, 20)
    rest = post(m, "".join(line(id=f"t{n}") for n in range(body["stream"]["line"] - 1, 20)))
    assert rest.status == 200 and rest.json["accepted"] == 10
    assert m.queue()["pending"] == 20


def test_a_broker_that_is_away_from_the_start_answers_503(muster, redis_server):
    redis = redis_server()
    m = muster({**HOLD, "broker": redis.url()})
    redis.stop()
    until(lambda: m.get("/readyz").status == 503, 20)
    answer = post(m, line() * 100)
    assert answer.status == 503 and answer.json["stream"] == {"accepted": 0, "rejected": 0, "errors": [], "line": 1}


def test_it_can_be_tried_without_storing_anything(m):
    answer = post(m, line(id="never") + "nonsense\n", path="/v1/tasks?dry_run=true")
    assert answer.status == 200 and (answer.json["accepted"], answer.json["rejected"], answer.json["dry_run"]) == (1, 1, True)
    assert m.get("/v1/tasks/never").status == 404


def test_a_client_that_leaves_has_stored_what_it_sent(m):
    stream = Stream(m)
    stream.send(line(id="kept") + line(id="half")[:20])
    until(lambda: m.get("/v1/tasks/kept").status == 200, 10)
    assert m.wait_task("kept")["state"] == "succeeded"
    stream.socket.close()
    assert m.get("/healthz").status == 200
    assert m.get("/v1/tasks/half").status == 404
