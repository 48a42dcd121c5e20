"""The class Http: calls that go out, what they are taken for, and what may not be reached."""
import base64
import hashlib
import hmac
import http.server
import json
import re
import threading

import pytest

from waiting import until


class Receiver(http.server.ThreadingHTTPServer):
    """A web server of the test's own: `answers` are given in turn, the last one for ever; `requests` is what came."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.requests, self.connections = [(200, {}, b"hello")], [], set()
        self.held, self.waiting = None, False
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def stop(self):
        self.shutdown()
        self.server_close()
        self.thread.join()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.connections.add(self.client_address)
        self.server.requests.append((self.command, self.path, dict(self.headers), body))
        if self.server.held:
            self.server.waiting = True
            self.server.held.wait(30)
        status, headers, body = self.server.answers[0]
        if len(self.server.answers) > 1:
            self.server.answers.pop(0)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = handle_any

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver():
    one = Receiver()
    yield one
    one.stop()


def submit_task(m, document):
    return m.submit_many([document])[0]


def run_task(m, document):
    return m.wait_task(submit_task(m, document))


AT_A_TIME = [1]


@pytest.fixture(autouse=True, params=[1, 16], ids=["one", "several"])
def at_a_time(request):
    """Whatever holds of one transfer holds of each of several."""
    AT_A_TIME[0] = request.param
    yield
    AT_A_TIME[0] = 1  # for those who use http_config alone


def http_config(handlers=(), **more):
    handlers = [{"concurrency": AT_A_TIME[0], **handler} for handler in [{"class": "Http"}, *handlers]]
    return {"pools": [{"name": "default", "workers": 1, "queues": ["default"]}], "http": {"allow": ["127.0.0.0/8"]},
            "handlers": handlers, **more}


@pytest.fixture
def m(muster):
    return muster(http_config())


def test_fetch_answers_status_url_headers_and_body(m, receiver):
    receiver.answers = [(200, {"X-Word": "a b", "Content-Type": "text/plain"}, "grüß dich".encode())]
    task = m.run("Http", "fetch", receiver.url + "/page?x=1")
    assert task["state"] == "succeeded", task
    result = task["result"]
    assert (result["status"], result["url"], result["body"]) == (200, receiver.url + "/page?x=1", "grüß dich")
    assert result["headers"]["x-word"] == "a b" and result["headers"]["content-type"] == "text/plain"
    assert receiver.requests[0][:2] == ("GET", "/page?x=1")


def test_bytes_that_are_no_text_come_as_base64(m, receiver):
    receiver.answers = [(200, {}, b"\xff\x00\xfe")]
    result = m.run("Http", "fetch", receiver.url)["result"]
    assert "body" not in result and base64.b64decode(result["body_base64"]) == b"\xff\x00\xfe"


def test_push_sends_json_or_a_text_as_it_is(m, receiver):
    assert m.run("Http", "push", receiver.url + "/hook", {"a": [1, 2.5, None]})["result"] == {"status": 200}
    assert m.run("Http", "push", receiver.url + "/hook", "plain")["state"] == "succeeded"
    assert m.run("Http", "push", receiver.url + "/hook", "<x/>", {"headers": {"Content-Type": "application/xml"}, "method": "PUT"})["state"] == "succeeded"
    (one, _, headers, body), (_, _, plain, text), (put, _, xml, _) = receiver.requests
    assert one == "POST" and headers["Content-Type"] == "application/json" and json.loads(body) == {"a": [1, 2.5, None]}
    assert plain["Content-Type"].startswith("text/plain") and text == b"plain"
    assert put == "PUT" and xml["Content-Type"] == "application/xml"


def test_a_worker_keeps_its_connection_from_task_to_task(m, receiver):
    for _ in range(5):
        assert m.run("Http", "push", receiver.url, {})["state"] == "succeeded"
    assert len(receiver.requests) == 5 and len(receiver.connections) == 1


def test_named_params(m, receiver):
    task = run_task(m, {"class": "Http", "method": "push", "param": {"url": receiver.url, "body": [1], "options": {"timeout": "2s"}}})
    assert task["state"] == "succeeded" and receiver.requests[0][3] == b"[1]"


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_what_may_pass_is_retried(m, receiver, status):
    receiver.answers = [(status, {}, b""), (200, {}, b"")]
    task = run_task(m, {"class": "Http", "method": "push", "param": [receiver.url, {}], "retry": 2})
    assert task["state"] == "succeeded" and task["attempts"] == 2
    assert task["history"][0]["kind"] == "retry" and str(status) in task["history"][0]["message"]


def test_retry_after_is_kept_to(m, receiver):
    receiver.answers = [(503, {"Retry-After": "3600"}, b""), (200, {}, b"")]
    id_ = submit_task(m, {"class": "Http", "method": "push", "param": [receiver.url, {}], "retry": 2})
    task = until(lambda: (found := m.task(id_))["state"] == "retrying" and found)
    assert "3600 s" in task["history"][0]["message"]


@pytest.mark.parametrize("status", [400, 401, 404, 410, 422])
def test_what_will_not_pass_is_not(m, receiver, status):
    receiver.answers = [(status, {}, b"no")]
    task = run_task(m, {"class": "Http", "method": "push", "param": [receiver.url, {}], "retry": 5})
    assert (task["state"], task["attempts"], task["error"]["kind"]) == ("dead", 1, "exception")
    assert str(status) in task["error"]["message"] and len(receiver.requests) == 1


def test_nobody_there_is_retried(m, receiver):
    receiver.stop()
    task = run_task(m, {"class": "Http", "method": "fetch", "param": [receiver.url], "retry": 2})
    assert (task["state"], task["attempts"], task["error"]["kind"]) == ("dead", 2, "retry"), task
    receiver.stop = lambda: None


def test_a_server_that_never_answers_is_given_up_at_the_timeout(m, receiver):
    receiver.held = threading.Event()
    task = m.run("Http", "fetch", receiver.url, {"timeout": "300ms"})
    receiver.held.set()
    assert task["state"] == "dead" and task["error"]["kind"] == "retry", task
    waited = re.search(r"timed out after (\d+) milliseconds", task["error"]["message"])
    assert waited and int(waited[1]) >= 290, task  # by a clock of its own, curl may say one less than it was told


def test_it_may_take_longer_than_the_heartbeat_timeout(muster, receiver):
    """The call itself promises how long it will be silent; a task that is cancelled meanwhile ends."""
    m = muster(http_config(pools=[{"name": "default", "workers": 1, "queues": ["default"], "heartbeat_timeout": "200ms"}]))
    receiver.held = threading.Event()
    id_ = m.submit("Http", "fetch", receiver.url)
    until(lambda: receiver.waiting)
    row = m.running(id_)
    until(lambda: (m.worker(row["slot"])["task"] or {}).get("running_seconds", 0) > 0.6)
    receiver.held.set()
    assert m.wait_task(id_)["state"] == "succeeded"
    receiver.held = threading.Event()
    id_ = m.submit("Http", "fetch", receiver.url)
    m.running(id_)
    pid = m.worker(row["slot"])["pid"]
    m.delete(f"/v1/tasks/{id_}")
    assert m.wait_task(id_)["state"] == "cancelled"
    assert m.worker(row["slot"])["pid"] == pid, "it has ended by itself"
    receiver.held.set()


def test_redirects_are_bounded(m, receiver):
    receiver.answers = [(302, {"Location": "/next"}, b"")]
    task = m.run("Http", "fetch", receiver.url, {"redirects": 3})
    assert task["state"] == "dead" and "redirect" in task["error"]["message"] and len(receiver.requests) == 4
    receiver.answers = [(302, {"Location": "/next"}, b""), (200, {}, b"there")]
    assert m.run("Http", "fetch", receiver.url)["result"]["url"] == receiver.url + "/next"
    receiver.answers = [(307, {"Location": "/next"}, b"")]
    assert "302" in (task := m.run("Http", "push", receiver.url, {}))["error"]["message"] or "307" in task["error"]["message"]


def test_an_answer_that_is_too_long_is_a_failure(m, receiver):
    receiver.answers = [(200, {}, b"x" * 5000)]
    task = m.run("Http", "fetch", receiver.url, {"max_bytes": 4999})
    assert task["state"] == "dead" and "max_bytes" in task["error"]["message"]
    assert m.run("Http", "fetch", receiver.url, {"max_bytes": 5000})["state"] == "succeeded"
    receiver.answers = [(200, {}, b"x" * 500_000)]
    assert m.run("Http", "push", receiver.url, {})["state"] == "succeeded", "what push is answered is dropped"


@pytest.mark.parametrize("param", [[], [5], ["http://x", 5], ["http://x", {"unknown": 1}], ["http://x", {"timeout": "soon"}],
                                   ["http://x", {"headers": {"A": "b\r\nC: d"}}], ["http://x", {"headers": {"A B": "c"}}],
                                   ["http://x", {"method": "GET /"}], ["http://x", {}, 3], ["http://x", {"redirects": 99}]])
def test_wrong_params_are_a_failure_that_says_so(m, param):
    task = run_task(m, {"class": "Http", "method": "fetch", "param": param})
    assert task["state"] == "dead" and task["error"]["kind"] == "exception" and task["error"]["message"]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/", "dict://127.0.0.1:6379/info", "telnet://127.0.0.1"])
def test_other_schemes_are_refused(m, url):
    task = m.run("Http", "fetch", url)
    assert task["state"] == "dead" and "refused" in task["error"]["message"]


INSIDE = ["http://127.0.0.1:{port}/", "http://localhost:{port}/", "http://[::1]:{port}/", "http://0.0.0.0:{port}/", "http://127.1:{port}/",
          "http://2130706433:{port}/", "http://0x7f000001:{port}/", "http://[::ffff:127.0.0.1]:{port}/", "http://10.0.0.1/", "http://192.168.1.1/",
          "http://172.16.0.1/", "http://169.254.169.254/latest/meta-data/", "http://[fe80::1]/", "http://[fd00:ec2::254]/", "http://100.64.0.1/",
          "http://[64:ff9b::7f00:1]/", "http://[2002:7f00:1::]/"]


@pytest.mark.parametrize("url", INSIDE)
def test_what_is_not_the_open_internet_is_refused(muster_without_allow, receiver, url):
    task = muster_without_allow.run("Http", "fetch", url.format(port=receiver.server_address[1]), {"timeout": "2s"})
    assert task["state"] == "dead" and not receiver.requests
    assert task["error"]["message"].startswith("refused"), task["error"]


@pytest.fixture
def muster_without_allow(muster):
    return muster(http_config(http={}))


def test_a_redirect_inwards_is_refused(muster, receiver):
    """The first address is allowed, the second is not."""
    m = muster(http_config(http={"allow": ["127.0.0.1"]}))
    receiver.answers = [(302, {"Location": f"http://127.0.0.2:{receiver.server_address[1]}/secret"}, b"")]
    task = m.run("Http", "fetch", receiver.url)
    assert task["error"]["message"].startswith("refused") and len(receiver.requests) == 1


def test_a_host_may_be_allowed_by_its_name(muster, receiver):
    m = muster(http_config(http={"allow": ["localhost"]}))
    port = receiver.server_address[1]
    assert m.run("Http", "fetch", f"http://localhost:{port}/")["state"] == "succeeded"
    assert m.run("Http", "fetch", f"http://127.0.0.1:{port}/")["error"]["message"].startswith("refused"), "the name, not its address"


def test_a_proxy_of_the_environment_is_not_used(muster, receiver):
    m = muster(http_config(http={}), env={"http_proxy": receiver.url, "https_proxy": receiver.url,
                                                  "ALL_PROXY": receiver.url})
    assert m.run("Http", "fetch", "http://10.255.255.1/", {"timeout": "1s"})["error"]["message"].startswith("refused")
    assert not receiver.requests


@pytest.mark.parametrize("secret, key", [("very secret\n", b"very secret"), ("whsec_" + base64.b64encode(b"bytes\x00\xff").decode(), b"bytes\x00\xff")])
def test_a_body_is_signed_as_standard_webhooks(muster, receiver, folder, secret, key):
    path = folder / "billing.key"
    path.write_text(secret)
    path.chmod(0o600)
    m = muster(http_config(http={"allow": ["127.0.0.1"], "secrets": {"billing": str(path)}}))
    receiver.answers = [(500, {}, b""), (200, {}, b"")]
    task = run_task(m, {"class": "Http", "method": "push", "param": [receiver.url, {"x": 1}, {"secret": "billing"}], "retry": 2})
    assert task["state"] == "succeeded"
    for _, _, headers, body in receiver.requests:
        assert headers["webhook-id"] == task["id"]
        signed = b".".join([task["id"].encode(), headers["webhook-timestamp"].encode(), body])
        assert headers["webhook-signature"] == "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert "very secret" not in m.log() and "no-such" in m.run("Http", "push", receiver.url, 1, {"secret": "no-such"})["error"]["message"]
