"""Bad input gets a clear error; nothing is lost, and no process goes down."""

import contextlib
import os
import re
import socket
import subprocess
import threading
import time

import pytest

from harness import LIST, MUSTERD, Http, bound, free_port, module, run_musterd, until

# ---- configuration: FILE:LINE: sentence, exit 78, in less than two seconds ----

FAULTS = {
    "unknown key": ("namespace: a\nnonesuch: 1\n", 2, "nonesuch"),
    "unknown nested key": ("limits:\n  body: 1MiB\n  soul: 3\n", 3, "soul"),
    "unknown key of a pool": ("pools:\n  - name: a\n    wrokers: 3\n", 3, "wrokers"),
    "wrong type": ("pools:\n  - name: a\n    workers: many\n", 3, "workers"),
    "a list where an object belongs": ("limits: [1]\n", 1, "limits"),
    "a scalar where a list belongs": ("pools: 3\n", 1, "pools"),
    "out of range": ("pools:\n  - name: a\n    workers: 100000\n", 3, "workers"),
    "negative": ("pools:\n  - name: a\n    workers: -1\n", 3, "workers"),
    "zero heartbeat": ("pools:\n  - name: a\n    heartbeat_timeout: 0s\n", 3, "heartbeat_timeout"),
    "a duration without a unit": ("pools:\n  - name: a\n    heartbeat_timeout: 10\n", 3, "heartbeat_timeout"),
    "an unknown unit": ("shutdown_grace: 10parsecs\n", 1, "shutdown_grace"),
    "a wrong size": ("limits:\n  body: 16Mega\n", 2, "body"),
    "duplicate pool": ("pools:\n  - name: a\n  - name: a\n", 3, "a"),
    "duplicate queue": ("queues:\n  - name: q\n  - name: q\n", 3, "q"),
    "duplicate key": ("namespace: a\nnamespace: b\n", 2, "namespace"),
    "pool without a queue": ("pools:\n  - name: a\n    queues: {}\n", 3, "queue"),
    "pool without a name": ("pools:\n  - workers: 2\n", 2, "name"),
    "broken YAML": ("pools: [\n", None, ""),
    "a tab": ("pools:\n\t- name: a\n", 2, ""),
    "unknown broker": ("broker: rabbit://x\n", 1, "broker"),
    "unknown durability": ("durability: hope\n", 1, "durability"),
    "a bad listen address": ("listen: ['nowhere']\n", 1, "listen"),
    "a port out of range": ("listen: ['127.0.0.1:70000']\n", 1, "listen"),
    "a bad queue name": ("queues:\n  - name: 'a b'\n", 2, "name"),
    "a bad namespace": ("namespace: '{x}'\n", 1, "namespace"),
    "jitter above 1": ("queues:\n  - name: q\n    backoff: {jitter: 1.5}\n", 3, "jitter"),
    "retry 0": ("queues:\n  - name: q\n    retry: 0\n", 3, "retry"),
    "a handler without a module": ("handlers:\n  - class: X\n", 2, "module"),
    "a duplicate handler": ("handlers:\n  - {class: X, module: demo.so}\n  - {class: X, module: demo.so}\n", 3, "X"),
    "a bad class name": ("handlers:\n  - {class: 'a b', module: demo.so}\n", 2, "class"),
    "unknown class in preload": ("pools:\n  - name: a\n    preload: [Nonesuch]\n", 3, "Nonesuch"),
    "an alias bomb": ("a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n", None, ""),
    "a service": ("pools:\n  - {name: a, kind: service, service: X}\n", 2, ""),
    "a public address without tokens": ("listen: ['0.0.0.0:7077']\n", None, "0.0.0.0"),
    "a public IPv6 address without tokens": ("listen: ['[::]:7077']\n", None, "::"),
    "an unknown user": ("user: nonesuch-user\n", None, "nonesuch-user"),
    "no mapping": ("- a\n- b\n", 1, ""),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_configuration_is_refused_with_file_and_line(fault, folder):
    text, line, word = FAULTS[fault]
    path = folder / "muster.yaml"
    path.write_text(text)
    for args in (["--check"], []):
        done = run_musterd(*args, "-c", str(path), env={"MUSTER_STATE_DIR": str(folder / "state")})
        assert done.code == 78, (fault, args, done)
        assert done.seconds < bound(2)
        assert word in done.err, (fault, done)
        if line is not None:
            assert re.search(rf"{re.escape(str(path))}:{line}: \S+", done.err), (fault, done)
    assert not (folder / "state" / "redis.sock").exists()


def test_all_faults_of_a_file_are_named_at_once(folder):
    path = folder / "muster.yaml"
    path.write_text("nonesuch: 1\nlimits: {soul: 2}\npools:\n  - name: a\n    workers: x\n")
    done = run_musterd("--check", "-c", str(path))
    assert done.code == 78 and all(word in done.err for word in ("nonesuch", "soul", "workers")), done


def test_a_file_that_is_not_there_or_cannot_be_read(folder):
    done = run_musterd("-c", str(folder / "nonesuch.yaml"))
    assert done.code == 78 and "nonesuch.yaml" in done.err and done.seconds < bound(2), done
    done = run_musterd("-c", str(folder))
    assert done.code == 78 and str(folder) in done.err, done
    path = folder / "secret.yaml"
    path.write_text("namespace: a\n")
    path.chmod(0)
    if os.geteuid() == 0:
        done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", str(MUSTERD), "-c", str(path)],
                              capture_output=True, text=True, timeout=20)
        assert done.returncode == 78 and str(path) in done.stderr, done


