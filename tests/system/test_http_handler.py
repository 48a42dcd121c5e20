"""A handler that is a URL: its tasks are posted there, and what is answered is their result."""
import base64
import hashlib
import hmac
import json
import subprocess

import pytest

from harness import MUSTERD
from test_http_class import at_a_time, http_config, receiver, run_task, submit_task  # noqa: F401
from waiting import until


def billing(url, **more):
    return http_config(handlers=[{"class": "Billing", "http": url, **more}])


@pytest.fixture
def m(muster, receiver):  # noqa: F811
    return muster(billing(receiver.url + "/tasks"))


def test_a_task_is_posted_as_it_is_and_the_answer_is_its_result(m, receiver):  # noqa: F811
    receiver.answers = [(200, {"Content-Type": "application/json"}, b'{"invoice": [7, null]}')]
    id_ = m.post("/v1/tasks", '{"class":"Billing","method":"bill","param":[12345678901234567890, 1.10], "meta": {"a": 1}}').json["id"]
    task = m.wait_task(id_)
    assert task["state"] == "succeeded" and task["result"] == {"invoice": [7, None]}, task
    method, path, headers, body = receiver.requests[0]
    assert (method, path, headers["Content-Type"]) == ("POST", "/tasks", "application/json")
    assert b'"param":[12345678901234567890, 1.10]' in body, "the document's own bytes"
    sent = json.loads(body)
    assert (sent["id"], sent["queue"], sent["attempt"], sent["method"]) == (id_, "default", 1, "bill")
    assert sent["deadline_ms"] > 0 and sent["meta"] == {"a": 1}
    assert "webhook-signature" not in {name.lower() for name in headers}


@pytest.mark.parametrize("body,result", [(b"", None), (b"null", None), (b"41", 41), (b'"x"', "x")])
def test_any_json_is_a_result_and_nothing_is_null(m, receiver, body, result):  # noqa: F811
    receiver.answers = [(200, {}, body)]
    task = m.run("Billing", "any")
    assert (task["state"], task["result"]) == ("succeeded", result)


def test_an_answer_that_is_no_json_is_a_failure(m, receiver):  # noqa: F811
    receiver.answers = [(200, {}, b"<html>")]
    task = run_task(m, {"class": "Billing", "method": "any", "retry": 3})
    assert (task["state"], task["attempts"], task["error"]["kind"]) == ("dead", 1, "exception")
    assert "no JSON" in task["error"]["message"]


def test_an_answer_above_the_limit_is_a_failure_that_says_so(muster, receiver):  # noqa: F811
    m = muster({**billing(receiver.url), "limits": {"result": "1KiB"}})
    receiver.answers = [(200, {}, json.dumps("x" * 2000).encode())]
    task = m.run("Billing", "any")
    assert task["state"] == "dead" and "1024 bytes" in task["error"]["message"]


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502])
def test_what_may_pass_is_tried_again(m, receiver, status):  # noqa: F811
    receiver.answers = [(status, {}, b""), (200, {}, b"1")]
    task = run_task(m, {"class": "Billing", "method": "any", "retry": 2})
    assert (task["state"], task["attempts"], task["result"]) == ("succeeded", 2, 1)
    assert [json.loads(body)["attempt"] for _, _, _, body in receiver.requests] == [1, 2]


def test_retry_after_is_kept_to(m, receiver):  # noqa: F811
    receiver.answers = [(429, {"Retry-After": "3600"}, b"")]
    id_ = submit_task(m, {"class": "Billing", "method": "any", "retry": 2})
    task = until(lambda: (found := m.task(id_))["state"] == "retrying" and found)
    assert "3600 s" in task["history"][0]["message"]


@pytest.mark.parametrize("status", [302, 400, 404, 422])
def test_what_will_not_pass_is_not_tried_again(m, receiver, status):  # noqa: F811
    receiver.answers = [(status, {"Location": "/elsewhere"}, b"no")]
    task = run_task(m, {"class": "Billing", "method": "any", "retry": 5})
    assert (task["state"], task["attempts"]) == ("dead", 1) and str(status) in task["error"]["message"]
    assert len(receiver.requests) == 1


def test_nobody_there_is_tried_again(muster):
    m = muster(billing("http://127.0.0.1:1/"))
    task = run_task(m, {"class": "Billing", "method": "any", "retry": 2})
    assert (task["state"], task["attempts"], task["error"]["kind"]) == ("dead", 2, "retry")


def test_its_own_timeout_ends_it(m, receiver):  # noqa: F811
    import threading
    receiver.held = threading.Event()
    try:
        task = run_task(m, {"class": "Billing", "method": "any", "timeout": "300ms"})
        assert (task["state"], task["error"]["kind"]) == ("dead", "timeout")
    finally:
        receiver.held.set()


def test_signed_as_standard_webhooks_with_the_file_as_it_is_now(muster, receiver, tmp_path):  # noqa: F811
    key = tmp_path / "billing.key"
    key.write_text("whsec_" + base64.b64encode(b"first" * 5).decode() + "\n")
    tmp_path.chmod(0o755)
    m = muster(billing(receiver.url, secret_file=str(key)))
    for secret in (b"first" * 5, b"second" * 5):
        key.write_text("whsec_" + base64.b64encode(secret).decode() + "\n")
        receiver.answers = [(204, {}, b"")]
        task = m.run("Billing", "any")
        assert task["state"] == "succeeded", task
        _, _, headers, body = receiver.requests[-1]
        headers = {name.lower(): value for name, value in headers.items()}
        assert headers["webhook-id"] == task["id"]
        signed = f"{task['id']}.{headers['webhook-timestamp']}.".encode() + body
        expected = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == "v1," + expected


def test_the_inside_is_refused_here_as_well(muster, receiver):  # noqa: F811
    m = muster({**billing(receiver.url), "http": {"allow": []}})
    task = run_task(m, {"class": "Billing", "method": "any", "retry": 3})
    assert task["state"] == "dead" and task["error"]["message"].startswith("refused") and not receiver.requests


def test_a_class_of_its_own_beside_all_others(muster, receiver):  # noqa: F811
    m = muster(http_config(handlers=[{"class": "*", "http": receiver.url + "/any"}, {"class": "Billing", "http": receiver.url + "/billing"}]))
    receiver.answers = [(200, {}, b"")]
    assert m.run("Billing", "x")["state"] == "succeeded" and m.run("Whatever", "y")["state"] == "succeeded"
    assert [path for _, path, _, _ in receiver.requests] == ["/billing", "/any"]
    assert json.loads(receiver.requests[1][3])["class"] == "Whatever"
    assert m.run("Http", "push", receiver.url, {})["result"] == {"status": 200}, "Http itself is there as before"


@pytest.mark.parametrize("handler,words", [
    ("{class: B, http: 'ftp://x/'}", "must be a URL"),
    ("{class: B, http: 'https://'}", "must be a URL"),
    ("{class: B, http: 'https://me:secret@x/'}", "no password"),
    ("{class: B, http: 'https://x/', module: demo.so}", "beside"),
    ("{class: B, http: 'https://x/', secret_file: /nowhere/key}", "/nowhere/key"),
    ("{class: B, module: demo.so, secret_file: /dev/null}", 'without "http"'),
])
def test_what_cannot_be_meant_is_refused_with_its_line(tmp_path, handler, words):
    file = tmp_path / "m.yml"
    file.write_text(f"state_dir: {tmp_path}/s\nhandlers:\n  - {handler}\n")
    done = subprocess.run([MUSTERD, "-c", file, "--check"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 78 and words in done.stderr and f"{file}:3:" in done.stderr, done.stderr
