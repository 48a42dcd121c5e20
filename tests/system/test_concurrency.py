"""`concurrency` above 1: several tasks at a time in one worker. Each has its own deadline, its own signs of life and its own end;
what ends a program for the sake of one of its tasks costs the others nothing."""

import asyncio
import contextlib
import re
import signal
import sys
import threading
import time

import pytest

from harness import REPO, PidFd, bound, run_musterd, until
from test_events import Stream
from waiting import SLOW

PYTHON = r'''
import asyncio, os, sys, time
import muster


@muster.task
class Many:
    async def sleep(self, seconds, value=None):
        await asyncio.sleep(seconds)
        return value

    async def note(self, folder, seconds):
        with open(os.path.join(folder, muster.current().id), "a") as file:
            print(muster.current().attempt, file=file)
        await asyncio.sleep(seconds)

    async def beats(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            muster.beat()
            await asyncio.sleep(0.05)

    async def talks(self, word):
        for n in range(3):
            print(word, n)
            await asyncio.sleep(0.02)
        muster.progress(40, word)
        muster.save({"word": word})
        muster.push("Many", "sleep", 0, word, id="of-" + word)
        await asyncio.sleep(1)
        return word

    async def again(self):
        saved = muster.saved()
        muster.save({"seen": muster.current().id})
        if saved is None:
            raise muster.Retry("once more")
        return saved

    async def swallows(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                await asyncio.sleep(seconds)
            except asyncio.CancelledError:
                pass

    async def fails(self, word):
        raise ValueError(word)

    async def dies(self):
        os._exit(3)

    async def babbles(self):
        os.write(muster._channel.output, b"no JSON\n")
        await asyncio.sleep(60)

    async def pid(self):
        return os.getpid()

'''

NODE = '''
import { setTimeout as sleep } from 'node:timers/promises'
import * as muster from '%s'
export class Many {
  async sleep (seconds, value = null) { await sleep(seconds * 1000, undefined, { signal: muster.signal() }); return value }
  async deaf (seconds) { await sleep(seconds * 1000) }
  pid () { return process.pid }
}
'''


@pytest.fixture
def many(muster, folder):
    """A musterd with one worker that runs `concurrency` tasks of the class Many at a time."""
    def start(concurrency=10, language="python", workers=1, queue=None, handlers=(), config=None, **pool):
        if language == "python":
            (folder / "many.py").write_text(PYTHON)
            program = [sys.executable, str(REPO / "sdk" / "muster.py"), str(folder / "many.py")]
        else:
            (folder / "many.mjs").write_text(NODE % (REPO / "sdk" / "muster.mjs"))
            program = ["node", str(REPO / "sdk" / "muster.mjs"), str(folder / "many.mjs")]
        return muster({"pools": [{"name": "default", "workers": workers, "queues": {"default": 1}, "kill_grace": "300ms", **pool}],
                       "queues": [{"name": "default", **(queue or {})}],
                       "handlers": [{"class": "Many", "exec": program, "concurrency": concurrency}, *handlers],
                       **(config or {})})
    return start


def submit_many(m, count, method, *param, **members):
    return m.submit_many([{"class": "Many", "method": method, "param": list(param), **members} for _ in range(count)])


def all_run(m, ids):
    return until(lambda: all(m.task(id_)["state"] == "active" for id_ in ids), what="all of them run")


def warm(m):
    """Its program is up."""
    return m.run("Many", "pid")["result"]


@pytest.mark.parametrize("language", ["python", "node"])
def test_ten_tasks_at_a_time_in_one_worker(many, language):
    m = many(language=language)
    pid = warm(m)
    began = time.monotonic()
    ids = [m.submit("Many", "sleep", 0.3, n) for n in range(10)]
    tasks = [m.wait_task(id_) for id_ in ids]
    took = time.monotonic() - began
    assert [(task["state"], task["result"]) for task in tasks] == [("succeeded", n) for n in range(10)]
    assert took < bound(1.0), "they ran one after the other"
    assert warm(m) == pid and m.worker(0)["restarts"] == 0
    assert m.worker(0)["tasks"]["succeeded"] == 12


def test_progress_of_each_is_an_event(many):
    m = many(concurrency=5)
    warm(m)
    with Stream(m, "?type=progress") as stream:
        words = {m.submit("Many", "talks", word): word for word in ("one", "two", "three", "four", "five")}
        told = [stream.next()[1] for _ in words]
        assert {data["id"]: data["progress"] for data in told} == {id_: {"percent": 40, "note": word} for id_, word in words.items()}


