"""What others send to the supervisor harms whoever sent it, and its own silence harms nobody."""

import ctypes
import os
import signal
import socket
import time

import pytest

from harness import PidFd, bound, descriptors, process, stays, until

ROLES = ("api", "scheduler")


def control_end(pid):
    """A duplicate of the sender's end of its control channel: the one seqpacket socket that this process has."""
    libc = ctypes.CDLL(None, use_errno=True)
    handle = os.pidfd_open(pid)
    try:
        for number, target in descriptors(pid).items():
            if not target.startswith("socket:"):
                continue
            copy = libc.syscall(438, handle, number, 0)  # pidfd_getfd
            if copy < 0:
                pytest.skip("pidfd_getfd is not allowed here")
            end = socket.socket(fileno=copy)
            if end.family == socket.AF_UNIX and end.type == socket.SOCK_SEQPACKET:
                return end
            end.close()
    finally:
        os.close(handle)
    raise AssertionError("no control channel found")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("rubbish", [b"x", b"\xff" * 16, b"\0" * 4096, b""], ids=["one", "ones", "long", "empty"])
def test_rubbish_on_the_control_channel_costs_its_sender_its_life(muster, role, rubbish):
    m = muster()
    workers = [row["pid"] for row in m.workers()]
    sender, supervisor = m.role(role).pid, m.role("supervisor").pid
    with control_end(sender) as end, PidFd(sender) as handle:
        end.send(rubbish)
        assert handle.ended(bound(5)), "the sender was ended"
    m.another(role, sender)
    m.http.close()
    m.wait_log("rubbish on the control channel", role)
    assert m.role("supervisor").pid == supervisor, "the supervisor is not impressed"
    assert [row["pid"] for row in m.workers()] == workers and m.run("Demo", "noop")["state"] == "succeeded"


def test_a_supervisor_stopped_for_ten_seconds_costs_no_worker_anything(muster):
    """It is replaced when its promise is broken; workers go on meanwhile, and nobody is killed afterwards."""
    m = muster({"pools": [{"name": "default", "workers": 2, "heartbeat_timeout": "1s"}]})
    pids = [row["pid"] for row in m.workers()]
    victim = m.role("supervisor").pid
    began = time.monotonic()
    with PidFd(victim) as handle:
        handle.send(signal.SIGSTOP)
        until(lambda: process(victim) is None or process(victim).state == "T", what="it stands still")
        count = 0
        while time.monotonic() - began < 10:
            assert m.run("Demo", "work", 20)["state"] == "succeeded"
            count += 1
        assert handle.ended(bound(5)), "a silent supervisor is replaced"
    assert count > 20
    stays(lambda: [row["pid"] for row in m.workers()] == pids, 2, "the workers live on")
    assert not m.log_lines("killed timeout")
