"""Tokens: who may do what, from where, and that no secret shows anywhere."""

import http.client
import os
import socket
from pathlib import Path

import pytest

from client import Http
from harness import run_musterd, until

SECRETS = {"looker": "read-token-0123456789", "sender": "submit-token-0123456789", "boss": "admin-token-0123456789",
           "mailer": "tied-token-0123456789"}
ROLES = {"looker": "read", "sender": "submit", "boss": "admin"}
CALLS = [  # method, path, body, the role it needs, what it answers to who has it
    ("GET", "/v1/queues", None, "read", 200), ("GET", "/v1/workers", None, "read", 200), ("GET", "/metrics", None, "read", 200),
    ("GET", "/v1/nodes", None, "read", 200), ("GET", "/v1/pools", None, "read", 200), ("GET", "/v1/tasks/none", None, "read", 404),
    ("GET", "/no/such/path", None, "read", 404),
    ("POST", "/v1/tasks", {"class": "Demo", "method": "noop"}, "submit", 201), ("DELETE", "/v1/tasks/none", None, "submit", 404),
    ("POST", "/v1/workers/default/7/restart", None, "admin", 404), ("POST", "/v1/reload", None, "admin", 202),
]


def bearer(name):
    return {"Authorization": f"Bearer {SECRETS[name]}"}


def write_tokens(folder, names=("looker", "sender", "boss"), mode=0o600):
    rows = []
    for name in names:
        path = folder / f"{name}.token"
        path.write_text(SECRETS[name] + "\n")
        path.chmod(mode)
        rows.append({"name": name, "role": ROLES.get(name, "submit"), "token_file": str(path),
                     **({"queues": ["mail"]} if name == "mailer" else {})})
    return {"tokens": rows}


@pytest.fixture
def guarded(make, folder):
    """A musterd with one token of each role; its client shows the admin's."""
    def start(names=("looker", "sender", "boss"), **config):
        m = make({"auth": write_tokens(folder, names), "queues": [{"name": "mail"}], **config})
        once = m.http.once
        m.http.once = lambda method, path, body, headers: once(method, path, body, {**bearer("boss"), **headers})
        return m.start()
    return start


def assert_problem(answer, status):
    assert answer.status == status, answer
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["status"] == status and answer.json["detail"]
    return answer.json


def without(m):
    return Http(port=m.port)


def test_each_role_includes_those_before_it(guarded):
    m = guarded()
    order = ["read", "submit", "admin"]
    for name, role in ROLES.items():
        for method, path, body, needed, status in CALLS:
            answer = m.request(method, path, body, bearer(name))
            if order.index(role) >= order.index(needed):
                assert answer.status == status, (name, method, path, answer)
            else:
                assert needed in assert_problem(answer, 403)["detail"], (name, method, path, answer)
                assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]


def test_without_a_known_token_only_health_is_answered(guarded):
    m = guarded()
    bare = without(m)
    for path in ("/healthz", "/readyz", "/"):
        assert bare.request("GET", path).status == 200, path
        assert bare.request("GET", path, headers={"Authorization": "Bearer wrong"}).status == 200, path
    wrong = [None, "Bearer wrong", "Bearer ", "Bearer", "Basic dXNlcjpwYXNz", SECRETS["boss"], f"Bearer {SECRETS['boss']}x",
             f"Bearer {SECRETS['boss'][:-1]}", f"Bearer {SECRETS['boss']} x", "Bearer " + "x" * 8000]
    for value in wrong:
        for method, path, body, _, _ in CALLS:
            answer = bare.request(method, path, body, {"Authorization": value} if value is not None else {})
            assert_problem(answer, 401)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
            assert SECRETS["boss"] not in answer.text
    answer = bare.request("GET", "/v1/queues", headers={"authorization": f"bearer {SECRETS['looker']}"})
    assert answer.status == 200, "scheme and header name know no case"


