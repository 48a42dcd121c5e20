"""Settings of a queue are changed while it is in use: at once where it was asked, in two seconds everywhere, until they are
changed again."""

import pytest

from harness import bound, until
from test_reload import reload

ONE = {"pools": [{"name": "default", "workers": 3, "queues": {"default": 1, "narrow": 1}}],
       "queues": [{"name": "narrow", "max_active": 2, "max_depth": 5}, {"name": "sink"}]}


def change(m, queue, **settings):
    answer = m.request("PATCH", f"/v1/queues/{queue}", settings)
    assert answer.status == 200, answer
    return answer.json["settings"]


def settings_of(m, queue):
    return m.queue(queue)["settings"]


def busy(*musters):
    return sum(worker["state"] == "busy" for m in musters for worker in m.workers())


def test_what_holds_is_shown_and_changed(muster):
    m = muster(ONE)
    before = settings_of(m, "narrow")
    assert before == {"retry": 1, "backoff": {"base": "0s", "factor": 2.0, "max": "1h", "jitter": 0.1}, "timeout": None,
                      "max_crashes": 3, "retention": {"succeeded": "10m", "dead": "7d", "cancelled": "10m", "max": 100000},
                      "max_active": 2, "max_depth": 5}
    now = change(m, "narrow", max_active=1, backoff={"base": "2s"})
    assert now == {**before, "max_active": 1, "backoff": {**before["backoff"], "base": "2s"}}
    assert change(m, "narrow", max_active=None, retry=7) == {**now, "max_active": None, "retry": 7}
    assert change(m, "narrow") == settings_of(m, "narrow") == {**now, "max_active": None, "retry": 7}
    assert settings_of(m, "default")["max_depth"] is None
    answer = m.delete("/v1/queues/narrow/settings")
    assert answer.status == 200 and answer.json["settings"] == before
    assert m.delete("/v1/queues/narrow/settings").status == 200


@pytest.mark.parametrize("body, status, pointer", [
    ({"max_depth": 0}, 422, "/max_depth"), ({"max_dept": 5}, 422, "/max_dept"), ({"timeout": "soon"}, 422, "/timeout"),
    ({"backoff": {"factor": 0}}, 422, "/backoff/factor"), ({"name": "other"}, 422, "/name"), ({"list": "x"}, 422, "/list"),
    ({"retry": None}, 422, "/retry"), ([], 422, "")])
def test_what_cannot_hold_is_refused_and_changes_nothing(muster, body, status, pointer):
    m = muster(ONE)
    before = settings_of(m, "narrow")
    answer = m.request("PATCH", "/v1/queues/narrow", body)
    assert answer.status == status and [fault["pointer"] for fault in answer.json["errors"]] == [pointer], answer
    assert settings_of(m, "narrow") == before
    assert m.request("PATCH", "/v1/queues/none", {"retry": 2}).status == 404
    assert m.delete("/v1/queues/none/settings").status == 404


def test_a_depth_holds_for_the_next_submission(muster):
    m = muster(ONE)
    m.submit_many([{"class": "Demo", "method": "noop", "queue": "sink"}] * 3)
    change(m, "sink", max_depth=3)
    answer = m.post("/v1/tasks", {"class": "Demo", "method": "noop", "queue": "sink"})
    assert answer.status == 429 and answer.headers["Retry-After"]
    change(m, "sink", max_depth=4)
    m.submit("Demo", "noop", queue="sink")
    change(m, "sink", max_depth=None)
    m.submit("Demo", "noop", queue="sink")


def test_how_many_run_at_once(muster):
    m = muster(ONE)
    change(m, "narrow", max_active=1, max_depth=None)
    workers_heed_it(m)
    ids = [m.submit("Demo", "work", 60000, queue="narrow") for _ in range(6)]
    m.running(ids[0])
    assert busy(m) == 1
    change(m, "narrow", max_active=3)
    until(lambda: busy(m) == 3, bound(4))
    for id_ in ids:
        m.delete(f"/v1/tasks/{id_}")


def workers_heed_it(m):
    """One acts on a later change, so all can: each does when it has ended another task."""
    change(m, "default", timeout="200ms")
    until(lambda: m.run("Demo", "work", 1000)["state"] == "dead", 10)
    ids = m.submit_many([{"class": "Demo", "method": "sleep", "param": [400], "timeout": "1m"}] * len(m.workers()))
    until(lambda: busy(m) == len(ids), 10)
    for id_ in ids:
        m.wait_task(id_)


def test_what_workers_act_on(muster):
    m = muster(ONE)
    assert m.run("Demo", "retry", "again")["attempts"] == 1
    change(m, "default", retry=3, backoff={"base": "1ms", "jitter": 0})
    assert m.run("Demo", "retry", "again")["attempts"] == 3, "written into the task where it is submitted"
    change(m, "default", timeout="200ms")
    until(lambda: m.run("Demo", "work", 1500, retry=1)["state"] == "dead", bound(6), "a timeout")
    assert m.delete("/v1/queues/default/settings").status == 200
    assert m.run("Demo", "retry", "again")["attempts"] == 1
    until(lambda: m.run("Demo", "work", 500, retry=1)["state"] == "succeeded", bound(6), "as the file says")


def test_retention(muster):
    m = muster(ONE)
    id_ = m.run("Demo", "noop")["id"]
    change(m, "default", retention={"succeeded": "0s"})
    until(lambda: m.get(f"/v1/tasks/{id_}").status == 404, 10)


def test_it_is_kept_over_a_restart_and_holds_for_all_nodes(make, redis_server):
    server = redis_server()
    first, second = (make({**ONE, "broker": server.url()}) for _ in range(2))
    first.start()
    second.start()
    change(first, "sink", max_depth=1)
    until(lambda: settings_of(second, "sink")["max_depth"] == 1, bound(3))
    assert settings_of(second, "sink") == settings_of(first, "sink")
    change(second, "sink", max_depth=2)
    until(lambda: settings_of(first, "sink")["max_depth"] == 2, bound(3))
    first.stop()
    first.start()
    until(lambda: settings_of(first, "sink")["max_depth"] == 2, bound(3))
    first.kill_role("scheduler")
    first.kill_role("api")
    until(lambda: settings_of(first, "sink")["max_depth"] == 2, 10)
    second.delete("/v1/queues/sink/settings")
    until(lambda: settings_of(first, "sink")["max_depth"] is None, bound(3))


def test_a_reload_changes_what_was_not_changed(muster):
    m = muster(ONE)
    change(m, "narrow", max_active=3)
    reload(m, queues=[{"name": "narrow", "max_active": 1, "max_depth": 9}, {"name": "sink", "retry": 4}])
    until(lambda: settings_of(m, "sink")["retry"] == 4)
    until(lambda: (settings_of(m, "narrow")["max_active"], settings_of(m, "narrow")["max_depth"]) == (3, 9), bound(4))


def test_it_stands_in_the_audit(muster):
    m = muster(ONE)
    change(m, "sink", max_depth=7)
    call = m.get("/v1/audit").json["calls"][0]
    assert (call["method"], call["path"], call["outcome"]) == ("PATCH", "/v1/queues/sink", "done")
    m.wait_log("settings were changed", "queue=sink")


def test_a_broker_that_comes_back_still_knows(muster):
    m = muster(ONE)
    m.kill_role("broker")
    until(lambda: m.request("PATCH", "/v1/queues/sink", {"max_depth": 3}).status == 200, 15)
    assert settings_of(m, "sink")["max_depth"] == 3
