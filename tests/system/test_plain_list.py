"""Foreign producers LPUSH to a plain Redis list, as they always did, and know nothing of Muster."""

import json

import pytest
import redis as redis_py

from harness import LIST, module, until

ONE = {"pools": [{"name": "default", "workers": 1, "queues": {"default": 1, LIST: 1}}]}


def probe(**more):
    return {**ONE, "handlers": [{"class": "Probe", "module": module("probe")}, {"class": "Demo", "module": "demo.so"}], **more}


def doc(method="noop", *param, **members):
    return {"class": "Demo", "method": method, "param": list(param), **members}


def test_an_lpush_is_a_submission(muster):
    m = muster()
    m.lpush(doc("add", 1, 2))
    task = m.only_list_task()
    assert task["state"] == "succeeded" and task["result"] == 3 and task["queue"] == LIST
    assert m.queue(LIST)["succeeded_total"] == 1 and m.redis.llen(LIST) == 0


def test_what_was_pushed_before_musterd_started_is_run(muster, redis_server):
    server = redis_server()
    server.client().lpush(LIST, *[json.dumps(doc("record", "early", str(n))) for n in range(100)])
    m = muster({"broker": server.url()})
    until(lambda: len(m.record_lines("early")) == 100)


def test_a_list_is_first_in_first_out(muster):
    m = muster(ONE)
    m.lpush(*[doc("record", "order", str(n)) for n in range(1000)])
    until(lambda: len(m.record_lines("order")) == 1000)
    assert m.record_lines("order") == [str(n) for n in range(1000)]


def test_a_retry_goes_behind_everything_that_waits(muster, folder):
    m = muster(probe())
    path = folder / "marks"
    gate = m.submit("Demo", "sleep", 300)
    m.running(gate)
    m.lpush({"class": "Probe", "method": "mark", "param": [str(path), "retry"], "retry": 2},
            *[{"class": "Probe", "method": "mark", "param": [str(path)]} for _ in range(50)])
    until(lambda: path.exists() and len(path.read_text().splitlines()) == 52)
    attempts = [line.split()[1] for line in path.read_text().splitlines()]
    assert attempts[0] == "1" and attempts[-1] == "2"


@pytest.mark.parametrize("given, executions", [(3, 3), (1, 1), (0, 1), (-5, 1), (None, 1), (True, 1), ("3", 3), (2.5, 3), (1000, 1000)])
def test_retry_counts_executions_as_the_seed_did(muster, given, executions):
    m = muster(ONE)
    m.lpush(doc("retry", "again", retry=given))
    task = m.only_list_task()
    assert task["state"] == "dead" and task["attempts"] == executions and task["error"]["kind"] == "retry"
    assert task["max_attempts"] == executions


def test_absent_retry_is_one_execution(muster):
    m = muster(ONE)
    m.lpush(doc("retry", "again"))
    assert m.only_list_task()["attempts"] == 1


@pytest.mark.parametrize("given", ["many", [], [3], {}, {"n": 3}])
def test_a_retry_that_is_no_number_is_one_execution_and_invalid(muster, given):
    m = muster(ONE)
    pid = m.worker(0)["pid"]
    m.lpush(doc("retry", "again", retry=given))
    task = m.only_list_task()
    assert task["state"] == "dead" and task["attempts"] == 1 and task["error"]["kind"] == "invalid"
    assert m.worker(0)["pid"] == pid


def test_an_absent_param_means_no_arguments(muster):
    m = muster(ONE)
    m.lpush({"class": "Demo", "method": "echo"})
    task = m.only_list_task()
    assert task["state"] == "succeeded" and task["result"] == [] and task["param"] == []


def test_an_object_is_named_arguments(muster):
    m = muster(ONE)
    m.lpush({"class": "Demo", "method": "echo", "param": {"b": 1, "a": 2}})
    assert m.only_list_task()["result"] == {"b": 1, "a": 2}


@pytest.mark.parametrize("param", [1, "x", True, 1.5])
def test_a_scalar_param_is_an_error(muster, param):
    m = muster(ONE)
    m.lpush({"class": "Demo", "method": "echo", "param": param})
    task = m.only_list_task()
    assert task["state"] == "dead" and task["error"]["kind"] in ("invalid", "exception")


