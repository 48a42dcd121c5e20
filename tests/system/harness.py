"""What a black-box test needs around a real musterd: start it with a state directory of its own, talk to it, look at its
processes, kill one of them safely, and make sure that nothing of it is left."""

import atexit
import contextlib
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

import redis

from client import Http, Metrics
from procfs import PidFd, Process, alive, all_processes, descriptors, process, status_of
from waiting import SLOW, bound, stays, until

__all__ = ["Http", "Metrics", "PidFd", "Process", "alive", "all_processes", "descriptors", "process", "status_of",
           "SLOW", "bound", "stays", "until"]

REPO = Path(__file__).resolve().parents[2]


def reachable(path):
    """By whoever, path: itself if others can get there, else a copy that they can (a build below /root, say)."""
    path = Path(path).resolve()
    if not path.exists() or all(folder.stat().st_mode & 0o001 for folder in path.parents):
        return path
    copy = Path(tempfile.mkdtemp(prefix="mp-", dir="/tmp"))
    atexit.register(shutil.rmtree, copy, True)
    os.chmod(copy, 0o755)
    if path.is_dir():
        return Path(shutil.copytree(path, copy / path.name, ignore=shutil.ignore_patterns("*.o", ".*")))
    (copy / "modules").mkdir()
    for one in (path.parent / "modules").glob("*.so"):
        shutil.copy(one, copy / "modules")
    (copy / "libexec").mkdir()
    shutil.copy(path.parent / "libexec" / "launch", copy / "libexec")
    for one in path.parent.glob(path.name + "-*"):  # musterd-faults, which the tests of fault points start
        shutil.copy(one, copy)
    return Path(shutil.copy(path, copy))


MUSTERD = reachable(os.environ.get("MUSTERD") or REPO / "build" / "musterd")
MODULES = reachable(os.environ.get("MUSTER_TEST_MODULES") or REPO / "build" / "tests" / "modules")
EXAMPLES = REPO / "doc" / "examples"

LIST = "async_task_queue"
ENDED = ("succeeded", "dead", "cancelled")


# ---- ports and modules ----

def free_port():
    """A port below the range that the kernel hands out for outgoing connections."""
    for _ in range(1000):
        port = random.SystemRandom().randint(10000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise RuntimeError("no free port")


_built = {}


def module(name):
    """Path of a test module: from the build, else compiled here (tests/modules/NAME.c needs only muster.h)."""
    built = MODULES / f"{name}.so"
    if built.exists():
        return str(built)
    if name not in _built:
        folder = tempfile.mkdtemp(prefix="mm-", dir="/tmp")
        os.chmod(folder, 0o755)
        _built[name] = compile_module(REPO / "tests" / "modules" / f"{name}.c", Path(folder) / f"{name}.so")
    return _built[name]


def compile_module(source, target):
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "jansson"], capture_output=True, text=True).stdout.split()
    subprocess.run(["cc", "-std=gnu17", "-O1", "-shared", "-fPIC", "-D_GNU_SOURCE", f"-I{REPO / 'include'}",
                    "-o", str(target), str(source), *(flags or ["-ljansson"]), "-pthread"], check=True)
    os.chmod(target, 0o755)
    return str(target)


def forget_modules():
    for path in _built.values():
        shutil.rmtree(Path(path).parent, ignore_errors=True)
    _built.clear()


# ---- a private redis-server, for brokers that are not embedded ----