def test_a_tied_token_is_good_for_its_queues_alone(guarded):
    m = guarded(("boss", "mailer"))
    mail = m.submit("Demo", "noop", queue="mail")
    other = m.submit("Demo", "noop")
    tied = bearer("mailer")
    assert m.post("/v1/tasks", {"class": "Demo", "method": "noop", "queue": "mail"}, tied).status == 201
    assert "default" in assert_problem(m.post("/v1/tasks", {"class": "Demo", "method": "noop"}, tied), 403)["detail"]
    pair = [{"class": "Demo", "method": "noop", "queue": "mail", "id": "p1"}, {"class": "Demo", "method": "noop", "id": "p2"}]
    assert_problem(m.post("/v1/tasks", pair, tied), 403)
    assert m.get("/v1/tasks/p1").status == 404, "all or nothing"
    assert m.request("GET", f"/v1/tasks/{mail}", headers=tied).status == 200
    assert_problem(m.request("GET", f"/v1/tasks/{other}", headers=tied), 403)
    assert_problem(m.request("DELETE", f"/v1/tasks/{other}", headers=tied), 403)
    assert m.request("GET", "/v1/tasks/none", headers=tied).status == 404
    assert m.request("GET", "/v1/queues/mail", headers=tied).status == 200
    assert_problem(m.request("GET", "/v1/queues/default", headers=tied), 403)
    assert [queue["name"] for queue in m.request("GET", "/v1/queues", headers=tied).json["queues"]] == ["mail"]
    duplicate = m.post("/v1/tasks", {"class": "Demo", "method": "noop", "queue": "mail", "id": other}, tied)
    assert_problem(duplicate, 403)


def test_a_tied_token_hears_of_its_queues_progress_alone(guarded):
    m = guarded(("boss", "mailer"), pools=[{"name": "default", "workers": 2, "queues": {"default": 1, "mail": 1}}])
    request = f"GET /v1/events?type=progress HTTP/1.1\r\nHost: localhost\r\nAuthorization: {bearer('mailer')['Authorization']}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", m.port), timeout=30) as stream:
        stream.sendall(request.encode())
        other, mail = m.submit("Demo", "work", 60000), None
        until(lambda: (m.task(other)["progress"] or {}).get("percent") is not None, what="it tells its progress")
        mail = m.submit("Demo", "work", 2000, queue="mail")
        heard = b""
        while mail.encode() not in heard:
            heard += stream.recv(8192)
        assert b"event: progress" in heard and other.encode() not in heard
    m.delete(f"/v1/tasks/{other}")


def test_a_tied_token_sees_no_task_of_other_queues(guarded):
    m = guarded(("boss", "mailer"), pools=[{"name": "default", "workers": 1, "queues": {"default": 1, "mail": 1}}])
    tied = bearer("mailer")

    def worker():
        return m.request("GET", "/v1/workers/default/0", headers=tied).json

    with socket.create_connection(("127.0.0.1", m.port)) as stream:
        stream.sendall(f"GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: {tied['Authorization']}\r\n\r\n".encode())
        assert stream.recv(8192).startswith(b"HTTP/1.1 200")
        other = m.submit("Demo", "work", 60000)
        m.running(other)
        assert worker()["state"] == "busy" and worker()["task"] is None
        assert m.request("GET", "/v1/workers", headers=tied).json["workers"][0]["task"] is None
        until(lambda: m.get("/v1/workers/default/0").json["task"]["running_seconds"] > 0.3, what="its event was told")
        assert m.get("/v1/workers/default/0").json["task"]["id"] == other
        m.kill_worker(0, task=other)
        until(lambda: (m.get("/v1/workers/default/0").json["last_exit"] or {}).get("task") == other)
        assert worker()["last_exit"]["task"] is None
        m.delete(f"/v1/tasks/{other}")
        m.wait_task(other)
        mail = m.submit("Demo", "work", 60000, queue="mail")
        m.running(mail)
        assert worker()["task"]["id"] == mail
        m.kill_worker(0, task=mail)
        until(lambda: worker()["last_exit"]["task"] == mail)
        assert other not in [task["id"] for task in worker()["last_exit"]["recent"]]
        until(lambda: [task["id"] for task in m.request("GET", "/v1/tasks", headers=tied).json["tasks"]] == [mail],
              what="it is listed, wherever it is moved to just then")
        heard = b""
        while mail.encode() not in heard or b"event: worker" not in heard:
            heard += stream.recv(65536)
        assert other.encode() not in heard


