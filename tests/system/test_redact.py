"""A handler's `redact`: what it names reaches the handler and nobody else."""
import json

import pytest

from harness import REPO
from test_http_class import http_config, receiver  # noqa: F401
from waiting import until

TALKER = ["/usr/bin/python3", str(REPO / "tests" / "children" / "talker.py")]
SECRET = "Hunter2-Hunter2"


@pytest.fixture
def m(muster):
    return muster(http_config(handlers=[{"class": "Demo", "module": "demo.so", "redact": ["/param/0", "/meta/token"]}]))


def test_the_handler_gets_it_and_look_ups_lists_and_logs_do_not(m):
    id_ = m.submit("Demo", "echo", SECRET, "seen", meta={"token": SECRET, "other": "seen"})
    task = m.wait_task(id_)
    assert task["result"] == [SECRET, "seen"], "what a handler returns is its own doing"
    assert task["param"] == ["[redacted]", "seen"] and task["meta"] == {"token": "[redacted]", "other": "seen"}
    dead = m.run("Demo", "retry", SECRET)
    assert dead["param"] == ["[redacted]"]
    waits = m.submit("Demo", "noop", SECRET, delay="1h")
    for state in ("scheduled", "dead", "succeeded"):
        rows = m.get(f"/v1/queues/default/tasks?state={state}").json["tasks"]
        assert rows and all(row["param"][0] == "[redacted]" for row in rows), rows
    assert m.get(f"/v1/tasks/{waits}").json["param"] == ["[redacted]"]
    assert m.get(f"/v1/tasks/{waits}?wait=10ms").json["param"] == ["[redacted]"]
    assert m.delete(f"/v1/tasks/{waits}").json["param"] == ["[redacted]"]
    assert '["[redacted]"]' in m.log() and '"param":["' + SECRET not in m.log()


def test_callbacks_do_not_have_it_either(m, receiver):  # noqa: F811
    m.run("Demo", "add", 1, 2, callback=receiver.url)
    until(lambda: receiver.requests)
    assert json.loads(receiver.requests[0][3])["param"] == ["[redacted]", 2]
