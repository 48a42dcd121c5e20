"""What a power cut may take is decided by an order, seen from outside: with `durability: power` what was submitted is written,
synced, and only then answered."""

import re
import shutil
import signal
import subprocess

import pytest

from harness import until

pytestmark = pytest.mark.skipif(
    not shutil.which("strace") or subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True).returncode != 0,
    reason="strace is not installed, or ptrace is not allowed here")

CALLS = "write,writev,pwrite64,sendto,sendmsg,fsync,fdatasync"
LINE = re.compile(r"^\d+ +(\w+)\((\d+)<([^>]*(?:->[^>]*)?)>(.*)$")


class Trace:
    """What the broker and the api wrote, synced and sent, in the order in which it happened."""

    def __init__(self, m, folder):
        self.path = folder / "trace"
        self.pids = [m.role(role).pid for role in ("broker", "api")]
        self.process = subprocess.Popen(
            ["strace", "-f", "-y", "-s", "400", "-e", f"trace={CALLS}", "-e", "signal=none", "-o", str(self.path),
             *(word for pid in self.pids for word in ("-p", str(pid)))], stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        attached = [self.process.stderr.readline() for _ in self.pids]
        assert all("attached" in line for line in attached), attached
        return self

    def __exit__(self, *problem):
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=20)

    def events(self):
        """(kind, text): append, sync, reply (of the broker) or answer (of the api)."""
        found = []
        for line in self.path.read_text(errors="replace").splitlines():
            match = LINE.match(line)
            if not match:
                continue
            call, _, target, rest = match.groups()
            if ".aof" in target:
                found.append(("sync" if "sync" in call else "append", rest))
            elif line.startswith(f"{self.pids[0]} ") and ("UNIX" in target or "socket" in target):
                found.append(("reply", rest))
            elif "HTTP/1.1" in rest:
                found.append(("answer", rest))
        return found


def submissions(m, folder):
    ids = [f"cut-{n}" for n in range(5)]
    with Trace(m, folder) as trace:
        for id_ in ids:
            assert m.post("/v1/tasks", {"class": "Demo", "method": "noop", "id": id_, "delay": "1h"}).status == 201
        # The last one's answer was seen by us; its line may still be on its way into the file.
        until(lambda: [kind for kind, text in trace.events() if ids[-1] in text or kind == "answer"].count("answer") >= 5)
    return ids, trace.events()


def test_with_durability_power_each_answer_follows_write_and_sync(muster, folder):
    m = muster({"durability": "power"})
    ids, events = submissions(m, folder)
    dirty = False
    for kind, text in events:
        assert not (dirty and kind in ("reply", "answer")), f"answered before it was synced: {text[:200]}"
        dirty = (dirty or kind == "append") and kind != "sync"
    for id_ in ids:
        kinds = [kind for kind, text in events[next(n for n, event in enumerate(events) if id_ in event[1]):]]
        order = [kinds.index(kind) for kind in ("append", "sync", "reply", "answer")]
        assert order == sorted(order) and order[0] == 0, (id_, kinds[:10])


def test_with_durability_process_the_answer_does_not_wait_for_the_disk(muster, folder):
    """Which is what the other test would see if nothing were synced."""
    m = muster({"durability": "process"})
    ids, events = submissions(m, folder)
    kinds = [kind for kind, _ in events]
    assert kinds.count("append") >= len(ids) and "sync" not in kinds and kinds.count("answer") >= len(ids)
