"""A client that asks again after a lost answer never doubles a task: by an Idempotency-Key, or by ids of its own."""

import concurrent.futures
import json
import socket
import threading

import pytest

from client import Http
from harness import until

HOLD = {"pools": [{"name": "default", "workers": 1, "queues": {"other": 1}}], "queues": [{"name": "mail"}]}
TASK = {"class": "Demo", "method": "add", "param": [1, 2]}


@pytest.fixture
def m(muster):
    return muster(HOLD)


def post(m, body, key):
    return m.post("/v1/tasks", body, headers={"Idempotency-Key": key})


def test_a_repeat_gets_the_first_answer(m):
    first = post(m, TASK, '"8e03978e-40d5-43dd-bc93-6894a57f9324"')
    again = post(m, TASK, '"8e03978e-40d5-43dd-bc93-6894a57f9324"')
    bare = post(m, TASK, "8e03978e-40d5-43dd-bc93-6894a57f9324")
    assert first.status == again.status == bare.status == 201
    assert first.json == again.json == bare.json and first.headers["Location"] == again.headers["Location"]
    assert post(m, TASK, "another").json["id"] != first.json["id"]
    assert m.queue()["pending"] == 2
    assert m.metrics().value("muster_tasks_submitted_total", queue="default", source="http") == 2


def test_another_body_under_the_same_key_is_refused(m):
    post(m, TASK, "k")
    for body in ({**TASK, "param": [1, 3]}, [TASK], {**TASK, "queue": "mail"}):
        answer = post(m, body, "k")
        assert answer.status == 422 and "Idempotency-Key" in answer.json["detail"], answer
    assert m.queue()["pending"] == 1 and m.queue("mail")["pending"] == 0


def test_an_array_under_a_key(m):
    body = [{**TASK, "param": [n, n]} for n in range(50)]
    first, again = post(m, body, "many"), post(m, body, "many")
    assert first.status == again.status == 201 and first.json == again.json and len(first.json["ids"]) == 50
    assert m.queue()["pending"] == 50
    assert post(m, body[:-1], "many").status == 422


def test_a_repeat_after_the_task_is_forgotten(muster):
    m = muster({"queues": [{"name": "default", "retention": {"succeeded": "100ms"}}]})
    first = post(m, TASK, "k").json["id"]
    until(lambda: m.get(f"/v1/tasks/{first}").status == 404, 20)
    again = post(m, TASK, "k")
    assert again.status == 201 and again.json["id"] == first and again.json["state"] == "pending"
    assert m.queue()["succeeded_total"] == 1


def test_what_is_refused_keeps_no_key(m):
    assert post(m, {**TASK, "queue": "nowhere"}, "k").status == 422
    assert post(m, TASK, "k").status == 201


@pytest.mark.parametrize("key", ["", '""', "x" * 256, 'a"b', "a\\b"])
def test_a_malformed_key_is_refused(m, key):
    answer = post(m, TASK, key)
    assert answer.status == 400 and "Idempotency-Key" in answer.json["detail"]


def test_many_at_once_make_one_task(m):
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: Http(m.port).request("POST", "/v1/tasks", TASK, {"Idempotency-Key": "same"}), range(64)))
    assert {answer.status for answer in answers} <= {201, 409}
    assert len({answer.json["id"] for answer in answers if answer.status == 201}) == 1
    assert m.queue()["pending"] == 1


def test_two_in_one_turn_conflict(m):
    """Both are complete before the broker is asked: the second is refused while the first is in hand."""
    body = json.dumps(TASK).encode()
    head = (b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nIdempotency-Key: k\r\n"
            b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body))
    seen = set()
    for _ in range(200):
        pair = [socket.create_connection(("127.0.0.1", m.port)) for _ in range(2)]
        for one in pair:
            one.sendall(head)
        for one in pair:
            one.sendall(body)
        for one in pair:
            answer = b""
            while piece := one.recv(65536):
                answer += piece
            seen.add(answer.split()[1])
            one.close()
        if b"409" in seen:
            break
    assert seen == {b"201", b"409"}
    assert m.queue()["pending"] == 1


def test_a_stream_has_no_key(m):
    answer = m.post("/v1/tasks", json.dumps(TASK) + "\n", headers={"Content-Type": "application/x-ndjson", "Idempotency-Key": "k"})
    assert answer.status == 400 and "id" in answer.json["detail"]


class CutsReplies:
    """A proxy that carries requests through and cuts every second connection before its reply."""

    def __init__(self, port):
        self.target, self.count = port, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.count += 1
            with client, socket.create_connection(("127.0.0.1", self.target)) as server:
                server.sendall(client.recv(65536))
                reply = server.recv(65536)
                if self.count % 2 == 0:
                    client.sendall(reply)

    def close(self):
        self.listener.close()


def send(port, body, headers):
    """One try; None: the answer was lost."""
    data = json.dumps(body).encode()
    lines = ["POST /v1/tasks HTTP/1.1", "Host: localhost", "Content-Type: application/json", f"Content-Length: {len(data)}",
             "Connection: close", *(f"{name}: {value}" for name, value in headers.items())]
    with socket.create_connection(("127.0.0.1", port)) as one:
        one.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + data)
        answer = b""
        while piece := one.recv(65536):
            answer += piece
    return json.loads(answer.split(b"\r\n\r\n", 1)[1]) if answer else None


@pytest.mark.parametrize("way", ["key", "id"])
def test_a_client_whose_answers_are_cut_never_doubles_a_task(m, way):
    proxy = CutsReplies(m.port)
    try:
        for n in range(50):
            body = {**TASK, "param": [n, n], **({"id": f"own{n}"} if way == "id" else {})}
            headers = {"Idempotency-Key": f"key-{n}"} if way == "key" else {}
            answer = None
            while answer is None:
                answer = send(proxy.port, body, headers)
            assert m.task(answer["id"])["param"] == [n, n]
    finally:
        proxy.close()
    assert proxy.count == 100 and m.queue()["pending"] == 50
