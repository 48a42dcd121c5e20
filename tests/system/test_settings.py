"""GET /v1/config: what holds, and nothing that is secret; and the past of a worker's slot."""

import json

from harness import until
from test_auth import bearer, write_tokens

HIDDEN = "hidden-word"


def settings(m, **headers):
    answer = m.get("/v1/config", **headers)
    assert answer.status == 200, answer
    return answer.json["settings"]


def test_what_holds_is_told_with_its_defaults(muster):
    m = muster({"namespace": "mine", "queues": [{"name": "mail", "retry": 3}],
                "pools": [{"name": "post", "workers": 1, "queues": {"mail": 2}}]})
    told = m.get("/v1/config")
    assert told.json["file"] and told.json["generation"] >= 0 and told.json["refused"] is None
    now = told.json["settings"]
    assert now["namespace"] == "mine" and now["node_timeout"] == "15s" and now["limits"]["document"] == "1MiB"
    assert [queue["name"] for queue in now["queues"]] == ["mail", "default"] and now["queues"][0]["retry"] == 3
    assert now["pools"][0]["queues"] == {"mail": 2} and now["pools"][0]["heartbeat_timeout"] == "10s"
    assert m.get("/v1/config", **{"If-None-Match": told.headers["ETag"]}).status == 304


def test_a_pool_that_was_scaled_is_told_as_it_is(muster):
    m = muster({"pools": [{"name": "default", "workers": 1}]})
    assert m.request("PATCH", "/v1/pools/default", {"workers": 3}).status == 200
    until(lambda: settings(m)["pools"][0]["workers"] == 3, what="the settings follow")
    assert m.http.request("PATCH", "/v1/pools/default", {"workers": 0}, {}).status == 200
    until(lambda: m.get("/v1/pools/default").json["workers"] == 0)
    assert settings(m)["pools"][0]["workers"] == 1, "none is what no file can say"
    assert m.request("PATCH", "/v1/queues/default", {"retry": 6}).status == 200
    assert settings(m)["queues"][0]["retry"] == 6


def test_a_queue_that_was_changed_in_use_is_told_as_it_is(muster):
    m = muster({"pools": [{"name": "default", "workers": 1}]})
    assert m.request("PATCH", "/v1/queues/default", {"retry": 9}).status == 200
    assert next(queue for queue in settings(m)["queues"] if queue["name"] == "default")["retry"] == 9


def test_a_reload_is_followed_and_a_refused_one_is_told(muster):
    m = muster({"queues": [{"name": "mail"}, {"name": "old"}], "pools": [{"name": "default", "workers": 1, "queues": {"default": 1}}]})
    m.write_config({**m.config, "queues": [{"name": "mail", "retry": 7}]})
    assert m.post("/v1/reload").status == 202
    until(lambda: [(queue["name"], queue["retry"]) for queue in settings(m)["queues"]][:1] == [("mail", 7)], what="the reload is told")
    assert "old" not in {queue["name"] for queue in settings(m)["queues"]}
    m.write_config({**m.config, "nonsense": 1})
    assert m.post("/v1/reload").status == 202
    until(lambda: "nonsense" in (m.get("/v1/config").json["refused"] or ""), what="the refusal is told")


def test_what_may_be_secret_is_not_told(make):
    program = {"exec": ["/bin/cat"], "env": {"PASSWORD": HIDDEN}}
    m = make({"handlers": [{"class": "Mailer", **program}, {"class": "Demo", "module": "demo.so", "options": {"key": HIDDEN}}],
                "pools": [{"name": "default", "workers": 1}, {"name": "feeder", "kind": "service", "workers": 1, **program}]}).start(ready=False)
    m.wait_log("api serves")
    now = settings(m)
    assert HIDDEN not in json.dumps(now)
    assert now["handlers"][0]["env"] == now["pools"][1]["env"] == {"PASSWORD": "********"}


def test_only_an_admin_is_told(make, folder):
    m = make({"auth": write_tokens(folder)}).start(ready=False)
    m.wait_log("api serves")
    assert [m.http.request("GET", "/v1/config", headers=bearer(who)).status for who in ("looker", "sender", "boss")] == [403, 403, 200]


def test_a_worker_has_a_past(muster):
    m = muster({"pools": [{"name": "default", "workers": 1, "heartbeat_timeout": "1s"}]})
    assert m.worker(0)["exits"] == []
    m.submit("Demo", "hang", id="stuck", retry=1)
    m.wait_task("stuck", "dead")
    m.submit("Demo", "crash", 11, id="broken")
    m.wait_task("broken", "dead")
    past = until(lambda: (lambda exits: len(exits) >= 4 and exits)(m.worker(0)["exits"]), what="all of it is told")
    assert [one["reason"] for one in past[:4]] == ["signal", "signal", "signal", "timeout"] and past[0]["signal"] == 11
    assert past[3]["task"] == "stuck" and past[3]["evidence"]["silent_ms"] >= 900 and past[0]["task"] == "broken"
    assert [one["incarnation"] for one in past] == sorted((one["incarnation"] for one in past), reverse=True)
    assert "exits" not in m.workers()[0], "a list would be long"
