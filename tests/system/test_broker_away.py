"""A broker that is away is waited for: workers stay alive and beat, answers that need it are refused at once, nothing is lost."""

import json
import signal
import socket
import threading
import time

import pytest

from harness import LIST, Http, PidFd, bound, free_port, stays, until

TWO = {"pools": [{"name": "default", "workers": 2, "queues": {"default": 1, LIST: 1}, "heartbeat_timeout": "1s"}]}


def pids(m):
    return [row["pid"] for row in m.workers()]


def assert_refused_at_once(m):
    for method, path, body in (("POST", "/v1/tasks", {"class": "Demo", "method": "noop"}), ("GET", "/v1/tasks/x", None),
                               ("DELETE", "/v1/tasks/x", None), ("GET", "/v1/queues", None)):
        answer = m.request(method, path, body)
        assert answer.status == 503, (method, path, answer)
        assert int(answer.headers["Retry-After"]) >= 0
        assert answer.headers["Content-Type"].startswith("application/problem+json")


def assert_scoreboard_answers(m):
    """/healthz, /v1/workers and /metrics go on from the scoreboard."""
    began = time.monotonic()
    assert m.get("/healthz").status == 200
    assert m.get("/v1/workers").status == 200
    assert m.metrics().value("muster_broker_up") == 0
    assert time.monotonic() - began < bound(2.5)


def away(m):
    until(lambda: m.get("/readyz").status == 503, 15, "readyz says 503")
    assert m.get("/readyz").json["checks"]["broker"] != "ok"


def test_an_external_broker_serves_by_url_with_password_and_database(muster, redis_server):
    server = redis_server(password="pa55")
    m = muster({"broker": server.url(db=7)})
    assert m.run("Demo", "add", 1, 2)["result"] == 3
    assert server.client(7).exists(m.key("tasks")) and not server.client(0).exists(m.key("tasks"))
    assert m.role("broker") is None or "redis-server" not in m.role("broker").title


def test_an_external_broker_serves_by_unix_socket(muster, redis_server):
    server = redis_server()
    m = muster({"broker": f"unix://{server.socket}"})
    assert m.run("Demo", "add", 1, 2)["result"] == 3


def test_an_acl_user_serves(muster, redis_server):
    server = redis_server()
    server.client().execute_command("ACL", "SETUSER", "muster", "on", ">pw", "~*", "&*", "+@all")
    m = muster({"broker": f"redis://muster:pw@127.0.0.1:{server.port}/0"})
    assert m.run("Demo", "noop")["state"] == "succeeded"


def test_the_password_may_stand_in_a_file(muster, redis_server, folder):
    server = redis_server(password="from-a-file")
    path = folder / "password"
    path.write_text("from-a-file\n")
    path.chmod(0o600)
    m = muster({"broker": server.url(password=False), "broker_password_file": str(path)})
    assert m.run("Demo", "noop")["state"] == "succeeded"


def test_namespaces_on_one_redis_do_not_see_each_other(muster, redis_server):
    server = redis_server()
    one, two = (muster({"broker": server.url(), "namespace": name,
                        "queues": [{"name": LIST, "list": f"{name}:list"}]}) for name in ("one", "two"))
    id_ = one.submit("Demo", "noop")
    one.wait_task(id_)
    assert two.get(f"/v1/tasks/{id_}").status == 404
    assert two.queue()["succeeded_total"] == 0 and len(two.get("/v1/nodes").json["nodes"]) == 1


def test_a_broker_that_is_away_at_the_start_is_waited_for(muster, redis_server):
    server = redis_server()
    server.stop()
    m = muster({**TWO, "broker": server.url()}, ready=False)
    until(lambda: m.process.poll() is None and socket_answers(m.port), 10)
    away(m)
    assert_refused_at_once(m)
    assert_scoreboard_answers(m)
    until(lambda: all(pids(m)), what="the workers are there")
    before = pids(m)
    server.start()
    m.wait_ready(15)
    assert m.run("Demo", "noop")["state"] == "succeeded"
    assert pids(m) == before


def socket_answers(port):
    try:
        return Http(port=port).request("GET", "/healthz").status == 200
    except OSError:
        return False


