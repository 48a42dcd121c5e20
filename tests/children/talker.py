#!/usr/bin/python3
"""A child that speaks the exec protocol, and talks: {"log": …} and standard error, in steps that a test waits for."""

import json
import os
import signal
import sys
import time


def say(**message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def wait_for(path):
    while not os.path.exists(path):
        say(beat=True)
        time.sleep(0.02)


for line in sys.stdin:
    task = json.loads(line)
    for step, argument in task["param"]:
        if step == "log":
            say(log=argument)
        elif step == "stderr":
            sys.stderr.write(argument + "\n")
            sys.stderr.flush()
        elif step == "wait":
            wait_for(argument)
        elif step == "many":
            for number in range(argument):
                say(log=f"line {number:06d}")
        elif step == "kill":
            time.sleep(0.05)
            os.kill(os.getppid() if argument == "worker" else os.getpid(), signal.SIGKILL)
        elif step == "stuck":
            time.sleep(3600)
    say(ok=None)
