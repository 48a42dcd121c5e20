"""GET /v1/events: what becomes of tasks and workers, as it happens."""
import http.client
import json
import signal
import socket
import time

import pytest

from harness import MUSTERD
from waiting import SLOW, until

ASAN = b"__asan_init" in MUSTERD.read_bytes()  # which keeps what is freed
ONE = {"pools": [{"name": "default", "workers": 1, "queues": ["default", "mail"]}], "queues": [{"name": "mail"}]}


class Stream:
    """One client of the stream; `next` gives the events in order, comments left out."""

    def __init__(self, m, query="", last=None, timeout=10.0):
        self.connection = http.client.HTTPConnection("127.0.0.1", m.port, timeout=timeout * SLOW)
        self.connection.request("GET", f"/v1/events{query}", headers={"Last-Event-ID": last} if last else {})
        self.answer = self.connection.getresponse()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def next(self):
        """(type, data, id), or None when the stream is over."""
        event = {}
        while True:
            line = self.answer.readline().decode()
            if line == "":
                return None
            line = line.rstrip("\n")
            if line == "" and event:
                return event["event"], json.loads(event["data"]), event.get("id")
            if line and not line.startswith(":"):
                name, _, value = line.partition(": ")
                event[name] = value

    def until(self, wanted):
        """The next event for which wanted(type, data) holds."""
        while True:
            found = self.next()
            assert found is not None, "the stream ended"
            if wanted(found[0], found[1]):
                return found


def states_of(stream, id_, last):
    """The states that the stream tells of this task, to the last one."""
    states = []
    while not states or states[-1] != last:
        states.append(stream.until(lambda type_, data: type_ == "task" and data["id"] == id_)[1]["state"])
    return states


def test_a_task_s_life(muster):
    m = muster(ONE)
    with Stream(m) as stream:
        assert stream.answer.status == 200 and stream.answer.headers["Content-Type"] == "text/event-stream"
        id_ = m.submit("Demo", "work", 400)
        assert states_of(stream, id_, "succeeded") == ["pending", "active", "succeeded"]


def test_what_an_event_of_a_task_shows(muster):
    m = muster(ONE)
    with Stream(m, "?type=task&state=dead") as stream:
        id_ = m.submit("Demo", "fail", "no luck", queue="mail")
        type_, data, number = stream.next()
        assert type_ == "task" and number
        assert (data["id"], data["queue"], data["class"], data["method"], data["state"]) == (id_, "mail", "Demo", "fail", "dead")
        assert data["error"]["message"] == "no luck" and data["attempts"] == 1 and data["at"].endswith("Z") and "param" not in data


def test_scheduled_retrying_and_cancelled(muster):
    m = muster(ONE)
    with Stream(m, "?type=task") as stream:
        due = m.submit("Demo", "noop", delay="200ms")
        assert [state for state in states_of(stream, due, "succeeded") if state != "active"] == ["scheduled", "pending", "succeeded"]
        again = m.submit("Demo", "retry", "later", retry=2, queue="mail")
        states = [state for state in states_of(stream, again, "dead") if state != "active"]
        assert states[0] == "pending" and states[-1] == "dead" and len(states) == 3, states
        waiting = m.submit("Demo", "noop", delay="1h")
        m.delete(f"/v1/tasks/{waiting}")
        assert states_of(stream, waiting, "cancelled") == ["scheduled", "cancelled"]


def test_one_that_runs_again(muster):
    m = muster(ONE)
    id_ = m.submit("Demo", "fail", "once")
    m.wait_task(id_, "dead")
    with Stream(m, "?type=task") as stream:
        assert m.post(f"/v1/tasks/{id_}/retry").status == 200
        states = states_of(stream, id_, "dead")
        assert states[0] == "pending", states


def test_a_worker_s_death_and_its_successor(muster):
    m = muster(ONE)
    with Stream(m, "?type=worker") as stream:
        old = m.signal_worker(0, signal.SIGKILL)
        new = stream.until(lambda _, data: data["state"] == "idle" and data["pid"] != old)[1]
        assert (new["pool"], new["slot"], new["incarnation"]) == ("default", 0, 2) and new["node"]


