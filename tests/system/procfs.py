"""Processes as /proc shows them, and pidfds."""

import contextlib
import os
import select
import signal
from pathlib import Path


class Process:
    """One line of /proc, as it was seen."""

    def __init__(self, pid):
        self.pid = pid
        with open(f"/proc/{pid}/stat", "rb") as stat:
            text = stat.read().decode(errors="replace")
        self.name = text[text.index("(") + 1:text.rindex(")")]
        fields = text[text.rindex(")") + 2:].split()
        self.state = fields[0]
        self.ppid, self.pgrp, self.session = int(fields[1]), int(fields[2]), int(fields[3])
        self.started = int(fields[19])
        with open(f"/proc/{pid}/cmdline", "rb") as cmdline:
            self.title = cmdline.read().rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")

    def __repr__(self):
        return f"<{self.pid} {self.title or self.name} {self.state}>"


def all_processes():
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                found.append(Process(int(entry)))
    return found


def process(pid):
    """The process, or None when it is gone (a zombie is gone)."""
    try:
        found = Process(pid)
    except (OSError, ValueError, IndexError):
        return None
    return None if found.state in "ZX" else found


def alive(pid):
    return process(pid) is not None


def descriptors(pid):
    """{number: what it is} of a process."""
    found = {}
    for entry in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            found[int(entry)] = os.readlink(f"/proc/{pid}/fd/{entry}")
    return found


def status_of(pid):
    """/proc/PID/status as a dict."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


class PidFd:
    """A process that cannot be mistaken for another one that got its number."""

    def __init__(self, pid):
        self.pid = pid
        self.fd = os.pidfd_open(pid)

    def send(self, sig):
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.fd, sig)

    def ended(self, timeout=0.0):
        return bool(select.select([self.fd], [], [], timeout)[0])

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
