"""`musterd --run CLASS METHOD [JSON…]`: one task in the foreground, by the configured handler, without a daemon."""

import json
import signal
import subprocess

import pytest

from harness import MUSTERD, REPO, alive, module, run_musterd, until

ACTOR = ["/usr/bin/python3", str(REPO / "tests" / "children" / "actor.py")]


def config(folder, **handler):
    return {"user": "root", "state_dir": str(folder / "state"),
            "handlers": [{"class": "Demo", "module": "demo.so"}, {"class": "Probe", "module": module("probe")},
                         {"class": "Actor", "exec": ACTOR, **handler}]}


def run(folder, *args, **handler):
    return run_musterd("--run", *args, config=config(folder, **handler))


def test_a_module_s_method(folder):
    done = run(folder, "Demo", "add", "40", "2")
    assert (done.code, done.out, done.err) == (0, "42\n", "")
    assert not (folder / "state").exists(), "no daemon, no state"
    assert json.loads(run(folder, "Demo", "echo", '{"a": [1.5, null]}', '"é"').out) == [{"a": [1.5, None]}, "é"]
    assert run(folder, "Demo", "noop").out == "null\n"


def test_what_begins_with_a_dash_stands_behind_two(folder):
    (folder / "muster.yaml").write_text(json.dumps(config(folder)))
    assert run_musterd("-c", str(folder / "muster.yaml"), "--run", "Demo", "--", "add", "-40", "-2").out == "-42\n"


def test_without_a_configuration_the_bundled_classes_run(folder):
    done = run_musterd("--run", "Demo", "add", "1", "2", env={"MUSTER_STATE_DIR": str(folder / "s"), "MUSTER_USER": "root"})
    assert (done.code, done.out) == (0, "3\n"), done


def test_a_program_s_method(folder):
    done = run(folder, "Actor", "add", "40", "2")
    assert (done.code, done.out) == (0, "42\n"), done
    task = json.loads(run(folder, "Actor", "task").out)
    assert task["attempt"] == 1 and task["queue"] == "default" and task["saved"] is None and task["id"]


def test_a_program_that_runs_once(folder):
    done = run(folder, "Actor", "any", mode="once", exec=["sh", "-c", "cat >/dev/null; echo $MUSTER_TASK_METHOD; echo words >&2"])
    assert (done.code, done.out) == (0, '"any"\n') and "words" in done.err, done


@pytest.mark.parametrize("args, kind", [
    (["Demo", "fail", '"why not"'], "exception: why not"), (["Demo", "retry", '"later"'], "retry: later"),
    (["Demo", "nothing"], "unknown_method"), (["Nobody", "x"], "unknown_class"), (["Actor", "fail", '"why not"'], "exception: why not"),
    (["Actor", "crash", "9"], "crash: the handler's program ended by signal 9"), (["Actor", "unknown", '"method"'], "unknown_method"),
    (["Demo", "crash", "11"], "crash: it ended by signal 11"), (["Demo", "crash", "9"], "crash: it ended by signal 9")])
def test_what_failed_is_told_and_exits_with_1(folder, args, kind):
    done = run(folder, *args)
    assert done.code == 1 and done.out == "" and kind in done.err, done


@pytest.mark.parametrize("args", [["Demo"], ["Demo", "add", "{"], ["Demo", "add", "hello"], ["a b", "add"], ["Demo", "a b"]])
def test_what_is_no_task_is_64(folder, args):
    done = run(folder, *args)
    assert done.code == 64 and done.err and not done.out, done


def test_a_wrong_configuration_is_78(folder):
    assert run_musterd("--run", "Demo", "noop", config={"nonsense": 1}).code == 78


def test_what_it_says_while_it_runs_goes_to_stderr(folder):
    done = run(folder, "Actor", "push", '{"class": "Demo", "method": "noop"}')
    assert done.code == 0 and 'would push: {"class":"Demo"' in done.err, done
    done = run(folder, "Actor", "push", '{"class": "Demo"}')
    assert done.code == 1 and "refused" in done.err, done
    done = run(folder, "Actor", "save", "3")
    assert done.code == 0 and 'saved: "xxx"' in done.err, done


def test_an_interrupt_ends_its_program_too(folder):
    path = folder / "pid"
    script = f"echo $$ >{path}; exec sleep 1000"
    (folder / "muster.yaml").write_text(json.dumps(config(folder, mode="once", exec=["sh", "-c", script])))
    running = subprocess.Popen([MUSTERD, "-c", folder / "muster.yaml", "--run", "Actor", "any"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    child = int(until(lambda: path.exists() and path.read_text()))
    running.send_signal(signal.SIGINT)  # to musterd alone: a terminal would tell both
    assert running.wait(10) == -signal.SIGINT
    until(lambda: not alive(child), 5, "its program is gone")
