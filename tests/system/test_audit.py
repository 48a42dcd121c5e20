"""Who has changed what: X-Request-Id, /v1/whoami, /v1/audit and the log's line of it; and that nothing from outside breaks a line."""

import os
import re

import pytest

from client import Http
from harness import until
from test_auth import SECRETS, assert_problem, bearer, write_tokens


@pytest.fixture
def guarded(make, folder):
    def start(**config):
        m = make({"auth": write_tokens(folder, ("looker", "sender", "boss", "mailer")), "queues": [{"name": "mail"}], **config})
        once = m.http.once
        m.http.once = lambda method, path, body, headers: once(method, path, body, {**bearer("boss"), **headers})
        return m.start()
    return start


def calls(m, query=""):
    answer = m.get(f"/v1/audit{query}")
    assert answer.status == 200, answer
    return answer.json["calls"]


def test_a_request_id_is_taken_or_made(muster):
    m = muster()
    answer = m.get("/v1/queues", **{"X-Request-Id": "abc-123:x"})
    assert answer.headers["X-Request-Id"] == "abc-123:x"
    made = {m.get("/v1/queues").headers["X-Request-Id"] for _ in range(5)}
    assert len(made) == 5 and all(re.fullmatch(r"[0-9A-Za-z]{20}", one) for one in made)
    for bad in ("", "x" * 65, "a b", 'a"b', "ä".encode().decode("latin-1"), "a\tb", "a;b"):
        assert m.get("/v1/queues", **{"X-Request-Id": bad}).headers["X-Request-Id"] != bad
    missing = m.get("/v1/tasks/none", **{"X-Request-Id": "see-me"})
    assert missing.status == 404 and missing.json["request_id"] == "see-me"
    refused = m.request("PUT", "/v1/tasks", b"", {"X-Request-Id": "see-me"})
    assert refused.status == 405 and refused.json["request_id"] == refused.headers["X-Request-Id"] == "see-me"


def test_whoami(guarded):
    m = guarded()
    assert m.request("GET", "/v1/whoami", headers=bearer("looker")).json == {
        "name": "looker", "role": "read", "queues": None, "address": "127.0.0.1", "process": None}
    assert m.request("GET", "/v1/whoami", headers=bearer("mailer")).json["queues"] == ["mail"]
    assert_problem(Http(port=m.port).request("GET", "/v1/whoami"), 401)


def test_whoami_of_a_unix_socket_s_client(make, folder):
    path = folder / "api.sock"
    m = make({"listen": [f"unix:{path}"]})
    m.http = Http(path=str(path))
    m.start()
    me = m.get("/v1/whoami").json
    assert me["name"] is None and me["role"] == "admin" and me["address"] == "unix"
    assert me["process"] == {"pid": os.getpid(), "uid": os.getuid(), "gid": os.getgid()}
    m.post("/v1/reload")
    assert calls(m)[0]["who"] == f"uid {os.getuid()}"


def test_every_changing_call_is_on_record(guarded):
    m = guarded()
    m.post("/v1/reload", headers={**bearer("boss"), "X-Request-Id": "first"})
    m.post("/v1/reload", headers={**bearer("looker"), "X-Request-Id": "second"})
    m.delete("/v1/tasks/none", {**bearer("sender"), "X-Request-Id": "third"})
    m.post("/v1/tasks", {"class": "Demo", "method": "noop"}, {**bearer("sender"), "X-Request-Id": "fourth"})
    Http(port=m.port).request("DELETE", "/v1/tasks/x", headers={"X-Request-Id": "fifth"})
    m.get("/v1/queues")
    seen = {call["request_id"]: call for call in calls(m)}
    assert list(seen) == ["fifth", "fourth", "third", "second", "first"]
    shown = {key: (call["who"], call["role"], call["method"], call["path"], call["status"], call["outcome"]) for key, call in seen.items()}
    assert shown == {
        "first": ("boss", "admin", "POST", "/v1/reload", 202, "done"),
        "second": ("looker", "read", "POST", "/v1/reload", 403, "refused"),
        "third": ("sender", "submit", "DELETE", "/v1/tasks/none", 404, "failed"),
        "fourth": ("sender", "submit", "POST", "/v1/tasks", 201, "done"),
        "fifth": (None, "none", "DELETE", "/v1/tasks/x", 401, "refused")}
    assert all(call["address"] == "127.0.0.1" and re.fullmatch(r"\d{4}-.*Z", call["at"]) for call in seen.values())
    line, = m.wait_log("audit", "request=first")
    assert all(word in line for word in ("who=boss", "role=admin", "from=127.0.0.1", "method=POST", "path=/v1/reload", "status=202"))
    assert m.log_lines("audit", "request=second") and m.log_lines("audit", "request=third")
    assert m.log_lines("without a known token", "request=fifth")
    assert_problem(m.request("GET", "/v1/audit", headers=bearer("sender")), 403)


def test_the_record_survives_the_api_s_death_and_is_read_in_pages(guarded):
    m = guarded()
    for number in range(25):
        m.delete(f"/v1/tasks/n{number}")
    dead = m.kill_role("api")
    m.another("api", dead)
    until(lambda: m.get("/healthz").status == 200)
    found, cursor = [], ""
    while cursor is not None:
        page = m.get(f"/v1/audit?limit=10{cursor and '&cursor=' + cursor}").json
        assert len(page["calls"]) <= 10
        found += [call["path"] for call in page["calls"]]
        cursor = page["next_cursor"]
    assert found == [f"/v1/tasks/n{number}" for number in reversed(range(25))]
    for bad in ("limit=0", "limit=1001", "limit=x", "cursor=-1", "cursor=x"):
        assert_problem(m.get(f"/v1/audit?{bad}"), 400)


def test_submissions_do_not_push_orders_out(guarded):
    m = guarded()
    m.post("/v1/reload", headers={**bearer("boss"), "X-Request-Id": "order"})
    for _ in range(150):
        m.post("/v1/tasks", {"class": "Demo", "method": "noop"})
    assert not m.log_lines("audit", "path=/v1/tasks "), "a line for each task would be the log's end"
    assert "order" in {call["request_id"] for call in calls(m, "?limit=1000")}


def test_what_comes_from_outside_breaks_no_line_of_the_log(guarded):
    m = guarded()
    for path in ("/v1/tasks/a%0Aforged%20line%20level=error", "/v1/tasks/%1b%5B31mred", "/v1/tasks/%22%20who=root%20x=%22",
                 "/v1/tasks/%ff%fe", "/v1/tasks/%00x"):
        m.delete(path, {"X-Request-Id": "in\x1bjected"})
        Http(port=m.port).request("DELETE", path, headers={"Authorization": "Bearer \x1b[31m"})
    m.run("No.Such", "m")
    with m.connect() as raw:
        raw.sendall(b"DELETE /v1/tasks/x\x1b[2J HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: a\x1bb\r\n\r\n")
        raw.recv(65536)
    m.wait_log("audit", count=5)
    log = m.log_path.read_bytes()
    assert not any(byte in log for byte in b"\x1b\x00\x07\x7f"), "no control character"
    for line in log.decode().splitlines():
        assert re.match(r"\d{4}-\d\d-\d\dT\S+Z (debug|info|warn|error) \S+ ", line), line
        assert not line.startswith("forged") and " who=root" not in re.sub(r'"(?:[^"\\]|\\.)*"', "", line), line
    assert all(secret not in log.decode() for secret in SECRETS.values())
