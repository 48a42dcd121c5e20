"""Fixtures: `muster(config)` starts a musterd that is gone, with all its processes, when the test is over; `redis_server()`
starts a private redis-server; `folder` is a short temporary directory (unix sockets have short names)."""

import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

import harness
from relay import Relay


@pytest.fixture
def folder():
    path = tempfile.mkdtemp(prefix="mt-", dir="/tmp")
    os.chmod(path, 0o755)
    yield Path(path)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def redis_servers():
    """Every private redis-server of this test: they end after the musterds that use them."""
    made = []
    yield made
    for one in made:
        one.stop(signal.SIGKILL)


@pytest.fixture
def musters(request, redis_servers):
    """Every Muster of this test, for the end and for the report of a failure."""
    made = []
    request.node.musters = made
    yield made
    problems = []
    for one in reversed(made):
        try:
            one.finish()
        except AssertionError as problem:
            problems.append(problem)
    if problems:
        raise problems[0]


@pytest.fixture
def make(musters):
    """Makes a Muster that is not started."""
    def make_one(config=None, **options):
        one = harness.Muster(config, **options)
        musters.append(one)
        return one
    return make_one


@pytest.fixture
def muster(make):
    """Makes a Muster and starts it: muster({"pools": …})."""
    def start(config=None, ready=True, timeout=15.0, **options):
        return make(config, **options).start(ready, timeout)
    return start


@pytest.fixture
def redis_server(folder, redis_servers):
    def start(password=None, **settings):
        one = harness.Redis(folder / f"redis{len(redis_servers)}", password, **settings)
        redis_servers.append(one)
        return one.start()
    return start


@pytest.fixture
def relay():
    """A line to a redis_server that can be disturbed."""
    made = []

    def start(server):
        made.append(Relay(server))
        return made[-1]
    yield start
    for one in made:
        one.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    if report.failed:
        for one in getattr(item, "musters", []):
            report.sections.append((f"log of musterd {one.guardian} in {one.state}", one.log()[-6000:]))


def pytest_sessionfinish():
    harness.forget_modules()


def pytest_configure(config):
    if not config.option.collectonly and not harness.MUSTERD.exists():
        raise pytest.UsageError(f"{harness.MUSTERD} is not there: build it, or set MUSTERD")
