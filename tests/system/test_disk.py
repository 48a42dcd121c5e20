"""A state directory that is full, cannot be written, or is another's: refused at the start, degraded later, with words."""

import contextlib
import os
import signal
import subprocess

import pytest

from harness import MUSTERD, until
from load import Load

FOUR = {"pools": [{"name": "default", "workers": 4}]}
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it mounts and changes owners")


@pytest.fixture
def disk(folder):
    """A small file system of its own."""
    path = folder / "disk"
    path.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m,mode=755", "tmpfs", str(path)], capture_output=True).returncode:
        pytest.skip("cannot mount a tmpfs here")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


def fill(disk):
    with open(disk / "filler", "wb", buffering=0) as filler, contextlib.suppress(OSError):
        while filler.write(b"x" * 4096):
            pass


def refused(m, *words):
    """musterd ends with 69 and says these words."""
    m.spawn()
    assert m.exit_code() == 69
    m.stopped = True
    assert all(word in m.log() for word in (str(m.state), *words)), m.log()


def test_a_full_disk_is_refused_at_the_start_with_words(make, disk):
    state = disk / "state"
    m = make({"state_dir": str(state)})
    m.state = state
    fill(disk)
    refused(m, "No space left on device")
    (disk / "filler").unlink()
    m.start()
    assert m.run("Demo", "noop")["state"] == "succeeded"


def test_a_read_only_disk_is_refused_at_the_start_with_words(make, disk):
    state = disk / "state"
    m = make({"state_dir": str(state)})
    m.state = state
    m.start()
    id_ = m.submit("Demo", "noop", delay="1h")
    m.stop()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    refused(m, "Read-only file system")
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    m.start()
    assert m.task(id_)["state"] == "scheduled"


def test_a_state_directory_of_another_user_is_refused_with_both_names(make, folder):
    state = folder / "state"
    state.mkdir(mode=0o700)
    os.chown(state, 65534, 65534)
    m = make({"state_dir": str(state)})
    m.state = state
    refused(m, "uid 65534", "root", "chown", "user")
    assert list(state.iterdir()) == [], "nothing of another's is touched"


def test_a_file_of_another_s_in_the_way_is_refused_with_its_name(make, folder):
    state = folder / "state"
    state.mkdir(mode=0o700)
    (state / "lock").symlink_to(folder / "elsewhere")
    m = make({"state_dir": str(state)})
    m.state = state
    refused(m, f"{state}/lock")
    assert not (folder / "elsewhere").exists(), "no link is followed"


@pytest.mark.skipif(b"__asan_init" in MUSTERD.read_bytes(), reason="a sanitizer's reports would not fit either")
@pytest.mark.parametrize("durability", ["process", "power"])
def test_a_disk_that_fills_up_refuses_submissions_and_heals(make, disk, durability):
    """Nothing that was acknowledged is lost, workers stay, readyz and the answers say why, and it goes on when there is room."""
    state = disk / "state"
    m = make({**FOUR, "state_dir": str(state), "durability": durability})
    m.state = state
    m.start()
    before = [row["pid"] for row in m.workers()]
    with Load(m) as load:
        load.goes_on()
        fill(disk)
        until(lambda: load.refused[503] > 0, 20, "submissions are refused")
        said = until(lambda: next((answer.text for answer in [m.post("/v1/tasks", {"class": "Demo", "method": "noop"})]
                                   if answer.status == 503), None), 20)
        assert "MISCONF" in said or "broker" in said, said
        assert m.get("/healthz").status == 200
        reason = until(lambda: (lambda answer: answer.status == 503 and answer.json["checks"]["broker"])(m.get("/readyz")), 20,
                       "readyz says so")
        assert "append-only file" in reason or durability == "power", reason
        (disk / "filler").unlink()
        load.goes_on(100, 40)
    load.assert_each_ran_once()
    assert [row["pid"] for row in m.workers()] == before, "no worker was ended for it"
    m.wait_ready(20)


def test_a_log_file_on_a_full_disk_stops_nothing(make, disk):
    m = make({"log": {"file": str(disk / "log"), "level": "debug"}})
    fill(disk)
    m.start()
    ids = m.submit_many([{"class": "Demo", "method": "fail", "param": ["x" * 200]}] * 200)
    assert all(m.wait_task(id_)["state"] == "dead" for id_ in ids)
    assert m.metrics().value("muster_log_dropped_total") > 0
    (disk / "filler").unlink()
    m.process.send_signal(signal.SIGUSR1)
    m.run("Demo", "fail", "seen again")
    until(lambda: "seen again" in (disk / "log").read_text(), what="the log is written again")
