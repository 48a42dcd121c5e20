#!/usr/bin/python3
"""A child that speaks the exec protocol by hand, and misbehaves on demand: no adapter, so that the protocol itself is
tested. Each method is a function of the task's document and its parameters; what it returns is the result."""

import json
import os
import resource
import signal
import subprocess
import sys
import time


def say(**message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def write(text):
    os.write(1, text.encode())


class Told(Exception):
    """What the task comes to, by another word than ok."""


def told(**message):
    error = Told()
    error.message = message
    raise error


def exiting(path):
    """At SIGTERM: leaves a line in the file, and ends."""
    def leave(number, frame):
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"exiting {os.getpid()}\n")
        sys.exit(0)
    signal.signal(signal.SIGTERM, leave)


def count_to(task, path, top):
    """Goes on where it was; dies at each third step."""
    at = (task["saved"] or {"at": 0})["at"]
    while at < top:
        at += 1
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"{at}\n")
        say(save={"at": at})
        if at % 3 == 0:
            time.sleep(0.05)  # the line is read before the pipe is closed with the child, whichever comes first
            os.kill(os.getpid(), signal.SIGKILL)
    return at


def save_and_wait(task, state):
    """The first execution never ends."""
    if task["saved"] is None:
        say(save=state)
        say(progress=50)
        time.sleep(1000)
    return task["saved"]


def beats(ms, every):
    until = time.monotonic() + ms / 1000
    while time.monotonic() < until:
        say(beat=True)
        time.sleep(every / 1000)


def beat_for(silence, ms):
    say(**{"beat": True, "for": silence})
    time.sleep(ms / 1000)


def steps():
    say(progress=40, note="almost half")
    say(log="a line\nof two")
    print("to stderr", file=sys.stderr, flush=True)
    time.sleep(60)


def in_pieces():
    text = json.dumps({"ok": "whole"}) + "\n"
    for i in range(0, len(text), 5):
        write(text[i:i + 5])
        time.sleep(0.01)


def flood(what, count):
    for _ in range(count):
        (sys.stderr if what == "stderr" else sys.stdout).write(
            {"stderr": "x" * 200 + "\n", "log": '{"log":"' + "x" * 200 + '"}\n', "endless": "x" * 4096}[what])
    sys.stderr.flush()
    sys.stdout.flush()


def close_output():
    os.close(1)
    time.sleep(60)


def close_input():
    """From the next task on."""
    say(ok="deaf")
    os.close(0)
    time.sleep(60)


def stubborn(path):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    subprocess.Popen(["sleep", "1000"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    subprocess.Popen(["setsid", "sleep", "1000"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    with open(path, "w", encoding="utf-8") as file:
        file.write(str(os.getpid()))
    while True:
        pass


def surroundings():
    return {"environment": dict(os.environ), "cwd": os.getcwd(), "umask": os.umask(0), "nice": os.nice(0),
            "uid": os.getuid(), "nofile": resource.getrlimit(resource.RLIMIT_NOFILE),
            "core": resource.getrlimit(resource.RLIMIT_CORE), "descriptors": sorted(int(fd) for fd in os.listdir("/proc/self/fd")),
            "group": os.getpgrp(), "parent": os.getppid(), "argv": sys.argv[1:]}


HOARD = []


def grow(mib):
    HOARD.append(b"x" * (mib << 20))


def burn(ms, mib):
    """So much CPU time, with so much memory in use meanwhile and given back then."""
    held = b"x" * (mib << 20)
    until = time.process_time() + ms / 1000
    while time.process_time() < until:
        pass
    del held


METHODS = {
    "noop": lambda task: None,
    "add": lambda task, a, b: a + b,
    "echo": lambda task, *values: list(values),
    "task": lambda task, *_: task,
    "pid": lambda task: os.getpid(),
    "surroundings": lambda task: surroundings(),
    "fail": lambda task, why: told(fail=why),
    "retry": lambda task, why, delay=None: told(retry=why, **({"delay": delay} if delay else {})),
    "unknown": lambda task, what: told(unknown=what),
    "sleep": lambda task, ms: time.sleep(ms / 1000),
    "beats": lambda task, ms, every: beats(ms, every),
    "beat_for": lambda task, silence, ms: beat_for(silence, ms),
    "steps": lambda task: steps(),
    "crash": lambda task, number: os.kill(os.getpid(), number),
    "exit": lambda task, code: os._exit(code),
    "hang": lambda task, path: (exiting(path), time.sleep(1000)),
    "spin": lambda task, path: stubborn(path),
    "write": lambda task, text: write(text) or time.sleep(60),
    "write_then_answer": lambda task, text: write(text),
    "in_pieces": lambda task: in_pieces() or told(),
    "answer_and_end": lambda task: (say(ok="last words"), os._exit(0)),
    "answer_twice": lambda task: write('{"ok": 1}\n{"ok": 2}\n') or told(),
    "late": lambda task: (say(id="another", ok="late"), "in time")[1],
    "flood": lambda task, what, count: flood(what, count),
    "grow": lambda task, mib, ms=0: grow(mib) or time.sleep(ms / 1000),
    "burn": lambda task, ms, mib: burn(ms, mib),
    "burn_and_die": lambda task, ms, mib: (burn(ms, mib), os.kill(os.getpid(), signal.SIGKILL)),
    "burn_in_a_child": lambda task, ms: subprocess.run([sys.executable, "-c", f"import time\nwhile time.process_time() < {ms / 1000}: pass"],
                                                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True) and None,
    "orphans": lambda task, count: [subprocess.run(["sh", "-c", "true & exit"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
                                    for _ in range(count)] and None,
    "close_output": lambda task: close_output(),
    "close_input": lambda task: close_input(),
    "push": lambda task, document: say(push=document),
    "save": lambda task, size: say(save="x" * size),
    "save_and_wait": save_and_wait,
    "count_to": count_to,
    "big": lambda task, size: "x" * size,
    "length": lambda task, text: len(text),
}


def main():
    for line in sys.stdin:
        task = json.loads(line)
        try:
            method = METHODS.get(task["method"]) or (lambda task, *_: told(unknown="method"))
            param = task.get("param", [])
            result = method(task, **param) if isinstance(param, dict) else method(task, *param)
            say(id=task["id"], ok=result)
        except Told as error:
            if error.message:
                say(**error.message)
        except Exception as error:  # noqa: BLE001: whatever it is, it is the task's end
            say(fail=f"{type(error).__name__}: {error}")


main()
