"""Handlers in any language: a child that speaks the exec protocol. Its end, its silence and its nonsense are a task's
end, each a clear one, and its worker lives."""

import json
import os
import pwd
import re
import shutil
import signal
import time

import pytest

from harness import REPO, PidFd, alive, all_processes, bound, run_musterd, status_of, until

ACTOR = ["/usr/bin/python3", str(REPO / "tests" / "children" / "actor.py")]


def config(workers=1, handler=None, queue=None, **pool):
    return {"pools": [{"name": "default", "workers": workers, "queues": {"default": 1, "async_task_queue": 1}, **pool}],
            "queues": [{"name": "default", **(queue or {})}],
            "handlers": [{"class": "Actor", "exec": ACTOR, **(handler or {})}, {"class": "Demo", "module": "demo.so"}]}


def for_everybody(folder):
    """The program where another user can read it: this tree may lie where only root can."""
    os.chmod(folder, 0o755)
    return [ACTOR[0], shutil.copy(ACTOR[1], folder)]


def child_of(m, slot=0):
    """The program that the worker runs, as /proc has it."""
    worker = m.worker(slot)["pid"]
    return until(lambda: next((one for one in m.tree() if one.ppid == worker), None), what="the worker has a child")


def family_of(pid):
    """What Actor.spin has started, once both are there: one of them in a session of its own."""
    found = [one for one in all_processes() if one.ppid == pid and one.title.startswith("sleep")]
    return found if len(found) == 2 else None


def assert_works(m):
    """With time enough for an interpreter to start on a busy machine, whatever the pool's heartbeat_timeout is."""
    assert m.wait_task(m.submit("Actor", "add", 1, 2, timeout="20s"))["result"] == 3


def assert_worker_lives(m, before, slot=0):
    now = m.worker(slot)
    assert (now["pid"], now["restarts"]) == (before["pid"], before["restarts"])
    assert_works(m)


# ---- what goes in and comes out ----

def test_one_child_runs_task_after_task(muster):
    m = muster(config())
    tasks = [m.run("Actor", "pid") for _ in range(5)]
    assert [task["state"] for task in tasks] == ["succeeded"] * 5
    assert len({task["result"] for task in tasks}) == 1
    assert m.run("Actor", "add", 40, 2)["result"] == 42


def test_the_document_s_own_bytes_and_behind_them_what_muster_adds(muster):
    m = muster(config())
    document = ('{\n  "class": "Actor", "method": "task",\r\n "param": [1.10, 12345678901234567890123, "\\u00e9é"],'
                '\n "meta": {"k": 1}, "id": "mine" } \n')
    assert m.post("/v1/tasks", document).status == 201
    task = m.wait_task("mine")
    got = task["result"]
    assert got["param"][2] == "éé" and got["meta"] == {"k": 1}
    assert list(got)[-5:] == ["queue", "attempt", "deadline_ms", "traceparent", "saved"] and got["id"] == "mine"
    assert (got["queue"], got["attempt"], got["traceparent"], got["saved"]) == ("default", 1, None, None)
    assert 0 < got["deadline_ms"] <= 10000


def test_a_traceparent_reaches_the_program(muster):
    m = muster(config())
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    assert m.post("/v1/tasks", {"class": "Actor", "method": "task", "id": "traced"}, headers={"traceparent": trace}).status == 201
    assert m.wait_task("traced")["result"]["traceparent"] == trace


def test_the_line_is_the_document_s_bytes(muster, folder):
    script = folder / "first_line"
    script.write_text('#!/bin/sh\nread -r line; printf %s "$line" >"$1"; echo \'{"ok":null}\'; cat >/dev/null\n')
    script.chmod(0o755)
    m = muster(config(handler={"exec": [str(script), str(folder / "line")]}))
    text = '{"class":"Actor" ,\n "method":"m","param":[1.10,12345678901234567890123,"\\u00e9é"],\r\n"id":"bytes"}\n'
    assert m.post("/v1/tasks", text).status == 201
    assert m.wait_task("bytes")["state"] == "succeeded"
    line = (folder / "line").read_bytes()
    assert line.startswith(text.rstrip().replace("\n", " ").replace("\r", " ")[:-1].encode() + b",")
    assert json.loads(line)["id"] == "bytes"


