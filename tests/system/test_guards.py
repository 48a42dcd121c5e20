"""What keeps the API standing in front of strangers: its confinement, its bounds, and what it tells browsers."""

import gzip
import json
import os
import re
import signal
import time
from pathlib import Path

import pytest

from client import Http
from harness import MUSTERD, until

ASAN = b"__asan_init" in MUSTERD.read_bytes()


def status_of(pid):
    return dict(re.findall(r"^(\w+):\s*(.*)$", Path(f"/proc/{pid}/status").read_text(), re.M))


def kernel_has_seccomp():
    return "Seccomp" in status_of(os.getpid())


# ---- confinement ----

def test_the_api_is_confined_and_nobody_else(muster):
    m = muster()
    api = status_of(m.role("api").pid)
    assert api["NoNewPrivs"] == "1"
    line, = m.wait_log("api serves", "landlock=", "seccomp=")
    assert not kernel_has_seccomp() or "seccomp=no" in line or api["Seccomp"] == "2"
    for one in m.children():
        if not one.title.endswith(":api"):
            assert status_of(one.pid)["NoNewPrivs"] == "0", one.title


def test_a_confined_api_does_all_its_work(make, folder):
    m = make({"log": {"file": str(folder / "muster.log")}})
    m.start()
    assert m.run("Demo", "add", 2, 3)["result"] == 5
    assert m.metrics().value("muster_worker_resident_bytes", pool="default", slot=0) > 0
    os.replace(folder / "muster.log", folder / "muster.log.1")
    os.kill(m.guardian, signal.SIGUSR1)
    until(lambda: (folder / "muster.log").exists())
    m.post("/v1/reload")
    until(lambda: "api follows the configuration" in (folder / "muster.log").read_text(), what="api writes to the new file")
    m.kill_role("broker")
    until(lambda: m.get("/readyz").status == 200, what="it has found the broker again")
    assert m.run("Demo", "add", 2, 3)["result"] == 5


# ---- bounds ----