def times_of_arrivals(m, class_, method, *param):
    """How long each of twenty takes from its submission to its end, in order of length: the middle one."""
    took = []
    for n in range(20):
        time.sleep(0.02 + n % 5 / 100)  # at any time of a worker's looks
        began = time.monotonic()
        m.wait_task(m.submit(class_, method, *param))
        took.append(time.monotonic() - began)
    return sorted(took)[10]


def test_a_task_that_comes_while_others_are_in_hand_begins_at_once(many):
    m = many(concurrency=5)
    warm(m)
    idle = times_of_arrivals(m, "Many", "sleep", 0)
    slow = m.submit("Many", "sleep", 60)
    all_run(m, [slow])
    busy = times_of_arrivals(m, "Many", "sleep", 0)
    assert busy < idle + 0.012 * SLOW, (idle, busy)  # looked for every 50 ms it would be 25 more
    assert m.task(slow)["state"] == "active"
    m.delete(f"/v1/tasks/{slow}")


def test_what_several_hear_of_is_passed_on(many):
    """One worker is full, or hears for two: nobody waits although somebody could run it."""
    m = many(concurrency=3, workers=2)
    ids = submit_many(m, 5, "sleep", 60)
    all_run(m, ids)
    last = m.submit("Many", "sleep", 60)
    all_run(m, [last])
    for id_ in [*ids, last]:
        m.delete(f"/v1/tasks/{id_}")


def test_no_more_than_that_many_run_at_a_time(many):
    m = many(concurrency=3)
    warm(m)
    ids = submit_many(m, 9, "sleep", 0.2)
    most = 0

    def over():
        nonlocal most
        most = max(most, m.worker(0)["in_hand"])
        return m.queue()["succeeded_total"] == 10
    until(over, what="all have ended")
    assert {m.task(id_)["state"] for id_ in ids} == {"succeeded"}
    assert most == 3


def test_each_says_what_it_says_for_itself(many):
    m = many()
    warm(m)
    words = ["one", "two", "three"]
    ids = {word: m.submit("Many", "talks", word) for word in words}
    for word, id_ in ids.items():
        until(lambda: m.task(id_)["progress"] == {"percent": 40, "note": word}, what=f"{word} shows its progress")
    for word, id_ in ids.items():
        assert m.wait_task(id_)["result"] == word
        assert m.wait_task("of-" + word)["result"] == word
        log = m.get(f"/v1/tasks/{id_}/log").body.decode()
        assert [line.split(" ", 1)[1] for line in log.splitlines()] == [f"{word} {n}" for n in range(3)]
    again = [m.submit("Many", "again", retry=2) for _ in range(3)]
    assert [m.wait_task(id_)["result"] for id_ in again] == [{"seen": id_} for id_ in again]


def test_a_failure_is_its_own(many):
    m = many()
    warm(m)
    good, bad = m.submit("Many", "sleep", 0.3, "good"), m.submit("Many", "fails", "bad")
    assert m.wait_task(bad)["error"]["message"] == "ValueError: bad"
    assert m.wait_task(good)["result"] == "good"


def test_only_the_late_one_ends_as_timeout(many):
    m = many(queue={"retry": 5})
    pid = warm(m)
    late = m.submit("Many", "sleep", 60, timeout="400ms", retry=1)
    others = submit_many(m, 4, "sleep", 1)
    beats = m.submit("Many", "beats", 1)
    task = m.wait_task(late)
    assert (task["state"], task["error"]["kind"], task["attempts"]) == ("dead", "timeout", 1)
    assert m.wait_log("killed timeout", late)
    for id_ in [*others, beats]:
        task = m.wait_task(id_)
        assert (task["state"], task["attempts"], task["crashes"], task["history"]) == ("succeeded", 1, 0, [])
    assert m.worker(0)["restarts"] == 0 and warm(m) != pid


def test_each_has_its_own_silence(many):
    m = many(heartbeat_timeout="500ms")
    warm(m)
    beats, silent = m.submit("Many", "beats", 1.5, retry=3), m.submit("Many", "sleep", 60)
    began = time.monotonic()
    assert m.wait_task(silent)["error"]["kind"] == "timeout"
    assert 0.4 < time.monotonic() - began < 0.5 + bound(0.6)
    assert m.wait_task(beats)["state"] == "succeeded"