def test_a_reload_takes_new_tokens_up_and_forgets_old_ones(guarded, folder):
    m = guarded()
    old = bearer("looker")
    connection = http.client.HTTPConnection("127.0.0.1", m.port, timeout=15)

    def status(headers):
        connection.request("GET", "/v1/queues", headers=headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    assert status(old) == 200
    (folder / "looker.token").write_text("another-token-0123456789\n")
    assert m.post("/v1/reload").status == 202
    until(lambda: status({"Authorization": "Bearer another-token-0123456789"}) == 200, what="the new token holds")
    assert status(old) == 401
    (folder / "looker.token").write_text("\n")
    m.post("/v1/reload")
    m.wait_log("configuration refused", "token_file")
    assert status({"Authorization": "Bearer another-token-0123456789"}) == 200, "what held before still holds"


def test_token_files_that_only_root_can_read(make, folder):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    m = make({"user": "nobody", "auth": write_tokens(folder)})
    once = m.http.once
    m.http.once = lambda method, path, body, headers: once(method, path, body, {**bearer("boss"), **headers})
    m.start()
    assert without(m).request("GET", "/v1/queues").status == 401
    SECRET = "rotated-token-0123456789"
    (folder / "looker.token").write_text(SECRET)
    m.post("/v1/reload")
    until(lambda: m.request("GET", "/v1/queues", headers={"Authorization": f"Bearer {SECRET}"}).status == 200,
          what="api has the new token from the guardian")


def test_a_public_address_is_served_with_tokens_only(make, folder):
    done = run_musterd("--check", config={"listen": ["0.0.0.0:0"]})
    assert done.code == 78 and "auth.tokens" in done.err, done
    m = make({"auth": write_tokens(folder)})
    m.config["listen"] = [f"0.0.0.0:{m.port}"]
    once = m.http.once
    m.http.once = lambda method, path, body, headers: once(method, path, body, {**bearer("boss"), **headers})
    m.start()
    address = own_address()
    there = http.client.HTTPConnection(address, m.port, timeout=15)
    there.request("GET", "/v1/queues", headers={**bearer("looker"), "Host": "muster.example"})
    assert there.getresponse().status == 200, "with tokens any name of this machine will do"
    there.close()
    m.write_config({**m.config, "auth": {"tokens": []}})
    m.post("/v1/reload")
    m.wait_log("configuration refused", "auth.tokens")


def own_address():
    """An address of this machine that is not loopback's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback's")
        return probe.getsockname()[0]


def test_a_public_socket_may_not_be_handed_over_without_tokens(make):
    m = make({})
    m.launcher = ["/usr/bin/python3", "-c", """
import os, socket, sys
given = socket.create_server(("0.0.0.0", 0))
os.dup2(given.fileno(), 3)
os.set_inheritable(3, True)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execvp(sys.argv[1], sys.argv[1:])
"""]
    m.spawn()
    assert m.exit_code() == 78
    assert "auth.tokens" in m.log()


def test_modes_of_token_files(folder):
    for mode, code, word in ((0o600, 0, None), (0o400, 0, None), (0o644, 0, "can be read by others"), (0o662, 78, "can be written by others")):
        done = run_musterd("--check", config={"auth": write_tokens(folder, mode=mode)})
        assert done.code == code and (word or "") in done.err, (oct(mode), done)
        assert word or not done.err, done


def test_no_secret_shows_anywhere(guarded, folder):
    m = guarded()
    m.request("GET", "/v1/queues", headers={"Authorization": f"Bearer {SECRETS['looker']}"})
    m.request("POST", "/v1/reload", headers={"Authorization": f"Bearer {SECRETS['looker']}"})
    m.run("Demo", "noop")
    printed = run_musterd("--print-config", config={"auth": write_tokens(folder)})
    assert printed.code == 0 and "looker" in printed.out
    texts = [m.log(), printed.out, printed.err]
    for one in m.tree():
        texts.append(Path(f"/proc/{one.pid}/cmdline").read_bytes().decode(errors="replace"))
        texts.append(Path(f"/proc/{one.pid}/environ").read_bytes().decode(errors="replace"))
    for secret in SECRETS.values():
        assert not any(secret in text for text in texts), secret


def memory_of(pid):
    """What lies in a process' writable memory."""
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, mode = line.split()[:2]
            first, last = (int(end, 16) for end in span.split("-"))
            if not mode.startswith("rw") or last - first > 64 << 20 or "memfd" in line:
                continue
            try:
                memory.seek(first)
                yield memory.read(last - first)
            except OSError:
                continue


def test_no_worker_has_a_token_in_its_memory(guarded):
    m = guarded()
    for one in m.children():
        if ":worker-" in one.title or one.title.endswith((":scheduler", ":supervisor")):
            for piece in memory_of(one.pid):
                assert SECRETS["looker"].encode() not in piece, one.title


def test_unix_sockets_need_a_token_too(make, folder):
    path = folder / "api.sock"
    m = make({"auth": write_tokens(folder), "listen": [f"unix:{path}"]})
    m.http = Http(path=str(path))
    once = m.http.once
    m.http.once = lambda method, path, body, headers: once(method, path, body, {**bearer("boss"), **headers})
    m.start()
    bare = Http(path=str(path))
    assert bare.request("GET", "/v1/queues").status == 401
    assert bare.request("GET", "/healthz").status == 200
