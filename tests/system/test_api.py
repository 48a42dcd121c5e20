"""The HTTP face: every route of this stage, errors as problem+json, and the guards against other sites' pages."""

import http.client
import json
import re
import socket
import threading
import time

import pytest

from harness import Http, bound, module, until

ROUTES = {  # path: methods it takes
    "/v1/tasks": {"POST", "GET", "DELETE"},
    "/v1/tasks/x": {"GET", "DELETE", "PATCH"},
    "/v1/tasks/x/retry": {"POST"},
    "/v1/tasks/x/clone": {"POST"},
    "/v1/tasks/x/why": {"GET"},
    "/v1/queues": {"GET"},
    "/v1/queues/default": {"GET", "PATCH"},
    "/v1/queues/default/pause": {"POST"},
    "/v1/queues/default/resume": {"POST"},
    "/v1/queues/default/tasks": {"GET", "DELETE"},
    "/v1/queues/default/tasks/retry": {"POST"},
    "/v1/workers": {"GET"},
    "/v1/workers/default/0": {"GET"},
    "/v1/workers/default/0/restart": {"POST"},
    "/v1/pools": {"GET"},
    "/v1/pools/default": {"GET", "PATCH"},
    "/v1/pools/default/pause": {"POST"},
    "/v1/pools/default/resume": {"POST"},
    "/v1/classes/Demo/pause": {"POST"},
    "/v1/classes/Demo/resume": {"POST"},
    "/v1/handlers": {"GET"},
    "/v1/nodes": {"GET"},
    "/v1/nodes/x/drain": {"POST"},
    "/v1/nodes/x/resume": {"POST"},
    "/v1/whoami": {"GET"},
    "/v1/audit": {"GET"},
    "/v1/reload": {"POST"},
    "/healthz": {"GET"},
    "/readyz": {"GET"},
    "/metrics": {"GET"},
    "/": {"GET"},
}
LATER = [("GET", "/v1/schedules"), ("GET", "/v1/schedules/x"), ("PUT", "/v1/schedules/x"), ("DELETE", "/v1/schedules/x")]


@pytest.fixture(scope="module")
def m():
    """One musterd for all of this file that only asks."""
    import harness
    one = harness.Muster().start()
    yield one
    one.finish()


def assert_problem(answer, status):
    assert answer.status == status, answer
    assert answer.headers["Content-Type"].split(";")[0] == "application/problem+json"
    problem = answer.json
    assert problem["status"] == status and set(problem) >= {"type", "title", "status", "detail"} and problem["detail"]
    return problem


# ---- the frame ----

@pytest.mark.parametrize("path", ROUTES)
def test_every_route_answers_405_with_allow_to_other_methods(m, path):
    for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
        if method not in ROUTES[path]:
            answer = m.request(method, path, b"{}" if method != "GET" else None)
            if answer.status == 404 and "not available yet" in answer.text:
                continue
            assert_problem(answer, 405)
            allow = {word.strip() for word in answer.headers["Allow"].split(",")}
            assert ROUTES[path] <= allow and method not in allow


@pytest.mark.parametrize("path", [path for path in ROUTES if "GET" in ROUTES[path]])
def test_head_is_get_without_a_body(m, path):
    get, head = m.get(path), m.request("HEAD", path)
    assert head.status == get.status and head.body == b""
    assert head.headers["Content-Type"] == get.headers["Content-Type"]


@pytest.mark.parametrize("path", ROUTES)
def test_options_names_the_methods(m, path):
    answer = m.request("OPTIONS", path)
    assert answer.status in (200, 204)
    allow = {word.strip() for word in answer.headers["Allow"].split(",")}
    assert ROUTES[path] <= allow and "OPTIONS" in allow
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("path", ["/nonesuch", "/v1", "/v1/", "/v1/tasks/", "/v1/tasks/a/b", "/v2/tasks", "//", "/v1/workers/default",
                                  "/v1/workers/default/x", "/v1/workers/default/99", "/v1/workers/nonesuch/0", "/healthz/",
                                  "/v1/queues/nonesuch", "/v1/../metrics", "/" + "a" * 2000, "/v1/workers/default/-1",
                                  "/v1/workers/default/4294967296"])
def test_unknown_paths_are_404(m, path):
    assert_problem(m.get(path), 404)


