"""What Prometheus scrapes: every metric of the contract that has a source by now, well-formed, and never going back."""

import subprocess
import time

import pytest

from harness import LIST, until

CONTRACT = {
    "muster_build_info": "gauge", "muster_tasks_total": "counter", "muster_tasks_submitted_total": "counter",
    "muster_task_duration_seconds": "histogram", "muster_task_wait_seconds": "histogram", "muster_queue_depth": "gauge",
    "muster_queue_oldest_age_seconds": "gauge", "muster_workers": "gauge",
    "muster_worker_heartbeat_age_seconds": "gauge", "muster_worker_restarts_total": "counter",
    "muster_worker_resident_bytes": "gauge", "muster_broker_up": "gauge", "muster_broker_memory_bytes": "gauge",
    "muster_tasks_unaccounted": "gauge", "muster_scheduler_lag_seconds": "gauge", "muster_log_dropped_total": "counter",
    "muster_broker_roundtrip_seconds": "histogram", "muster_process_restarts_total": "counter",
    "muster_http_requests_total": "counter", "muster_http_request_duration_seconds": "histogram",
}


@pytest.fixture(scope="module")
def m():
    import harness
    one = harness.Muster().start()
    for _ in range(3):
        one.run("Demo", "sleep", 20)
    one.run("Demo", "fail", "x")
    one.lpush({"class": "Demo", "method": "noop"})
    until(lambda: one.queue(LIST)["succeeded_total"] == 1)
    until(lambda: one.metrics().value("muster_tasks_total", queue="default", outcome="succeeded") == 3)
    yield one
    one.finish()


@pytest.mark.parametrize("name", CONTRACT)
def test_each_metric_of_the_contract_is_there_with_help_and_type(m, name):
    metrics = m.metrics()
    assert metrics.types.get(name) == CONTRACT[name] and name in metrics.helps
    if name != "muster_log_dropped_total":
        assert any(sample.startswith(name) for sample in metrics.names())


def test_the_format_is_prometheus_text(m):
    answer = m.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain") and "version=0.0.4" in answer.headers["Content-Type"]
    assert answer.text.endswith("\n")
    metrics = m.metrics()
    keys = [(name, tuple(sorted(labels.items()))) for name, labels, _ in metrics.samples]
    assert len(keys) == len(set(keys)), "no series twice"


