"""`muster top`, driven on a terminal (tmux) and read from its screen."""

import json
import os
import shutil
import subprocess

import pytest

from cli import MUSTER
from harness import until

pytestmark = [pytest.mark.skipif(not shutil.which("tmux"), reason="tmux is missing"),
              pytest.mark.skipif(not MUSTER.exists(), reason="muster is not built: libcurl is missing")]


class Terminal:
    """A tmux server of our own with one window, in which one command runs."""

    def __init__(self, folder, m, columns=120, lines=30):
        self.socket = str(folder / "tmux")
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", "TERM": "xterm-256color",
                            "MUSTER_URL": f"http://127.0.0.1:{m.port}"}
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(lines), f"{MUSTER} top; echo ended $?; cat")

    def tmux(self, *args):
        done = subprocess.run(["tmux", "-S", self.socket, *args], env=self.environment, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done
        return done.stdout

    def screen(self):
        return self.tmux("capture-pane", "-p")

    def keys(self, *keys):
        self.tmux("send-keys", *keys)

    def shows(self, *words):
        def all_there():
            screen = self.screen()
            return screen if all(word in screen for word in words) else None
        try:
            return until(all_there, 10, f"the screen shows {words}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.screen()}") from None

    def resize(self, columns, lines):
        self.tmux("resize-window", "-x", str(columns), "-y", str(lines))


@pytest.fixture
def m(muster):
    return muster()


@pytest.fixture
def top(m, folder):
    terminal = Terminal(folder, m)
    yield terminal
    subprocess.run(["tmux", "-S", terminal.socket, "kill-server"], capture_output=True)


def test_it_shows_workers_with_their_tasks_and_queues(m, top):
    top.shows("muster http://127.0.0.1", "2 workers", "default/0", "default/1", "idle", "async_task_queue", "DONE/S", "all is well", "  live")
    m.submit("Demo", "work", 60000, id="inhand")
    screen = top.shows("busy", "Demo.work inhand", "2 workers, 1 busy")
    assert "[" not in screen.splitlines()[3] and ("." * 6 in screen or "#" in screen), "the heartbeat is a bar"
    assert m.delete("/v1/tasks/inhand").status == 200


def test_keys_look_into_a_task_and_sort(m, top):
    m.submit("Demo", "work", 60000, id="inhand")
    top.shows("Demo.work inhand")
    for _ in range(6):
        if "sort (time in task)" in top.screen():
            break
        before = next(line for line in top.screen().splitlines() if "sort (" in line)
        top.keys("s")
        until(lambda: before not in top.screen(), what="another order is shown")
    lines = top.shows("sort (time in task)").splitlines()
    assert "inhand" in lines[3], lines
    top.keys("Enter")
    top.shows("task inhand (any key goes back)", "Demo", "[60000]")
    top.keys("x")
    top.shows("HEARTBEAT")
    assert m.delete("/v1/tasks/inhand").status == 200


def test_keys_restart_a_worker_and_pause_a_queue(m, top):
    top.shows("default/0")
    before = m.worker(0)["pid"]
    top.keys("r")
    top.shows("Restart default/0?")
    top.keys("n")
    top.keys("r")
    top.shows("Restart default/0?")
    top.keys("y")
    until(lambda: m.worker(0)["pid"] not in (None, before), what="the worker is another one")
    top.keys("Tab", "p")
    top.shows("queue default is paused")
    assert m.queue()["paused"]
    top.keys("p")
    top.shows("queue default is resumed")
    assert not m.queue()["paused"]


def test_what_failed_and_why_is_shown_and_is_made_to_run_again(m, top):
    top.shows("DEAD TASK", "none", "  live")
    m.submit("Demo", "fail", "no such mailbox", id="broken")
    top.shows("all is well; task broken is dead: exception: no such mailbox", "Demo.fail")
    top.keys("Tab", "Tab", "Enter")
    top.shows("task broken (any key goes back)", "dead", "[\"no such mailbox\"]")
    top.keys("x")
    top.shows("DEAD TASK")
    before = m.task("broken")["finished_at"]
    top.keys("a")
    top.shows("task broken runs again")
    until(lambda: (lambda task: task["state"] == "dead" and task["finished_at"] != before)(m.task("broken")), what="it has run again")


def test_a_worker_that_ends_is_news_before_the_next_look(m, top):
    top.shows("default/0", "  live")
    m.kill_worker(0)
    top.shows("worker default/0 ended: signal", "last exit: signal 9", "   1 ")


def test_the_marked_row_stays_the_same_worker_in_every_order(m, top):
    top.shows("default/1")
    top.keys("j")
    m.submit("Demo", "work", 60000, id="inhand")
    top.shows("Demo.work inhand")
    for order in ("state", "heartbeat", "time in task", "memory", "restarts", "name"):
        top.keys("s")
        top.shows(f"sort ({order})")
        top.keys("r")
        top.shows("Restart default/1?")
        top.keys("n")
        until(lambda: "Restart" not in top.screen(), what="the question is gone")
    assert m.delete("/v1/tasks/inhand").status == 200


def test_trouble_is_said(m, top):
    top.shows("all is well")
    m.write_config({**m.config, "nonsense": 1})
    assert m.post("/v1/reload").status == 202
    top.shows("config: the last reload was refused", "nonsense")


def test_it_survives_a_restart_of_the_server_and_another_size(m, top):
    top.shows("2 workers")
    m.stop()
    top.shows("CUT OFF for", "nothing answers")
    m.start()
    until(lambda: "CUT OFF" not in top.screen(), what="it has found the server again")
    for columns, lines in ((60, 12), (30, 6), (10, 3), (140, 40)):
        top.resize(columns, lines)
        until(lambda: all(len(line) <= columns for line in top.screen().splitlines()), what="it fits")
    top.shows("2 workers", "default/1", "async_task_queue")
    top.keys("q")
    top.shows("ended 0")


def test_it_wants_a_terminal(m, folder):
    done = subprocess.run([str(MUSTER), "top"], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          env={"HOME": str(folder), "MUSTER_URL": f"http://127.0.0.1:{m.port}"})
    assert done.returncode == 64 and "terminal" in done.stderr, done


def print_top(url, folder):
    return subprocess.run([str(MUSTER), "top", "--json"], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60,
                          env={"HOME": str(folder), "MUSTER_URL": url})


def test_for_scripts_it_is_one_document(m, folder):
    m.post("/v1/queues/default/pause")
    m.submit("Demo", "noop", id="waits")
    m.submit("Demo", "fail", "no such mailbox", id="fails", queue="async_task_queue")
    m.wait_task("fails", "dead")
    done = print_top(f"http://127.0.0.1:{m.port}", folder)
    assert done.returncode == 0 and done.stdout.count("\n") == 1 and done.stderr == "", done
    shown = json.loads(done.stdout)
    assert list(shown) == ["status", "workers", "queues", "dead"]
    assert shown["status"]["ready"] is True and shown["status"]["checks"]["broker"] == "ok"
    assert [worker["slot"] for worker in shown["workers"]] == list(range(len(m.workers())))
    queues = {queue["name"]: queue for queue in shown["queues"]}
    assert queues["default"]["paused"] is True and queues["default"]["pending"] == 1
    assert [(task["id"], task["error"]["message"]) for task in shown["dead"]] == [("fails", "no such mailbox")]


def test_for_scripts_without_a_server(folder):
    done = print_top("http://127.0.0.1:1", folder)
    assert done.returncode == 69 and done.stdout == "" and "127.0.0.1:1" in done.stderr, done