def test_the_program_s_death_is_the_crash_of_all_that_it_held(many):
    m = many(queue={"max_crashes": 2})
    warm(m)
    others = submit_many(m, 3, "sleep", 1)
    all_run(m, others)
    dies = m.submit("Many", "dies")
    task = m.wait_task(dies)
    assert (task["state"], task["error"]["kind"], task["crashes"]) == ("dead", "crash", 2)
    assert "exit status 3" in task["error"]["message"]
    for id_ in others:
        task = m.wait_task(id_)
        assert task["crashes"] >= 1 and task["attempts"] <= 1
        assert {entry["kind"] for entry in task["history"]} == {"crash"}
    assert m.worker(0)["restarts"] == 0


def test_a_program_that_does_not_keep_to_the_protocol_is_replaced(many):
    m = many(queue={"max_crashes": 1})
    pid = warm(m)
    task = m.wait_task(m.submit("Many", "babbles"))
    assert (task["state"], task["error"]["kind"]) == ("dead", "crash")
    assert "not of the protocol" in task["error"]["message"]
    assert warm(m) != pid


@pytest.mark.parametrize("language", ["python", "node"])
def test_one_of_them_is_cancelled_alone(many, language):
    m = many(language=language)
    pid = warm(m)
    ids = submit_many(m, 4, "sleep", 2)
    all_run(m, ids)
    began = time.monotonic()
    assert m.delete(f"/v1/tasks/{ids[1]}").status == 200
    assert m.wait_task(ids[1])["state"] == "cancelled"
    assert time.monotonic() - began < bound(1.0)
    for id_ in (ids[0], ids[2], ids[3]):
        assert m.wait_task(id_)["state"] == "succeeded"
    assert warm(m) == pid, "its program lives"


def test_many_are_cancelled_at_once(many):
    m = many()
    warm(m)
    ids = submit_many(m, 10, "sleep", 60)
    all_run(m, ids)
    for id_ in ids:
        m.delete(f"/v1/tasks/{id_}")
    assert {m.wait_task(id_)["state"] for id_ in ids} == {"cancelled"}


def test_one_that_will_not_stop_costs_the_others_nothing(many):
    m = many()
    pid = warm(m)
    deaf, other = m.submit("Many", "swallows", 60), m.submit("Many", "sleep", 2)
    all_run(m, [deaf, other])
    m.delete(f"/v1/tasks/{deaf}")
    assert m.wait_task(deaf)["state"] == "cancelled"
    task = m.wait_task(other)
    assert (task["state"], task["attempts"], task["crashes"]) == ("succeeded", 1, 0)
    assert warm(m) != pid


def test_a_killed_worker_s_tasks_run_again_and_count_a_crash(many, folder):
    m = many(concurrency=5)
    warm(m)
    (folder / "ran").mkdir(mode=0o777)
    ids = submit_many(m, 8, "note", str(folder / "ran"), 1)
    until(lambda: len(list((folder / "ran").iterdir())) == 5, what="five have begun")
    started = {path.name for path in (folder / "ran").iterdir()}
    m.kill_worker(0)
    for id_ in ids:
        task = m.wait_task(id_)
        assert (task["state"], task["attempts"]) == ("succeeded", 1)
        assert task["crashes"] == (1 if id_ in started else 0)
        assert len((folder / "ran" / id_).read_text().split()) == 1 + task["crashes"]


def test_workers_killed_again_and_again_lose_nothing_and_count_right(many, folder):
    m = many(concurrency=8, workers=2, queue={"max_crashes": 50})
    ran = folder / "ran"
    ran.mkdir(mode=0o777)
    ids = submit_many(m, 200, "note", str(ran), 0.05)
    for n in range(6):
        done = m.queue()["succeeded_total"]
        until(lambda: m.queue()["succeeded_total"] >= min(done + 15, 190), timeout=30, what="it goes on")
        m.kill_worker(n % 2)
    tasks = [m.wait_task(id_, timeout=60) for id_ in ids]
    assert {(task["state"], task["attempts"]) for task in tasks} == {("succeeded", 1)}
    assert sum(task["crashes"] for task in tasks) <= 6 * 8
    for task in tasks:  # one that crashed may not have come to its first line
        assert 1 <= len((ran / task["id"]).read_text().split()) <= 1 + task["crashes"]
    assert until(lambda: m.queue()["active"] == 0 and m.queue()["pending"] == 0)


