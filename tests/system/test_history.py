"""GET /v1/history: the counters of the last hour, for charts."""

import pytest

from waiting import until


@pytest.fixture
def m(muster):
    return muster({"pools": [{"name": "default", "workers": 1}]})


def samples(m, after=0):
    return m.get(f"/v1/history?after={after}").json["samples"]


def test_what_became_of_tasks_is_in_the_next_sample(m):
    first = until(lambda: samples(m))[0]
    assert set(first) == {"at", "succeeded", "retried", "dead", "waits", "wait_seconds"}
    ids = [m.post("/v1/tasks", {"class": "Demo", "method": method, "param": ["x"]}).json["id"] for method in ("echo", "echo", "fail")]
    for one in ids:
        m.get(f"/v1/tasks/{one}?wait=10s")
    last = until(lambda: [one for one in samples(m) if one["at"] > first["at"] and one["waits"] == 3], 15)[-1]
    assert (last["succeeded"], last["dead"]) == (2, 1) and last["wait_seconds"] >= 0


def test_only_what_is_later_is_told(m):
    first = until(lambda: samples(m))[0]
    assert samples(m, first["at"] - 1)[0] == first
    assert first not in samples(m, first["at"])


@pytest.mark.parametrize("after", ["-1", "yesterday", "", "1e3"])
def test_after_is_a_number(m, after):
    assert m.get(f"/v1/history?after={after}").status == 400
