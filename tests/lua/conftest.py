"""The scripts of core/broker against a real redis-server: one a test module, emptied before each test."""
import pathlib
import shutil
import subprocess
import tempfile
import time

import pytest
import redis

from scripts import Broker


def start_redis(directory, *options):
    path = f"{directory}/redis.sock"
    process = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", path, "--dir", str(directory), "--save", "",
         "--appendonly", "no", "--daemonize", "no", *options],
        stdin=subprocess.DEVNULL, stdout=open(f"{directory}/log", "wb"), stderr=subprocess.STDOUT)
    client = redis.Redis(unix_socket_path=path)
    until = time.monotonic() + 10
    while True:
        try:
            client.ping()
            return process, client
        except redis.ConnectionError:
            if process.poll() is not None or time.monotonic() > until:
                process.kill()
                raise RuntimeError(pathlib.Path(directory, "log").read_text())
            time.sleep(0.002)


@pytest.fixture(scope="module")
def server():
    directory = tempfile.mkdtemp(prefix="muster-lua-")
    process, client = start_redis(directory)
    yield client
    client.close()
    process.kill()
    process.wait()
    shutil.rmtree(directory)


@pytest.fixture
def broker(server):
    server.flushall()
    server.config_set("maxmemory", 0)
    return Broker(server)