def test_a_stopped_worker_is_ended_and_its_tasks_crashed(many):
    m = many(heartbeat_timeout="500ms")
    warm(m)
    ids = submit_many(m, 3, "beats", 1)
    all_run(m, ids)
    m.signal_worker(0, signal.SIGSTOP)
    for id_ in ids:
        task = m.wait_task(id_)
        assert (task["state"], task["crashes"]) == ("succeeded", 1)
    assert m.worker(0)["last_exit"]["reason"] == "timeout"


def test_an_ordered_restart_finishes_what_is_in_hand(many, folder):
    m = many(concurrency=5)
    warm(m)
    (folder / "ran").mkdir(mode=0o777)
    ids = submit_many(m, 12, "note", str(folder / "ran"), 1)
    until(lambda: len(list((folder / "ran").iterdir())) == 5, what="five have begun")
    assert m.post("/v1/workers/default/0/restart").status == 202
    for id_ in ids:
        task = m.wait_task(id_)
        assert (task["state"], task["crashes"]) == ("succeeded", 0)
        assert len((folder / "ran" / id_).read_text().split()) == 1
    assert m.worker(0)["last_exit"]["reason"] == "order"


def test_a_stop_gives_back_uncounted_what_does_not_end_in_time(many):
    m = many(config={"shutdown_grace": "2s"})
    warm(m)
    ids = submit_many(m, 3, "sleep", 60)
    short = m.submit("Many", "sleep", 0.5, "in time")
    all_run(m, [*ids, short])
    assert m.stop() < 2.5
    m.start()
    assert m.wait_task(short)["result"] == "in time"
    for id_ in ids:
        assert m.task(id_)["crashes"] == 0 and m.task(id_)["attempts"] == 0
        m.delete(f"/v1/tasks/{id_}")


def test_other_classes_have_their_turn(many):
    m = many(handlers=[{"class": "Demo", "module": "demo.so"}])
    warm(m)
    documents = [{"class": "Many", "method": "sleep", "param": [0.1]}, {"class": "Demo", "method": "add", "param": [1, 2]}] * 10
    tasks = [m.wait_task(id_) for id_ in m.submit_many(documents)]
    assert {(task["state"], task["attempts"], task["crashes"]) for task in tasks} == {("succeeded", 1, 0)}


def test_the_broker_may_be_away_meanwhile(many):
    m = many()
    warm(m)
    ids = submit_many(m, 5, "sleep", 1)
    all_run(m, ids)
    with PidFd(m.role("broker").pid) as broker:
        broker.send(signal.SIGSTOP)
        until(lambda: m.worker(0)["in_hand"] == 0, what="all have ended, and nobody can be told")
        broker.send(signal.SIGCONT)
    m.wait_ready()
    for id_ in ids:
        task = m.wait_task(id_)
        assert (task["state"], task["crashes"], task["attempts"]) == ("succeeded", 0, 1)


def test_results_beyond_the_outbox_are_reported_all_the_same(many):
    m = many(config={"limits": {"result": "512KiB"}})
    warm(m)
    large = "x" * 300000
    ids = submit_many(m, 5, "sleep", 0.2, large)
    for id_ in ids:
        assert m.wait_task(id_)["result"] == large


def test_workers_say_how_many_they_hold(many):
    m = many()
    warm(m)
    ids = submit_many(m, 4, "sleep", 60)
    all_run(m, ids)
    worker = m.worker(0)
    assert worker["in_hand"] == 4 and worker["state"] == "busy"
    assert worker["task"]["id"] in ids and worker["task"]["class"] == "Many"
    for id_ in ids:
        m.delete(f"/v1/tasks/{id_}")
    until(lambda: m.worker(0)["in_hand"] == 0, what="nothing is in hand")


# ---- transfers ----

