"""The examples with a configuration (doc/examples: crawl, migrate, push), each as it stands there, against real parts: a
web server, databases, a file that grows."""

import collections
import http.server
import importlib.util
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from harness import EXAMPLES, REPO, free_port, run_musterd, stays, until


@pytest.fixture
def example(make, folder):
    """Starts musterd with a copy of the example in `folder`; texts of its configuration are replaced, each of which must be there."""
    def start(name, **changes):
        for path in (EXAMPLES / name).iterdir():
            shutil.copy(path, folder)
        text = (EXAMPLES / name / f"{name}.yaml").read_text()
        shutil.copytree(REPO / "sdk", folder / "sdk")
        texts = {"python3": sys.executable, "../../../sdk": "sdk", **changes.pop("texts", {})}
        for old, new in texts.items():
            assert old in text
            text = text.replace(old, new)
        m = make(base=folder, text=text, **changes)
        m.env.update(MUSTER_LISTEN=f"127.0.0.1:{m.port}", MUSTER_STATE_DIR=str(m.state), MUSTER_USER="root")
        m.config_text = text.replace("127.0.0.1:7077", f"127.0.0.1:{m.port}")
        return m.start()
    return start


@pytest.mark.parametrize("name", ["crawl", "migrate", "push"])
def test_its_configuration_is_right_where_it_stands(name):
    done = run_musterd("-c", str(EXAMPLES / name / f"{name}.yaml"), "--check", env={"MUSTER_USER": "root"})
    assert done.code == 0, done


