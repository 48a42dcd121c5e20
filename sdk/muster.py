#!/usr/bin/env python3
"""muster.py: runs Python functions and classes for Muster, and submits tasks. One file, nothing else is needed; Python 3.9 or later.

As a handler, it loads a file and runs what that declares:

    import muster

    @muster.task("Mailer")                       # class Mailer, method send
    def send(to, subject="none"):
        return f"{subject} to {to}"

    @muster.task                                 # class Report: its public methods, each on a new object
    class Report:
        async def build(self, year):             # asyncio methods may run several at a time (`concurrency`)
            muster.progress(50, "half")
            return year

    handlers:
      - {class: Mailer, exec: [python3, /usr/share/muster/sdk/muster.py, tasks.py]}

Where the file has no such decorators its public classes are run; names after the file limit what may be called. A list in
`param` is positional, an object is keyword arguments. What is returned is the result, and must be JSON. `Retry` asks for another
execution; any other exception fails the task, with its traceback in the task's log, where all that is printed goes too.

A task that is stuck or cancelled is told by SIGTERM: its stack is logged, the object's method `exiting` is called, then `Stopped` is
raised where a plain method is (an asyncio method is cancelled), and the process ends. With a `concurrency` above 1 a cancelled one
alone is told, and the process lives on.

To submit tasks from anywhere (with this file beside yours, or its folder in PYTHONPATH):

    client = muster.Client("http://127.0.0.1:7077")
    id = client.push("Mailer", "send", "you@example.org", retry=3)
    print(client.wait(id)["result"])
"""
from __future__ import annotations

import asyncio
import contextvars
import faulthandler
import http.client
import importlib.util
import inspect
import io
import json
import os
import signal
import socket
import sys
import threading
import time
import traceback
import urllib.parse
import uuid
from typing import Any, Callable, Iterable, Optional

__all__ = ["task", "run", "beat", "progress", "log", "push", "save", "saved", "current", "Task", "Retry", "Stopped", "Client", "Refused"]


class Retry(Exception):
    """Run this task again, while executions remain; after `delay` ("5s"), else as its queue says."""

    def __init__(self, message: str = "", delay: Optional[str] = None):
        super().__init__(message)
        self.delay = delay


class Stopped(BaseException):
    """Raised in a task that was told to stop. Whoever catches it should clean up: the process ends either way."""


class Task:
    """The task in hand."""

    def __init__(self, document: dict):
        self.document = document  # as it was submitted, and the members below
        self.id: Optional[str] = document.get("id")
        self.queue: Optional[str] = document.get("queue")
        self.attempt: int = document.get("attempt") or 1  # which execution this is
        self.deadline_ms: Optional[int] = document.get("deadline_ms")  # time to beat or to end, from the start
        self.saved: Any = document.get("saved")
        self.printed = ""  # of a line that has not ended yet
        self.told = False  # to stop, alone
        self.exiting: Optional[Callable[[], Any]] = None


_current: contextvars.ContextVar[Optional[Task]] = contextvars.ContextVar("muster_task", default=None)
_channel: Optional["_Channel"] = None


# ---- what a task may say; outside of one (in a unit test, say) nothing happens ----

def beat(for_: Optional[str] = None) -> None:
    """A sign of life. `for_`: how long the next silence may last ("10m"), else the pool's heartbeat_timeout."""
    _say({"beat": True} if for_ is None else {"beat": True, "for": for_})


def progress(percent: float, note: Optional[str] = None) -> None:
    """How far the task has come: 0 to 100, and a note."""
    _say({"progress": percent} if note is None else {"progress": percent, "note": note})


def log(text: object) -> None:
    """Lines for the task's log; print() does the same."""
    for line in str(text).rstrip("\n").split("\n"):
        _say({"log": line})


def push(class_: str, method: str, *param: Any, **options: Any) -> None:
    """Submits another task. Options are members of the task document: retry, queue, delay … and `param`, for named arguments."""
    _say({"push": _document(class_, method, param, options)})


def save(state: dict) -> None:
    """Keeps up to 64 KiB for the task's next execution, so that a long job goes on where it was."""
    _say({"save": state})


def saved() -> Any:
    """What the execution before this one saved, or None."""
    in_hand = _current.get()
    return in_hand.saved if in_hand else None


