"""The worker's side of the exec protocol, over a child's pipes: what an adapter is tested against."""

import contextlib
import json
import os
import select
import signal
import subprocess
import time

SLOW = float(os.environ.get("MUSTER_TEST_SLOW", "1"))
PATIENCE = 10.0 * SLOW
NOTICES = ("beat", "save", "progress", "log", "push")
ANSWERS = ("ok", "retry", "fail", "unknown")


class Fault(AssertionError):
    """What the child did against the protocol."""


class End:
    """How one task ended: the answer, and all that was said before it."""

    def __init__(self, answer, notices):
        self.answer, self.notices = answer, notices

    def said(self, kind):
        return [notice[kind] for notice in self.notices if kind in notice]

    @property
    def log(self):
        return "\n".join(self.said("log"))

    def __repr__(self):
        return f"<{self.answer} after {self.notices}>"


class Child:
    """A persistent handler: started once, given documents, asked for its lines."""

    def __init__(self, command, cwd=None, env=None):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd,
                                        env={**os.environ, **(env or {})}, start_new_session=True)
        self.rest, self.errors, self.count = b"", b"", 0
        for pipe in (self.process.stdout, self.process.stderr):
            os.set_blocking(pipe.fileno(), False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()

    # -- to the child --

    def document(self, class_, method, param=None, **members):
        """A document as a worker writes it: the task's own bytes, then what Muster adds."""
        self.count += 1
        task = {"class": class_, "method": method}
        if param is not None:
            task["param"] = param
        own = members.pop("raw", None) or json.dumps(task)
        added = {"id": f"kit-{self.count}", "queue": "default", "attempt": 1, "deadline_ms": 10000,
                 "traceparent": None, "saved": None, **members}
        return added["id"], own.rstrip()[:-1].encode() + b"," + json.dumps(added)[1:].encode() + b"\n"

    def write(self, line):
        """All of it, reading what comes meanwhile: a child may answer before it has read everything."""
        descriptor, deadline = self.process.stdin.fileno(), time.monotonic() + PATIENCE
        os.set_blocking(descriptor, False)
        while line:
            _, writable, _ = select.select([], [descriptor], [], max(0, deadline - time.monotonic()))
            if not writable:
                raise Fault("does not read its input")
            line = line[os.write(descriptor, line):]

    def submit(self, class_, method, param=None, **members):
        id_, line = self.document(class_, method, param, **members)
        self.write(line)
        return id_

    def close_input(self):
        self.process.stdin.close()

    def terminate(self):
        os.kill(self.process.pid, signal.SIGTERM)

    # -- from the child --

    def pump(self, deadline):
        """One helping of what the child has written. False: there will be no more."""
        pipes = {pipe.fileno(): pipe for pipe in (self.process.stdout, self.process.stderr)}
        readable, _, _ = select.select(list(pipes), [], [], max(0, deadline - time.monotonic()))
        if not readable:
            raise Fault(f"says nothing for {PATIENCE:g} s; so far: {self.rest[:300]!r}, standard error: {self.errors[-1000:]!r}")
        more = True
        for descriptor in readable:
            data = os.read(descriptor, 1 << 20)
            if descriptor == self.process.stdout.fileno():
                self.rest += data
                more = bool(data)
            elif data:
                self.errors += data
            elif self.process.stdout.fileno() not in readable:
                time.sleep(0.001)  # standard error is closed, standard output is not
        return more

    def line(self, patience=PATIENCE):
        """The next message, checked; None at the end of the output."""
        deadline = time.monotonic() + patience
        while b"\n" not in self.rest:
            if not self.pump(deadline):
                if self.rest:
                    raise Fault(f"ended in the middle of a line: {self.rest[:300]!r}")
                return None
        text, _, self.rest = self.rest.partition(b"\n")
        try:
            message = json.loads(text)
        except ValueError as problem:
            raise Fault(f"no JSON ({problem}): {text[:300]!r}") from None
        if not isinstance(message, dict) or sum(kind in message for kind in NOTICES + ANSWERS) != 1:
            raise Fault(f"none of the protocol's messages: {text[:300]!r}")
        return message

    def message(self):
        """The next message; a Fault when there is none."""
        message = self.line()
        if message is None:
            raise Fault(f"ended without an answer; standard error: {self.errors[-1000:].decode(errors='replace')}")
        return message

    def end(self, id_=None):
        """Reads on to a task's answer."""
        notices = []
        while True:
            message = self.message()
            if id_ is not None and message.get("id", id_) != id_:
                raise Fault(f"speaks of {message['id']}, but it was given {id_}")
            if any(kind in message for kind in ANSWERS):
                return End(message, notices)
            notices.append(message)

    def run(self, class_, method, param=None, **members):
        """Gives it a task and returns its End."""
        return self.end(self.submit(class_, method, param, **members))

    def ok(self, class_, method, param=None, **members):
        """Gives it a task that must succeed and returns the result."""
        end = self.run(class_, method, param, **members)
        if "ok" not in end.answer:
            raise Fault(f"{class_}.{method} was to succeed: {end}")
        return end.answer["ok"]

    def leaves(self, patience=PATIENCE):
        """Waits for its end; returns the exit status and the messages before it."""
        messages = []
        while (message := self.line(patience)) is not None:
            messages.append(message)
        try:
            status = self.process.wait(patience)
        except subprocess.TimeoutExpired:
            raise Fault("closed its output but did not end") from None
        with contextlib.suppress(OSError):
            while data := os.read(self.process.stderr.fileno(), 1 << 16):
                self.errors += data
        return status, messages