def test_the_ways_a_task_ends(muster):
    m = muster(config())
    failed = m.run("Actor", "fail", "why not")
    assert (failed["state"], failed["error"]["kind"], failed["error"]["message"]) == ("dead", "exception", "why not")
    unknown = m.run("Actor", "nothing_like_this")
    assert (unknown["state"], unknown["error"]["kind"]) == ("dead", "unknown_method")
    unknown = m.run("Actor", "unknown", "class")
    assert (unknown["state"], unknown["error"]["kind"]) == ("dead", "unknown_class")
    retried = m.wait_task(m.submit("Actor", "retry", "not yet", "300ms", retry=2))
    assert (retried["state"], retried["attempts"], retried["error"]["kind"]) == ("dead", 2, "retry")
    first, second = (entry for entry in retried["history"])
    assert first["message"] == second["message"] == "not yet" and first["ended_at"] < second["started_at"]


def test_a_class_star_takes_what_no_other_handler_has(muster):
    m = muster(config(handler={"class": "*"}))
    assert m.run("Whatever\\It.is", "task")["result"]["class"] == "Whatever\\It.is"
    assert m.run("Demo", "add", 1, 2)["result"] == 3
    assert m.run("Demo", "pid")["error"]["kind"] == "unknown_method"


def test_progress_and_log_are_seen_while_it_runs(muster):
    m = muster(config(heartbeat_timeout="5s"))
    id_ = m.submit("Actor", "steps")
    until(lambda: m.get(f"/v1/tasks/{id_}").json["progress"] == {"percent": 40, "note": "almost half"})
    assert m.wait_log("to stderr", id_)
    assert m.wait_log("a line\\x0aof two", id_)
    assert m.delete(f"/v1/tasks/{id_}").status == 200
    assert m.wait_task(id_)["state"] == "cancelled"


def test_what_it_pushes_runs(muster):
    m = muster(config())
    task = m.run("Actor", "push", {"class": "Demo", "method": "add", "param": [1, 2], "id": "pushed"})
    assert task["state"] == "succeeded" and m.wait_task("pushed")["result"] == 3


def test_a_push_that_is_refused_is_not_lost_in_silence(muster):
    m = muster(config())
    task = m.run("Actor", "push", {"class": "Demo", "nonsense": 1})
    assert task["state"] == "dead" and "refused" in task["error"]["message"] and "nonsense" in task["error"]["message"]


def test_what_is_saved_reaches_the_next_execution(muster, folder):
    m = muster(config(queue={"max_crashes": 10}))
    before = m.worker(0)
    task = m.wait_task(m.submit("Actor", "count_to", str(folder / "steps"), 10))
    assert (task["state"], task["result"], task["crashes"]) == ("succeeded", 10, 3)
    assert (folder / "steps").read_text().split() == [str(i) for i in range(1, 11)]
    assert not [key for key in m.redis.scan_iter("*saved:*")]
    assert_worker_lives(m, before)


def test_what_is_saved_survives_the_worker_too(muster):
    m = muster(config(heartbeat_timeout="60s"))
    id_ = m.submit("Actor", "save_and_wait", {"at": 7})
    until(lambda: (m.task(id_)["progress"] or {}).get("percent") == 50, what="it has saved")
    assert m.kill_worker(0, task=id_)
    task = m.wait_task(id_)
    assert (task["result"], task["crashes"], task["attempts"]) == ({"at": 7}, 1, 1)


def test_what_an_earlier_task_of_the_same_id_has_saved_is_not_handed_over(muster):
    m = muster(config())
    m.redis.set("{muster}:saved:mine", '0 {"at": 7}')
    assert m.run("Actor", "task", id="mine")["result"]["saved"] is None


def test_more_than_64_kib_cannot_be_saved(muster):
    m = muster(config())
    assert m.run("Actor", "save", 60000)["state"] == "succeeded"
    task = m.run("Actor", "save", 70000)
    assert task["state"] == "dead" and "65536" in task["error"]["message"]