def test_promtool_finds_nothing(m):
    if subprocess.run(["sh", "-c", "command -v promtool"], capture_output=True).returncode:
        pytest.skip("promtool is not installed")
    done = subprocess.run(["promtool", "check", "metrics"], input=m.get("/metrics").text, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stdout and not done.stderr, done


def test_outcomes_submissions_and_depths(m):
    metrics = m.metrics()
    assert metrics.value("muster_tasks_total", queue="default", outcome="succeeded") == 3
    assert metrics.value("muster_tasks_total", queue="default", outcome="dead") == 1
    assert metrics.value("muster_tasks_total", queue=LIST, outcome="succeeded") == 1
    for outcome in ("retried", "cancelled", "recovered"):
        assert metrics.value("muster_tasks_total", queue="default", outcome=outcome) == 0
    assert metrics.value("muster_tasks_submitted_total", queue="default", source="http") == 4
    assert metrics.value("muster_tasks_submitted_total", queue=LIST, source="list") == 1
    assert metrics.value("muster_queue_depth", queue="default", state="dead") == 1
    assert metrics.value("muster_queue_depth", queue="default", state="pending") == 0
    assert metrics.value("muster_tasks_unaccounted") == 0


def test_workers_by_state(m):
    metrics = m.metrics()
    assert metrics.value("muster_workers", pool="default") == 2
    assert metrics.value("muster_workers", pool="default", state="idle") == 2
    for slot in (0, 1):
        assert 0 <= metrics.value("muster_worker_heartbeat_age_seconds", pool="default", slot=slot) < 10
        assert metrics.value("muster_worker_resident_bytes", pool="default", slot=slot) > 100_000
    for reason in ("exit", "signal", "timeout", "memory", "order", "recycled"):
        assert metrics.value("muster_worker_restarts_total", pool="default", reason=reason) == 0


def assert_histogram(metrics, name, **labels):
    buckets = [(float(has["le"]), value) for sample, has, value in metrics.samples if sample == f"{name}_bucket" and
               all(has.get(key) == value for key, value in labels.items())]
    assert buckets == sorted(buckets) and buckets[-1][0] == float("inf")
    assert [count for _, count in buckets] == sorted(count for _, count in buckets), "cumulative"
    count = metrics.value(f"{name}_count", **labels)
    assert count == buckets[-1][1] and metrics.value(f"{name}_sum", **labels) >= 0
    return count


def test_histograms_are_cumulative_and_consistent(m):
    metrics = m.metrics()
    assert assert_histogram(metrics, "muster_task_duration_seconds", queue="default") == 4
    assert metrics.value("muster_task_duration_seconds_sum", queue="default") >= 0.06
    assert assert_histogram(metrics, "muster_task_wait_seconds", queue="default") == 4
    assert assert_histogram(metrics, "muster_http_request_duration_seconds", route="/v1/tasks") >= 4


def test_http_requests_are_counted_by_route_not_by_path(m):
    for path in ("/v1/tasks/a", "/v1/tasks/b", "/nonesuch/1", "/nonesuch/2"):
        m.get(path)
    metrics = m.metrics()
    routes = {labels["route"] for name, labels, _ in metrics.samples if name == "muster_http_requests_total"}
    assert "/v1/tasks/{id}" in routes and not any("nonesuch" in route or route.endswith("/a") for route in routes)
    assert metrics.value("muster_http_requests_total", route="/v1/tasks/{id}", method="GET", code="404") >= 2
    assert metrics.value("muster_http_requests_total", route="/v1/tasks", method="POST", code="201") >= 4


def test_totals_never_go_back_through_any_death(muster):
    m = muster({"pools": [{"name": "default", "workers": 3}]})
    counters = [name for name, kind in CONTRACT.items() if kind == "counter"]
    last = {}

    def look():
        for name, labels, value in m.metrics().samples:
            if name in counters or name.endswith(("_count", "_bucket", "_sum")):
                key = (name, tuple(sorted(labels.items())))
                assert value >= last.get(key, 0), (key, value, last[key])
                last[key] = value
    for round_ in range(6):
        for id_ in m.submit_many([{"class": "Demo", "method": "noop"}] * 200):
            pass
        m.wait_task(id_)
        look()
        m.kill_worker(round_ % 3)
        if round_ % 2:
            m.kill_role(("supervisor", "api", "scheduler")[round_ // 2])
            m.http.close()
            until(lambda: m.get("/readyz").status == 200, 15)
        look()
    until(lambda: m.metrics().value("muster_tasks_total", queue="default", outcome="succeeded") == 1200, what="exact in the end")
    look()


def test_restarts_are_counted_exactly(muster):
    m = muster({"pools": [{"name": "default", "workers": 2}]})
    for round_ in range(5):
        pid = m.worker(0)["pid"]
        m.run("Demo", "noop")
        m.kill_worker(0)
        until(lambda: m.worker(0)["pid"] not in (None, pid), 10)
    assert m.metrics().value("muster_worker_restarts_total", pool="default", reason="signal") == 5
    assert m.worker(0)["restarts"] == 5 and m.worker(1)["restarts"] == 0


def test_recovered_tasks_are_counted(muster):
    m = muster()
    id_ = m.submit("Demo", "work", 60000)
    row = m.running(id_)
    m.kill_worker(row["slot"], task=id_)
    until(lambda: m.metrics().value("muster_tasks_total", queue="default", outcome="recovered") >= 1)
    m.delete(f"/v1/tasks/{id_}")


def test_a_stalled_log_reader_stalls_nobody_and_is_counted(make):
    """stderr is a pipe that nobody reads."""
    import os
    import subprocess as sp

    import harness
    m = make({"log": {"level": "debug"}})
    m.write_config()
    reader, writer = os.pipe()
    m.process = sp.Popen([str(harness.MUSTERD), "-c", str(m.config_path)], stdin=sp.DEVNULL, stdout=writer, stderr=writer,
                         start_new_session=True, cwd="/", env={"PATH": os.environ["PATH"], "MUSTER_TEST_ID": m.marker})
    os.close(writer)
    m.guardian = m.process.pid
    m.sessions.append(m.guardian)
    m.stopped = False
    m.wait_ready()
    ids = m.submit_many([{"class": "Demo", "method": "fail", "param": ["x" * 500]}] * 2000)
    for id_ in ids:
        assert m.wait_task(id_, timeout=30)["state"] == "dead"
    until(lambda: m.metrics().value("muster_log_dropped_total") > 0)
    m.kill_worker(0)
    until(lambda: m.worker(0)["state"] == "idle")
    m.stop()
    os.close(reader)


def test_a_scrape_asks_the_broker_once_however_many_queues_there_are(muster):
    m = muster({"queues": [{"name": f"q{n}"} for n in range(100)]})
    count = 200

    def calls():
        return m.metrics().value("muster_broker_roundtrip_seconds_count")

    before, began = calls(), time.monotonic()
    for _ in range(count - 1):
        m.get("/metrics")
    made = calls() - before
    others = 20 * (time.monotonic() - began) + 20  # the scheduler's, each second
    assert count - 1 <= made < count + others, (made, others)
