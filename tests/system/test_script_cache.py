"""Redis forgets scripts (SCRIPT FLUSH, a restart, a fail-over), and may be set back to an earlier time: every call copes."""

import hashlib
import shutil
import signal
import sys

import pytest

from harness import LIST, REPO, until
from load import Load

sys.path.append(str(REPO / "tests" / "lua"))
from scripts import script_text  # noqa: E402

FAR = "far_list"
CONFIG = {"queues": [{"name": "default", "retention": {"succeeded": "0s"}}, {"name": "far", "list": {"key": FAR, "db": 1}},
                     {"name": "kept"}],
          "pools": [{"name": "default", "workers": 2, "queues": {"default": 1, LIST: 1, "far": 1, "kept": 1}}]}


def sha(name):
    """Of the script's text as Redis gets it."""
    return hashlib.sha1(script_text(name).encode()).hexdigest()


def cancel_one(m, _):
    assert m.delete(f"/v1/tasks/{m.submit('Demo', 'noop', delay='1h')}").status == 200


def lose_a_worker(m, _):
    until(lambda: m.kill_worker(0), what="there is one to kill")


def push_far(m, server):
    m.lpush({"class": "Demo", "method": "noop"}, key=FAR, client=server.client(db=1))


def nothing(_m, _server):
    """It is called again and again anyway."""


# What makes Muster call each script: with a new script comes a row.
CALLS = {
    "submit": lambda m, _: m.submit("Demo", "noop"),
    "look": lambda m, _: m.get("/v1/tasks/nonesuch"),
    "cancel": cancel_one,
    "turn": nothing,
    "recover": lose_a_worker,
    "due": lambda m, _: m.submit("Demo", "noop", delay="20ms"),
    "wake": lambda m, server: m.lpush({"class": "Demo", "method": "noop"}, client=server.client()),
    "grab": push_far,
    "put": push_far,
    "drop": push_far,
    "node": nothing,
    "nodes": lambda m, _: m.get("/v1/nodes"),
    "holdings": nothing,
    "retain": nothing,
    "depths": nothing,
    "mark": nothing,
    "settings": lambda m, _: m.request("PATCH", "/v1/queues/default", {"max_crashes": 4}),
}


@pytest.mark.parametrize("name", sorted(CALLS))
def test_each_script_that_redis_forgot_is_put_back_by_its_next_call(muster, redis_server, name):
    server = redis_server()
    m = muster({**CONFIG, "broker": server.url()})
    client, before = server.client(), m.worker(1)["pid"]
    for _ in range(3):  # from the second time on, the caller knows a sha that Redis does not
        client.script_flush()
        CALLS[name](m, server)
        until(lambda: client.script_exists(sha(name))[0], 10, f"{name} is there again")
    assert m.run("Demo", "add", 1, 2, queue="kept")["result"] == 3
    assert m.worker(1)["pid"] == before
    assert not m.log_lines("does not answer") and not m.log_lines("broker is away")
    assert m.metrics().value("muster_tasks_unaccounted") == 0


def test_the_last_word_of_a_node_survives_it_too(muster, redis_server):
    server = redis_server()
    m = muster({**CONFIG, "broker": server.url()})
    server.client().script_flush()
    m.stop()
    assert server.client().script_exists(sha("leave")) == [True]
    assert not m.log_lines("without the broker")


def test_a_redis_that_was_set_back_goes_on_from_there(muster, redis_server):
    """As after a fail-over to a replica that was behind, or a restore: what was acknowledged before that time is done, and
    nobody is left with what he does not hold any more."""
    server = redis_server()
    m = muster({"broker": server.url(), "pools": [{"name": "default", "workers": 4, "queues": {"default": 1}}]})
    files, kept = server.folder / "appendonlydir", server.folder / "kept"
    with Load(m) as load:
        load.goes_on(200)
        known = list(load.acknowledged)
        shutil.copytree(files, kept)
        load.goes_on(100)
        m.kill_worker(0)  # so that an older incarnation holds something again
        load.goes_on(100)
        before = [m.worker(slot)["pid"] for slot in (1, 2, 3)]
        server.stop(signal.SIGKILL)
        shutil.rmtree(files)
        kept.rename(files)
        server.start()
        load.goes_on(200)
    until(lambda: all(m.task(id_)["state"] == "succeeded" for id_ in known[-100:]), 40, "what it knows has ended")
    assert all(m.task(id_)["state"] == "succeeded" for id_ in known)
    runs = load.runs()
    assert all(runs[id_] for id_ in known)
    load.assert_nothing_is_left(40)
    assert [m.worker(slot)["pid"] for slot in (1, 2, 3)] == before
    twice = sum(1 for id_ in known if runs[id_] > 1)
    print(f"known {len(known)}, of these run again {twice}")
