"""The class Http over TLS: HTTP/2 where the server has it, many transfers on one connection, else HTTP/1.1."""
import json
import shutil
import subprocess

import pytest

from harness import REPO, run_musterd
from test_http_class import at_a_time, http_config  # noqa: F401
from test_tls import make_pair

pytestmark = pytest.mark.skipif(not shutil.which("node"), reason="there is no node here")


class Server:
    """tests/children/http2.mjs; its certificate is its own authority."""
    def __init__(self, pair, ms, *more):
        self.process = subprocess.Popen(["node", str(REPO / "tests/children/http2.mjs"), pair["key"], pair["certificate"], str(ms), *more],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = f"https://localhost:{int(self.process.stdout.readline())}"

    def end(self):
        """What came: every request that it was sent."""
        rest, _ = self.process.communicate(timeout=60)
        return [json.loads(line) for line in rest.splitlines()]


@pytest.fixture
def pair(folder):
    return make_pair(folder, "receiver")


@pytest.fixture
def server(pair):
    servers = []

    def start(ms=0, *more):
        servers.append(Server(pair, ms, *more))
        return servers[-1]
    yield start
    for one in servers:
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate()


def trusting(pair, **more):
    return http_config(http={"allow": ["127.0.0.0/8", "::1"], "ca_file": pair["certificate"]}, **more)


def test_a_server_that_speaks_http2_is_spoken_to_so(muster, pair, server):
    one = server()
    m = muster(trusting(pair, queues=[{"name": "default"}]))
    for n in range(3):
        task = m.run("Http", "push", f"{one.url}/hook", {"n": n})
        assert task["state"] == "succeeded" and task["result"]["status"] == 200, task
    came = one.end()
    assert [(r["version"], r["method"], r["path"]) for r in came] == [("2.0", "POST", "/hook")] * 3
    assert [json.loads(r["body"]) for r in came] == [{"n": n} for n in range(3)] and {r["connection"] for r in came} == {0}


def test_one_that_does_not_is_spoken_to_in_http_1_1(muster, pair, server):
    one = server(0, "1")
    m = muster(trusting(pair))
    assert m.run("Http", "fetch", f"{one.url}/page")["result"]["body"] == "hello"
    assert [(r["version"], r["method"], r["path"]) for r in one.end()] == [("1.1", "GET", "/page")]


def test_many_transfers_share_a_connection(muster, pair, server):
    one = server(200)
    m = muster({**trusting(pair), "handlers": [{"class": "Http", "concurrency": 64}]})
    ids = m.submit_many([{"class": "Http", "method": "push", "param": [f"{one.url}/{n}", n]} for n in range(200)])
    assert {m.wait_task(id_)["state"] for id_ in ids} == {"succeeded"}
    came = one.end()
    assert sorted(r["path"] for r in came) == sorted(f"/{n}" for n in range(200)) and {r["version"] for r in came} == {"2.0"}
    assert len({r["connection"] for r in came}) <= 2, "64 at a time had connections of their own"


def test_one_that_nobody_vouches_for_is_not_sent_anything(muster, pair, server, folder):
    one = server()
    m = muster(trusting(make_pair(folder, "another")))
    task = m.run("Http", "push", one.url, 1)
    assert task["state"] == "dead" and "certificate" in task["error"]["message"], task
    assert one.end() == []


def test_a_file_that_is_not_there_is_said(pair):
    ran = run_musterd("--check", config={"http": {"ca_file": "/nowhere/ca.pem"}})
    assert ran.code == 78 and "ca_file" in ran.err and "/nowhere/ca.pem" in ran.err, ran