def current() -> Optional[Task]:
    """The task in hand; None outside of one."""
    return _current.get()


def _say(message: dict) -> None:
    in_hand = _current.get()
    if _channel and in_hand:
        _channel.send(message, in_hand)


def _document(class_: str, method: str, param: Iterable[Any], options: dict) -> dict:
    return {"class": class_, "method": method, "param": list(param), **options}


# ---- what there is to run ----

_declared: dict[str, Any] = {}  # class name → a class, or {method name: function}


def task(name: Any = None, method: Optional[str] = None) -> Any:
    """Declares a function as a method of class `name` (`method`: its name there, if another), or a class under its name or another."""
    if isinstance(name, type):
        return task(name.__name__)(name)
    if not isinstance(name, str):
        raise TypeError('a function needs the name of its class: @muster.task("Mailer")')

    def declare(target: Any) -> Any:
        if isinstance(target, type):
            _declared[name] = target
        else:
            methods = _declared.setdefault(name, {})
            if not isinstance(methods, dict):
                raise TypeError(f"{name} is declared as a class already")
            methods[method or target.__name__] = target
        return target
    return declare


def _load(path: str) -> None:
    """Runs the user's file as a module of its own; without decorators its public classes are what it declares."""
    sys.modules.setdefault("muster", sys.modules[__name__])
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not os.path.isfile(path):
        sys.stderr.write(f"muster.py: {path} is no Python file that is there (from {os.getcwd()})\n")
        sys.exit(78)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    if not _declared:
        for key, value in vars(module).items():
            if isinstance(value, type) and value.__module__ == name and not key.startswith("_"):
                _declared[key] = value


def _find(class_: str, method: str, task_: Task) -> Optional[Callable]:
    """The callable, on a new object where it is a class's; None: there is no such method."""
    target = _declared[class_]
    if isinstance(target, dict):
        return target.get(method)
    if method.startswith("_"):
        return None
    found = inspect.getattr_static(target, method, None)
    if not (inspect.isfunction(found) or isinstance(found, (staticmethod, classmethod))):
        return None
    instance = target()
    task_.exiting = getattr(instance, "exiting", None)
    return getattr(instance, method)


# ---- the exec protocol: JSON documents, one a line, on what were standard input and output ----

class _Channel:
    """The two descriptors, moved out of the way: what is printed from now on goes to standard error, which is a log."""

    def __init__(self, told: Callable[[], None]):
        self.told = told
        self.input, self.output = os.dup(0), os.dup(1)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        os.dup2(2, 1)
        self.buffer = b""
        self.lock = threading.Lock()
        self.writing = self.told_meanwhile = False

    def line(self) -> Optional[bytes]:
        """Waits for the next line; None: there will be no more."""
        while (end := self.buffer.find(b"\n")) < 0:
            if not self.fill():
                return None
        line, self.buffer = self.buffer[:end], self.buffer[end + 1:]
        return line

    def lines(self) -> list[bytes]:
        """Those that are there."""
        *lines, self.buffer = self.buffer.split(b"\n")
        return lines

    def fill(self) -> bool:
        data = os.read(self.input, 1 << 16)
        if data and b"\n" not in data:  # a long line: its pieces are put together once
            pieces = [self.buffer, data]
            while data and b"\n" not in data:
                data = os.read(self.input, 1 << 20)
                pieces.append(data)
            self.buffer = b"".join(pieces)
        else:
            self.buffer += data
        return bool(data)

    def send(self, message: dict, task_: Task) -> None:
        if task_.id is not None:
            message["id"] = task_.id
        data = memoryview(json.dumps(message, allow_nan=False, separators=(",", ":")).encode() + b"\n")
        in_main_thread = threading.current_thread() is threading.main_thread()
        self.writing |= in_main_thread  # from here on a signal waits
        try:
            with self.lock:
                while data:
                    data = data[os.write(self.output, data):]
        except BrokenPipeError:
            os._exit(0)  # nobody reads any more
        if not in_main_thread:
            return
        self.writing = False
        if self.told_meanwhile:
            self.told_meanwhile = False
            self.told()

    def on_sigterm(self, *_: Any) -> None:
        if self.writing:
            self.told_meanwhile = True  # no line within another one
        else:
            self.told()