class Slow(threading.Thread):
    """A web server that takes its time for each request; `most` is how many it had at a time."""

    def __init__(self, seconds):
        super().__init__()
        self.seconds, self.most, self.now, self.paths = seconds, 0, 0, []
        self.loop = asyncio.new_event_loop()
        self.server = self.loop.run_until_complete(asyncio.start_server(self.serve, "127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.server.sockets[0].getsockname()[1]
        self.start()

    def run(self):
        self.loop.run_forever()
        left = asyncio.all_tasks(self.loop)
        for task in left:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self.loop.close()

    async def serve(self, reader, writer):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                await reader.readexactly(int(re.search(rb"(?i)content-length: *(\d+)", head + b"content-length: 0")[1]))
                self.now += 1
                self.most = max(self.most, self.now)
                self.paths.append(head.split()[1].decode())
                await asyncio.sleep(self.seconds)
                self.now -= 1
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def end(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.join()


@pytest.fixture
def slow():
    servers = []

    def start(seconds):
        servers.append(Slow(seconds))
        return servers[-1]
    yield start
    for server in servers:
        server.end()


@pytest.fixture
def http(muster):
    def start(concurrency, **pool):
        return muster({"pools": [{"name": "default", "workers": 1, "queues": ["default"], **pool}],
                       "http": {"allow": ["127.0.0.1"]}, "handlers": [{"class": "Http", "concurrency": concurrency}]})
    return start


def push(m, url, count, **members):
    return m.submit_many([{"class": "Http", "method": "push", "param": [f"{url}/{n}", {"n": n}], **members} for n in range(count)])


def test_many_transfers_at_a_time_in_one_worker(http, slow):
    m, server = http(64), slow(0.3)
    began = time.monotonic()
    tasks = [m.wait_task(id_) for id_ in push(m, server.url, 256)]
    took = time.monotonic() - began
    assert {(task["state"], task["result"]["status"]) for task in tasks} == {("succeeded", 200)}
    assert sorted(server.paths) == sorted(f"/{n}" for n in range(256)), "each once"
    assert 32 < server.most <= 64 and took < bound(4), (server.most, took)


def test_a_transfer_that_comes_while_others_are_in_hand_begins_at_once(http, slow):
    m, hangs, quick = http(16), slow(60), slow(0.001)
    idle = times_of_arrivals(m, "Http", "push", quick.url, 1)
    held, = push(m, hangs.url, 1, timeout="2m")
    all_run(m, [held])
    busy = times_of_arrivals(m, "Http", "push", quick.url, 1)
    assert busy < idle + 0.012 * SLOW, (idle, busy)
    m.delete(f"/v1/tasks/{held}")


def test_a_url_as_a_handler_does_several_at_a_time(muster, slow):
    server = slow(0.3)
    m = muster({"pools": [{"name": "default", "workers": 1, "queues": ["default"]}], "http": {"allow": ["127.0.0.1"]},
                "handlers": [{"class": "Billing", "http": server.url, "concurrency": 20}]})
    ids = m.submit_many([{"class": "Billing", "method": "bill"}] * 20)
    tasks = [m.wait_task(id_) for id_ in ids]
    assert {task["error"]["message"].split(":")[0] for task in tasks} == {"the server's answer is no JSON"}
    assert server.most > 10


def test_of_transfers_only_the_late_one_times_out_and_only_the_cancelled_one_is_cancelled(http, slow):
    m, server = http(16), slow(2)
    pid = m.worker(0)["pid"]
    good = push(m, server.url, 6)
    late, = push(m, server.url, 1, timeout="300ms")
    off, = push(m, server.url, 1)
    all_run(m, [*good, off])
    m.delete(f"/v1/tasks/{off}")
    assert m.wait_task(off)["state"] == "cancelled"
    assert m.wait_task(late)["error"]["kind"] == "timeout"
    assert {m.wait_task(id_)["state"] for id_ in good} == {"succeeded"}
    assert m.worker(0)["pid"] == pid


def test_a_killed_worker_s_transfers_are_made_again(http, slow):
    m, server = http(16), slow(1)
    ids = push(m, server.url, 24)
    until(lambda: server.now == 16, what="sixteen are under way")
    m.kill_worker(0)
    crashes = [m.wait_task(id_)["crashes"] for id_ in ids]
    assert sorted(crashes) == [0] * 8 + [1] * 16
    assert {m.task(id_)["state"] for id_ in ids} == {"succeeded"}


def test_a_module_that_runs_one_task_at_a_time_says_so(folder):
    ran = run_musterd("--check", config={"handlers": [{"class": "Demo", "module": "demo.so", "concurrency": 2}]})
    assert ran.code == 78 and "runs one task at a time" in ran.err
