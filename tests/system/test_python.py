"""Python classes on musterd, with one line of configuration."""

import sys

import pytest

from harness import REPO, SLOW, until

TASKS = str(REPO / "tests" / "fixtures" / "python" / "tasks.py")
PYTHON = [sys.executable, str(REPO / "sdk" / "muster.py"), TASKS]


@pytest.fixture
def python(muster):
    def start(**pool):
        return muster({"pools": [{"name": "default", "workers": 1, "queues": {"default": 1}, **pool}],
                       "handlers": [{"class": "*", "exec": PYTHON}]})
    return start


def test_functions_classes_and_asyncio_methods_run(python):
    m = python()
    assert m.run("Mailer", "send", param={"to": "you", "subject": "hi"})["result"] == "hi to you"
    assert m.run("Report", "build", 2025, 2026)["result"] == ["untitled", 2025, 2026]
    assert m.run("Report", "fixed", "loud")["result"] == "LOUD"


def test_the_ways_a_task_ends(python):
    m = python()
    task = m.run("Report", "breaks")
    assert (task["error"]["kind"], task["error"]["message"]) == ("exception", "LookupError: no such year")
    assert m.wait_log(task["id"], "Traceback") and m.wait_log(task["id"], "tasks.py")
    assert m.run("Report", "nonesuch")["error"]["kind"] == "unknown_method"
    assert m.run("Nonesuch", "run")["error"]["kind"] == "unknown_class"
    assert m.run("Report", "leaves")["error"]["kind"] == "crash"
    waits = m.submit("Mailer", "sendLater", "you", retry=2)
    assert m.wait_task(waits, "retrying")["history"][0]["message"] == "not yet to you"


@pytest.mark.parametrize("method", ["spins_in_here", "swallows", "awaits"])
def test_a_hang_ends_with_its_stack_in_the_log(python, folder, method):
    m = python(heartbeat_timeout="1s")
    id_ = m.submit("Report", method, str(folder / "cleaned"))
    task = m.wait_task(id_, timeout=30)
    assert (task["state"], task["error"]["kind"]) == ("dead", "timeout")
    assert m.wait_log(id_, f"in {method}") and m.wait_log(id_, "exiting, of task")


def test_a_cancelled_asyncio_task_cleans_up(python, folder):
    m = python()
    id_ = m.submit("Report", "awaits", str(folder / "cleaned"))
    m.running(id_)
    until(lambda: m.task(id_)["worker"], what="it runs")
    assert m.delete(f"/v1/tasks/{id_}").status == 200
    assert m.wait_task(id_)["state"] == "cancelled"


def test_a_task_pushes_another(muster, folder):
    (folder / "chain.py").write_text("import muster\n\n@muster.task('Chain')\ndef first(n):\n"
                                     "    muster.push('Chain', 'second', n + 1, id='second')\n\n"
                                     "@muster.task('Chain')\ndef second(n):\n    return n\n")
    m = muster({"handlers": [{"class": "Chain", "exec": [*PYTHON[:2], str(folder / "chain.py")]}]})
    m.run("Chain", "first", 1)
    assert m.wait_task("second", timeout=20)["result"] == 2


def test_what_is_saved_is_there_the_next_time(muster, folder):
    (folder / "long.py").write_text("import muster\n\n@muster.task('Long')\ndef run():\n    at = (muster.saved() or {'at': 0})['at']\n"
                                    "    if at < 3:\n        muster.save({'at': at + 1})\n        raise muster.Retry(f'at {at}', delay='0s')\n"
                                    "    return [at, muster.current().attempt]\n")
    m = muster({"handlers": [{"class": "Long", "exec": [*PYTHON[:2], str(folder / "long.py")]}]})
    assert m.run("Long", "run", retry=9, timeout=30 * SLOW)["result"] == [3, 4]
