#!/usr/bin/python3
"""Lets a musterd that was built with ThreadSanitizer do, for some seconds, all that its two-threaded processes do at once:
batches whose slow tasks make the second thread give the rest back, tasks that hang and are aborted, cancellations,
restarts, log files opened anew, reloads. Each report of the sanitizer is a failure.

usage: threads.py --build DIR [--seconds N]      (tests/robust/run makes the build)"""
import argparse
import contextlib
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]


def documents(dice, count):
    """Mostly nothing, so that batches are large; some are slow enough that what waits behind them is given back."""
    kinds = [("noop", [])] * 40 + [("sleep", [30]), ("sleep", [80]), ("work", [40]), ("retry", ["again"]), ("fail", ["no"])]
    if dice.random() < 0.3:
        kinds += [("hang", []), ("crash", [9])]
    for _ in range(count):
        method, param = dice.choice(kinds)
        yield {"class": "Demo", "method": method, "param": param, "retry": 2}


def disturb(muster, dice):
    """One thing that a second thread or another process does meanwhile."""
    workers = muster.workers()
    what = dice.randrange(6)
    if what == 0:
        muster.process.send_signal(signal.SIGUSR1)  # open the log anew
    elif what == 1:
        muster.process.send_signal(signal.SIGHUP)
    elif what == 2:
        muster.post(f"/v1/workers/default/{dice.randrange(len(workers))}/restart")
    elif what == 3:
        for row in workers:
            if row["task"]:
                muster.delete(f"/v1/tasks/{row['task']['id']}")
    else:
        muster.get(dice.choice(("/metrics", "/readyz", "/v1/queues")))


def load(muster, seconds, dice):
    until, sent = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        sent += len(muster.submit_many(list(documents(dice, 200))))
        disturb(muster, dice)
        while muster.queue()["pending"] > 500 and time.monotonic() < until:
            time.sleep(0.02)
    return sent


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    arguments = parser.parse_args()
    os.environ.update(MUSTERD=str(arguments.build / "musterd"), MUSTER_TEST_MODULES=str(arguments.build / "tests" / "modules"))
    os.environ.setdefault("MUSTER_TEST_SLOW", "4")
    sys.path.insert(0, str(TOP / "tests" / "system"))
    import harness

    folder = pathlib.Path(tempfile.mkdtemp(prefix="muster-threads-"))
    folder.chmod(0o777)
    sanitizer = f"log_path={folder}/report exitcode=0 second_deadlock_stack=1 history_size=4"
    pool = {"name": "default", "workers": 2, "queues": {"default": 1}, "heartbeat_timeout": "300ms"}
    muster = harness.Muster({"pools": [pool], "log": {"file": str(folder / "log")}}, env={"TSAN_OPTIONS": sanitizer})
    sent = 0
    try:
        muster.start()
        sent = load(muster, arguments.seconds, random.Random(arguments.seed))
    finally:
        try:
            muster.finish()
        finally:
            reports = [path.read_text(errors="replace") for path in sorted(folder.glob("report.*"))]
            log = (folder / "log").read_text(errors="replace") if (folder / "log").exists() else ""
            with contextlib.suppress(OSError):
                shutil.rmtree(folder)
    aborts = log.count("aborted") + log.count("timeout")
    for report in reports[:5]:
        print(report[:6000])
    print(f"seed {arguments.seed}: {sent} tasks, {len(reports)} processes with reports, {aborts} aborts in the log")
    return 1 if reports else 0


sys.exit(main())
