"""JavaScript classes on musterd, with one line of configuration."""

import shutil

import pytest

from harness import REPO

pytestmark = pytest.mark.skipif(not shutil.which("node"), reason="there is no node here")

NODE = ["node", str(REPO / "sdk" / "muster.mjs"), str(REPO / "tests" / "fixtures" / "node" / "tasks.mjs")]


@pytest.fixture
def node(muster):
    def start(**pool):
        return muster({"pools": [{"name": "default", "workers": 1, "queues": {"default": 1}, **pool}],
                       "handlers": [{"class": "*", "exec": NODE}]})
    return start


def test_classes_objects_and_asynchronous_methods_run(node):
    m = node()
    assert m.run("Mailer", "send", "you")["result"] == "none to you"
    assert m.run("Report", "named", param={"to": "you"})["result"] == "none to you"
    assert m.run("Report", "build", 2025)["result"] == ["untitled", 2025]
    assert m.run("Report", "next", 9007199254740993)["result"] == ["bigint", 9007199254740994]


def test_the_ways_a_task_ends(node):
    m = node()
    task = m.run("Report", "breaks")
    assert (task["error"]["kind"], task["error"]["message"]) == ("exception", "RangeError: no such year")
    assert m.wait_log(task["id"], "tasks.mjs")
    assert m.run("Report", "nonesuch")["error"]["kind"] == "unknown_method"
    assert m.run("Nonesuch", "run")["error"]["kind"] == "unknown_class"
    assert m.run("Report", "leaves")["error"]["kind"] == "crash"
    waits = m.submit("Report", "later", retry=2)
    assert m.wait_task(waits, "retrying")["history"][0]["message"] == "not yet"


@pytest.mark.parametrize("method", ["sleeps", "swallows", "ignores"])
def test_a_hang_ends_and_exiting_was_run(node, folder, method):
    m = node(heartbeat_timeout="1s")
    id_ = m.submit("Report", method, str(folder / "cleaned"))
    task = m.wait_task(id_, timeout=30)
    assert (task["state"], task["error"]["kind"]) == ("dead", "timeout")
    assert m.wait_log(id_, "exiting, of task")


def test_what_is_printed_is_in_the_log_with_the_task_s_id(node):
    m = node()
    id_ = m.submit("Report", "says", "one\ntwo\n")
    assert m.wait_task(id_)["state"] == "succeeded"
    for word in ("one", "two", "by a program"):
        assert m.wait_log(id_, word), word