def test_a_client_that_sends_a_byte_now_and_then_is_cut_off(muster):
    m = muster({"http": {"timeout": "1s"}})
    slow = []
    for number in range(200):
        raw = m.connect()
        raw.setblocking(False)
        raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " if number % 2 else
                    b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n{")
        slow.append(raw)

    def drip():
        assert m.get("/healthz").status == 200, "nobody else notices"
        for raw in list(slow):
            try:
                raw.send(b"x")
                if raw.recv(4096) == b"":
                    slow.remove(raw)
            except BlockingIOError:
                pass
            except OSError:
                slow.remove(raw)
        time.sleep(0.1)
        return not slow
    until(drip, 8, "all of them are cut off")
    assert m.run("Demo", "add", 2, 3)["result"] == 5


def test_patience_is_not_for_those_who_wait_for_us(muster):
    m = muster({"http": {"timeout": "500ms"}})
    id_ = m.submit("Demo", "sleep", 2500)
    began = time.monotonic()
    assert m.get(f"/v1/tasks/{id_}?wait=10s").json["state"] == "succeeded"
    assert time.monotonic() - began > 1.5, "it was waited for longer than a client has"
    body = b'{"class":"Demo","method":"echo","param":["' + b"x" * 20000 + b'"]}'
    with m.connect() as raw:
        raw.sendall(b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
                    b"Content-Length: %d\r\n\r\n" % len(body))
        for start in range(0, len(body), 1000):  # slow, but faster than 1 KiB a second
            raw.sendall(body[start:start + 1000])
            time.sleep(0.06)
        assert raw.recv(4096).startswith(b"HTTP/1.1 201 ")


def test_requests_of_one_address_are_bounded(make, folder):
    path = folder / "api.sock"
    m = make({"http": {"requests_per_second": 20}})
    m.config["listen"].append(f"unix:{path}")
    m.start()
    time.sleep(1.1)
    answers = [m.get("/v1/pools") for _ in range(60)]
    refused = [answer for answer in answers if answer.status == 429]
    assert 20 <= len(answers) - len(refused) < 40 and refused
    assert all(int(answer.headers["Retry-After"]) >= 1 and answer.json["detail"] for answer in refused)
    assert all(m.get("/healthz").status == 200 for _ in range(60)), "health is always answered"
    local = Http(path=str(path))
    assert all(local.request("GET", "/v1/pools").status == 200 for _ in range(60)), "a unix socket's clients have no address"
    until(lambda: m.get("/v1/pools").status == 200, what="it may ask again")


def test_connections_of_one_address_are_bounded(muster):
    m = muster({"http": {"connections_per_address": 5}})
    m.http.close()

    def served(raw):
        try:
            raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return raw.recv(4096).startswith(b"HTTP/1.1 200 ")
        except OSError:
            return False
    opened = [m.connect() for _ in range(12)]
    good = [raw for raw in opened if served(raw)]
    assert 1 <= len(good) <= 5
    for raw in opened:
        raw.close()

    def one_more():
        with m.connect() as raw:
            return served(raw)
    until(one_more, what="there is room again")


# ---- browsers ----

def test_every_answer_has_its_security_headers(muster):
    m = muster()
    for method, path in (("GET", "/v1/workers"), ("GET", "/"), ("GET", "/nothing"), ("POST", "/v1/tasks"), ("GET", "/metrics"),
                         ("PUT", "/v1/tasks"), ("OPTIONS", "/v1/tasks"), ("GET", "/assets/none.js")):
        headers = m.request(method, path).headers
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer", path
        assert headers["X-Request-Id"] and headers["Cache-Control"], path
        assert not any(name.lower().startswith("access-control") for name in headers), path
    assert "frame-ancestors 'none'" in m.get("/").headers["Content-Security-Policy"]


def test_pages_of_listed_origins_may_call(muster):
    page = "https://ops.example"
    m = muster({"http": {"origins": [page, "http://localhost:5173"]}})
    preflight = m.request("OPTIONS", "/v1/tasks", headers={"Origin": page, "Access-Control-Request-Method": "POST",
                                                            "Access-Control-Request-Headers": "authorization, content-type"})
    assert preflight.status == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == page and "Origin" in preflight.headers.get_all("Vary")
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    assert {"authorization", "content-type"} <= set(preflight.headers["Access-Control-Allow-Headers"].lower().split(", "))
    answer = m.post("/v1/tasks", {"class": "Demo", "method": "noop"}, {"Origin": page, "Sec-Fetch-Site": "cross-site"})
    assert answer.status == 201 and answer.headers["Access-Control-Allow-Origin"] == page
    assert "Location" in answer.headers["Access-Control-Expose-Headers"]
    for other in ("https://evil.example", "https://ops.example.evil.example", "http://ops.example", "null"):
        assert m.post("/v1/tasks", {"class": "Demo", "method": "noop"}, {"Origin": other}).status == 403
        assert "Access-Control-Allow-Origin" not in m.get("/v1/queues", Origin=other).headers


# ---- conditional and cheap ----

def test_what_has_not_changed_is_not_sent_again(muster):
    m = muster()
    for path in ("/v1/queues", "/v1/pools", "/v1/nodes", "/v1/workers"):
        first = m.get(path)
        tag = first.headers["ETag"]
        assert re.fullmatch(r'W/"[0-9a-f]{32}"', tag)
        for value in (tag, tag[2:], f'"other", {tag}', "*"):
            again = m.get(path, **{"If-None-Match": value})
            assert again.status == 304 and again.body == b"" and again.headers["ETag"] == tag, (path, value)
        assert m.get(path, **{"If-None-Match": '"other"'}).status == 200
        head = m.request("HEAD", path)
        assert head.status == 200 and head.headers["ETag"] == tag and head.body == b""
    tag = m.get("/v1/workers").headers["ETag"]
    m.run("Demo", "noop")
    assert m.get("/v1/workers", **{"If-None-Match": tag}).status == 200, "a worker has one more task to its name"


def test_large_answers_are_compressed_for_those_who_ask(muster):
    m = muster({"pools": [{"name": "default", "workers": 8}]})
    plain = m.get("/v1/workers", **{"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers and len(plain.body) > 1400
    for value in ("gzip", "deflate, gzip;q=0.5, br", "GZIP", "*"):
        packed = m.get("/v1/workers", **{"Accept-Encoding": value})
        assert packed.headers["Content-Encoding"] == "gzip" and "Accept-Encoding" in packed.headers.get_all("Vary"), value
        assert len(packed.body) < len(plain.body) / 2
        assert set(json.loads(gzip.decompress(packed.body))) == {"workers"}
    for value in ("", "br", "gzip;q=0", "gzip;q=0.0, *;q=0", "gzipped"):
        assert "Content-Encoding" not in m.get("/v1/workers", **{"Accept-Encoding": value}).headers, value
    assert "Content-Encoding" not in m.get("/healthz", **{"Accept-Encoding": "gzip"}).headers, "a small one gains nothing"
    head = m.request("HEAD", "/v1/workers", headers={"Accept-Encoding": "gzip"})
    assert head.headers["Content-Encoding"] == "gzip" and head.body == b""


@pytest.mark.skipif(ASAN, reason="a sanitizer keeps what is freed")
def test_connections_that_rest_cost_little(muster):
    m = muster({"limits": {"connections": 1000}})
    api = m.role("api").pid

    def served(one):
        one.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return one.recv(4096).startswith(b"HTTP/1.1 200")

    first = m.connect()
    assert served(first)
    before = anonymous(api)
    held = [m.connect() for _ in range(300)]
    assert all(served(one) for one in held)
    until(lambda: anonymous(api) - before < 300 * 4 * 1024, 15, "4 KiB each")
    assert all(served(one) for one in held), "and they are served again"
    for one in [first, *held]:
        one.close()


def anonymous(pid):
    """Bytes of its own memory: the scoreboard is shared."""
    fields = dict(row.split(":", 1) for row in open(f"/proc/{pid}/status").read().splitlines())
    return int(fields["RssAnon"].split()[0]) * 1024
