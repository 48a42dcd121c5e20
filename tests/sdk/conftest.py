"""What adapters are tested with: the real interpreters, the driver that plays the worker, and a private Redis."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS / "exec-kit"))

from driver import SLOW, Child  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "needs(program): skipped, with a word, where that program is not installed")


def pytest_runtest_setup(item):
    for mark in item.iter_markers("needs"):
        if not shutil.which(mark.args[0]):
            pytest.skip(f"there is no {mark.args[0]} here")


@pytest.fixture
def folder():
    path = tempfile.mkdtemp(prefix="ms-", dir="/tmp")
    yield Path(path)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def spawn():
    """Starts a handler; it is gone when the test is over."""
    made = []

    def start(command, **options):
        made.append(Child([str(word) for word in command], **options))
        return made[-1]
    yield start
    for child in made:
        child.__exit__()


@pytest.fixture
def redis_socket(folder):
    """The path of a private redis-server's socket."""
    path = folder / "redis.sock"
    server = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--dir", folder],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 10 * SLOW
    while not os.path.exists(path):
        assert server.poll() is None and time.monotonic() < deadline, "redis-server did not start"
        time.sleep(0.002)
    yield str(path)
    server.kill()
    server.wait()
