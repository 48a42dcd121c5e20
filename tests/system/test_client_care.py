"""`muster doctor`, `drill` and `bench`: what an operator does before and after trouble."""

import pytest

from cli import MUSTER, Client
from harness import free_port, until

pytestmark = pytest.mark.skipif(not MUSTER.exists(), reason="muster is not built: libcurl is missing")

QUICK = {"pools": [{"name": "default", "workers": 2, "queues": {"default": 1}, "heartbeat_timeout": "1s"}]}


@pytest.fixture
def m(muster):
    return muster(QUICK)


@pytest.fixture
def run(m, folder):
    return Client(f"http://127.0.0.1:{m.port}", folder)


# ---- doctor ----

def findings(done):
    return {row["check"]: row for row in done.json["findings"]}


def test_the_doctor_finds_a_well_server_well(run):
    done = run("doctor", "--json")
    assert done.code == 0, done
    found = findings(done)
    assert {"server", "permission", "version", "broker", "workers", "clock", "accounts", "limits", "maxmemory-policy", "append-only"} <= set(found)
    assert all(found[name]["level"] == "ok" for name in ("server", "permission", "version", "broker", "workers", "clock")), done
    shown = run("doctor")
    assert shown.code == 0 and "clock" in shown.out and "\x1b" not in shown.out


def test_the_doctor_has_a_remedy_for_what_is_wrong(m, run, folder):
    contexts = folder / ".config" / "muster" / "contexts"
    contexts.parent.mkdir(parents=True)
    contexts.write_text("other http://127.0.0.1:1\n")
    contexts.chmod(0o644)
    assert findings(run("doctor", "--json"))["contexts"]["remedy"] == "chmod 600 it"
    m.write_config({**m.config, "nonsense": 1})
    m.process.send_signal(1)
    m.wait_log("nonsense")
    until(lambda: findings(run("doctor", "--json"))["config"]["level"] == "warning", what="the refused reload is found")
    assert "--check" in findings(run("doctor", "--json"))["config"]["remedy"]


def test_the_doctor_knows_a_broker_that_may_lose_tasks(muster, folder, redis_server):
    broker = redis_server(appendonly="no")
    m = muster({"broker": broker.url()})
    run = Client(f"http://127.0.0.1:{m.port}", folder)
    found = findings(run("doctor", "--json"))
    assert found["maxmemory-policy"]["level"] == "ok" and found["append-only"]["level"] == "warning"
    assert "appendonly yes" in found["append-only"]["remedy"]
    broker.client().config_set("maxmemory-policy", "allkeys-lru")
    done = run("doctor", "--json")
    assert done.code == 1 and done.json["verdict"] == "wrong", done
    wrong = findings(done)["maxmemory-policy"]
    assert wrong["level"] == "wrong" and "allkeys-lru" in wrong["found"] and "CONFIG SET maxmemory-policy noeviction" in wrong["remedy"]


def test_the_doctor_looks_at_who_may_read_what(make, folder):
    m = make(QUICK)
    m.state.mkdir(exist_ok=True)
    m.state.chmod(0o755)
    m.start()
    rows = Client(f"http://127.0.0.1:{m.port}", folder)("doctor", "--json").json["findings"]
    row = next(row for row in rows if str(m.state) in row["found"])
    assert row["check"] == "permission" and row["level"] == "warning" and row["remedy"] == "chmod 700 it"


def test_the_doctor_of_nobody(folder):
    done = Client(f"http://127.0.0.1:{free_port()}", folder)("doctor")
    assert done.code == 69 and "nothing answers" in done.out, done


# ---- drills ----

@pytest.mark.parametrize("fault, twice, deadline", [("kill", 1, 5), ("hang", 0, 8), ("stop", 1, 8), ("broker", None, 15)])
def test_a_drill_loses_nothing(m, run, fault, twice, deadline):
    before = {row["pid"] for row in m.workers()}
    broker = m.role("broker").pid
    done = run("drill", fault, "--yes", "--json", timeout=100)
    assert done.code == 0, done
    report = done.json
    assert report["fault"] == fault and report["tasks"] == 51 and report["lost"] == 0, report
    assert 0 < report["recovery_seconds"] < deadline * 3, report
    if twice is not None:
        assert report["run_twice"] == twice and {row["pid"] for row in m.workers()} != before, report
    else:
        assert m.role("broker").pid != broker


def test_a_drill_asks_first(m, run):
    before = {row["pid"] for row in m.workers()}
    assert run("drill", "kill").code == 64
    no = run.on_terminal("drill", "kill", keys=b"n\n")
    assert no.code == 1 and "Kill a busy worker" in no.out and {row["pid"] for row in m.workers()} == before, no
    assert run("drill", "flood").code == 64


def test_a_drill_says_what_it_found(run):
    done = run("drill", "kill", "--yes", timeout=60)
    assert done.code == 0 and "recovered in" in done.out and "0 of 51 tasks lost, 1 run twice" in done.out, done


# ---- bench ----

def test_bench_measures(run):
    done = run("bench", "--for", "1s", "--yes", "--json", timeout=60)
    assert done.code == 0, done
    assert done.json["submitted_per_second"] > 0 and done.json["run_per_second"] > 0, done
    assert 0 < done.json["trip_p50_ms"] <= done.json["trip_p99_ms"], done
    assert run("bench").code == 64, "it asks"