class Redis:
    """redis-server of our own on a port and a unix socket; can be stopped, started and paused, and keeps its data."""

    def __init__(self, folder, password=None, **settings):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.password = password
        self.socket = str(self.folder / "r.sock")
        self.settings = {"save": '""', "appendonly": "yes", "appendfsync": "no", **settings}
        self.process = None

    def spawn(self):
        """Starts it and does not wait until it answers."""
        lines = [f"port {self.port}", "bind 127.0.0.1", f"unixsocket {self.socket}", f"dir {self.folder}", "daemonize no",
                 f"logfile {self.folder}/redis.log"]
        lines += [f"requirepass {self.password}"] if self.password else []
        lines += [f"{key} {value}" for key, value in self.settings.items()]
        (self.folder / "redis.conf").write_text("\n".join(lines) + "\n")
        self.process = subprocess.Popen(["redis-server", str(self.folder / "redis.conf")], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        return self

    def start(self):
        self.spawn()
        until(self.answers, 10, "redis-server answers")
        return self

    def answers(self):
        with contextlib.suppress(redis.RedisError, OSError):
            return self.client().ping()
        assert self.process.poll() is None, (self.folder / "redis.log").read_text()
        return False

    def client(self, db=0):
        return redis.Redis(unix_socket_path=self.socket, password=self.password, db=db)

    def url(self, db=0, password=True):
        auth = f":{self.password}@" if self.password and password else ""
        return f"redis://{auth}127.0.0.1:{self.port}/{db}"

    def stop(self, sig=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(sig)
            self.process.wait(10 * SLOW)


# ---- musterd ----

class StartFailed(AssertionError):
    def __init__(self, code, log):
        super().__init__(f"musterd ended with {code}:\n{log[-4000:]}")
        self.code, self.log = code, log


class Muster:
    """One musterd. `config` (a dict) is laid over what every test wants; None for a member takes it away."""

    def __init__(self, config=None, base=None, args=(), env=None, argv=None, text=None, launcher=None,
                 pass_fds=()):
        self.base = Path(base or tempfile.mkdtemp(prefix="mt-", dir="/tmp"))
        os.chmod(self.base, 0o755)
        self.own_base = base is None
        self.state = self.base / "state"
        self.port = free_port()
        self.marker = uuid.uuid4().hex
        self.config = {"listen": [f"127.0.0.1:{self.port}"], "user": "root", "state_dir": str(self.state),
                       "shutdown_grace": "3s",
                       "pools": [{"name": "default", "workers": 2, "queues": {"default": 1, LIST: 1}}]}
        self.config.update(config or {})
        self.config = {key: value for key, value in self.config.items() if value is not None}
        self.config_text = text
        self.config_path = self.base / "muster.yaml"
        self.log_path = self.base / "log"
        self.args, self.env, self.argv = list(args), dict(env or {}), argv
        self.launcher, self.pass_fds = launcher, pass_fds
        self.process, self.guardian, self.session = None, None, None
        self.sessions = []
        self.http = Http(port=self.port)
        self._redis = None
        self.stopped = True

    # -- life --

    def write_config(self, config=None):
        if config is not None:
            self.config = config
        # JSON is YAML, and one key a line gives useful line numbers.
        self.config_path.write_text(self.config_text or json.dumps(self.config, indent=1) + "\n")
        os.chmod(self.config_path, 0o644)

    def spawn(self):
        """Starts musterd and does not wait for anything."""
        self.write_config()
        environment = {"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), "LANG": "C.UTF-8", "HOME": "/root",
                       "MUSTER_TEST_ID": self.marker, **self.env}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "LD_LIBRARY_PATH"):
            if name in os.environ:
                environment.setdefault(name, os.environ[name])
        argv = self.argv or [str(MUSTERD), "-c", str(self.config_path), *self.args]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([*(self.launcher or []), *argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=environment, start_new_session=True, cwd=self.base, pass_fds=self.pass_fds)
        self.guardian = self.process.pid
        self.sessions.append(self.guardian)
        self.stopped = False
        self._redis = None
        self.http.close()
        return self

    def start(self, ready=True, timeout=15.0):
        self.spawn()
        if ready:
            self.wait_ready(timeout)
        return self

    def wait_ready(self, timeout=15.0):
        def ready():
            code = self.process.poll()
            if code is not None:
                raise StartFailed(code, self.log())
            with contextlib.suppress(OSError, http.client.HTTPException):
                return self.get("/readyz").status == 200 and all(
                    row["state"] in ("idle", "busy") for row in self.get("/v1/workers").json["workers"])
        try:
            until(ready, timeout, "musterd is ready and its workers are idle")
        except AssertionError as error:
            if isinstance(error, StartFailed):
                raise
            raise AssertionError(f"{error}\n{self.log()[-4000:]}") from None

    def exit_code(self, timeout=15.0):
        """Waits for musterd's end."""
        try:
            return self.process.wait(timeout * SLOW)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"musterd did not end within {timeout * SLOW} s\n{self.log()[-4000:]}") from None

    def stop(self, sig=signal.SIGTERM, timeout=15.0):
        """An ordered stop; returns how long it took."""
        began = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(sig)
        code = self.exit_code(timeout)
        took = time.monotonic() - began
        self.stopped = True
        assert code == 0, f"an ordered stop ended with {code}\n{self.log()[-4000:]}"
        return took

    def kill(self):
        """SIGKILL of the guardian; returns when it is reaped."""
        self.process.kill()
        self.process.wait()
        self.stopped = True

    def finish(self):
        """The end of the test: an ordered stop if it still runs, and nothing of it may be left."""
        problem = None
        try:
            if self.process and not self.stopped:
                if self.process.poll() is None:
                    self.stop(timeout=40)
        except AssertionError as error:
            problem = error
        finally:
            self.http.close()
            leftovers = self.sweep()
            if self.own_base:
                shutil.rmtree(self.base, ignore_errors=True)
        if problem:
            raise problem
        assert not leftovers, f"processes were left behind: {leftovers}"

    def sweep(self):
        """What is left a little after the end; killed, by pid."""
        with contextlib.suppress(AssertionError):
            until(lambda: not self.tree(), 3)
        leftovers = self.tree()
        for left in leftovers:
            with contextlib.suppress(OSError), PidFd(left.pid) as handle:
                if any(again.pid == left.pid and again.started == left.started for again in self.tree()):
                    handle.send(signal.SIGKILL)
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        return leftovers

    # -- processes --

    def belongs(self, candidate):
        if candidate.session in self.sessions:
            return True
        with contextlib.suppress(OSError):
            if f"MUSTER_TEST_ID={self.marker}".encode() in Path(f"/proc/{candidate.pid}/environ").read_bytes():
                return True
        with contextlib.suppress(OSError):
            return any(target.startswith(f"{self.state}/") for target in descriptors(candidate.pid).values())
        return False

    def tree(self):
        """All living processes of this musterd, the guardian included."""
        me = os.getpid()
        return [found for found in all_processes()
                if found.pid != me and found.state not in "ZX" and self.belongs(found)]

    def children(self):
        """Those whose parent is the guardian."""
        return [found for found in all_processes() if found.ppid == self.guardian and found.state not in "ZX"]

    def role(self, role):
        """The process with the title `…:role`, or None."""
        for found in self.children():
            if found.title.endswith(f":{role}") or (role == "broker" and "redis-server" in found.title):
                return found
        return None

    def another(self, role, than, timeout=30.0):
        """Waits for the process that has taken the role over; returns it."""
        def successor():
            found = self.role(role)
            return found if found and found.pid != than else None
        return until(successor, timeout, f"another {role}")

    def kill_role(self, role, sig=signal.SIGKILL):
        """Kills supervisor, api, scheduler or broker; returns the dead one's pid."""
        victim = until(lambda: self.role(role), what=f"there is a {role}")
        with PidFd(victim.pid) as handle:
            again = process(victim.pid)
            assert again and again.started == victim.started and again.ppid == self.guardian
            handle.send(sig)
            if sig == signal.SIGKILL:
                assert handle.ended(5 * SLOW), f"{role} survived SIGKILL"
        return victim.pid

    def signal_worker(self, slot, sig, pool="default", pid=None, task=None):
        """Signals the process in a slot, after a second look at its row. Returns its pid, or None when the row had moved on."""
        row = self.worker(slot, pool)
        if not row["pid"] or (pid and row["pid"] != pid):
            return None
        try:
            handle = PidFd(row["pid"])
        except ProcessLookupError:
            return None
        with handle:
            again = self.worker(slot, pool)
            if again["pid"] != row["pid"] or (task and (again["task"] or {}).get("id") != task):
                return None
            seen = process(row["pid"])
            if not seen or seen.ppid != self.guardian:
                return None
            handle.send(sig)
            if sig == signal.SIGKILL:
                assert handle.ended(5 * SLOW), "a worker survived SIGKILL"
        return row["pid"]

    def kill_worker(self, slot, pool="default", task=None):
        return self.signal_worker(slot, signal.SIGKILL, pool, task=task)

    # -- HTTP --

    def get(self, path, **headers):
        return self.http.request("GET", path, headers=headers)

    def post(self, path, body=None, headers=None):
        return self.http.request("POST", path, body, headers)

    def delete(self, path, headers=None):
        return self.http.request("DELETE", path, headers=headers)

    def request(self, method, path, body=None, headers=None):
        return self.http.request(method, path, body, headers)

    def connect(self):
        """A raw connection to the API."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=15 * SLOW)

    # -- tasks --

    def submit(self, class_, method, *param, **members):
        """POST /v1/tasks; returns the id."""
        document = {"class": class_, "method": method, "param": members.pop("param", list(param)), **members}
        answer = self.post("/v1/tasks", document)
        assert answer.status == 201, answer
        return answer.json["id"]

    def submit_many(self, documents):
        answer = self.post("/v1/tasks", documents)
        assert answer.status == 201, answer
        return answer.json["ids"]

    def task(self, id_):
        answer = self.get(f"/v1/tasks/{id_}")
        assert answer.status == 200, answer
        return answer.json

    def wait_task(self, id_, state=None, timeout=20.0):
        """Waits until a task has ended (or is in `state`, one or several) and returns it."""
        wanted = ENDED if state is None else (state,) if isinstance(state, str) else tuple(state)
        seen = {}

        def there():
            seen.update(self.task(id_))
            if state is not None and seen["state"] in ENDED and seen["state"] not in wanted:
                raise AssertionError(f"ended otherwise than {wanted}: {seen}")
            return seen["state"] in wanted

        until(there, timeout, f"task {id_} is {' or '.join(wanted)}")
        return seen

    def run(self, class_, method, *param, timeout=20.0, **members):
        """Submits and waits for the end."""
        return self.wait_task(self.submit(class_, method, *param, **members), timeout=timeout)

    # -- the rest of the API --

    def workers(self, pool=None):
        rows = self.get("/v1/workers").json["workers"]
        return [row for row in rows if pool in (None, row["pool"])]

    def worker(self, slot=0, pool="default"):
        answer = self.get(f"/v1/workers/{pool}/{slot}")
        assert answer.status == 200, answer
        return answer.json

    def running(self, id_):
        """The worker's row that runs this task, waited for."""
        def row():
            return next((row for row in self.workers() if (row["task"] or {}).get("id") == id_), None)
        return until(row, what=f"task {id_} is in a worker's hand")

    def queue(self, name="default"):
        answer = self.get(f"/v1/queues/{name}")
        assert answer.status == 200, answer
        return answer.json

    def metrics(self):
        answer = self.get("/metrics")
        assert answer.status == 200, answer
        return Metrics(answer.text)

    # -- Redis --

    @property
    def redis(self):
        """A client of the embedded broker."""
        if self._redis is None:
            self._redis = redis.Redis(unix_socket_path=str(self.state / "redis.sock"))
        return self._redis

    def key(self, name):
        return "{%s}:%s" % (self.config.get("namespace", "muster"), name)

    def lpush(self, *documents, key=LIST, client=None):
        """What the seed's producers do."""
        encoded = [item if isinstance(item, (bytes, str)) else json.dumps(item) for item in documents]
        return (client or self.redis).lpush(key, *encoded)

    def list_tasks(self, queue=LIST, client=None):
        """{id: document bytes} of every task of a queue that Redis knows (those from a plain list have no id that its
        producer could know)."""
        found = {}
        for id_, stored in (client or self.redis).hscan_iter(self.key("tasks"), count=1000):
            head, _, document = stored.partition(b"\n")
            if head.split(b" ")[-1].decode() == queue:
                found[id_.decode()] = document
        return found

    def only_list_task(self, queue=LIST, timeout=10.0):
        """The one task that came through a plain list, ended."""
        ids = until(lambda: list(self.list_tasks(queue)), timeout, "the task was taken from the list")
        assert len(ids) == 1, ids
        return self.wait_task(ids[0], timeout=timeout)

    # -- files --

    def log(self):
        try:
            return self.log_path.read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def log_lines(self, *words):
        """Lines of the log that have all these words."""
        return [line for line in self.log().splitlines() if all(word in line for word in words)]

    def wait_log(self, *words, count=1, timeout=10.0):
        until(lambda: len(self.log_lines(*words)) >= count, timeout, f"the log says {words}")
        return self.log_lines(*words)

    def record_lines(self, path):
        """What Demo.record wrote."""
        try:
            return (self.state / "demo" / path).read_text().splitlines()
        except FileNotFoundError:
            return []


# ---- without a daemon ----

def run_musterd(*args, config=None, text=None, env=None, timeout=10.0, cwd="/"):
    """Runs musterd to its end: (exit code, stdout, stderr, seconds). `config`/`text` become a file given by -c."""
    with tempfile.TemporaryDirectory(prefix="mc-", dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        argv = [str(MUSTERD), *args]
        if config is not None or text is not None:
            path = Path(folder) / "muster.yaml"
            path.write_text(text if text is not None else json.dumps(config, indent=1) + "\n")
            argv += ["-c", str(path)]
        environment = {"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin"), "LANG": "C.UTF-8", "HOME": folder,
                       **{name: os.environ[name] for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")
                          if name in os.environ}, **(env or {})}
        began = time.monotonic()
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, env=environment, timeout=timeout * SLOW,
                              cwd=cwd, start_new_session=True)
        return Ran(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"),
                   time.monotonic() - began)


class Ran:
    def __init__(self, code, out, err, seconds):
        self.code, self.out, self.err, self.seconds = code, out, err, seconds

    def __repr__(self):
        return f"<exit {self.code} after {self.seconds:.2f} s\nstdout: {self.out[-1500:]}\nstderr: {self.err[-1500:]}>"
