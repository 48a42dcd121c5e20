"""Waiting is always for a condition. MUSTER_TEST_SLOW (a factor, default 1) stretches every deadline and bound."""

import os
import time

SLOW = float(os.environ.get("MUSTER_TEST_SLOW", "1"))


def until(condition, timeout=10.0, what=None):
    """Polls until condition() is true and returns its value. AssertionError after timeout seconds (times SLOW)."""
    deadline = time.monotonic() + timeout * SLOW
    pause = 0.0005
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout * SLOW:g} s: {what or condition!r} (last: {value!r})")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.02)


def stays(condition, seconds, what=None):
    """Asserts that condition() holds at every look for that long: for promises that something does *not* happen."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition(), f"did not stay so for {seconds} s: {what or condition!r}"
        time.sleep(0.01)


def bound(seconds):
    """An upper bound for a measured time, on the machine at hand."""
    return seconds * SLOW