def test_no_permission_on_the_state_directory(folder):
    if os.geteuid() != 0:
        pytest.skip("needs root to be somebody else")
    locked = folder / "locked"
    locked.mkdir(mode=0o700)
    began = time.monotonic()
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", str(MUSTERD)], capture_output=True, text=True,
                          timeout=20, env={"MUSTER_STATE_DIR": str(locked / "state"), "PATH": os.environ["PATH"],
                                           "MUSTER_LISTEN": f"127.0.0.1:{free_port()}"})
    assert done.returncode == 69 and str(locked) in done.stderr and time.monotonic() - began < bound(2), done


def test_the_state_directory_is_a_file(make, folder):
    (folder / "file").write_text("x")
    m = make({"state_dir": str(folder / "file")})
    m.spawn()
    assert m.exit_code() in (69, 78) and str(folder / "file") in m.log()
    m.stopped = True


def test_a_taken_port(make):
    m = make()
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", m.port))
        holder.listen()
        began = time.monotonic()
        m.spawn()
        assert m.exit_code() == 69 and str(m.port) in m.log()
        assert time.monotonic() - began < bound(2)
        m.stopped = True


def test_redis_server_missing(make):
    """Hidden by a mount namespace of its own: musterd looks for it where packages put it."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "true"]).returncode:
        pytest.skip("needs a mount namespace")
    hide = "for f in /usr/bin/*-server /usr/local/bin/*-server; do [ -f \"$f\" ] && mount --bind /dev/null \"$f\"; done; exec \"$@\""
    m = make(launcher=["unshare", "--mount", "--propagation", "private", "sh", "-c", hide, "sh"])
    began = time.monotonic()
    m.spawn()
    assert m.exit_code() == 69 and "redis-server" in m.log()
    assert time.monotonic() - began < bound(2)
    m.stopped = True


def test_a_wrong_redis_password(make, redis_server):
    server = redis_server(password="right")
    m = make({"broker": f"redis://:wrong@127.0.0.1:{server.port}/0"})
    began = time.monotonic()
    m.spawn()
    assert m.exit_code() == 78 and time.monotonic() - began < bound(2)
    assert "password" in m.log().lower() and "wrong@" not in m.log()
    m.stopped = True


def test_an_unknown_class_module(folder):
    for name in ("nonesuch.so", str(folder / "nonesuch.so")):
        done = run_musterd("--check", config={"user": "root", "handlers": [{"class": "X", "module": name}]})
        assert done.code == 78 and "nonesuch.so" in done.err and re.search(r"muster\.yaml:\d+: ", done.err), done


@pytest.mark.parametrize("bad", ["bad_abi", "no_table", "crash_on_load", "text"])
def test_check_says_which_module_cannot_be_loaded(folder, bad):
    path = folder / "text.so"
    path.write_text("this is no shared object")
    target = str(path) if bad == "text" else module(bad)
    done = run_musterd("--check", config={"user": "root", "state_dir": str(folder / "s"),
                                          "handlers": [{"class": "X", "module": target}, {"class": "Demo", "module": "demo.so"}]})
    assert done.code == 78 and os.path.basename(target) in done.err and done.seconds < bound(2), done


def test_check_says_when_a_module_has_another_class(folder):
    done = run_musterd("--check", config={"user": "root", "state_dir": str(folder / "s"),
                                          "handlers": [{"class": "Other", "module": module("probe")}]})
    assert done.code == 78 and "Other" in done.err and "Probe" in done.err, done


def test_a_world_writable_module_is_refused(folder):
    import shutil
    path = folder / "open.so"
    shutil.copy(module("probe"), path)
    path.chmod(0o777)
    done = run_musterd("--check", config={"user": "root", "state_dir": str(folder / "s"),
                                          "handlers": [{"class": "Probe", "module": str(path)}]})
    assert done.code == 78 and "writ" in done.err, done


def test_a_queue_served_by_no_pool_is_a_warning_only(folder):
    done = run_musterd("--check", config={"user": "root", "state_dir": str(folder / "s"), "queues": [{"name": "lonely"}]})
    assert done.code == 0 and "lonely" in done.err, done


def test_an_evicting_or_old_redis_is_refused(make, redis_server):
    server = redis_server(**{"maxmemory": "50mb", "maxmemory-policy": "allkeys-lru"})
    m = make({"broker": server.url()})
    m.spawn()
    assert m.exit_code() == 78 and "allkeys-lru" in m.log()
    m.stopped = True
    accepted = make({"broker": server.url(), "broker_eviction": "accept"}).start()
    assert accepted.run("Demo", "noop")["state"] == "succeeded"


# ---- documents at the API ----

NOT_JSON = [b"", b" ", b"{", b"[", b"nul", b'{"class":"Demo","method":"noop"', b'{"class":"Demo","method":"noop"} x', b"{'a':1}",
            b'{"class":"Demo","method":"\xff"}', b'\xef\xbb\xbf{"class":"Demo","method":"noop"}', b'{"class":"Demo","method":"noop"}\x00',
            b"[" * 20000, b"[" * 20000 + b"]" * 20000, b'{"class":"Demo","method":"noop","param":' + b"[" * 512 + b"]" * 512 + b"}",
            b'{"class":"Demo","method":"noop","param":["\xed\xa0\x80"]}', b'{"class":"Demo","method":"noop","param":["\\ud800"]}',
            b'{"class":"Demo","method":"noop","param":[01]}', b'{"class":"Demo","method":"noop","param":[NaN]}', b"[,]", b'{"a":1,}']

INVALID = {
    "scalar": (b"17", ""), "string": (b'"x"', ""), "null": (b"null", ""),
    "no class": (b'{"method":"noop"}', ""), "no method": (b'{"class":"Demo"}', ""),
    "empty class": (b'{"class":"","method":"noop"}', "/class"), "empty method": (b'{"class":"Demo","method":""}', "/method"),
    "class number": (b'{"class":1,"method":"noop"}', "/class"), "class null": (b'{"class":null,"method":"noop"}', "/class"),
    "class with blanks": (b'{"class":"a b","method":"noop"}', "/class"), "class with slash": (b'{"class":"a/b","method":"noop"}', "/class"),
    "long class": (b'{"class":"' + b"a" * 129 + b'","method":"noop"}', "/class"),
    "unknown member": (b'{"class":"Demo","method":"noop","nonesuch":1}', "/nonesuch"),
    "param scalar": (b'{"class":"Demo","method":"noop","param":1}', "/param"),
    "duplicate key": (b'{"class":"Demo","method":"noop","class":"Demo"}', None),
    "duplicate key inside": (b'{"class":"Demo","method":"noop","param":[{"a":1,"a":2}]}', None),
    "beyond a double": (b'{"class":"Demo","method":"noop","param":[1e400]}', None),
    "NUL in a name": (b'{"class":"Demo","method":"noop","meta":{"a\\u0000b":1}}', None),
    "queue number": (b'{"class":"Demo","method":"noop","queue":5}', "/queue"),
    "element of an array": (b'[{"class":"Demo","method":"noop"},17]', "/1"),
    "nested array": (b'[[{"class":"Demo","method":"noop"}]]', "/0"),
}


@pytest.fixture(scope="module")
def shared():
    import harness
    one = harness.Muster().start()
    yield one
    one.finish()


@pytest.mark.parametrize("number", range(len(NOT_JSON)))
def test_what_is_not_json_is_400(shared, number):
    answer = shared.post("/v1/tasks", NOT_JSON[number])
    assert answer.status == 400 and answer.headers["Content-Type"].startswith("application/problem+json"), answer
    assert shared.get("/healthz").status == 200


@pytest.mark.parametrize("name", INVALID)
def test_what_is_json_but_no_task_is_422_with_pointers(shared, name):
    body, pointer = INVALID[name]
    answer = shared.post("/v1/tasks", body)
    assert answer.status == 422 and answer.headers["Content-Type"].startswith("application/problem+json"), answer
    assert answer.json["errors"] and all(set(error) >= {"pointer", "detail"} for error in answer.json["errors"])
    if pointer is not None:
        assert pointer in [error["pointer"] for error in answer.json["errors"]], answer


def test_the_borders_are_inside(shared):
    assert shared.run("a" * 128, "_.\\-9")["error"]["kind"] == "unknown_class"
    nested = b'{"class":"Demo","method":"noop","param":' + b"[" * 511 + b"]" * 511 + b"}"
    answer = shared.post("/v1/tasks", nested)
    assert answer.status == 201 and shared.wait_task(answer.json["id"])["state"] == "succeeded"
    exact = shared.run("Demo", "echo", param=[9007199254740993, -9223372036854775808])
    assert exact["result"] == [9007199254740993, -9223372036854775808]
    answer = shared.post("/v1/tasks", b'{"class":"Demo","method":"echo","param":[18446744073709551616]}')
    assert answer.status == 201 and shared.wait_task(answer.json["id"])["result"] == [1.8446744073709552e19]


def test_an_array_counts_its_own_levels_not_the_tasks(shared):
    assert shared.post("/v1/tasks", b'[{"class":"Demo","method":"noop","param":' + b"[" * 400 + b"]" * 400 + b"}]").status == 201


def test_a_document_and_a_body_above_their_limits_are_413(muster):
    m = muster({"limits": {"document": "10KiB", "body": "100KiB"}})
    fits = {"class": "Demo", "method": "noop", "param": ["x" * 9000]}
    assert m.post("/v1/tasks", fits).status == 201
    large = {"class": "Demo", "method": "noop", "param": ["x" * 11000]}
    assert m.post("/v1/tasks", large).status == 413
    assert m.post("/v1/tasks", [large]).status in (413, 422)
    assert m.post("/v1/tasks", [fits] * 10).status == 201
    answer = m.post("/v1/tasks", [fits] * 20)
    assert answer.status == 413 and answer.headers["Content-Type"].startswith("application/problem+json")
    assert m.post("/v1/tasks", fits).status == 201
    with m.connect() as raw:
        raw.sendall(b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n")
        assert b" 413 " in raw.recv(65536).split(b"\r\n")[0]
    with m.connect() as raw:
        raw.sendall(b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(200):
                raw.sendall(b"1000\r\n" + b" " * 4096 + b"\r\n")
            raw.sendall(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert b" 413 " in raw.recv(65536).split(b"\r\n")[0]


def test_the_default_body_limit_holds_and_a_megabyte_document_passes(shared):
    assert shared.post("/v1/tasks", {"class": "Demo", "method": "noop", "param": ["x" * 1_000_000]}).status == 201
    assert shared.post("/v1/tasks", {"class": "Demo", "method": "noop", "param": ["x" * 1_100_000]}).status == 413


def test_bodies_cut_off_half_way_change_nothing(shared):
    for cut in (1, 10, 31):
        with shared.connect() as raw:
            raw.sendall(b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 60\r\n\r\n" +
                        b'{"class":"Demo","method":"noop","id":"cut"}'[:cut])
    assert shared.get("/v1/tasks/cut").status == 404
    assert shared.get("/healthz").status == 200


@pytest.mark.parametrize("length", [b"-1", b"abc", b"99999999999999999999999", b"1 2", b"0x10"])
def test_a_wrong_content_length_is_refused(shared, length):
    with shared.connect() as raw:
        raw.sendall(b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: " + length +
                    b"\r\n\r\n{}")
        assert (raw.recv(65536).split(b"\r\n")[0] + b"    ")[9:10] in (b"4", b" ")
    assert shared.get("/healthz").status == 200


def test_a_content_length_that_is_too_small_harms_only_its_sender(shared):
    with shared.connect() as raw:
        raw.sendall(b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n"
                    b'{"class":"Demo","method":"noop","id":"smuggled"}')
        assert b" 400 " in raw.recv(65536).split(b"\r\n")[0]
    assert shared.get("/v1/tasks/smuggled").status == 404


RUBBISH = {"zeros": b"\x00" * 1000, "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "no path": b"GET\r\n\r\n",
           "a line without end": b"A" * 100000, "another HTTP": b"GET / HTTP/9.9\r\n\r\n", "empty lines": b"\r\n" * 1000,
           "a header without a name": b"GET / HTTP/1.1\r\n: x\r\n\r\n", "another protocol": b"*1\r\n$4\r\nPING\r\n"}


@pytest.mark.parametrize("name", RUBBISH)
def test_rubbish_harms_only_its_sender(shared, name):
    pid = shared.role("api").pid
    with shared.connect() as raw:
        with contextlib.suppress(OSError):  # it may hang up at any moment
            raw.sendall(RUBBISH[name])
            raw.shutdown(socket.SHUT_WR)
            while raw.recv(65536):
                pass
    assert shared.get("/healthz").status == 200 and shared.role("api").pid == pid


def test_headers_of_64_kib_are_refused_or_served_but_harm_nobody(shared):
    pid = shared.role("api").pid
    for count, size in ((1, 65536), (1000, 64), (64, 1024)):
        with shared.connect() as raw:
            raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" +
                        b"".join(b"X-%d: %s\r\n" % (n, b"a" * size) for n in range(count)) + b"\r\n")
            try:
                first = raw.recv(65536).split(b"\r\n")[0]
                assert not first or first.split(b" ")[1] in (b"200", b"431", b"413", b"414", b"400"), first
            except ConnectionResetError:
                pass
    assert shared.get("/healthz").status == 200 and shared.role("api").pid == pid


def test_slow_senders_do_not_hold_up_others(muster):
    """One byte a second from 200 connections, while others are served."""
    m = muster()
    body = b'{"class":"Demo","method":"noop"}'
    head = (b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body))
    slow = []
    for _ in range(200):
        raw = m.connect()
        raw.sendall(head + body[:1])
        slow.append(raw)
    stop = threading.Event()

    def drip():
        position = 1
        while not stop.wait(1.0):
            for raw in slow:
                raw.sendall(body[position:position + 1])
            position += 1
    thread = threading.Thread(target=drip)
    thread.start()
    try:
        took = []
        client = Http(port=m.port)
        for _ in range(300):
            began = time.monotonic()
            assert client.request("POST", "/v1/tasks", body).status == 201
            took.append(time.monotonic() - began)
        client.close()
        assert sorted(took)[285] < bound(0.1), sorted(took)[-20:]
    finally:
        stop.set()
        thread.join()
        for raw in slow:
            raw.close()
    assert m.run("Demo", "noop")["state"] == "succeeded"


def test_a_thousand_idle_connections_hold_up_nobody(muster):
    m = muster({"limits": {"connections": 1100}})
    idle = [m.connect() for _ in range(1000)]
    try:
        began = time.monotonic()
        for _ in range(50):
            assert m.post("/v1/tasks", {"class": "Demo", "method": "noop"}).status == 201
        assert time.monotonic() - began < bound(2)
        for raw in idle[::100]:
            raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b" 200 " in raw.recv(65536).split(b"\r\n")[0]
    finally:
        for raw in idle:
            raw.close()


def test_every_process_survived_all_that(shared):
    assert shared.process.poll() is None
    metrics = shared.metrics()
    for process in ("supervisor", "api", "scheduler", "broker"):
        assert (metrics.value("muster_process_restarts_total", process=process) or 0) == 0, process
    assert all(row["restarts"] == 0 for row in shared.workers())


def test_secrets_stand_in_no_log_and_no_printed_configuration(make, redis_server):
    server = redis_server(password="s3cr3t-of-redis")
    m = make({"broker": server.url()}).start()
    m.run("Demo", "noop")
    printed = run_musterd("--print-config", "-c", str(m.config_path))
    assert printed.code == 0 and "s3cr3t" not in printed.out + printed.err
    assert "s3cr3t" not in m.log()
    for child in m.tree():
        assert "s3cr3t" not in child.title


def test_a_plain_list_element_is_no_way_in(muster):
    m = muster()
    for text in ("$(touch /tmp/muster-pwned)", "%n%n%n%s", "\r\nSET x y\r\n", "{}", "[]", "\\u0000"):
        m.lpush(text)
    until(lambda: m.queue(LIST)["dead_total"] == 6)
    assert not os.path.exists("/tmp/muster-pwned")
    assert m.run("Demo", "noop")["state"] == "succeeded"
