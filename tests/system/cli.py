"""The command line client as people and scripts run it."""

import contextlib
import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import termios
import time
from pathlib import Path

from harness import MUSTERD, REPO
from waiting import SLOW

BUILD = Path(os.environ.get("MUSTERD") or REPO / "build" / "musterd").resolve().parent
MUSTER = BUILD / "muster"
assert MUSTERD


class Ran:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return f"<exit {self.code} out {self.out[-600:]!r} err {self.err[-600:]!r}>"


class Client:
    """`muster` against one server, in a home of its own."""

    def __init__(self, url, home, **environment):
        self.environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": str(home), "LANG": "C.UTF-8",
                            "TERM": "xterm-256color", "MUSTER_URL": url, **environment}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                self.environment[name] = os.environ[name]

    def start(self, *args, **options):
        return subprocess.Popen([str(MUSTER), *map(str, args)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, env=self.environment, **options)

    def __call__(self, *args, stdin=b"", timeout=20.0, **environment):
        env = {name: value for name, value in {**self.environment, **environment}.items() if value is not None}
        done = subprocess.run([str(MUSTER), *map(str, args)], input=stdin, capture_output=True, env=env,
                              timeout=timeout * SLOW)
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    def on_terminal(self, *args, columns=80, keys=b"", timeout=20.0, stdin=None, **environment):
        """Runs it on a terminal of that width, and types keys once it has said something."""
        parent, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = subprocess.Popen([str(MUSTER), *map(str, args)], stdin=stdin or child, stdout=child, stderr=child,
                                   env={**self.environment, **environment}, start_new_session=True)
        os.close(child)
        seen, deadline = b"", time.monotonic() + timeout * SLOW
        try:
            with contextlib.suppress(OSError):
                while time.monotonic() < deadline:
                    if select.select([parent], [], [], 0.1)[0]:
                        got = os.read(parent, 65536)
                        if not got:
                            break
                        seen += got
                        if keys and seen.endswith(b"[y/N] "):
                            os.write(parent, keys)
                            keys = b""
            return Ran(process.wait(timeout * SLOW), seen.decode(), "")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            os.close(parent)