MALFORMED = {
    "broken syntax": b'{"class":"Demo","method":',
    "empty": b"",
    "blank": b"  ",
    "a scalar": b"17",
    "a string": b'"Demo"',
    "null": b"null",
    "an array": b'["Demo","noop"]',
    "bad UTF-8": b'{"class":"Demo","method":"noop","param":["\xff\xfe"]}',
    "an encoded surrogate": b'{"class":"Demo","method":"noop","param":["\xed\xa0\x80"]}',
    "a byte order mark": b'\xef\xbb\xbf{"class":"Demo","method":"noop"}',
    "a raw NUL": b'{"class":"Demo","method":"noop"\x00}',
    "a NUL behind it": b'{"class":"Demo","method":"noop"}\x00',
    "garbage behind it": b'{"class":"Demo","method":"noop"} x',
    "513 levels": b'{"class":"Demo","method":"echo","param":' + b"[" * 512 + b"]" * 512 + b"}",
    "20,000 brackets": b"[" * 20000,
    "20,000 levels": b"[" * 20000 + b"]" * 20000,
    "no class": b'{"method":"noop"}',
    "no method": b'{"class":"Demo"}',
    "an empty class": b'{"class":"","method":"noop"}',
    "an empty method": b'{"class":"Demo","method":""}',
    "a class that is a number": b'{"class":5,"method":"noop"}',
    "a method that is an array": b'{"class":"Demo","method":["noop"]}',
    "a class that is null": b'{"class":null,"method":"noop"}',
    "single quotes": b"{'class':'Demo','method':'noop'}",
    "a lone surrogate": b'{"class":"Demo","method":"noop","param":["\\ud800"]}',
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_document_is_dead_with_its_raw_text_and_nobody_else_notices(muster, name):
    m = muster(ONE)
    pid = m.worker(0)["pid"]
    m.lpush(MALFORMED[name], doc("record", "after", "x"))
    until(lambda: m.record_lines("after") == ["x"])
    ids = [id_ for id_, document in m.list_tasks().items() if document == MALFORMED[name]]
    assert len(ids) == 1, "the raw text is kept"
    task = m.wait_task(ids[0])
    assert task["state"] == "dead" and task["error"]["kind"] == "invalid"
    if task["class"] is None and not any(byte >= 0x80 or byte == 0 for byte in MALFORMED[name]):
        assert task["raw"] == MALFORMED[name].decode(), "and can be seen"
    assert len(m.wait_log("task format wrong:")) == 1
    assert m.worker(0)["pid"] == pid


def test_512_levels_are_fine(muster):
    m = muster(ONE)
    m.lpush(b'{"class":"Demo","method":"noop","param":' + b"[" * 511 + b"]" * 511 + b"}")
    assert m.only_list_task()["state"] == "succeeded"


def test_of_duplicate_keys_the_last_counts(muster):
    m = muster(ONE)
    m.lpush(b'{"class":"Nonesuch","class":"Demo","method":"add","param":[9,9],"param":[1,2]}')
    assert m.only_list_task()["result"] == 3


@pytest.mark.parametrize("text, value", [
    ('["\\u0000"]', ["\0"]), ("[9007199254740993]", [9007199254740993]), ("[-9223372036854775808]", [-(1 << 63)]),
    ("[18446744073709551616]", [1.8446744073709552e19]), ("[1.0]", [1.0]), ('["\\ud83d\\ude00 \\/ \u00e9"]', ["\U0001F600 / \u00e9"]),
    ("[1e2]", [100.0]), ("[[]]", [[]]), ("[{}]", [{}])])
def test_param_reaches_the_method_as_given_also_the_second_time(muster, text, value):
    m = muster(probe())
    m.lpush(f'{{"class":"Demo","method":"echo","param":{text}}}'.encode())
    task = m.only_list_task()
    assert task["state"] == "succeeded" and json.dumps(task["result"]) == json.dumps(value)


def test_unknown_members_are_kept_and_without_meaning(muster):
    m = muster(probe())
    document = {"class": "Probe", "method": "document", "param": [], "retry": 1, "trace": {"a": [1]}, "delay": "1h", "queue": "mail",
                "id": "mine", "timeout": 3, "priority": 77}
    m.lpush(document)
    task = m.only_list_task()
    assert task["state"] == "succeeded" and task["result"] == document
    assert task["id"] != "mine" and task["queue"] == LIST


def test_an_unknown_class_or_method_is_dead_and_its_worker_lives(muster):
    m = muster(ONE)
    pid = m.worker(0)["pid"]
    m.lpush({"class": "Nonesuch", "method": "run"})
    assert m.only_list_task()["error"]["kind"] == "unknown_class"
    m.lpush(doc("nonesuch"), doc("record", "after", "x"))
    until(lambda: m.record_lines("after") == ["x"])
    assert len(m.wait_log("class method not found:", count=2)) == 2
    assert m.worker(0)["pid"] == pid


def test_a_key_prefix_is_part_of_the_list_s_name(muster):
    m = muster({"queues": [{"name": "tasks", "list": "app:v2:async_task_queue"}],
                "pools": [{"name": "default", "workers": 1, "queues": {"tasks": 1}}]})
    m.lpush(doc("add", 1, 1), key="app:v2:async_task_queue")
    task = m.only_list_task("tasks")
    assert task["result"] == 2 and task["queue"] == "tasks"


def test_a_list_in_another_database_loses_nothing(muster, redis_server):
    server = redis_server()
    m = muster({"broker": server.url(0), "queues": [{"name": LIST, "list": {"key": "pre:async_task_queue", "db": 3}}],
                "pools": [{"name": "default", "workers": 2, "queues": {LIST: 1}}]})
    producer = server.client(3)
    producer.lpush("pre:async_task_queue", *[json.dumps(doc("record", "other", str(n))) for n in range(500)])
    until(lambda: len(m.record_lines("other")) == 500)
    assert sorted(map(int, m.record_lines("other"))) == list(range(500))
    producer.lpush("pre:async_task_queue", json.dumps(doc("record", "late", "x")))
    until(lambda: m.record_lines("late") == ["x"])
    assert producer.llen("pre:async_task_queue") == 0


def test_a_list_in_another_database_survives_the_scheduler_s_death(muster, redis_server):
    server = redis_server()
    m = muster({"broker": server.url(0), "queues": [{"name": LIST, "list": {"key": LIST, "db": 3}}],
                "pools": [{"name": "default", "workers": 2, "queues": {LIST: 1}}]})
    producer = server.client(3)
    for round_ in range(5):
        producer.lpush(LIST, *[json.dumps(doc("record", "kills", str(round_ * 400 + n))) for n in range(400)])
        m.another("scheduler", m.kill_role("scheduler"))
    until(lambda: len(m.record_lines("kills")) >= 2000, 30)
    assert sorted(map(int, m.record_lines("kills"))) == list(range(2000))


def test_the_broker_s_own_database_can_be_another_one(muster, redis_server):
    server = redis_server()
    m = muster({"broker": server.url(5)})
    server.client(5).lpush(LIST, json.dumps(doc("record", "five", "x")))
    until(lambda: m.record_lines("five") == ["x"])
    assert not server.client(0).keys("*")


def test_a_list_of_the_wrong_type_stops_nothing_else(muster):
    m = muster({**ONE, "queues": [{"name": "odd", "list": "odd"}],
                "pools": [{"name": "default", "workers": 1, "queues": {"odd": 1, "default": 1, LIST: 1}}]})
    m.redis.set("odd", "a string")
    for n in range(20):
        assert m.run("Demo", "add", n, 1)["result"] == n + 1
    m.lpush(doc("record", "list", "x"))
    until(lambda: m.record_lines("list") == ["x"])
    m.redis.delete("odd")
    m.lpush(doc("record", "odd", "x"), key="odd")
    until(lambda: m.record_lines("odd") == ["x"], 15)


def test_documents_of_a_megabyte_pass_and_larger_ones_are_dead(muster):
    m = muster(ONE)
    m.lpush(doc("noop", "x" * 900_000))
    assert m.only_list_task()["state"] == "succeeded"
    m.lpush(doc("noop", "x" * 3_000_000), doc("record", "after", "x"))
    until(lambda: m.record_lines("after") == ["x"])
    states = sorted(m.wait_task(id_)["state"] for id_ in m.list_tasks())
    assert states.count("succeeded") >= 2


def test_producers_with_a_plain_client_need_nothing_but_lpush(muster):
    m = muster(ONE)
    client = redis_py.Redis(unix_socket_path=str(m.state / "redis.sock"))
    for n in range(50):
        client.lpush("async_task_queue", json.dumps({"class": "Demo", "method": "record", "param": ["php", str(n)], "retry": 3}))
    until(lambda: len(m.record_lines("php")) == 50)
    assert m.metrics().value("muster_tasks_submitted_total", queue=LIST, source="list") == 50