class Server(http.server.ThreadingHTTPServer):
    """Keeps what is asked of it: [(time, path, body)]. `answer` makes (status, headers, text) of a path."""
    daemon_threads = True

    def __init__(self, answer, port):
        super().__init__(("127.0.0.1", port), Handler)
        self.answer, self.asked = answer, []
        self.port = self.server_address[1]
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def stop(self):
        self.shutdown()
        self.server_close()
        self.thread.join()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((time.monotonic(), self.path, body))
        status, headers, text = self.server.answer(self.path)
        self.send_response(status)
        for name, value in {"Content-Length": str(len(text)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_POST = handle_any

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    made = []

    def start(answer=lambda path: (200, {}, ""), port=None):
        made.append(Server(answer, port or free_port()))
        return made[-1]
    yield start
    for one in made:
        one.stop()


# ---- crawl ----

PAGES = 25
MORE = {"/moved", "/there", "/gone", "/a%20page", "/%C3%BC"}


class Site:
    """Pages that link to each other in many ways; one that moved, one that is gone, one that is ill at first, one that robots
    must not see, one of another site, and what is no link."""

    def __init__(self):
        self.ill = 1

    def links(self, number):
        return [f"/{(number * 2 + 1) % PAGES}", f"{(number * 2 + 2) % PAGES}#part", "/0", "/moved", "/gone", "/secret/1",
                "http://elsewhere.example/", "/a page", " /ü#x", "http://[broken", "mailto:you@example.org", ""]

    def answer(self, path):
        if path == "/robots.txt":
            return 200, {"Content-Type": "text/plain"}, "User-agent: *\nDisallow: /secret/\n"
        if path == "/moved":
            return 301, {"Location": "/there"}, ""
        if path == "/gone" or path.startswith("/secret"):
            return 404, {}, ""
        if path == "/7" and self.ill:
            self.ill -= 1
            return 503, {}, ""
        number = int(path[1:]) if path[1:].isdigit() else 0
        links = "".join(f"<a href='{link}'>on</a>" for link in self.links(number))
        return 200, {"Content-Type": "text/html"}, f"<html><title>Page {path}</title>{links}</html>"


def test_crawl_fetches_every_page_once_and_is_polite(example, server):
    sites = [server(Site().answer) for _ in range(2)]
    queues = [f"127.0.0.1-{site.port}" for site in sites]
    first = '  - name: 127.0.0.1-8000 '
    another = f"  - {{name: {queues[1]}, max_active: 1, retry: 5}}\n"
    m = example("crawl", texts={first: another + first, "127.0.0.1-8000: 1": f"{queues[0]}: 1, {queues[1]}: 1",
                                '"127.0.0.1-8000"': f'"{" ".join(queues)}"', "127.0.0.1-8000": queues[0],
                                'PAUSE: "1"': 'PAUSE: "0.05"', "base: 10s": "base: 100ms"})
    for site in sites:
        assert m.run("Crawl", "start", f"http://127.0.0.1:{site.port}/0")["state"] == "succeeded"
    for queue in queues:
        until(lambda: m.queue(queue)["succeeded_total"] == PAGES + len(MORE) + 1, 60, "all, and /secret/1, which is skipped")
    for site in sites:
        asked = [(at, path) for at, path, _ in site.asked]
        count = collections.Counter(path for _, path in asked)
        assert 1 <= count.pop("/robots.txt") <= 4, "once a process"
        assert count.pop("/7") == 2, "it was ill once"
        assert set(count) == {f"/{number}" for number in range(PAGES) if number != 7} | MORE
        assert set(count.values()) == {1}
        gaps = [after - before for (before, _), (after, _) in zip(asked, asked[1:])]
        assert min(gaps) >= 0.05, gaps
    began, ended = [max(site.asked[0][0] for site in sites), min(site.asked[-1][0] for site in sites)]
    assert began < ended, "the sites do not wait for each other"
    assert m.run("Crawl", "start", "http://elsewhere.example/")["error"]["message"].startswith("ValueError: http://elsewhere")


# ---- migrate ----

ROWS, CHUNK = 20000, 20


def a_source(path):
    with sqlite3.connect(path) as source:
        source.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, score REAL)")
        source.executemany("INSERT INTO people VALUES (?, ?, ?)", [(n * 3, f"name '{n}'", n / 7) for n in range(ROWS)])
    return everything(source)


def everything(connection):
    cursor = connection.cursor()
    cursor.execute("SELECT * FROM people ORDER BY id")
    rows = cursor.fetchall()
    connection.close()
    return rows


def assert_migrates_in_spite_of_kills(m):
    id_ = m.submit("Migrate", "table", param={"name": "people", "chunk": CHUNK}, queue="migrations")
    for kill in (1, 2):
        m.running(id_)
        percent = until(lambda: (m.task(id_)["progress"] or {}).get("percent", 0) >= 20 * kill and m.task(id_)["progress"], 60)
        assert re.fullmatch(rf"\d+ of {ROWS} rows", percent["note"])
        row = m.running(id_)
        assert m.kill_worker(row["slot"], row["pool"], task=id_)
        until(lambda: m.task(id_)["crashes"] == kill)
    task = m.wait_task(id_, timeout=120)
    assert task["result"] == {"rows": ROWS} and task["attempts"] == 1, task
    went_on = [int(n) for n in re.findall(r"goes on after id (\d+)", m.get(f"/v1/tasks/{id_}/log").text)]
    assert len(went_on) == 2 and went_on[0] > ROWS * 3 * 0.19 < went_on[1]


def test_migrate_goes_on_where_its_worker_was_killed(example, folder):
    rows = a_source(folder / "old.db")
    with sqlite3.connect(folder / "new.db") as target:
        target.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, score REAL)")
    m = example("migrate")
    assert_migrates_in_spite_of_kills(m)
    assert everything(sqlite3.connect(folder / "new.db")) == rows


def test_migrate_says_what_is_wrong_and_tries_again_what_may_pass(example, folder):
    a_source(folder / "old.db")
    m = example("migrate", texts={"base: 5s": "base: 100ms"})
    task = m.run("Migrate", "table", "people", queue="migrations", retry=2)
    assert (task["state"], task["attempts"]) == ("dead", 2) and "no such table: people" in task["error"]["message"]


