#!/usr/bin/python3
"""A service that speaks the exec protocol by hand. argv: a file for notes, then what it does."""

import json
import os
import signal
import sys
import time


def say(**message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def note(word):
    with open(sys.argv[1], "a", encoding="utf-8") as file:
        file.write(f"{word} {os.getpid()}\n")


def leave(number, frame):
    note("exiting")
    sys.exit(0)


def main(what):
    note("start")
    signal.signal(signal.SIGTERM, signal.SIG_IGN if what == "stubborn" else leave)
    if what == "push":
        say(push={"class": "Demo", "method": "add", "param": [1, 2], "id": "from-the-feeder"})
        say(log="pushed it")
        print("and this is stderr", file=sys.stderr, flush=True)
    if what == "exit":
        sys.exit(3)
    if what == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "nonsense":
        print("nonsense", flush=True)
    if what == "for":
        say(**{"beat": True, "for": "30s"})
        time.sleep(1000)
    while what != "silent":
        say(beat=True)
        time.sleep(0.05)
    time.sleep(1000)


main(sys.argv[2])