def percents_of(stream, id_):
    """What the stream tells of this task's progress, until it has ended."""
    percents = []
    while True:
        type_, data, _ = stream.until(lambda _, data: data.get("id") == id_)
        if type_ == "progress":
            assert data["state"] == "active"
            percents.append(data["progress"]["percent"])
        elif data["state"] == "succeeded":
            return percents


def test_a_task_s_progress(muster):
    m = muster(ONE)
    with Stream(m) as stream, Stream(m, "?type=task") as states:
        id_ = m.submit("Demo", "work", 1000)
        percents = percents_of(stream, id_)
        assert len(percents) >= 2 and percents == sorted(set(percents)), "each once, as it goes on"
        assert len(percents) <= 12 * SLOW, "no more than one in each look"
        assert states_of(states, id_, "succeeded") == ["pending", "active", "succeeded"], "progress is no state"
        silent = m.submit("Demo", "sleep", 300)
        assert percents_of(stream, silent) == [], "of one that tells none"


def test_what_an_event_of_progress_shows(muster, tmp_path):
    child = 'read line; echo "{\\"progress\\": 40, \\"note\\": \\"almost half\\"}"; sleep 0.5; echo "{\\"ok\\": null}"'
    handlers = [{"class": "Half", "exec": ["/bin/sh", "-c", f"while true; do {child}; done"], "redact": ["/progress/note"]}, {"class": "Demo", "module": "demo.so"}]
    m = muster({**ONE, "handlers": handlers})
    with Stream(m, "?type=progress") as stream, Stream(m, "?type=progress&class=Demo&queue=default") as demo, Stream(m, "?type=progress&queue=mail") as mail:
        id_ = m.submit("Half", "go", queue="mail")
        type_, data, number = stream.next()
        assert type_ == "progress" and number
        assert (data["id"], data["queue"], data["class"], data["method"], data["state"]) == (id_, "mail", "Half", "go", "active")
        assert data["worker"].endswith("/default/0") and data["at"].endswith("Z") and data["started_at"].endswith("Z")
        assert data["progress"] == {"percent": 40, "note": "[redacted]"}
        assert mail.next()[1]["id"] == id_
        m.wait_task(id_)
        other = m.submit("Demo", "work", 300)
        assert demo.next()[1]["id"] == other


def test_progress_alone_needs_no_broker(muster, redis_server):
    server = redis_server()
    m = muster({**ONE, "broker": server.url()})
    with Stream(m, "?type=progress") as stream:
        id_ = m.submit("Demo", "work", 400)
        assert stream.next()[1]["id"] == id_
        assert not server.client().exists("{muster}:listened")


@pytest.mark.parametrize("query, told", [("?queue=mail", ["b"]), ("?class=Demo&queue=default", ["a"]), ("?class=Nobody", ["c"]), ("?state=succeeded", ["a", "b"])])
def test_filters(muster, query, told):
    m = muster(ONE)
    with Stream(m, query + "&type=task") as stream, Stream(m, "?type=task") as other:
        for id_, class_, queue in (("a", "Demo", "default"), ("b", "Demo", "mail"), ("c", "Nobody", "default")):
            m.submit(class_, "noop", id=id_, queue=queue)
            states_of(other, id_, "dead" if class_ == "Nobody" else "succeeded")
        seen = []
        while seen[-1:] != told[-1:] or len(seen) < len(told):
            id_ = stream.next()[1]["id"]
            if id_ not in seen:
                seen.append(id_)
        assert seen == told


def test_who_comes_back_misses_nothing(muster):
    m = muster(ONE)
    with Stream(m, "?type=task&state=succeeded") as keeper:  # as long as somebody listens, events are kept
        with Stream(m, "?type=task&state=succeeded") as stream:
            m.submit("Demo", "noop", id="a")
            number = stream.next()[2]
        for id_ in "bcd":
            m.submit("Demo", "noop", id=id_)
        assert {keeper.next()[1]["id"] for _ in range(4)} == set("abcd")
        with Stream(m, "?type=task&state=succeeded", last=number) as stream:
            assert [stream.next()[1]["id"] for _ in range(3)] == ["b", "c", "d"]


@pytest.mark.parametrize("last", ["nonsense", "OTHER-5", "01ABCDEFGHJKMNPQ-99999999999", "-", "0"])
def test_who_comes_back_with_an_id_that_is_not_known_is_told_so(muster, last):
    m = muster(ONE)
    with Stream(m, last=last) as stream:
        assert stream.next()[0] == "reset"


