"""The clients in sdk/muster.py and sdk/muster.mjs against a real musterd: submitted, waited for, refused."""

import http.server
import json
import shutil
import subprocess
import sys
import threading

import pytest

from harness import REPO, SLOW, until

sys.path.insert(0, str(REPO / "sdk"))
from muster import Client, Refused  # noqa: E402

NODE = pytest.mark.skipif(not shutil.which("node"), reason="there is no node here")


@pytest.fixture
def client(muster):
    one = Client(f"http://127.0.0.1:{muster().port}", timeout=30 * SLOW)
    yield one
    one.close()


def test_python_pushes_and_waits(client):
    id_ = client.push("Demo", "add", 2, 3)
    task = client.wait(id_, timeout=20 * SLOW)
    assert (task["state"], task["result"], task["param"]) == ("succeeded", 5, [2, 3])
    assert client.get(id_)["id"] == id_


def test_python_pushes_options_and_named_arguments(client):
    id_ = client.push("Demo", "echo", param={"a": 1}, priority=9, meta={"from": "here"}, id="mine")
    task = client.wait(id_)
    assert (id_, task["result"], task["priority"], task["meta"]) == ("mine", {"a": 1}, 9, {"from": "here"})


def test_python_pushes_many(client):
    ids = client.push_many({"class": "Demo", "method": "add", "param": [n, 1]} for n in range(50))
    assert [client.wait(id_)["result"] for id_ in ids] == list(range(1, 51))


def test_python_waits_no_longer_than_it_was_told(client):
    with pytest.raises(TimeoutError):
        client.wait(client.push("Demo", "noop", delay="1h"), timeout=0.2)


def test_python_cancels(client):
    id_ = client.push("Demo", "noop", delay="1h")
    assert client.cancel(id_)["state"] == "cancelled"
    assert client.wait(id_)["state"] == "cancelled"


def test_python_is_told_what_was_wrong(client):
    with pytest.raises(Refused) as refused:
        client.push("Demo", "noop", nonsense=1)
    assert refused.value.status == 422 and "nonsense" in str(refused.value)
    with pytest.raises(Refused) as refused:
        client.get("nobody")
    assert refused.value.status == 404


def test_python_speaks_over_a_unix_socket(muster, folder):
    m = muster({"listen": [f"unix:{folder}/api.sock"]}, ready=False)
    client = Client(f"unix:{folder}/api.sock", timeout=30 * SLOW)
    assert client.wait(client.push("Demo", "add", 1, 2))["result"] == 3
    client.close()
    assert m.process.poll() is None


def test_a_lost_answer_is_no_second_task(muster):
    m = muster()
    client = Client(f"http://127.0.0.1:{m.port}", timeout=30 * SLOW)
    client.push("Demo", "noop")
    lost = []
    once = client._once

    def lose_the_first(*arguments):
        answer = once(*arguments)
        if not lost:
            lost.append(answer)
            raise ConnectionResetError
        return answer
    client._once = lose_the_first
    id_ = client.push("Demo", "record", "lost", "x")
    client.wait(id_)
    client.close()
    assert lost[0][2]["id"] == id_ and m.record_lines("lost") == ["x"]


@pytest.fixture
def busy_server():
    """Says 503 twice, then accepts; with what it was asked: ids and tokens."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):

        def do_POST(self):
            document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append((document["id"], self.headers["Authorization"]))
            away = len(asked) < 3
            body = json.dumps({"title": "away"} if away else {"id": document["id"]}).encode()
            self.send_response(503 if away else 201)
            if away:
                self.send_header("Retry-After", "0.01")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def test_python_asks_a_busy_server_again(busy_server):
    url, asked = busy_server
    client = Client(url, token="s3cret")
    assert client.push("Demo", "noop", id="mine") == "mine"
    assert asked == [("mine", "Bearer s3cret")] * 3
    client.close()


def test_python_gives_up_on_a_server_that_stays_away():
    with pytest.raises(OSError):
        Client("http://127.0.0.1:1", timeout=0.2).push("Demo", "noop")


def node(script, *arguments):
    """Runs a script that has the client's names; its last line of output is JSON."""
    text = f"import {{ Client, Refused }} from '{REPO}/sdk/muster.mjs'\nconst [url, ...more] = process.argv.slice(1)\n{script}"
    done = subprocess.run(["node", "--input-type=module", "-e", text, *map(str, arguments)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60 * SLOW)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@NODE
def test_node_pushes_and_waits(muster):
    m = muster()
    assert node("""
        const client = new Client(url)
        const id = await client.push('Demo', 'add', [2, 3])
        const many = await client.pushMany([1, 2, 3].map(n => ({ class: 'Demo', method: 'add', param: [n, 1] })))
        const named = await client.push('Demo', 'echo', { a: 9007199254740993n }, { priority: 9, id: 'mine' })
        const ends = []
        for (const one of [id, ...many]) ends.push((await client.wait(one)).result)
        const last = await client.wait(named)
        client.close()
        console.log(JSON.stringify([ends, last.id, last.priority, String(last.result.a)]))""",
                f"http://127.0.0.1:{m.port}") == [[5, 2, 3, 4], "mine", 9, "9007199254740993"]


@NODE
def test_node_is_refused_cancels_and_does_not_wait_for_ever(muster):
    m = muster()
    assert node("""
        const client = new Client(url)
        const said = []
        await client.push('Demo', 'noop', [], { nonsense: 1 }).catch(problem => said.push(problem instanceof Refused, problem.status))
        const id = await client.push('Demo', 'noop', [], { delay: '1h' })
        await client.wait(id, 200).catch(problem => said.push(/is scheduled after 200 ms/.test(problem.message)))
        said.push((await client.cancel(id)).state, (await client.wait(id)).state)
        client.close()
        console.log(JSON.stringify(said))""",
                f"http://127.0.0.1:{m.port}") == [True, 422, True, "cancelled", "cancelled"]


@NODE
def test_node_speaks_over_a_unix_socket(muster, folder):
    muster({"listen": [f"unix:{folder}/api.sock"]}, ready=False)
    until((folder / "api.sock").exists, 20)
    assert node("""
        const client = new Client(url)
        console.log((await client.wait(await client.push('Demo', 'add', [1, 2]))).result)
        client.close()""", f"unix:{folder}/api.sock") == 3


@NODE
def test_node_asks_a_busy_server_again(busy_server):
    url, asked = busy_server
    assert node("""
        const client = new Client(url, { token: 's3cret' })
        console.log(JSON.stringify(await client.push('Demo', 'noop', [], { id: 'mine' })))
        client.close()""", url) == "mine"
    assert asked == [("mine", "Bearer s3cret")] * 3