class Postgres:
    def __init__(self, folder):
        self.folder, self.port = folder / "pg", free_port()
        self.folder.mkdir()
        self.launcher = []
        if os.geteuid() == 0:  # it refuses to run as root
            shutil.chown(self.folder, "postgres")
            self.launcher = ["runuser", "-u", "postgres", "--"]
        binaries = os.path.dirname(os.path.realpath(shutil.which("postgres")))
        subprocess.run([*self.launcher, f"{binaries}/initdb", "-D", self.folder / "data", "-A", "trust", "-U", "test", "-N"],
                       check=True, capture_output=True, cwd="/")
        self.process = subprocess.Popen(
            [*self.launcher, f"{binaries}/postgres", "-D", self.folder / "data", "-h", "127.0.0.1", "-p", str(self.port),
             "-k", self.folder, "-F"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", start_new_session=True)
        self.url = f"postgresql://test@127.0.0.1:{self.port}/postgres"

    def connect(self, database="postgres"):
        import psycopg2
        return psycopg2.connect(self.url, dbname=database)

    def answers(self):
        import psycopg2
        try:
            self.connect().close()
            return True
        except psycopg2.OperationalError:
            return False

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


TABLE = "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, score DOUBLE PRECISION)"


@pytest.fixture
def postgres(folder):
    server = Postgres(folder)
    try:
        until(server.answers, 30)
        yield server
    finally:
        server.stop()


def run_sql(connection, *statements):
    connection.autocommit = True
    for statement in statements:
        connection.cursor().execute(statement)
    connection.close()


@pytest.mark.skipif(not shutil.which("postgres") or not importlib.util.find_spec("psycopg2"),
                    reason="PostgreSQL's server or python3-psycopg2 is not installed")
@pytest.mark.parametrize("source", ["sqlite", "postgresql"])
def test_migrate_to_postgresql(example, folder, postgres, source):
    run_sql(postgres.connect(), TABLE, "CREATE DATABASE other")
    texts = {"sqlite:new.db": postgres.url}
    if source == "sqlite":
        rows = a_source(folder / "old.db")
    else:
        run_sql(postgres.connect("other"), TABLE, f"INSERT INTO people SELECT i * 3, 'name ' || i, i / 7.0 FROM generate_series(0, {ROWS - 1}) i")
        rows = everything(postgres.connect("other"))
        texts["sqlite:old.db"] = postgres.url.replace("/postgres", "/other")
    m = example("migrate", texts=texts)
    assert_migrates_in_spite_of_kills(m)
    assert everything(postgres.connect()) == rows and len(rows) == ROWS


# ---- push ----

def append(path, lines):
    with open(path, "a", encoding="utf-8") as file:
        for line in lines:
            file.write(f"{line}\n")


def test_push_delivers_every_line_though_the_service_is_killed(example, server, folder):
    receiver = server()
    m = example("push", texts={"127.0.0.1:9000": f"127.0.0.1:{receiver.port}"})
    source, expected = folder / "events.log", []
    for round_ in range(4):
        lines = [f"event {round_}.{number} grüßt" for number in range(1500)]
        append(source, lines)
        expected += [line.encode() for line in lines]
        until(lambda: expected[-len(lines)] in [body for _, _, body in receiver.asked], 20, "it is at them")
        until(lambda: m.kill_worker(0, "feed"))
    until(lambda: {body for _, _, body in receiver.asked} >= set(expected), 60, "every line is delivered")
    until(lambda: m.queue("deliveries")["succeeded_total"] == len(expected), 20, "a line is one task, however often it was handed over")
    until(lambda: m.worker(0, "feed")["restarts"] == 4)
    with open(source, "a", encoding="utf-8") as file:
        file.write("half")
        file.flush()
        stays(lambda: len(receiver.asked) <= len(expected), 0.5, "half a line is not delivered")
        file.write(" and whole\n")
    until(lambda: receiver.asked[-1][2] == b"half and whole")
    until(lambda: int((folder / "events.log.offset").read_text()) == source.stat().st_size)


def test_push_waits_while_the_receiver_is_away_and_the_queue_is_full(example, server, folder):
    port = free_port()
    m = example("push", texts={"127.0.0.1:9000": f"127.0.0.1:{port}", "base: 1s, max: 10m": "base: 100ms, max: 1s",
                               "max_depth: 100000": "max_depth: 700"})
    lines = [f"line {number}".encode() for number in range(1000)]
    append(folder / "events.log", (line.decode() for line in lines))
    until(lambda: m.queue("deliveries")["retrying"] > 0)
    receiver = server(port=port)
    until(lambda: {body for _, _, body in receiver.asked} == set(lines), 40)
