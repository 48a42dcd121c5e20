"""A task's `callback`: its end is posted to a URL, by a task of its own."""
import base64
import hashlib
import hmac
import json
import signal

import pytest

from harness import REPO
from test_http_class import http_config, receiver  # noqa: F401
from waiting import stays, until

TALKER = ["/usr/bin/python3", str(REPO / "tests" / "children" / "talker.py")]


def config(**more):
    return http_config(handlers=[{"class": "Demo", "module": "demo.so"}, {"class": "Talker", "exec": TALKER}], **more)


@pytest.fixture
def m(muster, receiver):  # noqa: F811
    return muster(config())


def told(receiver, count=1):  # noqa: F811
    """The bodies that came, when there are so many."""
    until(lambda: len(receiver.requests) >= count, what=f"{count} callbacks have come")
    return [json.loads(body) for _, _, _, body in receiver.requests]


def test_a_success_is_told_as_the_task_is_shown(m, receiver):  # noqa: F811
    task = m.run("Demo", "add", 2, 3, callback=receiver.url + "/ended", meta={"order": 7})
    (body,) = told(receiver)
    assert body["id"] == task["id"] and (body["state"], body["result"], body["meta"]) == ("succeeded", 5, {"order": 7})
    assert body == task
    assert receiver.requests[0][:2] == ("POST", "/ended")


def test_deaths_and_cancellations_are_told(m, receiver):  # noqa: F811
    dead = m.run("Demo", "fail", "broken", callback=receiver.url)
    refused = m.run("Nobody", "x", callback=receiver.url)
    waits = m.submit("Demo", "noop", delay="1h", callback=receiver.url)
    assert m.delete(f"/v1/tasks/{waits}").status == 200
    bodies = {body["id"]: body for body in told(receiver, 3)}
    assert bodies[dead["id"]]["state"] == "dead" and bodies[dead["id"]]["error"]["message"] == "broken"
    assert bodies[refused["id"]]["error"]["kind"] == "unknown_class"
    assert bodies[waits]["state"] == "cancelled"


def test_one_that_took_its_worker_down_is_told_when_it_is_dead(m, receiver):  # noqa: F811
    task = m.run("Demo", "crash", signal.SIGKILL, callback=receiver.url)
    assert task["error"]["kind"] == "crash"
    (body,) = told(receiver)
    assert (body["state"], body["crashes"], body["error"]["kind"]) == ("dead", 3, "crash")


def test_one_that_expires_is_told(m, receiver):  # noqa: F811
    m.submit("Demo", "sleep", 2000)
    until(lambda: m.queue()["active"] == 1)
    id_ = m.submit("Demo", "noop", expires_in="200ms", callback=receiver.url)
    (body,) = told(receiver)
    assert (body["id"], body["error"]["kind"]) == (id_, "expired")


def test_each_end_is_told_once_also_of_one_that_runs_again(m, receiver):  # noqa: F811
    task = m.run("Demo", "fail", "broken", callback=receiver.url)
    told(receiver)
    assert m.post(f"/v1/tasks/{task['id']}/retry").status == 200
    bodies = told(receiver, 2)
    assert [body["id"] for body in bodies] == [task["id"]] * 2
    stays(lambda: len(receiver.requests) == 2, 1)


def test_a_receiver_that_is_down_is_tried_again(m, receiver):  # noqa: F811
    receiver.answers = [(503, {}, b""), (503, {}, b""), (200, {}, b"")]
    m.run("Demo", "noop", callback=receiver.url)
    bodies = told(receiver, 3)
    assert len({json.dumps(body) for body in bodies}) == 1


def test_what_is_told_outlives_its_task_and_a_killed_musterd(muster, receiver):  # noqa: F811
    m = muster(config(queues=[{"name": "default", "retention": {"succeeded": "0s"}}]))
    ids = m.submit_many([{"class": "Demo", "method": "noop", "callback": receiver.url} for _ in range(50)])
    m.kill()
    m.start()
    until(lambda: {json.loads(body)["id"] for _, _, _, body in list(receiver.requests)} == set(ids), 30, "every end is told")


def test_it_is_signed_where_there_is_a_secret_for_it(muster, receiver, tmp_path):  # noqa: F811
    key = tmp_path / "key"
    key.write_text("sesame\n")
    tmp_path.chmod(0o755)
    m = muster({**config(), "http": {"allow": ["127.0.0.0/8"], "secrets": {"callback": str(key)}}})
    m.run("Demo", "noop", callback=receiver.url)
    told(receiver)
    _, _, headers, body = receiver.requests[0]
    headers = {name.lower(): value for name, value in headers.items()}
    assert headers["webhook-id"].startswith("cb_")
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    assert headers["webhook-signature"] == "v1," + base64.b64encode(hmac.new(b"sesame", signed, hashlib.sha256).digest()).decode()


@pytest.mark.parametrize("url", ["ftp://x/", "nowhere", "https://me:secret@x/", 7, {}])
def test_what_is_no_url_is_refused(m, url):
    answer = m.post("/v1/tasks", {"class": "Demo", "method": "noop", "callback": url})
    assert answer.status == 422 and answer.json["errors"][0]["pointer"] == "/callback"


def test_the_inside_is_refused_for_callbacks_as_well(muster, receiver):  # noqa: F811
    m = muster({**config(), "http": {"allow": []}})
    m.run("Demo", "noop", callback=receiver.url)
    callback = until(lambda: next((one for one in m.get("/v1/queues/default/tasks?state=dead").json["tasks"] if one["class"] == "Http"), None))
    assert callback["error"]["message"].startswith("refused") and not receiver.requests