@pytest.mark.parametrize("method, path", LATER)
def test_what_is_not_built_yet_is_refused_with_words(m, method, path):
    answer = m.request(method, path, b"{}" if method in ("PATCH", "PUT") else None)
    assert answer.status in (404, 405, 501) and answer.headers["Content-Type"].startswith("application/problem+json")


def test_unknown_query_members_are_refused_or_ignored_but_never_an_error_of_the_server(m):
    for query in ("?a=b", "?", "?wait", "?%", "?a=%zz", "?" + "&" * 100):
        assert m.get("/v1/workers" + query).status in (200, 400, 422)


def test_a_connection_is_kept_alive_and_serves_many_requests(m):
    connection = http.client.HTTPConnection("127.0.0.1", m.port, timeout=10)
    connection.connect()
    port = connection.sock.getsockname()[1]
    for n in range(100):
        connection.request("GET" if n % 2 else "POST", "/healthz" if n % 2 else "/v1/tasks",
                           None if n % 2 else b'{"class":"Demo","method":"noop"}',
                           {} if n % 2 else {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status in (200, 201)
        assert connection.sock and connection.sock.getsockname()[1] == port, "the same connection all the time"
    for path in ("/nonesuch", "/v1/tasks/unknown"):
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 404 and connection.sock and connection.sock.getsockname()[1] == port, "also after an error"
    connection.close()


def test_pipelined_requests_are_answered_in_order(m):
    with m.connect() as raw:
        raw.sendall(b"".join(b"GET /v1/tasks/id%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % n for n in range(20)))
        data = b""
        while data.count(b"HTTP/1.1 404") < 20:
            part = raw.recv(65536)
            assert part
            data += part


def test_http_1_0_is_answered_and_closed(m):
    with m.connect() as raw:
        raw.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        data = b""
        while part := raw.recv(65536):
            data += part
        assert b" 200 " in data.split(b"\r\n")[0]


def test_expect_100_continue_is_honoured(m):
    body = b'{"class":"Demo","method":"noop"}'
    with m.connect() as raw:
        raw.sendall(b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                    b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
        assert b"100 Continue" in raw.recv(100)
        raw.sendall(body)
        assert b"201 Created" in raw.recv(65536)


def test_chunked_bodies_are_read(m):
    with m.connect() as raw:
        raw.sendall(b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                    b"Transfer-Encoding: chunked\r\n\r\n")
        for part in (b'{"class":', b'"Demo","met', b'hod":"noop"}'):
            raw.sendall(b"%x\r\n%s\r\n" % (len(part), part))
        raw.sendall(b"0\r\n\r\n")
        assert b"201 Created" in raw.recv(65536)


def test_a_unix_socket_listens_too(muster, folder):
    path = folder / "api.sock"
    from harness import free_port
    port = free_port()
    one = muster({"listen": [f"unix:{path}", f"127.0.0.1:{port}"]}, ready=False)
    one.http = Http(port=port)
    one.wait_ready()
    local = Http(path=str(path))
    assert local.request("GET", "/healthz").status == 200
    id_ = local.request("POST", "/v1/tasks", {"class": "Demo", "method": "noop"}).json["id"]
    one.wait_task(id_)
    local.close()
    one.stop()
    one.start(ready=False)
    until(lambda: one.process.poll() is None and path.exists())
    one.wait_ready()


def test_ipv6_loopback_listens_too(muster):
    from harness import free_port
    port, port6 = free_port(), free_port()
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 here")
    one = muster({"listen": [f"127.0.0.1:{port}", f"[::1]:{port6}"]}, ready=False)
    one.http = Http(port=port)
    one.wait_ready()
    connection = http.client.HTTPConnection("::1", port6, timeout=10)
    connection.request("GET", "/healthz")
    assert connection.getresponse().status == 200
    connection.close()


# ---- guards ----

@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", "evil.example:80", "0.0.0.0"])
def test_a_foreign_host_is_refused(m, host):
    for method, path in (("GET", "/v1/workers"), ("POST", "/v1/tasks"), ("GET", "/metrics")):
        with m.connect() as raw:
            raw.sendall(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n".encode())
            assert b" 403 " in raw.recv(65536).split(b"\r\n")[0]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST:{port}", "127.0.0.1:{port}", "[::1]", "[::1]:{port}"])
def test_own_hosts_are_served(m, host):
    with m.connect() as raw:
        raw.sendall(f"GET /v1/workers HTTP/1.1\r\nHost: {host.format(port=m.port)}\r\n\r\n".encode())
        assert b" 200 " in raw.recv(65536).split(b"\r\n")[0]


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
                                     {"Origin": "http://127.0.0.1.evil.example"}])
def test_changes_asked_for_by_another_site_s_page_are_refused(m, headers):
    document = {"class": "Demo", "method": "record", "param": ["forged", "x"], "id": "forged"}
    assert_problem(m.post("/v1/tasks", document, headers), 403)
    assert_problem(m.delete("/v1/tasks/x", headers), 403)
    assert_problem(m.post("/v1/workers/default/0/restart", headers=headers), 403)
    assert m.get("/v1/tasks/forged").status == 404
    answer = m.get("/v1/workers", **headers)
    assert answer.status == 200 and "Access-Control-Allow-Origin" not in answer.headers


def test_changes_asked_for_by_its_own_page_are_served(m):
    for headers in ({"Origin": f"http://127.0.0.1:{m.port}"}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}):
        assert m.post("/v1/tasks", {"class": "Demo", "method": "noop"}, headers).status == 201


# ---- what is there to see ----

def test_queues(m):
    queues = m.get("/v1/queues").json["queues"]
    assert {queue["name"] for queue in queues} == {"default", "async_task_queue"}
    for queue in queues:
        assert set(queue) >= {"name", "pending", "scheduled", "retrying", "active", "dead", "succeeded_total", "dead_total", "paused",
                              "oldest_age_seconds"}
    assert m.get("/v1/queues/default").json["name"] == "default"


def test_workers(m):
    rows = m.get("/v1/workers").json["workers"]
    assert [(row["pool"], row["slot"]) for row in rows] == [("default", 0), ("default", 1)]
    for row in rows:
        assert set(row) >= {"pool", "slot", "pid", "state", "heartbeat_age_seconds", "uptime_seconds", "restarts", "last_exit", "tasks",
                            "rss_bytes", "task"}
        assert row["state"] in ("idle", "busy") and row["restarts"] == 0 and row["last_exit"] is None
        assert 0 <= row["heartbeat_age_seconds"] < 10 and row["uptime_seconds"] > 0 and row["rss_bytes"] > 100_000
        assert set(row["tasks"]) >= {"succeeded", "failed", "retried"}
    assert m.get("/v1/workers/default/1").json["pid"] == rows[1]["pid"]


def test_a_worker_shows_the_task_in_hand(m):
    id_ = m.submit("Demo", "work", 60000)
    row = m.running(id_)
    assert row["state"] == "busy" and row["task"]["class"] == "Demo" and row["task"]["method"] == "work"
    until(lambda: (m.worker(row["slot"])["task"] or {}).get("running_seconds", 0) > 0.05)
    m.delete(f"/v1/tasks/{id_}")
    m.wait_task(id_)
    until(lambda: m.worker(row["slot"])["task"] is None and m.worker(row["slot"])["state"] == "idle")


def test_heartbeat_ages_while_nothing_beats(muster):
    one = muster()
    id_ = one.submit("Demo", "sleep", 3000)
    row = one.running(id_)
    until(lambda: one.worker(row["slot"])["heartbeat_age_seconds"] > 1.0, 5)
    one.wait_task(id_)
    until(lambda: one.worker(row["slot"])["heartbeat_age_seconds"] < 2.0)


def test_pools(m):
    pools = m.get("/v1/pools").json["pools"]
    assert len(pools) == 1 and set(pools[0]) >= {"name", "kind", "workers", "queues", "busy", "idle"}
    assert pools[0]["name"] == "default" and pools[0]["kind"] == "tasks" and pools[0]["workers"] == 2


def test_nodes(m):
    nodes = until(lambda: m.get("/v1/nodes").json["nodes"])
    assert len(nodes) == 1 and nodes[0]["self"] is True and nodes[0]["workers"] == 2
    assert nodes[0]["id"] == (m.state / "node").read_text().strip() and nodes[0]["host"] and nodes[0]["version"]
    assert re.match(r"^\d{4}-\d\d-\d\dT", nodes[0]["started_at"])


def test_two_nodes_of_one_namespace_see_each_other_and_share_the_work(muster, redis_server):
    server = redis_server()
    one, two = muster({"broker": server.url()}), muster({"broker": server.url()})
    until(lambda: len(one.get("/v1/nodes").json["nodes"]) == 2 and len(two.get("/v1/nodes").json["nodes"]) == 2)
    assert sum(node["self"] for node in one.get("/v1/nodes").json["nodes"]) == 1
    ids = one.submit_many([{"class": "Demo", "method": "sleep", "param": [20]}] * 100)
    assert {two.wait_task(id_)["worker"].split("/")[0] for id_ in ids} == {node["id"] for node in one.get("/v1/nodes").json["nodes"]}
    two.stop()
    until(lambda: len(one.get("/v1/nodes").json["nodes"]) == 1)


def test_a_lost_node_s_tasks_go_to_others(muster, redis_server):
    server = redis_server()
    one = muster({"broker": server.url(), "node_timeout": "2s", "pools": [{"name": "default", "workers": 1}]})
    id_ = one.submit("Demo", "hang", timeout="1h")
    one.running(id_)
    waiting = one.submit_many([{"class": "Demo", "method": "noop"}] * 5)
    two = muster({"broker": server.url(), "node_timeout": "2s", "pools": [{"name": "default", "workers": 2}]})
    one.kill()
    for other in waiting:
        assert two.wait_task(other, timeout=20)["state"] == "succeeded"
    task = until(lambda: (lambda now: now if now["state"] == "active" and now["crashes"] == 1 else None)(two.task(id_)), 20)
    assert task["attempts"] == 0
    two.delete(f"/v1/tasks/{id_}")
    two.wait_task(id_)


def test_healthz_and_readyz(m):
    assert m.get("/healthz").status == 200
    ready = m.get("/readyz")
    assert ready.status == 200
    assert set(ready.json["checks"]) >= {"broker", "workers", "scheduler", "progress", "config"}
    assert set(ready.json["checks"].values()) == {"ok"}


def test_readyz_tells_when_no_worker_lives(muster):
    one = muster({"pools": [{"name": "default", "workers": 1}]})
    for _ in range(6):
        row = until(lambda: (lambda now: now if now["pid"] else None)(one.worker(0)), 10)
        one.kill_worker(0)
    assert row
    answer = one.get("/readyz")
    assert answer.status in (200, 503)
    until(lambda: one.get("/readyz").status == 200, 15)


def test_the_page_is_there_and_asks_nobody_else(m):
    page = m.get("/")
    assert page.status == 200 and page.headers["Content-Type"].startswith("text/html")
    assert "<html" in page.text.lower()
    assert not re.findall(r'(?:src|href)="https?://', page.text)
    parts = {link: m.get("/" + link.lstrip("./")) for link in re.findall(r'(?:src|href)="([^"#:]+)"', page.text)}
    assert all(part.status == 200 for part in parts.values()), parts
    assert any("/v1/tasks" in part.text for part in [page, *parts.values()]), "it shows how to submit"


def test_a_parameter_given_twice_is_400(m):
    answer = m.get("/v1/queues/default/tasks?state=dead&state=pending")
    assert_problem(answer, 400)
    assert "state" in answer.json["detail"]


@pytest.mark.parametrize("method, path", [("GET", ""), ("POST", "/pause"), ("POST", "/resume"), ("GET", "/tasks"),
                                          ("DELETE", "/tasks?state=dead"), ("POST", "/tasks/retry")])
def test_an_unknown_queue_is_404_with_those_that_exist(m, method, path):
    answer = m.http.request(method, "/v1/queues/nonesuch" + path)
    assert_problem(answer, 404)
    assert "nonesuch" in answer.json["detail"] and "async_task_queue" in answer.json["detail"]


# ---- bodies ----

@pytest.mark.parametrize("headers", [{"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"},
                                     {"Content-Type": "multipart/form-data; boundary=x"}, {"Content-Type": "application/jsonx"},
                                     {"Content-Type": ""}])
def test_a_body_that_is_not_declared_as_json_is_415(m, headers):
    assert_problem(m.post("/v1/tasks", b'{"class":"Demo","method":"noop"}', headers), 415)


def test_a_body_where_none_is_expected_is_refused(m):
    path = "/v1/queues/default/resume"
    assert_problem(m.post(path, b"x", {"Content-Type": "text/plain"}), 415)
    for body in (b'{"a":1}', b"{}{}", b"{", b"[]", b"0", b"{\0}"):
        assert_problem(m.post(path, body, {"Content-Type": "application/json"}), 400)
    for body in (b"{}", b" {\r\n}\n"):  # what clients send that always send some JSON
        assert m.post(path, body, {"Content-Type": "application/json"}).status == 200


def test_a_body_without_content_type_is_415(m):
    with m.connect() as raw:
        raw.sendall(b'POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Length: 32\r\n\r\n{"class":"Demo","method":"noop"}')
        assert b" 415 " in raw.recv(65536).split(b"\r\n")[0]


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_json_types_are_accepted(m, kind):
    assert m.post("/v1/tasks", b'{"class":"Demo","method":"noop"}', {"Content-Type": kind}).status == 201


def test_a_post_without_a_body_needs_no_content_type(muster):
    one = muster()
    assert one.post("/v1/workers/default/0/restart").status == 202


def test_restart_of_an_unknown_worker_is_404(m):
    assert_problem(m.post("/v1/workers/default/99/restart"), 404)
    assert_problem(m.post("/v1/workers/nonesuch/0/restart"), 404)


# ---- waiting ----

def test_many_wait_at_once_and_each_is_woken_by_its_own_task(m):
    ends = {}

    def wait(n, id_):
        client = Http(port=m.port)
        began = time.monotonic()
        task = client.request("GET", f"/v1/tasks/{id_}?wait=20s").json
        ends[n] = (task["state"], task["result"], time.monotonic() - began)
        client.close()
    ids = m.submit_many([{"class": "Demo", "method": "add", "param": [n, n], "delay": "500ms"} for n in range(50)])
    threads = [threading.Thread(target=wait, args=(n, id_)) for n, id_ in enumerate(ids)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [ends[n][:2] for n in range(50)] == [("succeeded", 2 * n) for n in range(50)]
    assert max(took for _, _, took in ends.values()) < bound(5)


def test_a_wait_sees_the_end_also_when_retention_is_short(muster):
    one = muster({"queues": [{"name": "default", "retention": {"succeeded": "0s", "max": 1}}]})
    for _ in range(10):
        id_ = one.submit("Demo", "echo", "x", delay="100ms")
        answer = one.get(f"/v1/tasks/{id_}?wait=10s")
        assert answer.status == 200 and answer.json["state"] == "succeeded" and answer.json["result"] == ["x"]


def test_others_are_served_while_many_wait(m):
    id_ = m.submit("Demo", "noop", delay="1h")
    waiting = []
    for _ in range(200):
        raw = m.connect()
        raw.sendall(f"GET /v1/tasks/{id_}?wait=30s HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        waiting.append(raw)
    began = time.monotonic()
    assert m.run("Demo", "noop")["state"] == "succeeded"
    assert time.monotonic() - began < bound(1)
    m.delete(f"/v1/tasks/{id_}")
    for raw in waiting:
        assert b'"cancelled"' in raw.recv(65536)
        raw.close()


def test_a_client_that_leaves_while_it_waits_is_forgotten(m):
    id_ = m.submit("Demo", "noop", delay="1h")
    for _ in range(50):
        raw = m.connect()
        raw.sendall(f"GET /v1/tasks/{id_}?wait=30s HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        raw.close()
    assert m.delete(f"/v1/tasks/{id_}").status == 200
    assert m.get("/healthz").status == 200


# ---- limits ----

def test_connections_above_the_limit_are_refused_and_the_service_goes_on(muster):
    one = muster({"limits": {"connections": 20}})
    for _ in range(10):
        one.http.close()
        many = [one.connect() for _ in range(60)]
        for raw in many:
            raw.close()
        began = time.monotonic()
        until(lambda: one.get("/healthz").status == 200)
        assert time.monotonic() - began < bound(2), "places that are free again are given to who waits"


def test_responses_carry_their_type_and_no_cache(m):
    answer = m.get("/v1/workers")
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.headers.get("X-Content-Type-Options") == "nosniff"
    assert "no-store" in (answer.headers.get("Cache-Control") or "no-store")
    json.loads(answer.body)


def test_module_classes_are_reached_by_http_as_well(muster):
    one = muster({"handlers": [{"class": "Probe", "module": module("probe")}]})
    assert one.run("Probe", "about")["result"]["class"] == "Probe"
