"""What is shipped for monitoring, against a real Prometheus: it scrapes, answers queries, and takes the rules and the
dashboard's expressions; and these name no metric that does not exist."""

import http.client
import json
import re
import shutil
import subprocess
from urllib.parse import urlencode

import pytest

import harness
from harness import until

PROMETHEUS = harness.EXAMPLES / "prometheus"
DASHBOARD = harness.EXAMPLES / "grafana" / "muster-dashboard.json"
NAME = re.compile(r"\bmuster_[a-z_]+\b")

needs_prometheus = pytest.mark.skipif(not shutil.which("prometheus") or not shutil.which("promtool"),
                                      reason="prometheus is not installed")


@pytest.fixture(scope="module")
def m():
    one = harness.Muster({"pools": [{"name": "default", "workers": 3}]}).start()
    one.run("Demo", "noop")
    yield one
    one.finish()


def families(metrics):
    names = set(metrics.types)
    for name, kind in metrics.types.items():
        if kind == "histogram":
            names |= {f"{name}_bucket", f"{name}_sum", f"{name}_count"}
    return names


@pytest.mark.parametrize("path", [PROMETHEUS / "muster-alerts.yaml", PROMETHEUS / "muster-alerts-test.yaml", DASHBOARD],
                         ids=lambda path: path.name)
def test_only_metrics_that_exist_are_named(m, path):
    named = set(NAME.findall(path.read_text()))
    assert len(named) >= 5 and named <= families(m.metrics()), named - families(m.metrics())


def test_labels_of_the_dashboard_exist(m):
    """What a panel groups by or shows is a label of its metric."""
    samples = m.metrics().samples
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel["targets"]:
            name = NAME.search(target["expr"])[0]
            has = {"instance", *(label for sample, labels, _ in samples if sample.startswith(name) for label in labels)}
            for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
                assert label in has, (target, has)


@needs_prometheus
def test_the_rules_do_as_they_say():
    for command in (["check", "rules", "muster-alerts.yaml"], ["test", "rules", "muster-alerts-test.yaml"],
                    ["check", "config", "prometheus.yml"]):
        done = subprocess.run(["promtool", *command], cwd=PROMETHEUS, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and "FAILED" not in done.stdout, done


@pytest.fixture(scope="module")
def prometheus(m, tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("prometheus"), harness.free_port()
    (folder / "prometheus.yml").write_text(json.dumps({
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": [str(PROMETHEUS / "muster-alerts.yaml")],
        "scrape_configs": [{"job_name": "muster", "static_configs": [{"targets": [f"127.0.0.1:{m.port}"]}]}]}))
    process = subprocess.Popen(["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                                f"--web.listen-address=127.0.0.1:{port}"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=open(folder / "log", "wb"), start_new_session=True)
    server = Server(port)
    try:
        until(lambda: server.ask("up") == [({"job": "muster", "instance": f"127.0.0.1:{m.port}"}, 1.0)], 30,
              "prometheus has scraped")
        yield server
    finally:
        process.kill()
        process.wait()


class Server:
    def __init__(self, port):
        self.port = port

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10 * harness.SLOW)
        try:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def ask(self, query):
        """[({label: value}, number)] of an instant query; None: it does not answer yet."""
        try:
            answer = self.get("/api/v1/query?" + urlencode({"query": query}))
        except (OSError, ValueError):
            return None
        assert answer["status"] == "success", answer
        return [({name: value for name, value in one["metric"].items() if name != "__name__"}, float(one["value"][1]))
                for one in answer["data"]["result"]]


@needs_prometheus
def test_a_real_prometheus_scrapes_and_answers(m, prometheus):
    until(lambda: prometheus.ask('sum(muster_tasks_total{queue="default",outcome="succeeded"})') == [({}, 1.0)], 20)
    assert prometheus.ask("count(muster_worker_heartbeat_age_seconds)") == [({}, 3.0)]
    assert prometheus.ask("histogram_quantile(0.95, sum by (le) (muster_task_duration_seconds_bucket))")[0][1] >= 0
    target, = prometheus.get("/api/v1/targets")["data"]["activeTargets"]
    assert target["health"] == "up" and not target["lastError"], target
    kinds = prometheus.get("/api/v1/metadata")["data"]
    assert kinds["muster_queue_depth"][0]["type"] == "gauge" and kinds["muster_queue_depth"][0]["help"]


@needs_prometheus
def test_the_dashboard_s_expressions_are_answered(prometheus):
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel["targets"]:
            query = target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*")
            assert prometheus.ask(query) is not None, query


@needs_prometheus
def test_nothing_is_alarmed_about_one_that_works(prometheus):
    rules = until(lambda: [rule for group in prometheus.get("/api/v1/rules")["data"]["groups"] for rule in group["rules"]
                           if rule["lastEvaluation"] > "2000"], 20, "rules were evaluated")
    assert len(rules) >= 5 and all(rule["health"] == "ok" and rule["state"] == "inactive" for rule in rules), rules


def test_series_of_removed_slots_go_away(muster):
    m = muster({"pools": [{"name": "default", "workers": 3}]})
    per_slot = ("muster_worker_heartbeat_age_seconds", "muster_worker_resident_bytes")
    assert all(m.metrics().value(name, slot=2) is not None for name in per_slot)
    before = m.metrics().value("muster_tasks_total", queue="default")
    assert m.request("PATCH", "/v1/pools/default", {"workers": 1}).status == 200
    until(lambda: not any(labels.get("slot") in ("1", "2") for _, labels, _ in m.metrics().samples), 15, "their series are gone")
    assert all(m.metrics().value(name, slot=0) is not None for name in per_slot)
    assert m.metrics().value("muster_tasks_total", queue="default") >= before


def test_openmetrics_for_who_asks_for_it(m):
    accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
    answer = m.get("/metrics", Accept=accept)
    assert answer.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    lines = answer.text.splitlines()
    assert lines[-1] == "# EOF" and "# TYPE muster_tasks counter" in lines
    assert not any(line.startswith("# ") and " counter" in line and "_total" in line for line in lines)
    assert any(line.startswith("muster_tasks_total{") for line in lines)
    assert "# EOF" not in m.get("/metrics", Accept="text/plain").text
