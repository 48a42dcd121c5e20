"""What a task cost stands with it, and what a slot ran last stands with its last exit."""

import pytest

from harness import LIST, MUSTERD, REPO, module, until

ONE = {"pools": [{"name": "default", "workers": 1, "queues": {"default": 1, LIST: 1}}],
       "handlers": [{"class": "Probe", "module": module("probe")}, {"class": "Demo", "module": "demo.so"}]}
MIB = 1 << 20


def test_cpu_time_and_peak_memory_are_the_task_s_own(muster):
    m = muster(ONE)
    light = m.run("Probe", "burn", 20, 0)["usage"]
    heavy = m.run("Probe", "burn", 200, 200 * MIB)["usage"]
    after = m.run("Probe", "burn", 20, 0)["usage"]
    assert 18 <= light["cpu_ms"] < 190 < heavy["cpu_ms"] and 18 <= after["cpu_ms"] < 190
    assert heavy["peak_rss_bytes"] >= 200 * MIB
    assert max(light["peak_rss_bytes"], after["peak_rss_bytes"]) < 150 * MIB


def test_waiting_costs_time_and_no_cpu(muster):
    m = muster(ONE)
    assert m.run("Demo", "sleep", 300)["usage"]["cpu_ms"] < 100


def by_a_program(muster):
    actor = ["/usr/bin/python3", str(REPO / "tests" / "children" / "actor.py")]
    return muster({"pools": [{"name": "default", "workers": 1}], "handlers": [{"class": "Actor", "exec": actor}]})


def test_what_a_program_costs_is_its_task_s(muster):
    m = by_a_program(muster)
    m.run("Actor", "noop")  # pays for the interpreter's start
    light = m.run("Actor", "burn", 20, 0)["usage"]
    heavy = m.run("Actor", "burn", 200, 50)["usage"]
    after = m.run("Actor", "burn", 20, 0)["usage"]
    assert 18 <= light["cpu_ms"] < 190 < heavy["cpu_ms"] < 400 and 18 <= after["cpu_ms"] < 190
    assert heavy["peak_rss_bytes"] - light["peak_rss_bytes"] > 45 * MIB < heavy["peak_rss_bytes"] - after["peak_rss_bytes"]
    assert m.run("Actor", "burn_in_a_child", 200)["usage"]["cpu_ms"] >= 180  # known in hundredths of a second


def test_what_a_program_costs_that_dies_is_known_too(muster):
    m = by_a_program(muster)
    id_ = m.submit("Actor", "burn_and_die", 200, 50)
    task = m.wait_task(id_)
    assert task["error"]["kind"] == "crash" and task["usage"]["cpu_ms"] > 190
    assert task["usage"]["peak_rss_bytes"] > 50 * MIB


def test_a_program_for_one_task_is_all_that_task_s(muster, folder):
    script = folder / "burn.py"
    script.write_text("import time\nheld = b'x' * (50 << 20)\nwhile time.process_time() < 0.2: pass\n")
    m = muster({"pools": [{"name": "default", "workers": 1}],
                "handlers": [{"class": "Once", "exec": ["/usr/bin/python3", str(script)], "mode": "once"}]})
    for _ in range(2):
        usage = m.run("Once", "burn")["usage"]
        assert 190 < usage["cpu_ms"] < 400 and 50 * MIB < usage["peak_rss_bytes"] < 120 * MIB


def test_failures_have_it_too_and_short_tasks_do_not(muster):
    m = muster(ONE)
    task = m.run("Probe", "beat_once", 50)
    assert task["usage"]["peak_rss_bytes"] > 0
    warm = m.submit_many([{"class": "Demo", "method": "noop"}] * 50)
    assert any(m.wait_task(id_)["usage"] is None for id_ in warm)


@pytest.mark.skipif(b"__asan_init" in MUSTERD.read_bytes(), reason="a sanitizer's memory is not the task's")
def test_as_another_user_peaks_are_reset_as_well(muster):
    m = muster({**ONE, "user": "nobody"})
    heavy, after = m.run("Probe", "burn", 20, 200 * MIB)["usage"], m.run("Probe", "burn", 20, 0)["usage"]
    assert heavy["peak_rss_bytes"] >= 200 * MIB > 100 * MIB > after["peak_rss_bytes"]


def test_last_exit_has_the_last_32_tasks_of_the_slot_the_latest_first(muster):
    m = muster(ONE)
    ids = m.submit_many([{"class": "Demo", "method": "noop"}] * 30 + [{"class": "Demo", "method": "fail", "param": ["x"]}] * 10)
    for id_ in ids:
        m.wait_task(id_)
    assert m.kill_worker(0)
    exit_ = until(lambda: m.worker(0)["last_exit"])
    recent = exit_["recent"]
    assert [entry["id"] for entry in recent] == ids[:7:-1] and len(recent) == 32
    assert [entry["state"] for entry in recent] == ["dead"] * 10 + ["succeeded"] * 22
    assert all(entry["class"] == "Demo" and entry["at"] and entry["duration_seconds"] >= 0 for entry in recent)
    m.run("Demo", "noop")
    assert m.worker(0)["last_exit"]["recent"] == recent, "what the next worker runs is not of that exit"