def test_one_that_does_not_read_is_dropped_and_nobody_else_notices(muster):
    m = muster({"pools": [{"name": "default", "workers": 2, "queues": ["default"]}]})
    lazy = socket.create_connection(("127.0.0.1", m.port))
    lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    lazy.sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    with Stream(m) as stream:
        number, resident = 0, None
        while number < 2 * 4096:  # the ring goes round twice
            ids = m.submit_many([{"class": "Demo", "method": "noop"}] * 100)
            found = stream.until(lambda type_, data: type_ == "missed" or (data.get("id") == ids[-1] and data["state"] == "succeeded"))
            number = int(found[2].split("-")[1])
            pages = int(open(f"/proc/{m.role('api').pid}/statm").read().split()[1])
            resident = pages if number < 4096 else resident
        assert ASAN or pages < resident + 1000, "events are kept for nobody alone"
    lazy.settimeout(10 * SLOW)
    taken = b""
    while not taken.endswith(b"0\r\n\r\n"):  # its stream is ended in good order
        taken += lazy.recv(65536)
        assert b"still here" not in taken[1000:], "it goes on"
    lazy.close()


def test_a_flood_is_counted_not_told(muster):
    m = muster(ONE)
    with Stream(m) as stream:
        m.submit_many([{"class": "Demo", "method": "noop"}] * 9000)
        type_, data, _ = stream.until(lambda type_, _: type_ == "missed")
        assert data["tasks"] > 1000
    until(lambda: m.queue()["pending"] == 0)


def test_without_listeners_nothing_is_published(muster, redis_server):
    server = redis_server()
    m = muster({**ONE, "broker": server.url()})
    client = server.client()
    m.run("Demo", "noop")
    assert not client.exists("{muster}:listened")
    with Stream(m, "?type=task") as stream:
        m.submit("Demo", "noop", id="heard")
        states_of(stream, "heard", "succeeded")
        assert 0 < client.pttl("{muster}:listened") <= 30000


def test_a_broker_that_comes_back_is_listened_to_again(muster):
    m = muster(ONE)
    with Stream(m, timeout=30) as stream:
        m.kill_role("broker")
        stream.until(lambda type_, _: type_ == "reset")
        until(lambda: m.get("/readyz").status == 200)

        def heard():
            id_ = m.submit("Demo", "noop")
            stream.connection.sock.settimeout(2)
            try:
                return states_of(stream, id_, "succeeded")
            except TimeoutError:
                return None
        assert heard()


def test_an_ordered_stop_ends_the_stream(muster):
    m = muster(ONE)
    with Stream(m) as stream:
        began = time.monotonic()
        m.stop()
        while stream.next():
            pass
        assert time.monotonic() - began < 5 * SLOW


def test_wrong_parameters(muster):
    m = muster(ONE)
    assert m.get("/v1/events?type=nothing").status == 400
    assert m.get("/v1/events?queue=" + "x" * 200).status == 400


def test_what_calls_on_many_do(muster):
    m = muster({**ONE, "queues": [{"name": "mail"}, {"name": "sink"}]})
    ids = m.submit_many([{"class": "Demo", "method": "noop", "queue": "sink"}] * 5)
    later = m.submit("Demo", "noop", queue="sink", delay="1h")
    with Stream(m, "?type=task") as stream, Stream(m, "?state=deleted&queue=mail") as mails:
        assert m.delete("/v1/queues/sink/tasks?state=pending&limit=2").json["deleted"] == 2
        told = stream.next()
        assert told[0] == "deleted" and (told[1]["queue"], told[1]["state"], told[1]["tasks"]) == ("sink", "deleted", 2)
        assert m.delete("/v1/queues/sink/tasks?state=pending").json["deleted"] == 3
        assert stream.next()[1]["tasks"] == 3
        assert m.post("/v1/tasks/move", {"queue": "sink", "to": "mail"}).json["moved"] == 1
        told = stream.next()
        assert told[0] == "task" and (told[1]["id"], told[1]["queue"], told[1]["state"]) == (later, "mail", "scheduled")
        assert m.delete("/v1/tasks?queue=mail&state=scheduled").json["deleted"] == 1
        assert mails.next()[1]["queue"] == "mail"
    assert all(m.get(f"/v1/tasks/{id_}").status == 404 for id_ in ids)
