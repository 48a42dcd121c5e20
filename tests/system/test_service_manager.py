"""musterd under a service manager: what it says (sd_notify), and sockets that it is handed (socket activation)."""

import os
import shutil
import signal
import socket
import subprocess

import pytest

from harness import EXAMPLES, until


@pytest.fixture
def manager(folder):
    """The manager's end of NOTIFY_SOCKET; collects what arrives."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(folder / "notify"))
        receiver.setblocking(False)
        heard = []

        def listen():
            while True:
                try:
                    heard.append(receiver.recv(4096).decode())
                except BlockingIOError:
                    return heard
        listen.path = str(folder / "notify")
        yield listen


def lines(heard):
    return [line for message in heard for line in message.split("\n")]


def test_it_says_when_it_is_up_alive_reloading_and_stopping(make, manager):
    m = make({})
    m.launcher = ["env", f"NOTIFY_SOCKET={manager.path}", "WATCHDOG_USEC=300000"]
    m.start()
    until(lambda: "READY=1" in lines(manager()))
    until(lambda: lines(manager()).count("WATCHDOG=1") >= 5, 5)
    before = lines(manager()).count("READY=1")
    os.kill(m.guardian, signal.SIGHUP)
    until(lambda: "RELOADING=1" in lines(manager()) and lines(manager()).count("READY=1") > before)
    assert any(line.startswith("MONOTONIC_USEC=") for line in lines(manager()))
    m.stop()
    assert "STOPPING=1" in lines(manager())


def test_it_is_not_called_up_before_its_workers_are(make, manager):
    m = make({"pools": [{"name": "default", "workers": 3}]})
    m.launcher = ["env", f"NOTIFY_SOCKET={manager.path}"]
    m.spawn()
    until(lambda: "READY=1" in lines(manager()))
    m.wait_ready()
    assert [worker["state"] for worker in m.workers()] == ["idle"] * 3


def test_a_socket_that_is_handed_over_is_served_instead_of_listen(make, folder):
    m = make({})
    port = m.port
    m.launcher = ["/usr/bin/python3", "-c", f"""
import os, socket, sys
given = socket.create_server(("127.0.0.1", {port}))
os.dup2(given.fileno(), 3)
os.set_inheritable(3, True)
os.environ |= {{"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}}
os.execvp(sys.argv[1], sys.argv[1:])
"""]
    m.start()
    assert m.run("Demo", "noop")["state"] == "succeeded"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_the_unit_is_valid(folder):
    unit = folder / "muster.service"
    unit.write_text((EXAMPLES / "muster.service").read_text().replace("/usr/sbin/musterd", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True)
    assert done.returncode == 0 and "muster.service" not in done.stderr, done.stderr