def test_a_broker_that_goes_and_comes_back_loses_nothing_and_no_worker(muster, redis_server):
    server = redis_server()
    m = muster({**TWO, "broker": server.url()})
    before = pids(m)
    ids = m.submit_many([{"class": "Demo", "method": "sleep", "param": [5]} for _ in range(300)])
    server.stop(signal.SIGKILL)
    away(m)
    assert_refused_at_once(m)
    assert_scoreboard_answers(m)
    stays(lambda: pids(m) == before, 1.5, "the workers stay, and beat: their heartbeat_timeout is 1 s")
    assert all(row["heartbeat_age_seconds"] < bound(1.5) for row in m.workers())
    server.start()
    m.wait_ready(20)
    for id_ in ids:
        task = m.wait_task(id_, timeout=30)
        assert task["state"] == "succeeded" and task["crashes"] == 0 and task["attempts"] == 1
    assert pids(m) == before
    until(lambda: m.metrics().value("muster_broker_up") == 1)


def test_a_broker_that_hangs_is_away_and_nothing_hangs_with_it(muster, redis_server):
    server = redis_server()
    m = muster({**TWO, "broker": server.url()})
    before = pids(m)
    server.process.send_signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        assert m.post("/v1/tasks", {"class": "Demo", "method": "noop"}).status == 503
        assert time.monotonic() - began < bound(2), "the first one may take the deadline of 1 s"
        away(m)
        began = time.monotonic()
        assert_refused_at_once(m)
        assert time.monotonic() - began < bound(1), "then it is known to be away"
        assert_scoreboard_answers(m)
        stays(lambda: pids(m) == before, 2)
    finally:
        server.process.send_signal(signal.SIGCONT)
    m.wait_ready(15)
    assert m.run("Demo", "noop")["state"] == "succeeded"
    assert pids(m) == before


def test_a_waiting_client_hears_of_the_end_also_after_the_broker_was_away(muster, redis_server):
    server = redis_server()
    m = muster({**TWO, "broker": server.url()})
    id_ = m.submit("Demo", "noop", delay="1500ms")
    ends = []

    def wait():
        client = Http(port=m.port)
        ends.append(client.request("GET", f"/v1/tasks/{id_}?wait=30s"))
    thread = threading.Thread(target=wait)
    thread.start()
    server.stop()
    server.start()
    thread.join(30)
    assert ends and ends[0].status in (200, 503)
    if ends[0].status == 200:
        assert ends[0].json["state"] == "succeeded"


def test_connections_cut_by_the_server_are_made_anew(muster, redis_server):
    server = redis_server()
    m = muster({**TWO, "broker": server.url()})
    before = pids(m)
    ids = []
    for round_ in range(20):
        ids += m.submit_many([{"class": "Demo", "method": "record", "param": ["cut", str(round_ * 50 + n)]} for n in range(50)])
        server.client().client_kill_filter(_type="normal", skipme=True)
        until(lambda: m.get("/readyz").status == 200, 10)
    for id_ in ids:
        assert m.wait_task(id_)["state"] == "succeeded"
    assert sorted(map(int, m.record_lines("cut"))) == list(range(1000)), "each once"
    assert pids(m) == before


def test_scripts_that_redis_forgot_are_loaded_again(muster, redis_server):
    server = redis_server()
    m = muster({**TWO, "broker": server.url()})
    for n in range(5):
        server.client().script_flush()
        assert m.run("Demo", "add", n, 1)["result"] == n + 1


def test_a_redis_that_is_full_refuses_submissions_and_goes_on_finishing(muster, redis_server):
    server = redis_server(**{"maxmemory-policy": "noeviction"})
    m = muster({**TWO, "broker": server.url()})
    busy = m.submit("Demo", "work", 1500)
    m.running(busy)
    waiting = m.submit_many([{"class": "Demo", "method": "noop"}] * 10)
    server.client().config_set("maxmemory", "1mb")
    answer = m.post("/v1/tasks", {"class": "Demo", "method": "noop", "param": ["x" * 1000]})
    assert answer.status == 429 and "Retry-After" in answer.headers
    for id_ in [busy, *waiting]:
        assert m.wait_task(id_)["state"] == "succeeded"
    server.client().config_set("maxmemory", "0")
    assert m.run("Demo", "noop")["state"] == "succeeded"


def test_a_wrong_password_at_start_is_78(make, redis_server):
    server = redis_server(password="right")
    m = make({"broker": f"redis://:wrong@127.0.0.1:{server.port}/0"})
    m.spawn()
    assert m.exit_code() == 78
    m.stopped = True