def test_a_large_document_and_a_large_result(muster):
    m = muster(config())
    assert m.run("Actor", "length", "x" * 900000)["result"] == 900000
    assert len(m.run("Actor", "big", 60000)["result"]) == 60000
    task = m.run("Actor", "big", 70000)
    assert task["state"] == "dead" and "limits.result" in task["error"]["message"]


# ---- its surroundings ----

def test_its_surroundings_are_those_that_were_configured(muster, folder):
    m = muster(config(handler={"env": {"APP_ENV": "prod", "COUNT": 3, "LANG": "C"}, "cwd": str(folder), "umask": "0027",
                               "nice": 3, "user": "nobody", "rlimits": {"nofile": 77, "core": 0},
                               "exec": [*for_everybody(folder), "two words", ""]}),
               env={"SECRET": "no", "TZ": "UTC", "LC_ALL": "C.UTF-8"})
    found = m.run("Actor", "surroundings")["result"]
    environment = {name: value for name, value in found["environment"].items() if name not in ("LC_CTYPE", "MUSTER_TREE")}
    assert set(environment) == {"PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "APP_ENV", "COUNT"}
    assert (environment["APP_ENV"], environment["COUNT"], environment["LANG"]) == ("prod", "3", "C")
    assert (found["cwd"], found["umask"], found["nice"]) == (str(folder), 0o027, 3)
    assert found["nofile"] == [77, 77] and found["core"] == [0, 0] and found["uid"] != 0
    assert found["argv"] == ["two words", ""]
    assert [fd for fd in found["descriptors"] if fd > 2] in ([], [3])  # 3: of the listing itself
    assert found["parent"] == m.worker(0)["pid"] == found["group"]


def test_signals_are_as_any_program_expects_them(muster):
    m = muster(config())
    assert m.run("Actor", "noop")["state"] == "succeeded"
    status = status_of(child_of(m).pid)
    python = 0x1001000 | 0x180000000  # Python itself ignores SIGPIPE and SIGXFSZ, posix_spawn the C library's own two
    assert int(status["SigBlk"], 16) == 0 and int(status["SigIgn"], 16) & ~python == 0


# ---- its end ----

def test_its_end_is_the_task_s_crash_and_its_worker_lives(muster):
    m = muster(config(queue={"max_crashes": 2}))
    before = m.worker(0)
    task = m.run("Actor", "crash", 11)
    assert (task["state"], task["error"]["kind"], task["crashes"], task["attempts"]) == ("dead", "crash", 2, 0)
    assert "signal 11" in task["error"]["message"]
    task = m.run("Actor", "exit", 3)
    assert task["error"]["kind"] == "crash" and "exit status 3" in task["error"]["message"]
    assert_worker_lives(m, before)


def test_what_it_said_before_its_end_counts(muster):
    m = muster(config())
    task = m.run("Actor", "answer_and_end")
    assert (task["state"], task["result"]) == ("succeeded", "last words")
    assert m.run("Actor", "add", 1, 1)["result"] == 2


def test_one_that_dies_between_two_tasks_is_started_again(muster):
    m = muster(config())
    before = m.worker(0)
    first = m.run("Actor", "pid")["result"]
    with PidFd(child_of(m).pid) as handle:
        handle.send(signal.SIGKILL)
        assert handle.ended(5)
    task = m.run("Actor", "pid")
    assert task["state"] == "succeeded" and task["crashes"] == 0 and task["result"] != first
    assert_worker_lives(m, before)


def test_one_that_dies_at_its_start_is_started_at_longer_and_longer_intervals(muster, folder):
    starts = folder / "starts"
    script = folder / "dies"
    script.write_text(f"#!/bin/sh\ndate +%s.%N >>{starts}\nexit 1\n")
    script.chmod(0o755)
    m = muster(config(handler={"exec": [str(script)]}, queue={"max_crashes": 5}))
    task = m.run("Actor", "noop")
    assert (task["state"], task["error"]["kind"], task["crashes"]) == ("dead", "crash", 5)
    at = [float(line) for line in starts.read_text().split()]
    gaps = [later - earlier for earlier, later in zip(at, at[1:])]
    assert len(gaps) == 4 and gaps[0] < bound(0.07)
    for gap, least in zip(gaps[1:], (0.075, 0.15, 0.3)):
        assert gap >= least


def test_one_that_leaves_its_input_is_told_by_its_end(muster):
    """An ordered stop closes its stdin, and waits for it."""
    m = muster(config())
    assert m.run("Actor", "noop")["state"] == "succeeded"
    child = child_of(m)
    assert m.stop() < bound(2)
    assert not alive(child.pid)


def test_a_worker_s_death_ends_its_children_and_theirs(muster, folder):
    m = muster(config(heartbeat_timeout="30s"))
    id_ = m.submit("Actor", "spin", str(folder / "pid"))
    pid = int(until(lambda: (folder / "pid").exists() and (folder / "pid").read_text()))
    family = until(lambda: family_of(pid), what="the child has two children")
    assert m.kill_worker(0, task=id_)
    until(lambda: not any(alive(one) for one in [pid, *(one.pid for one in family)]), 5, "child and grandchildren are gone")


# ---- its silence ----

def test_a_hang_ends_by_sigterm_and_is_on_record(muster, folder):
    m = muster(config(heartbeat_timeout="400ms"))
    id_ = m.submit("Actor", "hang", str(folder / "exiting"), timeout="2s")
    task = m.wait_task(id_)
    assert (task["state"], task["error"]["kind"]) == ("dead", "timeout")
    assert task["error"]["evidence"]["state"] == "waiting"
    assert (folder / "exiting").read_text().startswith("exiting ")
    assert m.wait_log("killed timeout", id_)
    assert_works(m)


def test_one_that_ignores_sigterm_is_gone_with_its_whole_group(muster, folder):
    m = muster(config(heartbeat_timeout="400ms", kill_grace="200ms"))
    began = time.monotonic()
    id_ = m.submit("Actor", "spin", str(folder / "pid"), timeout="2s")
    pid = int(until(lambda: (folder / "pid").exists() and (folder / "pid").read_text()))
    family = until(lambda: family_of(pid), what="the child has two children")
    until(lambda: not alive(pid), 10, "the child is gone")
    assert time.monotonic() - began <= 2 + 0.2 + 0.1 + bound(0.3)
    task = m.wait_task(id_)
    assert task["error"]["kind"] == "timeout" and task["error"]["evidence"]["state"] == "spinning"
    until(lambda: not any(alive(one.pid) for one in family), 5, "what it started is gone as well")
    assert_works(m)


def test_beats_keep_it_alive_and_for_announces_a_silence(muster):
    m = muster(config(heartbeat_timeout="400ms"))
    beats = m.submit("Actor", "beats", 1500, 50, timeout="20s")  # until the first beat this counts
    assert m.wait_task(beats)["state"] == "succeeded"
    assert m.wait_task(m.submit("Actor", "beat_for", "30s", 1200, timeout="20s"))["state"] == "succeeded"
    assert m.wait_task(m.submit("Actor", "beat_for", "500ms", 15000, timeout="20s"))["error"]["kind"] == "timeout"


def test_cancelling_tells_it_by_sigterm(muster, folder):
    m = muster(config(heartbeat_timeout="30s", kill_grace="5s"))
    before = m.worker(0)
    id_ = m.submit("Actor", "hang", str(folder / "exiting"))
    m.running(id_)
    began = time.monotonic()
    assert m.delete(f"/v1/tasks/{id_}").status == 200
    assert m.wait_task(id_)["state"] == "cancelled"
    assert time.monotonic() - began < bound(2)
    assert_worker_lives(m, before)


# ---- its nonsense ----

@pytest.mark.parametrize("text, word", [
    ("hello\n", "not of the protocol"), ("[1]\n", "no object"), ('{"what": 1}\n', "nothing in it"),
    ('{"beat": true, "for": 10}\n', "duration"), ('{"progress": "half"}\n', "number"), ('{"log": 1}\n', "text"),
    ('{"ok": 1\n', "not of the protocol"), ('{"retry": "x", "delay": "soon"}\n', "duration"),
    ('{"unknown": "planet"}\n', "neither"), ('{"ok": "\\ud800"}\n', "not of the protocol"), ("\0\n", "not of the protocol")])
def test_a_line_that_is_not_of_the_protocol_fails_the_task(muster, text, word):
    m = muster(config())
    before = m.worker(0)
    task = m.run("Actor", "write", text)
    assert (task["state"], task["error"]["kind"]) == ("dead", "exception") and word in task["error"]["message"]
    assert_worker_lives(m, before)


def test_a_line_without_an_end_fails_the_task(muster):
    m = muster({**config(), "limits": {"document": "64KiB", "result": "1KiB"}})
    before = m.worker(0)
    task = m.run("Actor", "flood", "endless", 1000)
    assert task["error"]["kind"] == "exception" and "a line of more than" in task["error"]["message"]
    assert_worker_lives(m, before)


def test_an_answer_in_pieces_is_one_answer(muster):
    m = muster(config())
    assert m.run("Actor", "in_pieces")["result"] == "whole"


def test_an_answer_about_another_task_is_passed_over(muster):
    m = muster(config())
    assert m.run("Actor", "late")["result"] == "in time"


def test_a_second_answer_is_nobody_else_s(muster):
    m = muster(config())
    assert m.run("Actor", "answer_twice")["result"] == 1
    assert m.run("Actor", "add", 1, 2)["result"] == 3
    assert m.wait_log("between two tasks")


@pytest.mark.parametrize("what", ["stderr", "log"])
def test_a_flood_is_no_hang(muster, what):
    m = muster(config())
    before = m.worker(0)
    assert m.run("Actor", "flood", what, 20000)["state"] == "succeeded"
    assert_worker_lives(m, before)


def test_one_that_never_reads_is_over_at_its_deadline(muster):
    m = muster(config(handler={"exec": ["sleep", "1000"]}, heartbeat_timeout="400ms", kill_grace="200ms"))
    for text in ("short", "x" * 500000):
        assert m.run("Actor", "echo", text)["error"]["kind"] == "timeout"
    assert m.run("Demo", "add", 1, 2)["result"] == 3


def test_one_that_closes_its_input_or_output_is_replaced(muster):
    m = muster(config(queue={"max_crashes": 1}, heartbeat_timeout="20s"))
    before = m.worker(0)
    task = m.run("Actor", "close_output")
    assert task["error"]["kind"] == "crash" and "closed its standard output" in task["error"]["message"]
    assert m.run("Actor", "close_input")["result"] == "deaf"
    task = m.run("Actor", "noop")
    assert task["error"]["kind"] == "crash" and "closed its standard input" in task["error"]["message"]
    assert_worker_lives(m, before)


# ---- its configuration ----

@pytest.mark.parametrize("handler, sentence", [
    ({"exec": ["no-such-program"]}, "no program no-such-program"), ({"exec": ["/etc/passwd"]}, "no program that can be run"),
    ({"module": "demo.so"}, "both"), ({"exec": []}, "needs"), ({"user": "no-such-user"}, "no account"),
    ({"umask": "9"}, "octal"), ({"rlimits": {"tea": 1}}, "no limit"), ({"rlimits": {"as": "much"}}, "neither"),
    ({"env": {"A=B": "c"}}, "no variable"), ({"env": ["A"]}, "names"), ({"nice": 20}, "nice"), ({"class": "a b"}, "class")])
def test_what_is_wrong_with_it_is_said_by_check(make, handler, sentence):
    m = make(config(handler=handler), args=["--check"])
    m.spawn()
    assert m.exit_code() == 78
    assert sentence in m.log()


@pytest.mark.parametrize("text, line", [
    ("handlers:\n  - class: X\n    exec:\n      - no-such-thing\n", 4),
    ("handlers:\n  - {class: Demo, module: demo.so}\n  - {class: X, exec: [/no-such-thing], mode: once}\n", 4),
    ("pools:\n  - name: feeders\n    kind: service\n    exec: [no-such-thing]\n", 5)])
def test_check_names_the_line_of_a_program_that_is_missing(text, line):
    done = run_musterd("--check", text="user: root\n" + text)
    assert done.code == 78 and re.search(rf"^musterd: \S+/muster\.yaml:{line}: .*no-such-thing", done.err, re.M), done


def test_check_takes_a_right_one(make):
    m = make(config(handler={"env": {"A": "b"}, "cwd": "/", "umask": "022", "nice": 1, "rlimits": {"as": "1GiB", "cpu": "unlimited"}}),
             args=["--check"])
    m.spawn()
    assert m.exit_code() == 0, m.log()


# ---- a process per task ----

def once(script, **more):
    return config(handler={"mode": "once", "exec": ["/bin/sh", "-c", script], **more})


def test_once_starts_a_process_for_each_task(muster):
    m = muster(once('read -r task; echo "$task" | grep -q \'"param": *\\[1, *2\\]\' && echo "[$$, $MUSTER_TASK_ATTEMPT]"'))
    first, second = (m.run("Actor", "any", 1, 2) for _ in range(2))
    assert first["state"] == second["state"] == "succeeded" and first["result"][1] == 1
    assert first["result"][0] != second["result"][0]


def test_once_tells_about_the_task_in_its_environment(muster):
    m = muster(once('echo "$MUSTER_TASK_ID $MUSTER_TASK_CLASS $MUSTER_TASK_METHOD $MUSTER_TASK_ATTEMPT"', **{"class": "*"}))
    task = m.run("Any\\Class", "method")
    assert task["result"] == f"{task['id']} Any\\Class method 1"


@pytest.mark.parametrize("script, result", [
    ("echo '{\"a\": [1]}'", {"a": [1]}), ("echo 7", 7), ("echo two words", "two words"), ("true", None), ("printf 'a\\nb\\n'", "a\nb"),
    ("printf '\\377'", "?"), ("exec <&-; echo '\"closed\"'", "closed"), ("sleep 1000 & echo '\"left one\"'", "left one")])
def test_once_has_its_stdout_for_a_result(muster, script, result):
    m = muster(once(script))
    task = m.run("Actor", "any", "x" * 200000)
    assert (task["state"], task["result"]) == ("succeeded", result)


def test_once_ends_by_its_exit_status(muster):
    m = muster(once('case $MUSTER_TASK_METHOD in retry) echo "no luck" >&2; exit 75;; fail) echo "no way" >&2; exit 3;; '
                    'crash) kill -11 $$;; *) exec no-such-program;; esac'))
    before = m.worker(0)
    task = m.wait_task(m.submit("Actor", "retry", retry=2))
    assert (task["attempts"], task["error"]["kind"], task["error"]["message"]) == (2, "retry", "no luck")
    task = m.run("Actor", "fail")
    assert task["error"]["kind"] == "exception" and "exit status 3: no way" in task["error"]["message"]
    assert m.run("Actor", "crash")["error"]["kind"] == "crash"
    assert "127" in m.run("Actor", "other")["error"]["message"]
    assert m.log_lines("no luck")
    assert m.worker(0)["pid"] == before["pid"]


def test_once_is_bounded_in_time_and_size(muster, folder):
    m = muster({**once('case $MUSTER_TASK_METHOD in big) yes;; long) head -c 2000 /dev/zero | tr "\\0" x;; '
                       f'*) trap "echo told >{folder}/told; exit" TERM; sleep 1000 & wait;; esac'),
                "limits": {"result": "1KiB", "document": "64KiB"}})
    task = m.run("Actor", "big")
    assert task["error"]["kind"] == "exception" and "more than" in task["error"]["message"]
    task = m.run("Actor", "long")
    assert task["error"]["kind"] == "exception" and "limits.result" in task["error"]["message"]
    task = m.wait_task(m.submit("Actor", "hang", timeout="2s"))
    assert task["error"]["kind"] == "timeout" and task["error"]["evidence"]["state"] == "waiting"
    assert (folder / "told").read_text() == "told\n"


def test_once_is_told_to_stop_by_sigterm(muster, folder):
    m = muster(once(f'trap "echo told >{folder}/told; exit 0" TERM; sleep 1000 & wait'))
    id_ = m.submit("Actor", "any")
    row = m.running(id_)
    until(lambda: [one for one in all_processes() if one.pgrp == row["pid"] and one.title == "sleep 1000"])
    m.delete(f"/v1/tasks/{id_}")
    assert m.wait_task(id_)["state"] == "cancelled" and (folder / "told").read_text() == "told\n"


def test_what_is_to_be_redacted_is_in_no_log(muster):
    m = muster(config(handler={"redact": ["/param/0/password", "/meta/key", "/param/7", "/nothing/like/this"]}, heartbeat_timeout="400ms"))
    for method in ("fail", "nothing", "hang", "spin"):
        id_ = m.submit("Actor", method, {"password": "secret-word", "user": "shown-word"}, meta={"key": "secret-word"})
        m.wait_task(id_)
        assert m.wait_log(id_, "shown-word"), m.log()
    assert "secret-word" not in m.log() and "[redacted]" in m.log()
    assert "secret-word" in str(m.run("Actor", "task", {"password": "secret-word"})["result"]), "the handler gets it all the same"


def test_max_memory_counts_its_program_too(muster):
    m = muster(config(max_memory="100MiB", queue={"max_crashes": 1}))
    first = m.worker(0)["pid"]
    for _ in range(20):
        m.run("Actor", "grow", 8)
    until(lambda: m.worker(0)["pid"] not in (None, first), what="between tasks it is recycled")
    assert m.worker(0)["last_exit"]["reason"] in ("recycled", "memory")  # the latter if it is looked at during a task
    task = m.run("Actor", "grow", 120, 60000)
    assert (task["state"], task["error"]["kind"]) == ("dead", "memory")


def test_what_it_leaves_behind_dead_is_reaped(muster):
    m = muster(config())
    assert m.run("Actor", "orphans", 20)["state"] == "succeeded"
    m.run("Actor", "exit", 1)  # the next child is started then
    assert m.run("Actor", "add", 1, 2)["result"] == 3
    until(lambda: len([one for one in all_processes() if one.ppid == m.worker(0)["pid"]]) <= 1, 10)


def test_it_runs_as_musterd_s_user(muster, folder):
    m = muster({**config(handler={"exec": for_everybody(folder)}), "user": "nobody"})
    found = m.run("Actor", "surroundings")["result"]
    assert found["uid"] == pwd.getpwnam("nobody").pw_uid
    assert found["cwd"] == str(m.base), "the configuration file's directory"


def test_another_user_needs_root(make):
    m = make({**config(handler={"user": "daemon"}), "user": "nobody"}, args=["--check"])
    m.spawn()
    assert m.exit_code() == 78 and "root" in m.log()


def test_a_reload_gives_its_program_new_settings(muster):
    m = muster(config(handler={"env": {"ROUND": "1"}}))
    assert m.run("Actor", "surroundings")["result"]["environment"]["ROUND"] == "1"
    old = m.worker(0)["pid"]
    m.config["handlers"][0]["env"]["ROUND"] = "2"
    m.write_config()
    assert m.post("/v1/reload").status == 202
    until(lambda: m.worker(0)["pid"] not in (None, old))
    assert m.run("Actor", "surroundings")["result"]["environment"]["ROUND"] == "2"
    assert m.worker(0)["last_exit"]["reason"] == "order"


def test_sigkill_of_musterd_takes_its_programs_along(muster, folder):
    m = muster(config(heartbeat_timeout="30s"))
    m.submit("Actor", "spin", str(folder / "pid"))
    pid = int(until(lambda: (folder / "pid").exists() and (folder / "pid").read_text()))
    family = until(lambda: family_of(pid), what="the child has two children")
    m.kill()
    until(lambda: not any(alive(one) for one in [pid, *(one.pid for one in family)]), 10, "all of them are gone")