class _Print(io.TextIOBase):
    """sys.stdout: lines for the log of the task that prints them; what belongs to none goes to standard error."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.buffer = sys.stdout.buffer

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 1

    def write(self, text: str) -> int:
        in_hand = _current.get()
        if in_hand is None:
            sys.stderr.write(text)
            return len(text)
        *lines, in_hand.printed = (in_hand.printed + text).split("\n")
        for line in lines:
            _say({"log": line})
        return len(text)


class _Runner:
    """Takes lines, runs what they name, answers. Plain methods run in the main thread, outside of any event loop, one after the
    other; asyncio methods in one loop that lasts as long as the process. While one of these runs, others may join it."""

    def __init__(self) -> None:
        self.channel = _Channel(self.on_told)
        self.loop = asyncio.new_event_loop()
        self.running: dict[asyncio.Task, Task] = {}
        self.plain: Optional[Task] = None  # in the main thread, outside of the loop
        self.stopping = False

    def serve(self) -> None:
        signal.signal(signal.SIGTERM, self.channel.on_sigterm)
        while (line := self.channel.line()) is not None:
            self.run(line)

    def run(self, line: bytes) -> None:
        task_ = self.parse(line)
        if task_ is None:
            return
        token = _current.set(task_)
        try:
            method, refusal = self.prepare(task_)
            if method is None:
                self.answer(task_, refusal)
            elif inspect.iscoroutinefunction(method):
                self.loop.run_until_complete(self.run_loop(task_, method))
            else:
                self.run_plain(task_, method)
        except Stopped:
            pass  # what it was told is done
        finally:
            _current.reset(token)
        if self.stopping:
            self.leave()

    def parse(self, line: bytes) -> Optional[Task]:
        try:
            document = json.loads(line)
            if isinstance(document, dict) and "class" not in document and isinstance(document.get("cancel"), str):
                self.stop_one(document["cancel"])
                return None
            if not isinstance(document["class"], str) or not isinstance(document["method"], str):
                raise ValueError("class or method is no text")
            return Task(document)
        except (ValueError, KeyError, TypeError, RecursionError) as problem:
            self.channel.send({"fail": f"task format wrong: {problem}"}, Task({}))
            return None

    def prepare(self, task_: Task) -> tuple[Optional[Callable], dict]:
        """The method; or None, and the answer that says why. From here on SIGTERM shows where each thread is."""
        faulthandler.register(signal.SIGTERM, file=2, all_threads=True, chain=True)
        param = task_.document.get("param")
        if task_.document["class"] not in _declared:
            return None, {"unknown": "class"}
        try:
            method = _find(task_.document["class"], task_.document["method"], task_)
        except Exception as problem:  # the constructor's
            return None, self.failure(problem)
        if method is None:
            return None, {"unknown": "method"}
        if not isinstance(param, (list, dict, type(None))):
            return None, {"fail": "param is neither a list nor an object of arguments"}
        return method, {}

    def arguments(self, task_: Task) -> tuple[list, dict]:
        param = task_.document.get("param") or []
        return ([], param) if isinstance(param, dict) else (param, {})

    def answer(self, task_: Task, answer: dict) -> None:
        if self.stopping:
            return  # it was told to stop: whatever it has come to since is no end of the task
        self.end_line(task_)
        if not self.running:
            faulthandler.unregister(signal.SIGTERM)
        try:
            self.channel.send(answer, task_)
        except (TypeError, ValueError, RecursionError) as problem:
            self.channel.send({"fail": f"the result is no JSON: {problem}"}, task_)

    def end_line(self, task_: Task) -> None:
        if task_.printed:
            self.channel.send({"log": task_.printed}, task_)
            task_.printed = ""

    def failure(self, problem: BaseException) -> dict:
        if isinstance(problem, Retry):
            return {"retry": str(problem), **({"delay": problem.delay} if problem.delay else {})}
        if self.stopping:
            return {}  # it ends as it was told to
        in_hand = _current.get()
        if in_hand is not None and in_hand.told:
            return {"fail": "told to stop"}
        log("".join(traceback.format_exception(type(problem), problem, problem.__traceback__)))
        return {"fail": f"{type(problem).__name__}: {problem}"}

    # -- plain methods --

    def run_plain(self, task_: Task, method: Callable) -> None:
        positional, named = self.arguments(task_)
        self.plain = task_
        try:
            answer = {"ok": method(*positional, **named)}
        except Exception as problem:
            answer = self.failure(problem)
        finally:
            self.plain = None
        self.answer(task_, answer)

    # -- asyncio methods --

    async def run_loop(self, task_: Task, method: Callable) -> None:
        self.add(task_, method)
        self.take_lines()
        self.loop.add_reader(self.channel.input, self.on_readable)
        try:
            while self.running:
                await asyncio.wait(list(self.running), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.loop.remove_reader(self.channel.input)

    def on_readable(self) -> None:
        if not self.channel.fill():
            self.loop.remove_reader(self.channel.input)
        self.take_lines()

    def take_lines(self) -> None:
        for line in self.channel.lines():
            task_ = self.parse(line)
            if task_ is not None:
                contextvars.copy_context().run(self.join, task_)

    def join(self, task_: Task) -> None:
        _current.set(task_)
        method, refusal = self.prepare(task_)
        if method is None:
            self.answer(task_, refusal)
        else:
            self.add(task_, method)

    def add(self, task_: Task, method: Callable) -> None:
        """A plain method that joins asyncio ones runs in a thread: it must not hold them up."""
        running = self.loop.create_task(self.run_async(task_, method))
        self.running[running] = task_
        running.add_done_callback(lambda ended: self.running.pop(ended, None))

    async def run_async(self, task_: Task, method: Callable) -> None:
        positional, named = self.arguments(task_)
        try:
            if inspect.iscoroutinefunction(method):
                answer = {"ok": await method(*positional, **named)}
            else:
                answer = {"ok": await asyncio.to_thread(method, *positional, **named)}
        except (Exception, asyncio.CancelledError) as problem:
            answer = self.failure(problem)
        if (own := asyncio.current_task()) is not None:
            self.running.pop(own, None)  # what is answered is not in hand any more
        self.answer(task_, answer)

    # -- told to stop --

    def on_told(self) -> None:
        """In the main thread, wherever it is. (Every thread's stack is in the log by then: faulthandler's.)"""
        if self.plain is None and not self.running:
            self.leave()
        if self.stopping:
            return
        for running, task_ in list(self.running.items()):
            self.last_words(task_, _awaits(running.get_coro()))
        if self.plain is not None:
            self.last_words(self.plain, [])
        self.stopping = True
        if self.plain is not None:
            raise Stopped("told to stop")
        self.loop.call_soon_threadsafe(self.cancel)

    def stop_one(self, id_: str) -> None:
        """Of several. A plain method in a thread goes on, and nobody hears it any more."""
        for running, task_ in list(self.running.items()):
            if task_.id == id_:
                self.last_words(task_, _awaits(running.get_coro()))
                task_.told = True
                running.cancel()

    def cancel(self) -> None:
        for running in list(self.running):
            running.cancel()

    def last_words(self, task_: Task, stack: list[str]) -> None:
        token = _current.set(task_)
        try:
            for line in stack:
                log(line)
            if task_.exiting is not None:
                task_.exiting()
        except Exception as problem:
            log(f"exiting: {problem!r}")
        finally:
            self.end_line(task_)
            _current.reset(token)

    def leave(self) -> None:
        sys.stderr.flush()
        os._exit(0)  # threads may be anywhere


def _awaits(coroutine: Any) -> list[str]:
    """Where an asyncio method waits, the innermost call last."""
    lines = ["waits, most recent call last:"]
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None)
        if frame is not None:
            lines.append(f'  File "{frame.f_code.co_filename}", line {frame.f_lineno} in {frame.f_code.co_name}')
        coroutine = getattr(coroutine, "cr_await", None)
    return lines


def run(*classes: str) -> None:
    """Serves Muster until it has no more tasks: for a file that is started by itself and ends with `muster.run()`."""
    global _channel
    for name in set(_declared) - set(classes or _declared):
        del _declared[name]
    runner = _Runner()
    _channel = runner.channel
    sys.stdout = _Print()
    runner.serve()


# ---- submission ----

class Refused(Exception):
    """The server said no: `status`, and its problem document."""

    def __init__(self, status: int, problem: dict):
        details = "; ".join(f"{error.get('pointer')}: {error.get('detail')}" for error in problem.get("errors", []))
        super().__init__(f"{status} {details or problem.get('detail') or problem.get('title') or ''}".rstrip())
        self.status, self.problem = status, problem


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Client:
    """Submits tasks and waits for them. One a thread. A server that is away or busy is asked again for `timeout` seconds."""

    POLL_SECONDS = 10
    ENDED = ("succeeded", "dead", "cancelled")

    def __init__(self, url: Optional[str] = None, token: Optional[str] = None, timeout: float = 30):
        """`url`: also https://… and unix:/run/muster/api.sock; else $MUSTER_URL. `token`: else $MUSTER_TOKEN."""
        self.url = url or os.environ.get("MUSTER_URL") or "http://127.0.0.1:7077"
        self.token = token or os.environ.get("MUSTER_TOKEN")
        self.timeout = timeout
        self.connection: Optional[http.client.HTTPConnection] = None

    def push(self, class_: str, method: str, *param: Any, **options: Any) -> str:
        """Submits a task and returns its id. Options as for muster.push(). Safe to repeat: without an `id` it makes one up."""
        document = _document(class_, method, param, options)
        document.setdefault("id", uuid.uuid4().hex)
        return self.request("POST", "/v1/tasks", document)["id"]

    def push_many(self, documents: Iterable[dict]) -> list[str]:
        """Submits many tasks, all or none, and returns their ids."""
        return self.request("POST", "/v1/tasks", [{"id": uuid.uuid4().hex, **document} for document in documents])["ids"]

    def get(self, id: str) -> dict:
        """The task as it is now."""
        return self.request("GET", f"/v1/tasks/{urllib.parse.quote(id, safe='')}")

    def wait(self, id: str, timeout: Optional[float] = None) -> dict:
        """The task when it has ended. TimeoutError when it has not within `timeout` seconds (None: however long it takes)."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = self.POLL_SECONDS if deadline is None else min(self.POLL_SECONDS, max(0.0, deadline - time.monotonic()))
            found = self.request("GET", f"/v1/tasks/{urllib.parse.quote(id, safe='')}?wait={int(left * 1000)}ms")
            if found["state"] in self.ENDED:
                return found
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"task {id} is {found['state']} after {timeout:g} s")

    def cancel(self, id: str) -> dict:
        """Tells a task to stop; Refused (409) when it was over."""
        return self.request("DELETE", f"/v1/tasks/{urllib.parse.quote(id, safe='')}")

    def close(self) -> None:
        if self.connection:
            self.connection.close()
            self.connection = None

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """One call of the API, JSON in, JSON out. Each of these may be repeated without harm, and is when the answer was lost."""
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body, allow_nan=False).encode()
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        deadline, pause = time.monotonic() + self.timeout, 0.0
        while True:
            try:
                status, retry_after, answer = self._once(method, path, body, headers)
                if status < 400:
                    return answer
                refusal: Exception = Refused(status, answer)
                if status not in (429, 503):
                    raise refusal
                pause = float(retry_after or 1)
            except (OSError, http.client.HTTPException) as problem:
                self.close()
                refusal, pause = problem, min(1.0, pause * 2 or 0.01)
            if time.monotonic() + pause > deadline:
                raise refusal
            time.sleep(pause)

    def _once(self, method: str, path: str, body: Optional[bytes], headers: dict) -> tuple[int, Optional[str], Any]:
        if self.connection is None:
            self.connection = self._connect()
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        data = response.read()
        try:
            answer = json.loads(data) if data else {}
        except ValueError:
            answer = {"detail": data.decode(errors="replace")[:200]}
        return response.status, response.headers.get("Retry-After"), answer

    def _connect(self) -> http.client.HTTPConnection:
        parts = urllib.parse.urlsplit(self.url)
        timeout = max(self.timeout, self.POLL_SECONDS + 5)
        if parts.scheme == "unix":
            return _UnixConnection(parts.path, timeout)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{self.url} is no URL as in http://127.0.0.1:7077, https://host or unix:/path")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        return kind(parts.hostname, parts.port, timeout=timeout)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.stderr.write("usage: muster.py FILE [CLASS…]\n")
        sys.exit(64)
    _load(sys.argv[1])
    run(*sys.argv[2:])