class OldRedis(threading.Thread):
    """Speaks enough RESP to say that it is Redis 6.2."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        data = b""
        with connection:
            while part := connection.recv(65536):
                data += part
                while (command := self.command(data)) is not None:
                    words, data = command
                    connection.sendall(self.answer([word.decode(errors="replace").upper() for word in words]))

    @staticmethod
    def command(data):
        if not data.startswith(b"*") or b"\r\n" not in data:
            return None
        head, rest = data.split(b"\r\n", 1)
        words = []
        for _ in range(int(head[1:])):
            if b"\r\n" not in rest:
                return None
            size, rest = rest.split(b"\r\n", 1)
            length = int(size[1:])
            if len(rest) < length + 2:
                return None
            words.append(rest[:length])
            rest = rest[length + 2:]
        return words, rest

    @staticmethod
    def answer(words):
        if words[0] == "INFO":
            text = b"# Server\r\nredis_version:6.2.14\r\nredis_mode:standalone\r\nmaxmemory_policy:noeviction\r\n"
            return b"$%d\r\n%s\r\n" % (len(text), text)
        if words[0] == "PING":
            return b"+PONG\r\n"
        if words[0] == "HELLO":
            return (b"*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n6.2.14\r\n$5\r\nproto\r\n:2\r\n$2\r\nid\r\n:1\r\n"
                    b"$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n")
        if words[0] == "CONFIG":
            return b"*2\r\n$16\r\nmaxmemory-policy\r\n$10\r\nnoeviction\r\n"
        if words[0] == "GET":
            return b"$-1\r\n"
        if words[0] in ("SELECT", "CLIENT", "AUTH"):
            return b"+OK\r\n"
        return b"-ERR unknown command\r\n"


def test_a_redis_older_than_7_0_is_refused(make):
    old = OldRedis()
    old.start()
    m = make({"broker": f"redis://127.0.0.1:{old.port}/0"})
    m.spawn()
    assert m.exit_code() in (69, 78) and "6.2.14" in m.log() and "7.0" in m.log()
    m.stopped = True
    old.listener.close()


def test_what_speaks_no_redis_is_no_broker(make):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def rubbish():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" * 100)
                connection.close()
        threading.Thread(target=rubbish, daemon=True).start()
        m = make({"broker": f"redis://127.0.0.1:{listener.getsockname()[1]}/0"})
        m.spawn()
        until(lambda: m.process.poll() is not None or socket_answers(m.port), 10)
        if m.process.poll() is not None:
            assert m.process.returncode in (69, 78)
            m.stopped = True
        else:
            away(m)
            m.stop()
        listener.shutdown(socket.SHUT_RDWR)


def test_a_broker_that_never_comes_lets_musterd_stop_in_order(muster):
    m = muster({**TWO, "broker": f"redis://127.0.0.1:{free_port()}/0"}, ready=False)
    until(lambda: socket_answers(m.port), 10)
    assert_refused_at_once(m)
    assert m.stop() < 3 + bound(0.5), "within shutdown_grace"


def test_a_stop_while_the_broker_is_away_is_still_ordered(muster, redis_server):
    server = redis_server()
    m = muster({**TWO, "broker": server.url(), "shutdown_grace": "2s"})
    ids = m.submit_many([{"class": "Demo", "method": "sleep", "param": [100]}] * 20)
    m.running(ids[0])
    server.stop()
    assert m.stop() < 2 + bound(1.5)
    server.start()
    m.start()
    for id_ in ids:
        assert m.wait_task(id_, timeout=30)["state"] == "succeeded"


def test_an_embedded_broker_that_hangs_is_away_until_it_goes_on(muster):
    m = muster(TWO)
    before = pids(m)
    stopped = m.kill_role("broker", signal.SIGSTOP)
    away(m)
    assert_refused_at_once(m)
    stays(lambda: pids(m) == before, 2)
    with PidFd(stopped) as handle:
        handle.send(signal.SIGCONT)
    m.wait_ready(15)
    assert m.run("Demo", "noop")["state"] == "succeeded"
    assert pids(m) == before


def test_foreign_producers_meet_the_embedded_broker_at_its_socket(muster):
    m = muster(TWO)
    assert (m.state / "redis.sock").exists()
    m.lpush(json.dumps({"class": "Demo", "method": "record", "param": ["sock", "x"]}))
    until(lambda: m.record_lines("sock") == ["x"])


@pytest.mark.parametrize("broker", ["redis://127.0.0.1:notaport/0", "redis:///", "unix://", "http://127.0.0.1:6379", "redis://h:1/x"])
def test_a_malformed_broker_url_is_78(make, broker):
    m = make({"broker": broker})
    m.spawn()
    assert m.exit_code() == 78 and "broker" in m.log()
    m.stopped = True
